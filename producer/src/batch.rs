//! `POST /v1/swipes:batch`: the swipes of a terminal that was offline, one a line (NDJSON), each
//! with its own outcome.
//!
//! All lines are queued first, in their order, and their acknowledgements awaited together: a
//! batch costs about one round trip, and a card's swipes reach its partition in the lines' order.
//!
//! Where a line cannot be queued, no later line is tried: a card's later swipe would else stand in
//! the log before an earlier one that is sent again. The lines from there on are answered with
//! 503, to be sent again in their order. A line that is malformed holds nothing up: sending it
//! again would not help. Nor can it be helped that Kafka acknowledges a later line and not an
//! earlier one, once both are on their way.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use schemas::{EVENT_BYTES_MAX, Millis, Submission};
use tracing::{info, warn};
use uuid::Uuid;

use crate::lines::{Line, Outcome, Sum, answer};
use crate::problem::{Kind, Problem};
use crate::publish::Flight;
use crate::swipes::trace_of;
use crate::{Error, Event, Gateway, body, key};

/// Lines that are worked on before other tasks get their turn on the thread; about a millisecond.
const LINES_A_TURN: usize = 256;
/// How long to wait before looking again for room in the queue, in ms.
const QUEUE_WAIT_MS: u64 = 5;

pub(crate) async fn post(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    match gateway.within_limits(work(&gateway, request)).await {
        Ok(response) => response,
        Err(problem) => {
            gateway.metrics.batch_refused(problem.kind);
            gateway.refuse(problem)
        }
    }
}

async fn work(gateway: &Gateway, request: Request) -> Result<Response, Problem> {
    let _permit = gateway.admit_batch()?;
    let received_at = Millis::now();
    let (parts, body) = request.into_parts();
    body::check_type(&parts.headers, body::NDJSON)?;
    key::refuse(&parts.headers)?;
    let http = &gateway.http;
    let body = body::read(body, http.batch_bytes_max, http.body_timeout()).await?;
    check_lines(&body, http.batch_lines_max)?;

    let trace = trace_of(&parts.headers);
    let traceparent = trace.traceparent();
    let trace_id = trace.trace_id().to_string();
    let mut upload = Upload::new(gateway, received_at, &traceparent);
    for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if !line.trim_ascii().is_empty() {
            upload.take(index + 1, line).await;
        }
        if index % LINES_A_TURN == LINES_A_TURN - 1 {
            tokio::task::yield_now().await;
        }
    }
    let (lines, error) = upload.landed().await;
    let sum = Sum::of(&lines);
    gateway.metrics.batch(lines.len());
    report(&trace_id, sum, error.as_ref());
    answer(&lines, sum, http.retry_after_s)
}

/// One line a batch; of events that were not acknowledged, the first stands for all.
fn report(trace_id: &str, sum: Sum, error: Option<&Error>) {
    let Sum { logged, refused, unavailable } = sum;
    match error {
        None => info!(trace_id, logged, refused, unavailable, "batch"),
        Some(error) => warn!(trace_id, logged, refused, unavailable, %error, "batch"),
    }
}

/// Counts before anything is published, so that a batch is refused as a whole or not at all.
fn check_lines(body: &Bytes, lines_max: usize) -> Result<(), Problem> {
    let ends = body.iter().filter(|byte| **byte == b'\n').count();
    let has_open_end = body.last().is_some_and(|last| *last != b'\n');
    let lines = ends + usize::from(has_open_end);
    if lines > lines_max {
        let detail = format!("the batch has {lines} lines, may have {lines_max}");
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    if body.trim_ascii().is_empty() {
        let detail = "the batch must have at least one line with an event";
        return Err(Problem::new(Kind::EmptyBatch, detail));
    }
    Ok(())
}

/// A batch while it is queued.
struct Upload<'g> {
    gateway: &'g Gateway,
    received_at: Millis,
    traceparent: &'g str,
    flight: Flight<'g>,
    lines: Vec<Line>,
    waits_left: u64,
    /// The first line that could not be queued.
    stopped_at: Option<usize>,
    /// The first thing that went wrong between here and Kafka.
    error: Option<Error>,
}

impl<'g> Upload<'g> {
    fn new(gateway: &'g Gateway, received_at: Millis, traceparent: &'g str) -> Self {
        Self {
            gateway,
            received_at,
            traceparent,
            flight: gateway.publisher.flight(),
            lines: Vec::new(),
            waits_left: gateway.queue_timeout_ms / QUEUE_WAIT_MS,
            stopped_at: None,
            error: None,
        }
    }

    /// Takes one line that is not empty.
    async fn take(&mut self, number: usize, line: &[u8]) {
        let (event_id, outcome) = match read(line, self.received_at, self.traceparent) {
            Ok(event) => {
                let event = event.due_within(self.gateway.live_ms);
                let event_id = event.swipe().event_id;
                (Some(event_id), self.queue(number, &event).await)
            }
            Err(problem) => (None, Outcome::NotLogged(problem)),
        };
        self.lines.push(Line { number, event_id, outcome });
    }

