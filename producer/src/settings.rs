//! The gateway's settings: `[kafka]`, `[topic]`, `[http]`, `[publish]`, `[ready]`.
//!
//! Each key is also an environment variable, `GATELOG_GATEWAY_HTTP__LISTEN` for `http.listen`;
//! [`crate::environment_help`] lists them all.

use std::ops::RangeInclusive;
use std::time::Duration;

use ::settings::{Error, Kafka};
use serde::{Deserialize, Serialize};

/// librdkafka looks for messages that have timed out once a second, so a refusal may come this
/// much later than the timeout says (`rd_kafka_topic_scan_tmr_cb`).
const TIMEOUT_SCAN_MS: u64 = 1_000;

/// Everything that can be set.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// How to reach Kafka.
    pub kafka: Kafka,
    /// Which topics.
    pub topic: Topic,
    /// The HTTP side and its limits.
    pub http: Http,
    /// The Kafka side and its limits.
    pub publish: Publish,
    /// How readiness is found out.
    pub ready: Ready,
}

/// Topic names.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Topic {
    /// The log.
    pub swipes: String,
}

/// The HTTP side and its limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Http {
    /// `host:port` to listen on; port 0 takes a free one, see `--port-file`.
    pub listen: String,
    /// Connections open at once; more wait in the listener's backlog.
    pub connections_max: usize,
    /// Requests worked on at once; more are answered with 503.
    pub requests_in_flight_max: usize,
    /// Batches among them, which keeps room for live swipes; more are answered with 429.
    pub batches_in_flight_max: usize,
    /// Lines of one batch, empty ones included.
    pub batch_lines_max: usize,
    /// Bytes of one batch.
    pub batch_bytes_max: usize,
    /// How long a request's head may take, which is also how long a connection may be idle, in ms.
    pub header_timeout_ms: u64,
    /// How long a request's body may take, in ms.
    pub body_timeout_ms: u64,
    /// How long a request may take from its head to its answer, in ms.
    pub request_timeout_ms: u64,
    /// How long requests may go on after SIGTERM, in ms; what is left then is cut off.
    pub drain_timeout_ms: u64,
    /// What `Retry-After` says where trying again makes sense, in s.
    pub retry_after_s: u64,
}

/// The Kafka side and its limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Publish {
    /// How long a record waits for others to share its request, in ms.
    pub linger_ms: u64,
    /// How long a record may take until Kafka acknowledges it, retries included, in ms.
    pub message_timeout_ms: u64,
    /// How long after a live swipe somebody still waits at the door, in ms: what cannot be applied
    /// by then holds up its card no longer. Better the same as the consumers'
    /// `decision.live_window_ms`.
    pub live_ms: u64,
    /// Records that may wait for Kafka at once.
    pub queue_events_max: usize,
    /// KiB that they may have.
    pub queue_kib_max: usize,
    /// How long one batch may wait for room in that queue, in ms; a single swipe doesn't wait.
    pub queue_timeout_ms: u64,
}

/// How readiness is found out: Kafka is asked for the topic's metadata.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ready {
    /// Time between two questions, in ms.
    pub check_interval_ms: u64,
    /// How long an answer may take, in ms.
    pub check_timeout_ms: u64,
}

impl Default for Topic {
    fn default() -> Self {
        Self { swipes: "gatelog.swipes.v1".to_owned() }
    }
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8080".to_owned(),
            connections_max: 4_096,
            requests_in_flight_max: 1_024,
            batches_in_flight_max: 4,
            batch_lines_max: 10_000,
            batch_bytes_max: 8 * 1024 * 1024,
            header_timeout_ms: 60_000,
            body_timeout_ms: 5_000,
            request_timeout_ms: 15_000,
            drain_timeout_ms: 20_000,
            retry_after_s: 2,
        }
    }
}

impl Default for Publish {
    fn default() -> Self {
        Self {
            linger_ms: 2,
            message_timeout_ms: 5_000,
            live_ms: 5_000,
            queue_events_max: 100_000,
            queue_kib_max: 128 * 1024,
            queue_timeout_ms: 1_000,
        }
    }
}

impl Default for Ready {
    fn default() -> Self {
        Self { check_interval_ms: 2_000, check_timeout_ms: 2_000 }
    }
}

impl ::settings::Settings for Settings {
    const ENV_PREFIX: &'static str = "GATELOG_GATEWAY_";

    fn check(&self) -> Result<(), Error> {
        self.kafka.check()?;
        self.topic.check()?;
        self.http.check()?;
        self.publish.check()?;
        in_range("ready.check_interval_ms", self.ready.check_interval_ms, 100..=600_000)?;
        in_range("ready.check_timeout_ms", self.ready.check_timeout_ms, 100..=60_000)?;
        self.check_together()
    }
}

impl Settings {
    fn check_together(&self) -> Result<(), Error> {
        let (http, publish) = (&self.http, &self.publish);
        let longest_ms = http.body_timeout_ms
            + publish.queue_timeout_ms
            + publish.message_timeout_ms
            + TIMEOUT_SCAN_MS;
        if http.request_timeout_ms <= longest_ms {
            return Err(Error::value(
                "http.request_timeout_ms",
                format!(
                    "must be more than {longest_ms}: http.body_timeout_ms + \
                     publish.queue_timeout_ms + publish.message_timeout_ms + {TIMEOUT_SCAN_MS}, \
                     or a swipe is answered before Kafka's answer is known"
                ),
            ));
        }
        if publish.linger_ms >= publish.message_timeout_ms {
            let problem = "must be less than publish.message_timeout_ms";
            return Err(Error::value("publish.linger_ms", problem));
        }
        if http.batches_in_flight_max > http.requests_in_flight_max {
            let problem = "may be http.requests_in_flight_max at most";
            return Err(Error::value("http.batches_in_flight_max", problem));
        }
        let from_batches = http.batches_in_flight_max * http.batch_lines_max;
        if publish.queue_events_max < 2 * from_batches {
            return Err(Error::value(
                "publish.queue_events_max",
                format!(
                    "must be {} at least: twice http.batches_in_flight_max × \
                     http.batch_lines_max, so that half of it is left to live swipes",
                    2 * from_batches
                ),
            ));
        }
        Ok(())
    }
}

