use std::fmt::Write;

use crate::Settings;

/// Every environment variable with its default, one a line, for `--help`.
pub fn environment_help() -> String {
    let prefix = <Settings as settings::Settings>::ENV_PREFIX;
    let mut text = String::from(
        "Environment variables (they override the file; defaults shown):\n  \
         GATELOG_KAFKA=127.0.0.1:9092\n  GATELOG_LOG=info\n",
    );
    let defaults = toml::Table::try_from(Settings::default()).unwrap_or_default();
    for (section, keys) in &defaults {
        for (key, value) in keys.as_table().into_iter().flatten() {
            let name = format!("{section}__{key}").to_uppercase();
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            // Writing to a String does not fail.
            let _ = writeln!(text, "  {prefix}{name}={value}");
        }
    }
    for key in ["sasl_mechanism", "sasl_username", "sasl_password"].into_iter().chain([
        "ssl_ca_file",
        "ssl_certificate_file",
        "ssl_key_file",
    ]) {
        let _ = writeln!(text, "  {prefix}KAFKA__{}", key.to_uppercase());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_key() {
        let help = environment_help();
        for line in [
            "GATELOG_GATEWAY_HTTP__LISTEN=127.0.0.1:8080\n",
            "GATELOG_GATEWAY_PUBLISH__LINGER_MS=2\n",
            "GATELOG_GATEWAY_KAFKA__SASL_PASSWORD\n",
        ] {
            assert!(help.contains(line), "{help}");
        }
        assert_eq!(help.matches("SASL_PASSWORD").count(), 1, "{help}");
    }
}
