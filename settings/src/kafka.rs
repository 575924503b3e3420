use std::path::PathBuf;

use rdkafka::ClientConfig;
use serde::{Deserialize, Serialize};

use crate::{Error, Secret};

/// How to reach Kafka.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Kafka {
    /// Bootstrap servers, `host:port`, separated by commas.
    pub brokers: String,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub security_protocol: SecurityProtocol,
    /// `SCRAM-SHA-256`, `SCRAM-SHA-512` or `PLAIN`; only with a SASL protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl_mechanism: Option<SaslMechanism>,
    /// SASL user.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sasl_username: Option<String>,
    /// SASL password.
    #[serde(skip_serializing_if = "Secret::is_empty")]
    pub sasl_password: Secret,
    /// PEM file of the authorities to trust; the system's where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_ca_file: Option<PathBuf>,
    /// PEM file of our certificate (mTLS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_certificate_file: Option<PathBuf>,
    /// PEM file of our key (mTLS).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssl_key_file: Option<PathBuf>,
}

/// What the connection is wrapped in, by Kafka's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SecurityProtocol {
    /// Nothing.
    Plaintext,
    /// TLS.
    Ssl,
    /// SASL without TLS.
    SaslPlaintext,
    /// SASL in TLS.
    SaslSsl,
}

/// How SASL proves who we are, by Kafka's own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SaslMechanism {
    /// Salted challenge with SHA-256.
    #[serde(rename = "SCRAM-SHA-256")]
    ScramSha256,
    /// Salted challenge with SHA-512.
    #[serde(rename = "SCRAM-SHA-512")]
    ScramSha512,
    /// The password itself; only sensible inside TLS.
    #[serde(rename = "PLAIN")]
    Plain,
}

impl Default for Kafka {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:9092".to_owned(),
            security_protocol: SecurityProtocol::Plaintext,
            sasl_mechanism: None,
            sasl_username: None,
            sasl_password: Secret::default(),
            ssl_ca_file: None,
            ssl_certificate_file: None,
            ssl_key_file: None,
        }
    }
}

impl SecurityProtocol {
    const fn has_sasl(self) -> bool {
        matches!(self, Self::SaslPlaintext | Self::SaslSsl)
    }

    const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::SaslSsl)
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::Plaintext => "plaintext",
            Self::Ssl => "ssl",
            Self::SaslPlaintext => "sasl_plaintext",
            Self::SaslSsl => "sasl_ssl",
        }
    }
}

impl SaslMechanism {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
            Self::Plain => "PLAIN",
        }
    }
}

impl Kafka {
    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`Error::Value`] with the key's path.
    pub fn check(&self) -> Result<(), Error> {
        if self.brokers.split(',').any(|broker| broker.trim().rsplit_once(':').is_none()) {
            return Err(Error::value("kafka.brokers", "must be host:port, separated by commas"));
        }
        match (self.security_protocol.has_sasl(), self.sasl_mechanism) {
            (true, None) => {
                return Err(Error::value("kafka.sasl_mechanism", "is needed with a SASL protocol"));
            }
            (false, Some(_)) => {
                let problem = "contradicts kafka.security_protocol, which has no SASL";
                return Err(Error::value("kafka.sasl_mechanism", problem));
            }
            (true, Some(_)) if self.sasl_username.is_none() => {
                return Err(Error::value("kafka.sasl_username", "is needed with a SASL protocol"));
            }
            _ => {}
        }
        // What would be ignored would be missed: refused by name.
        let (tls, sasl) = (self.security_protocol.has_tls(), self.security_protocol.has_sasl());
        for (key, set, used) in [
            ("kafka.sasl_username", self.sasl_username.is_some(), sasl),
            ("kafka.sasl_password", !self.sasl_password.is_empty(), sasl),
            ("kafka.ssl_ca_file", self.ssl_ca_file.is_some(), tls),
            ("kafka.ssl_certificate_file", self.ssl_certificate_file.is_some(), tls),
            ("kafka.ssl_key_file", self.ssl_key_file.is_some(), tls),
        ] {
            if set && !used {
                let problem = "contradicts kafka.security_protocol, which makes no use of it";
                return Err(Error::value(key, problem));
            }
        }
        if self.ssl_certificate_file.is_some() != self.ssl_key_file.is_some() {
            let problem = "kafka.ssl_certificate_file and kafka.ssl_key_file come together";
            return Err(Error::value("kafka.ssl_key_file", problem));
        }
        Ok(())
    }

    /// A client configuration that connects as these settings say, and nothing else set.
    pub fn client_config(&self, client_id: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", client_id)
            .set("security.protocol", self.security_protocol.as_str())
            // Without it a small produce waits for the acknowledgement of the segment before.
            .set("socket.nagle.disable", "true")
            // A connection on which nothing comes back (a firewall that forgot it) is given up
            // after this; librdkafka's own minute is too long for whoever waits at a door.
            .set("socket.timeout.ms", "10000")
            // Somebody waits: a broker that is back should be found within a second, not ten.
            .set("reconnect.backoff.max.ms", "1000");
        if let Some(mechanism) = self.sasl_mechanism {
            config
                .set("sasl.mechanisms", mechanism.as_str())
                .set("sasl.username", self.sasl_username.as_deref().unwrap_or_default())
                .set("sasl.password", self.sasl_password.expose());
        }
        for (key, file) in [
            ("ssl.ca.location", &self.ssl_ca_file),
            ("ssl.certificate.location", &self.ssl_certificate_file),
            ("ssl.key.location", &self.ssl_key_file),
        ] {
            if let Some(file) = file {
                config.set(key, file.to_string_lossy());
            }
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::BaseConsumer;
    use rdkafka::producer::BaseProducer;

    use super::*;

    /// TLS, SCRAM and the compressions are part of the binary: librdkafka refuses what it lacks.
    #[test]
    fn what_is_offered_is_compiled_in() {
        for mechanism in
            [SaslMechanism::ScramSha256, SaslMechanism::ScramSha512, SaslMechanism::Plain]
        {
            let kafka = Kafka {
                security_protocol: SecurityProtocol::SaslSsl,
                sasl_mechanism: Some(mechanism),
                sasl_username: Some("me".to_owned()),
                sasl_password: Secret::new("secret"),
                ..Kafka::default()
            };
            kafka.check().unwrap();
            let mut config = kafka.client_config("test");
            config.set("group.id", "test").create::<BaseConsumer>().unwrap();
        }
        for codec in ["lz4", "zstd", "gzip", "snappy"] {
            let mut config = Kafka::default().client_config("test");
            config.set("compression.codec", codec).create::<BaseProducer>().unwrap();
        }
    }
}
