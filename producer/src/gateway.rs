use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

use crate::problem::{Kind, Problem};
use crate::quiet::Quiet;
use crate::{Error, Http, Metrics, Publisher, Settings};

/// What every request shares: the way to Kafka and the limits.
pub struct Gateway {
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) http: Http,
    /// How long one batch may wait for room in the queue, in ms.
    pub(crate) queue_timeout_ms: u64,
    /// How long after a live swipe somebody waits at the door, in ms.
    pub(crate) live_ms: u64,
    requests: Semaphore,
    batches: Semaphore,
    complaints: Quiet,
}

impl Gateway {
    /// A gateway with the limits of `settings`.
    pub fn new(settings: &Settings, publisher: Arc<Publisher>, metrics: Arc<Metrics>) -> Self {
        Self {
            publisher,
            metrics,
            http: settings.http.clone(),
            queue_timeout_ms: settings.publish.queue_timeout_ms,
            live_ms: settings.publish.live_ms,
            requests: Semaphore::new(settings.http.requests_in_flight_max),
            batches: Semaphore::new(settings.http.batches_in_flight_max),
            complaints: Quiet::default(),
        }
    }

    /// Does `work` if there is room for one more request, and for as long as a request may take.
    pub(crate) async fn within_limits(
        &self,
        work: impl Future<Output = Result<Response, Problem>>,
    ) -> Result<Response, Problem> {
        let Ok(_permit) = self.requests.try_acquire() else {
            let detail = format!(
                "{} requests are being worked on, which is the limit",
                self.http.requests_in_flight_max
            );
            return Err(Problem::new(Kind::TooBusy, detail));
        };
        let _counted = self.metrics.request_in_flight();
        match tokio::time::timeout(self.http.request_timeout(), work).await {
            Ok(outcome) => outcome,
            // Body and queue have shorter limits: what is late is Kafka's answer.
            Err(_) => Err(Problem::new(
                Kind::LogUnavailable,
                format!(
                    "not acknowledged within {} ms: it may be in the log all the same; sending \
                     it again is harmless",
                    self.http.request_timeout_ms
                ),
            )),
        }
    }

    /// Room for one more batch.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn admit_batch(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.batches.try_acquire().map_err(|_| {
            let detail = format!(
                "{} batches are being worked on, which is the limit",
                self.http.batches_in_flight_max
            );
            Problem::new(Kind::TooManyBatches, detail)
        })
    }

    /// The answer that refuses a request.
    pub(crate) fn refuse(&self, problem: Problem) -> Response {
        let (kind, event_id) = (problem.kind, problem.event_id);
        let mut response = problem.into_response();
        let headers = response.headers_mut();
        if kind.is_passing() {
            headers.insert(header::RETRY_AFTER, self.http.retry_after_s.into());
        }
        if let Some(event_id) = event_id {
            headers.insert(schemas::headers::HTTP_KEY_IETF, key_value(event_id));
        }
        response
    }

    /// Logs that an event was not acknowledged, at most one line a second.
    pub(crate) fn complain(
        &self,
        terminal_id: &str,
        event_id: Uuid,
        trace_id: &str,
        error: &Error,
    ) {
        if let Some(more) = self.complaints.allow(std::time::Instant::now()) {
            tracing::warn!(terminal_id, %event_id, trace_id, %error, more, "not logged");
        }
    }
}

/// An idempotency key as the value of a header.
pub(crate) fn key_value(event_id: Uuid) -> HeaderValue {
    let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
    let text: &str = event_id.as_hyphenated().encode_lower(&mut text);
    // Hex digits and hyphens are legal in a header.
    HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}
