//! The command's settings: `[kafka]`, `[postgres]`, `[topic]`, `[gateway]`, `[metrics]`.
//!
//! Each key is also an environment variable, `GATELOG_OPS_TOPIC__PARTITIONS` for
//! `topic.partitions`.

use std::path::PathBuf;

use ::settings::{Error, Kafka, Postgres};
use resilience::Backoff;
use serde::{Deserialize, Serialize};

/// Everything that can be set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How to reach Kafka.
    pub kafka: Kafka,
    /// How to reach Postgres.
    pub postgres: Postgres,
    /// The topics that `setup` makes.
    pub topic: Topic,
    /// The gateway that `import` uploads to.
    pub gateway: Gateway,
    /// What `access` leaves for who watches.
    pub metrics: Metrics,
}

/// The topics that `setup` makes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topic {
    /// The log.
    pub swipes: String,
    /// Live decisions and door commands.
    pub decisions: String,
    /// Dead letters.
    pub dlq: String,
    /// Partitions of each; never changed once a topic is there.
    pub partitions: u16,
    /// Copies of each partition; 0 for the broker's own default.
    pub replication_factor: u16,
    /// Copies that must have an event before it counts as logged; 0 for the broker's own default.
    pub min_insync_replicas: u16,
}

/// The gateway that `import` uploads to.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gateway {
    /// Where it listens.
    pub url: String,
    /// Requests in a row that may fail before an upload gives up.
    pub tries_max: u32,
    /// How long to wait between them.
    pub backoff: Backoff,
}

/// What `access` leaves for who watches.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Metrics {
    /// The file that its metrics are added to, for node_exporter's textfile collector, which reads
    /// names in `.prom`; none is written where it is absent.
    pub file: Option<PathBuf>,
}

impl Default for Topic {
    fn default() -> Self {
        Self {
            swipes: "gatelog.swipes.v1".to_owned(),
            decisions: "gatelog.decisions.v1".to_owned(),
            dlq: "gatelog.swipes.dlq.v1".to_owned(),
            partitions: 48,
            replication_factor: 0,
            min_insync_replicas: 0,
        }
    }
}

impl Default for Gateway {
    fn default() -> Self {
        Self {
            url: "http://127.0.0.1:8080".to_owned(),
            tries_max: 12,
            backoff: Backoff { base_ms: 200, cap_ms: 10_000 },
        }
    }
}

impl ::settings::Settings for Settings {
    const ENV_PREFIX: &'static str = "GATELOG_OPS_";

    fn check(&self) -> Result<(), Error> {
        self.kafka.check()?;
        self.postgres.check()?;
        self.topic.check()?;
        self.gateway.check()
    }
}

impl Topic {
    fn check(&self) -> Result<(), Error> {
        for (key, name) in [
            ("topic.swipes", &self.swipes),
            ("topic.decisions", &self.decisions),
            ("topic.dlq", &self.dlq),
        ] {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
            if !(1..=249).contains(&name.len()) || !name.bytes().all(legal) {
                let problem = "must be 1 to 249 of ASCII letters, digits, '.', '_' and '-'";
                return Err(Error::value(key, problem));
            }
        }
        if self.swipes == self.decisions || self.swipes == self.dlq || self.decisions == self.dlq {
            return Err(Error::value("topic", "its three topics must differ"));
        }
        if !(1..=4_096).contains(&self.partitions) {
            let problem = "must lie between 1 and 4096";
            return Err(Error::value("topic.partitions", problem));
        }
        if self.replication_factor > 0 && self.min_insync_replicas > self.replication_factor {
            let problem = "may be topic.replication_factor at most, or nothing can be logged";
            return Err(Error::value("topic.min_insync_replicas", problem));
        }
        Ok(())
    }
}

impl Gateway {
    fn check(&self) -> Result<(), Error> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            let problem = "must start with http:// or https://";
            return Err(Error::value("gateway.url", problem));
        }
        if !(1..=1_000).contains(&self.tries_max) {
            let problem = "must lie between 1 and 1000";
            return Err(Error::value("gateway.tries_max", problem));
        }
        if !(1..=3_600_000).contains(&self.backoff.cap_ms) {
            let problem = "must lie between 1 and 3600000";
            return Err(Error::value("gateway.backoff.cap_ms", problem));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use ::settings::{load_from, print};

    use super::*;

    fn with(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        let pairs = pairs.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        load_from(None, pairs)
    }

    #[test]
    fn defaults_are_valid_and_can_be_printed() {
        let settings = with(&[("GATELOG_OPS_TOPIC__PARTITIONS", "12")]).unwrap();
        assert_eq!(settings.topic.partitions, 12);
        assert!(print(&settings).unwrap().contains("partitions = 12"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (name, value, key) in [
            ("TOPIC__PARTITIONS", "0", "topic.partitions"),
            ("TOPIC__SWIPES", "a b", "topic.swipes"),
            ("TOPIC__DLQ", "gatelog.swipes.v1", "topic"),
            ("GATEWAY__URL", "localhost", "gateway.url"),
            ("GATEWAY__BACKOFF__CAP_MS", "0", "gateway.backoff.cap_ms"),
        ] {
            let name = format!("GATELOG_OPS_{name}");
            let error = with(&[(&name, value)]).unwrap_err().to_string();
            assert!(error.contains(&format!("{key}:")), "{name}={value}: {error}");
        }
    }
}
