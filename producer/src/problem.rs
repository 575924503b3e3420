//! Refusals: RFC 9457 problem documents. What they say never quotes what was sent: it may be a
//! card.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemas::Invalid;
use serde::Serialize;
use uuid::Uuid;

use crate::Error;

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Fields that a refusal may name; any other name came from the sender.
const FIELDS: [&str; 11] = [
    "$",
    "event_id",
    "card_id",
    "terminal_id",
    "terminal_epoch",
    "terminal_seq",
    "occurred_at",
    "age_ms",
    "direction",
    "mode",
    "local_decision",
];

/// What kind of refusal: the document's `type` and `title`, the status, and the metrics' label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The body, or the line, is no swipe.
    MalformedEvent,
    /// The idempotency key is no UUID.
    MalformedKey,
    /// Two keys for one event differ.
    ConflictingKey,
    /// A key came with a batch.
    MisplacedKey,
    /// The batch has no event.
    EmptyBatch,
    /// No such page.
    NotFound,
    /// The page is not for this method.
    MethodNotAllowed,
    /// The body took too long.
    BodyTimeout,
    /// The body, the line or the number of lines is over its limit.
    TooLarge,
    /// The body is of another media type, or compressed.
    UnsupportedMediaType,
    /// Too many batches at once.
    TooManyBatches,
    /// Too many requests at once.
    TooBusy,
    /// Kafka did not acknowledge the event.
    LogUnavailable,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::MalformedEvent,
        Self::MalformedKey,
        Self::ConflictingKey,
        Self::MisplacedKey,
        Self::EmptyBatch,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::BodyTimeout,
        Self::TooLarge,
        Self::UnsupportedMediaType,
        Self::TooManyBatches,
        Self::TooBusy,
        Self::LogUnavailable,
    ];

    /// Status, name and title.
    const fn row(self) -> (StatusCode, &'static str, &'static str) {
        const fn bad(
            name: &'static str,
            title: &'static str,
        ) -> (StatusCode, &'static str, &'static str) {
            (StatusCode::BAD_REQUEST, name, title)
        }
        match self {
            Self::MalformedEvent => bad("malformed-event", "The event is malformed"),
            Self::MalformedKey => bad("malformed-key", "The idempotency key is malformed"),
            Self::ConflictingKey => bad("conflicting-key", "The idempotency keys differ"),
            Self::MisplacedKey => bad("misplaced-key", "A batch has no idempotency key"),
            Self::EmptyBatch => bad("empty-batch", "The batch has no event"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "No such page"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "The page does not have this method",
            ),
            Self::BodyTimeout => {
                (StatusCode::REQUEST_TIMEOUT, "body-timeout", "The body took too long")
            }
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "A limit of size is exceeded")
            }
            Self::UnsupportedMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported-media-type",
                "The body is of another media type",
            ),
            Self::TooManyBatches => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-batches", "Too many batches at once")
            }
            Self::TooBusy => {
                (StatusCode::SERVICE_UNAVAILABLE, "too-busy", "Too many requests at once")
            }
            Self::LogUnavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "log-unavailable",
                "The event is not acknowledged",
            ),
        }
    }

    /// The status code.
    pub const fn status(self) -> StatusCode {
        self.row().0
    }

    /// The name: what follows `/problems/` in `type`, and the label in metrics.
    pub const fn name(self) -> &'static str {
        self.row().1
    }

    /// The title: the same for every refusal of the kind.
    pub const fn title(self) -> &'static str {
        self.row().2
    }

    /// Whether the same request may succeed later: the answer then has `Retry-After`.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::TooManyBatches | Self::TooBusy | Self::LogUnavailable)
    }
}

/// One refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What kind.
    pub kind: Kind,
    /// What is wrong here: the field, and its limit.
    pub detail: String,
    /// The event, where it got as far as having an id: the key to send it again with.
    pub event_id: Option<Uuid>,
}

/// A problem as RFC 9457 writes it.
#[derive(Debug, Serialize)]
pub(crate) struct Document<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<Uuid>,
}

