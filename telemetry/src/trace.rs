//! W3C Trace Context across HTTP and Kafka.

use std::collections::HashMap;

use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator};

const TRACEPARENT: &str = "traceparent";

/// A position in a trace: which trace, and which span of it the next one is a child of.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace(SpanContext);

impl Trace {
    /// Goes on with the trace of a `traceparent` header, as a new span of it; where there is none,
    /// or one that W3C Trace Context calls invalid, starts a trace that is sampled.
    pub fn continue_or_start(traceparent: Option<&str>) -> Self {
        let parent = traceparent.and_then(parse);
        let ids = RandomIdGenerator::default();
        let (trace_id, flags) = match &parent {
            Some(parent) => (parent.trace_id(), parent.trace_flags()),
            None => (ids.new_trace_id(), TraceFlags::SAMPLED),
        };
        Self(SpanContext::new(trace_id, ids.new_span_id(), flags, false, TraceState::default()))
    }

    /// The trace's id: what a log line names.
    pub fn trace_id(&self) -> TraceId {
        self.0.trace_id()
    }

    /// This span's id.
    pub fn span_id(&self) -> SpanId {
        self.0.span_id()
    }

    /// The header that the next hop gets.
    pub fn traceparent(&self) -> String {
        let mut carrier = HashMap::new();
        let context = opentelemetry::Context::new().with_remote_span_context(self.0.clone());
        TraceContextPropagator::new().inject_context(&context, &mut carrier);
        carrier.remove(TRACEPARENT).unwrap_or_default()
    }
}

/// Whether W3C Trace Context calls this header valid.
pub fn is_valid(traceparent: &str) -> bool {
    parse(traceparent).is_some()
}

/// The id of the trace that a `traceparent` header names; none where it is not valid.
pub fn trace_id_of(traceparent: &str) -> Option<TraceId> {
    parse(traceparent).map(|span| span.trace_id())
}

fn parse(traceparent: &str) -> Option<SpanContext> {
    let carrier = HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]);
    let context = TraceContextPropagator::new()
        .extract_with_context(&opentelemetry::Context::new(), &carrier);
    let span = context.span().span_context().clone();
    span.is_valid().then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_trace_goes_on_with_a_new_span() {
        let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace = Trace::continue_or_start(Some(header));
        let sent = trace.traceparent();
        assert!(sent.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{sent}");
        assert!(sent.ends_with("-01") && !sent.contains("00f067aa0ba902b7"), "{sent}");
    }

    #[test]
    fn nonsense_starts_a_new_trace() {
        for header in
            [None, Some("x"), Some("00-00000000000000000000000000000000-00f067aa0ba902b7-01")]
        {
            let sent = Trace::continue_or_start(header).traceparent();
            assert_eq!(sent.len(), 55, "{sent}");
            assert!(!header.is_some_and(is_valid) && is_valid(&sent), "{header:?}");
        }
    }
}