impl Topic {
    fn check(&self) -> Result<(), Error> {
        let legal = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
        if (1..=249).contains(&self.swipes.len()) && self.swipes.bytes().all(legal) {
            return Ok(());
        }
        let problem = "must be 1 to 249 of ASCII letters, digits, '.', '_' and '-'";
        Err(Error::value("topic.swipes", problem))
    }
}

impl Http {
    fn check(&self) -> Result<(), Error> {
        let port = self.listen.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(_))) {
            return Err(Error::value("http.listen", "must be host:port"));
        }
        for (key, value, range) in [
            ("http.connections_max", self.connections_max, 1..=1_000_000),
            ("http.requests_in_flight_max", self.requests_in_flight_max, 1..=1_000_000),
            ("http.batches_in_flight_max", self.batches_in_flight_max, 1..=1_000),
            ("http.batch_lines_max", self.batch_lines_max, 1..=1_000_000),
            ("http.batch_bytes_max", self.batch_bytes_max, 1_024..=256 * 1024 * 1024),
        ] {
            in_range(key, value as u64, range)?;
        }
        for (key, value, range) in [
            ("http.header_timeout_ms", self.header_timeout_ms, 100..=3_600_000),
            ("http.body_timeout_ms", self.body_timeout_ms, 100..=600_000),
            ("http.request_timeout_ms", self.request_timeout_ms, 100..=3_600_000),
            ("http.drain_timeout_ms", self.drain_timeout_ms, 0..=3_600_000),
            ("http.retry_after_s", self.retry_after_s, 1..=3_600),
        ] {
            in_range(key, value, range)?;
        }
        Ok(())
    }

    /// [`Self::header_timeout_ms`].
    pub const fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }

    /// [`Self::body_timeout_ms`].
    pub const fn body_timeout(&self) -> Duration {
        Duration::from_millis(self.body_timeout_ms)
    }

    /// [`Self::request_timeout_ms`].
    pub const fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    /// [`Self::drain_timeout_ms`].
    pub const fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}

impl Publish {
    fn check(&self) -> Result<(), Error> {
        in_range("publish.linger_ms", self.linger_ms, 0..=1_000)?;
        in_range("publish.message_timeout_ms", self.message_timeout_ms, 100..=300_000)?;
        in_range("publish.live_ms", self.live_ms, 100..=3_600_000)?;
        in_range("publish.queue_events_max", self.queue_events_max as u64, 1..=10_000_000)?;
        in_range("publish.queue_kib_max", self.queue_kib_max as u64, 64..=2_097_151)?;
        in_range("publish.queue_timeout_ms", self.queue_timeout_ms, 0..=60_000)
    }
}

fn in_range(key: &str, value: u64, range: RangeInclusive<u64>) -> Result<(), Error> {
    if range.contains(&value) {
        return Ok(());
    }
    let problem = format!("must lie between {} and {}", range.start(), range.end());
    Err(Error::value(key, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_env(pairs: &[(&str, &str)]) -> Result<Settings, Error> {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (format!("GATELOG_GATEWAY_{name}"), (*value).to_owned()));
        ::settings::load_from(None, pairs)
    }

    #[test]
    fn defaults_are_valid_and_can_be_read_back() {
        let defaults = from_env(&[]).unwrap();
        let text = ::settings::print(&defaults).unwrap();
        toml::from_str::<Settings>(&text).unwrap();
    }

    #[test]
    fn what_is_wrong_is_named_by_its_key() {
        for (name, value, key) in [
            ("HTTP__LISTEN", "8080", "http.listen"),
            ("HTTP__LISTEN", "localhost:http", "http.listen"),
            ("HTTP__LISTN", "127.0.0.1:1", "http.listn"),
            ("HTTP__CONNECTIONS_MAX", "0", "http.connections_max"),
            ("HTTP__RETRY_AFTER_S", "soon", "http.retry_after_s"),
            ("TOPIC__SWIPES", "a b", "topic.swipes"),
            ("TOPIC__SWIPES", "", "topic.swipes"),
            ("PUBLISH__MESSAGE_TIMEOUT_MS", "99", "publish.message_timeout_ms"),
            ("READY__CHECK_TIMEOUT_MS", "0", "ready.check_timeout_ms"),
        ] {
            let error = from_env(&[(name, value)]).unwrap_err().to_string();
            assert!(error.contains(key), "{name}={value}: {error}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        for (pairs, key) in [
            (&[("HTTP__REQUEST_TIMEOUT_MS", "5000")][..], "http.request_timeout_ms"),
            (&[("PUBLISH__MESSAGE_TIMEOUT_MS", "60000")], "http.request_timeout_ms"),
            (
                &[("PUBLISH__MESSAGE_TIMEOUT_MS", "500"), ("PUBLISH__LINGER_MS", "500")],
                "publish.linger_ms",
            ),
            (&[("HTTP__REQUESTS_IN_FLIGHT_MAX", "3")], "http.batches_in_flight_max"),
            (&[("PUBLISH__QUEUE_EVENTS_MAX", "79999")], "publish.queue_events_max"),
        ] {
            let error = from_env(pairs).unwrap_err().to_string();
            assert!(error.contains(key), "{pairs:?}: {error}");
        }
    }
}