    async fn queue(&mut self, number: usize, event: &Event<'_>) -> Outcome {
        let event_id = event.swipe().event_id;
        if let Some(first) = self.stopped_at {
            let mut problem = Problem::new(
                Kind::LogUnavailable,
                format!(
                    "not tried, because line {first} could not be queued: send the lines from \
                     there on again, in their order"
                ),
            );
            problem.event_id = Some(event_id);
            return Outcome::NotLogged(problem);
        }
        loop {
            let error = match self.flight.queue(self.lines.len(), event) {
                Ok(()) => return Outcome::Waiting,
                Err(Error::QueueFull) if self.waits_left > 0 => {
                    self.waits_left -= 1;
                    tokio::time::sleep(Duration::from_millis(QUEUE_WAIT_MS)).await;
                    continue;
                }
                Err(error) => error,
            };
            self.stopped_at = Some(number);
            return self.unavailable(event_id, error);
        }
    }

    fn unavailable(&mut self, event_id: Uuid, error: Error) -> Outcome {
        let problem = Problem::unavailable(event_id, &error);
        self.error.get_or_insert(error);
        Outcome::NotLogged(problem)
    }

    /// Waits for all acknowledgements.
    async fn landed(mut self) -> (Vec<Line>, Option<Error>) {
        while let Some((index, result)) = self.flight.next().await {
            let event_id = self.lines[index].event_id.unwrap_or_default();
            self.lines[index].outcome = match result {
                Ok(position) => Outcome::Logged(position),
                Err(error) => self.unavailable(event_id, error),
            };
        }
        for line in &self.lines {
            if let Outcome::NotLogged(problem) = &line.outcome {
                self.gateway.metrics.not_logged(problem.kind);
            }
        }
        (self.lines, self.error)
    }
}

/// The event of one line.
fn read<'a>(
    line: &'a [u8],
    received_at: Millis,
    traceparent: &'a str,
) -> Result<Event<'a>, Problem> {
    if line.len() > EVENT_BYTES_MAX {
        let detail = format!("the line has {} bytes, may have {EVENT_BYTES_MAX}", line.len());
        return Err(Problem::new(Kind::TooLarge, detail));
    }
    let submission = Submission::decode(line)?;
    let event_id = key::of_event(None, &submission)?;
    Event::new(submission.into_swipe(event_id, received_at), traceparent)
        .map_err(|invalid| Problem::new(Kind::TooLarge, invalid.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Metrics, Publisher, Settings};

    #[test]
    fn lines_are_counted_with_and_without_a_last_line_feed() {
        let check = |text: &'static str| check_lines(&Bytes::from_static(text.as_bytes()), 2);
        assert_eq!(check("a\nb"), Ok(()));
        assert_eq!(check("a\nb\n"), Ok(()));
        assert_eq!(check("a\nb\nc").unwrap_err().kind, Kind::TooLarge);
        assert_eq!(check("a\n\n\n").unwrap_err().kind, Kind::TooLarge);
        assert_eq!(check("").unwrap_err().kind, Kind::EmptyBatch);
        assert_eq!(check("\r\n").unwrap_err().kind, Kind::EmptyBatch);
    }

    #[test]
    fn a_line_has_its_own_id_or_a_derived_one() {
        let line = |event_id: &str| {
            format!(
                r#"{{{event_id}"card_id":"c","terminal_id":"t","mode":"offline","occurred_at":"2026-01-02T03:04:05Z"}}"#
            )
        };
        let id_of = |line: &str| {
            let event = read(line.as_bytes(), Millis::from_unix_ms(0), "")?;
            Ok::<_, Problem>(event.swipe().event_id)
        };
        let own = Uuid::from_u128(0x0195f3a2_7c1e_7b52_9d0f_2f0c3c1a9e11);
        assert_eq!(id_of(&line(&format!(r#""event_id":"{own}","#))), Ok(own));
        assert_eq!(id_of(&line("")).unwrap().get_version_num(), 5);
        assert_eq!(id_of(&line("")), id_of(&line("")));
        let wrong = id_of(&line(r#""event_id":"1","#)).unwrap_err();
        assert!(wrong.detail.starts_with("event_id: must be a UUID"), "{wrong:?}");
    }
    #[tokio::test]
    async fn nothing_overtakes_a_line_that_could_not_be_queued() {
        let mut settings = Settings::default();
        settings.kafka.brokers = "127.0.0.1:1".to_owned();
        settings.publish.queue_events_max = 2;
        settings.publish.queue_timeout_ms = 10;
        let metrics = Arc::new(Metrics::new().unwrap());
        let publisher = Arc::new(Publisher::new(&settings, Arc::clone(&metrics)).unwrap());
        let gateway = Gateway::new(&settings, publisher, metrics);

        let mut upload = Upload::new(&gateway, Millis::from_unix_ms(0), "");
        let line = r#"{"card_id":"c","terminal_id":"t","mode":"offline","occurred_at":"2026-01-02T03:04:05Z"}"#;
        for (number, line) in [(1, line), (2, line), (4, line), (5, "{}"), (6, line)] {
            upload.take(number, line.as_bytes()).await;
        }
        let what = |line: &Line| match &line.outcome {
            Outcome::NotLogged(problem) => problem.detail.clone(),
            other => format!("{other:?}"),
        };
        let outcomes: Vec<_> = upload.lines.iter().map(what).collect();
        assert_eq!(outcomes[..2], ["Waiting", "Waiting"]);
        assert!(outcomes[2].contains("is full: it is not in the log"), "{}", outcomes[2]);
        assert_eq!(outcomes[3], "card_id: is missing");
        assert!(outcomes[4].starts_with("not tried, because line 4"), "{}", outcomes[4]);
        assert!(matches!(upload.error, Some(Error::QueueFull)));
    }
}