impl Problem {
    /// A refusal of `kind`; `detail` names the field and the limit and quotes nothing.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), event_id: None }
    }

    /// An event that Kafka did not acknowledge.
    pub fn unavailable(event_id: Uuid, error: &Error) -> Self {
        let detail = match error {
            Error::NotAcknowledged(_) => format!(
                "{error}: it may be in the log all the same; sending it again with the \
                 idempotency key {event_id} is harmless"
            ),
            _ => format!("{error}: it is not in the log; send it again later"),
        };
        Self { kind: Kind::LogUnavailable, detail, event_id: Some(event_id) }
    }

    pub(crate) fn document(&self) -> Document<'_> {
        Document {
            r#type: format!("/problems/{}", self.kind.name()),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: &self.detail,
            event_id: self.event_id,
        }
    }
}

impl From<Invalid> for Problem {
    fn from(invalid: Invalid) -> Self {
        let field = FIELDS.into_iter().find(|field| *field == invalid.field);
        let detail = format!("{}: {}", field.unwrap_or("$"), invalid.problem);
        Self::new(Kind::MalformedEvent, detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // A document of text and numbers can always be written.
        let document = serde_json::to_vec(&self.document()).unwrap_or_default();
        let headers = [(header::CONTENT_TYPE, CONTENT_TYPE)];
        (self.kind.status(), headers, document).into_response()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use rdkafka::error::RDKafkaErrorCode;
    use schemas::Submission;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_document_has_rfc_9457s_members() {
        let problem = Problem::new(Kind::MalformedKey, "X-Idempotency-Key: must be a UUID");
        let expected = json!({
            "type": "/problems/malformed-key",
            "title": "The idempotency key is malformed",
            "status": 400,
            "detail": "X-Idempotency-Key: must be a UUID",
        });
        assert_eq!(serde_json::to_value(problem.document()).unwrap(), expected);
        let response = problem.into_response();
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
    }

    #[test]
    fn names_are_unique() {
        let names: HashSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        assert_eq!(names.len(), Kind::ALL.len());
    }

    #[test]
    fn an_event_that_may_be_written_says_so() {
        let id = Uuid::from_u128(7);
        let unknown =
            Problem::unavailable(id, &Error::NotAcknowledged(RDKafkaErrorCode::MessageTimedOut));
        assert!(unknown.detail.contains("may be in the log"), "{unknown:?}");
        assert!(unknown.detail.contains(&id.to_string()), "{unknown:?}");
        let not_sent = Problem::unavailable(id, &Error::QueueFull);
        assert!(not_sent.detail.contains("is not in the log"), "{not_sent:?}");
    }

    #[test]
    fn nothing_that_was_sent_is_quoted() {
        let rest = r#""terminal_id":"t","mode":"online","occurred_at":"2026-01-02T03:04:05Z""#;
        for (body, detail) in [
            (format!(r#"{{"card_id":47110815,{rest}}}"#), "card_id: must be a string"),
            (
                format!(r#"{{"card_id":"c","direction":"47110815",{rest}}}"#),
                "direction: must be `in` or `out`",
            ),
            (
                format!(r#"{{"card_id":"c","age_ms":"47110815 at line 2",{rest}}}"#),
                "age_ms: must be a whole number, 0 or more",
            ),
            (format!(r#"{{"47110815":tru,"card_id":"c",{rest}}}"#), "$: is not JSON"),
            (r#""47110815""#.to_owned(), "$: must be"),
            (format!("{{{rest}}}"), "card_id: is missing"),
            (format!(r#"{{"card_id":"4711 0815",{rest}}}"#), "card_id: may hold visible"),
        ] {
            let problem = Problem::from(Submission::decode(body.as_bytes()).unwrap_err());
            assert!(problem.detail.starts_with(detail), "{body}: {problem:?}");
            assert!(!problem.detail.contains("4711"), "{body}: {problem:?}");
        }
    }
}
