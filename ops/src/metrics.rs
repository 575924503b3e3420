//! What a command has to say to whoever watches the whole. It ends before anybody could ask it, so it
//! leaves a file, which counts on from run to run.

use std::path::Path;

use prometheus::Registry;
use prometheus::proto::{Metric, MetricType};
use registry::edit::Tally;
use serde_json::{Map, Value, json};
use telemetry::optimistic_lock::{FailureReason, OptimisticLock};
use telemetry::textfile;

use crate::{Error, output};

/// The metrics of one command.
pub(crate) struct Metrics {
    registry: Registry,
    optimistic_lock: OptimisticLock,
}

impl Metrics {
    /// Nothing has happened yet.
    pub(crate) fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let optimistic_lock = OptimisticLock::register(&registry)
            .map_err(|error| Error::Other(format!("metrics: {error}")))?;
        Ok(Self { registry, optimistic_lock })
    }

    /// What the versioned updates of an edit came to, whether it was made or given up.
    pub(crate) fn edited(&self, operation: &'static str, tally: Tally) {
        let reason = FailureReason::VersionMismatch;
        self.optimistic_lock.expect(operation, reason);
        (0..tally.failures).for_each(|_| self.optimistic_lock.failed(operation, reason));
        self.optimistic_lock.done(operation, tally.retries);
    }

    /// All of it by name, for programs: what each set of labels came to in this run.
    pub(crate) fn values(&self) -> Value {
        let families = self.registry.gather();
        let values = families.iter().map(|family| {
            let of_kind = |metric| value(family.get_field_type(), metric);
            (family.name().to_owned(), family.get_metric().iter().map(of_kind).collect())
        });
        Value::Object(values.collect())
    }

    /// Adds it to the file, if there is to be one. The command has done its work by now: what goes
    /// wrong here is said, and changes nothing about that.
    pub(crate) fn leave(&self, file: Option<&Path>) {
        let Some(file) = file else { return };
        if let Err(error) = textfile::add(file, &self.registry) {
            output::note(&format!("metrics were not written to {}: {error}", file.display()));
        }
    }
}

fn value(kind: MetricType, metric: &Metric) -> Value {
    let labels = metric.get_label().iter();
    let mut fields: Map<String, Value> =
        labels.map(|label| (label.name().to_owned(), json!(label.value()))).collect();
    match kind {
        MetricType::COUNTER => {
            fields.insert("value".to_owned(), json!(metric.get_counter().get_value() as u64));
        }
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            fields.insert("count".to_owned(), json!(histogram.get_sample_count()));
            fields.insert("sum".to_owned(), json!(histogram.get_sample_sum()));
        }
        _ => {
            fields.insert("value".to_owned(), json!(metric.get_gauge().get_value()));
        }
    }
    Value::Object(fields)
}
