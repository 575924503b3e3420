use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{Histogram, HistogramOpts, IntCounterVec, IntGauge, Opts, Registry};

use crate::Error;
use crate::problem::Kind;

const PREFIX: &str = "gatelog_gateway_";

/// From half a millisecond (a local broker) to the message timeout.
const ACKNOWLEDGEMENT_S: &[f64] =
    &[0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0];
const LINES: &[f64] = &[1.0, 10.0, 100.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];

/// A struct of metrics whose doc comments are the help texts.
macro_rules! metrics {
    ($(#[$attribute:meta])* pub struct $name:ident {
        $($(#[doc = $help:literal])+ $field:ident: $kind:ident $(($argument:expr))?,)*
    }) => {
        $(#[$attribute])*
        pub struct $name {
            registry: Registry,
            $($(#[doc = $help])+ $field: $kind,)*
        }

        impl $name {
            fn register() -> prometheus::Result<Self> {
                let registry = Registry::new();
                $(
                    let name = concat!(stringify!($field));
                    let $field = $kind::make(name, concat!($($help),+).trim(), ($($argument)?))?;
                    registry.register(Box::new($field.clone()))?;
                )*
                Ok(Self { registry, $($field),* })
            }
        }
    };
}

metrics! {
    /// What the gateway counts, under the prefix `gatelog_gateway_`.
    #[derive(Debug, Clone)]
    pub struct Metrics {
        /// Swipes, of batches too, by outcome: logged, refused (the sender's to change) or
        /// unavailable (to be sent again); the reason is the problem's type.
        swipes_total: IntCounterVec(&["outcome", "reason"]),
        /// Batches by outcome: worked (each line has its own) or refused as a whole.
        batches_total: IntCounterVec(&["outcome", "reason"]),
        /// Lines of a batch.
        batch_lines: Histogram(LINES),
        /// Seconds from a swipe's queueing to Kafka's acknowledgement.
        acknowledgement_seconds: Histogram(ACKNOWLEDGEMENT_S),
        /// Requests that are being worked on.
        requests_in_flight: IntGauge,
        /// Connections that are open.
        connections: IntGauge,
        /// 1 while Kafka answers for the topic, else 0.
        ready: IntGauge,
    }
}

impl Metrics {
    /// All of them at 0, in a registry of their own.
    ///
    /// # Errors
    /// [`Error::Metrics`]: two have one name.
    pub fn new() -> Result<Self, Error> {
        let metrics = Self::register().map_err(Error::Metrics)?;
        // A series that appears with its first increment has no rate at that moment.
        metrics.swipes_total.with_label_values(&["logged", "none"]);
        metrics.batches_total.with_label_values(&["worked", "none"]);
        for kind in Kind::ALL {
            metrics.swipes_total.with_label_values(&[outcome(kind), kind.name()]);
        }
        Ok(metrics)
    }

    /// What `/metrics` shows.
    pub fn registry(&self) -> Registry {
        self.registry.clone()
    }

    /// Kafka has acknowledged a swipe, that long after it was queued.
    pub fn logged(&self, after: Duration) {
        self.swipes_total.with_label_values(&["logged", "none"]).inc();
        self.acknowledgement_seconds.observe(after.as_secs_f64());
    }

    /// A swipe was not logged.
    pub fn not_logged(&self, kind: Kind) {
        self.swipes_total.with_label_values(&[outcome(kind), kind.name()]).inc();
    }

    /// A batch was worked through.
    pub fn batch(&self, lines: usize) {
        self.batches_total.with_label_values(&["worked", "none"]).inc();
        self.batch_lines.observe(lines as f64);
    }

    /// A batch was refused as a whole.
    pub fn batch_refused(&self, kind: Kind) {
        self.batches_total.with_label_values(&[outcome(kind), kind.name()]).inc();
    }

    /// A request is being worked on, until the guard is dropped.
    pub fn request_in_flight(&self) -> Counted {
        Counted::new(&self.requests_in_flight)
    }

    /// A connection is open, until the guard is dropped.
    pub fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    /// Whether Kafka answers for the topic.
    pub fn set_ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }
}

/// Counts something that is there, until it is dropped.
#[derive(Debug)]
pub struct Counted(IntGauge);

impl Counted {
    fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

const fn outcome(kind: Kind) -> &'static str {
    match kind {
        Kind::LogUnavailable => "unavailable",
        _ => "refused",
    }
}

/// Makes one metric; `A` is what its kind needs besides name and help.
trait Make<A>: Collector + Sized {
    fn make(name: &str, help: &str, argument: A) -> prometheus::Result<Self>;
}

impl Make<()> for IntGauge {
    fn make(name: &str, help: &str, (): ()) -> prometheus::Result<Self> {
        Self::with_opts(Opts::new(format!("{PREFIX}{name}"), help))
    }
}

impl<const N: usize> Make<&[&str; N]> for IntCounterVec {
    fn make(name: &str, help: &str, labels: &[&str; N]) -> prometheus::Result<Self> {
        Self::new(Opts::new(format!("{PREFIX}{name}"), help), labels)
    }
}

impl Make<&[f64]> for Histogram {
    fn make(name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Self> {
        let options = HistogramOpts::new(format!("{PREFIX}{name}"), help);
        Self::with_opts(options.buckets(buckets.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Encoder, TextEncoder};

    use super::*;

    #[test]
    fn help_texts_are_the_doc_comments_and_outcomes_are_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.logged(Duration::from_millis(3));
        metrics.not_logged(Kind::MalformedKey);
        metrics.not_logged(Kind::LogUnavailable);
        let in_flight = metrics.request_in_flight();
        let mut text = Vec::new();
        TextEncoder::new().encode(&metrics.registry().gather(), &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        drop(in_flight);
        for line in [
            "# HELP gatelog_gateway_requests_in_flight Requests that are being worked on.\n",
            "gatelog_gateway_swipes_total{outcome=\"logged\",reason=\"none\"} 1\n",
            "gatelog_gateway_swipes_total{outcome=\"refused\",reason=\"malformed-key\"} 1\n",
            "gatelog_gateway_swipes_total{outcome=\"unavailable\",reason=\"log-unavailable\"} 1\n",
            "gatelog_gateway_acknowledgement_seconds_bucket{le=\"0.005\"} 1\n",
            "gatelog_gateway_requests_in_flight 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
        assert_eq!(metrics.requests_in_flight.get(), 0);
    }
}
