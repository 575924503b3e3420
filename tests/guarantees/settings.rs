//! Bad settings are refused at start, by the key's path; `--print-config` hides secrets.

use std::process::{Command, Output};

use anyhow::Result;
use support::variable;

fn run(program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Output> {
    let path = std::path::PathBuf::from(variable("GATELOG_BIN_DIR")?).join(program);
    Ok(Command::new(path).args(arguments).envs(variables.iter().copied()).output()?)
}

#[test]
fn refused_by_name() -> Result<()> {
    for (program, name, value, key) in [
        ("gatelog-consumer", "GATELOG_CONSUMER_BATCH__ROWS_MAX", "none", "batch.rows_max"),
        ("gatelog-consumer", "GATELOG_CONSUMER_BATCH__ROW_MAX", "7", "batch.row_max"),
        ("gatelog-consumer", "GATELOG_POSTGRES", "mysql://db", "postgres.url"),
        ("gatelog-gateway", "GATELOG_GATEWAY_HTTP__LISTEN", "nowhere", "http.listen"),
        ("gatelog-gateway", "GATELOG_GATEWAY_HTP__LISTEN", "127.0.0.1:0", "htp"),
        (
            "gatelog-gateway",
            "GATELOG_GATEWAY_HTTP__REQUEST_TIMEOUT_MS",
            "1000",
            "http.request_timeout_ms",
        ),
        ("gatelog", "GATELOG_OPS_TOPIC__PARTITIONS", "0", "topic.partitions"),
    ] {
        let output = run(program, &["--print-config"], &[(name, value)])?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{program} with {name}={value}: {said}");
        assert!(said.contains(key), "{program} with {name}={value} must name {key}: {said}");
    }
    Ok(())
}

#[test]
fn a_file_is_checked_like_the_environment() -> Result<()> {
    let path = std::env::temp_dir().join(format!("gatelog-{}.toml", uuid::Uuid::new_v4()));
    std::fs::write(&path, "[batch]\nrows_max = 10\nrowsmax = 10\n")?;
    let output = run("gatelog-consumer", &["--config", &path.to_string_lossy()], &[])?;
    std::fs::remove_file(&path)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("rowsmax"), "{said}");
    Ok(())
}

#[test]
fn secrets_are_hidden_and_the_rest_is_shown() -> Result<()> {
    let secret = [("GATELOG_POSTGRES", "postgres://me:hunter2@db:5432/gatelog")];
    let output = run("gatelog-consumer", &["--print-config"], &secret)?;
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success());
    assert!(shown.contains("me:***@db:5432/gatelog") && !shown.contains("hunter2"), "{shown}");
    assert!(shown.contains("rows_max = 50000"), "{shown}");
    Ok(())
}

/// What docker-compose.yml sets is understood by the programs it sets it for.
#[test]
fn the_compose_file_names_settings_that_exist() -> Result<()> {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docker-compose.yml");
    let text = std::fs::read_to_string(file)?;
    let variables: Vec<(&str, &str)> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("GATELOG_").map(|_| line.trim()))
        .filter_map(|line| line.split_once(": "))
        .collect();
    assert!(variables.len() >= 4, "found only {variables:?}");
    for (program, address) in
        [("gatelog-gateway", "0.0.0.0:8080"), ("gatelog-consumer", "0.0.0.0:8081")]
    {
        let output = run(program, &["--print-config"], &variables)?;
        let shown = String::from_utf8_lossy(&output.stdout);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program}: {said}");
        assert!(shown.contains(address) && shown.contains("kafka:19092"), "{program}: {shown}");
    }
    Ok(())
}
