//! `POST /v1/swipes`: one swipe.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemas::{EVENT_BYTES_MAX, Millis, Submission, headers};
use serde::Serialize;
use telemetry::trace::Trace;
use tracing::debug;
use uuid::Uuid;

use crate::gateway::key_value;
use crate::problem::{Kind, Problem};
use crate::publish::Position;
use crate::{Event, Gateway, body, key};

/// What a terminal gets once its swipe stands in the log.
#[derive(Debug, Serialize)]
struct Logged {
    event_id: Uuid,
    status: &'static str,
    partition: i32,
    offset: i64,
}

pub(crate) async fn post(State(gateway): State<Arc<Gateway>>, request: Request) -> Response {
    match gateway.within_limits(work(&gateway, request)).await {
        Ok(response) => response,
        Err(problem) => {
            gateway.metrics.not_logged(problem.kind);
            gateway.refuse(problem)
        }
    }
}

async fn work(gateway: &Gateway, request: Request) -> Result<Response, Problem> {
    // Taken before the body: a body that comes slowly makes a swipe older, never younger.
    let received_at = Millis::now();
    let (parts, body) = request.into_parts();
    body::check_type(&parts.headers, body::JSON)?;
    let header_key = key::from_headers(&parts.headers)?;
    let body = body::read(body, EVENT_BYTES_MAX, gateway.http.body_timeout()).await?;

    let submission = Submission::decode(&body)?;
    let event_id = key::of_event(header_key, &submission)?;
    let trace = trace_of(&parts.headers);
    let traceparent = trace.traceparent();
    let event = Event::new(submission.into_swipe(event_id, received_at), &traceparent)
        .map_err(|invalid| Problem::new(Kind::TooLarge, invalid.to_string()))?
        .due_within(gateway.live_ms);

    let terminal_id = &*event.swipe().terminal_id;
    match gateway.publisher.publish(&event).await {
        Ok(Position { partition, offset }) => {
            let trace_id = trace.trace_id();
            debug!(terminal_id, %event_id, %trace_id, partition, offset, "logged");
            Ok(logged(event_id, Position { partition, offset }))
        }
        Err(error) => {
            let trace_id = trace.trace_id().to_string();
            gateway.complain(terminal_id, event_id, &trace_id, &error);
            Err(Problem::unavailable(event_id, &error))
        }
    }
}

/// The trace that the request is a part of, or a new one.
pub(crate) fn trace_of(request: &HeaderMap) -> Trace {
    let traceparent = request.get(headers::TRACEPARENT).and_then(|value| value.to_str().ok());
    Trace::continue_or_start(traceparent)
}

fn logged(event_id: Uuid, Position { partition, offset }: Position) -> Response {
    let answer = Logged { event_id, status: "logged", partition, offset };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(body::JSON)),
        (HeaderName::from_static(headers::HTTP_KEY_IETF), key_value(event_id)),
    ];
    // Text and numbers can always be written.
    (headers, serde_json::to_vec(&answer).unwrap_or_default()).into_response()
}
