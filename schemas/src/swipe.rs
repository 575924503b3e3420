use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    EVENT_BYTES_MAX, Invalid, Millis, Nonce, canonical_form, check_id, derive_event_id, headers,
};

/// Ten years in ms: no terminal keeps a swipe longer.
const AGE_MS_MAX: u64 = 315_576_000_000;

/// One read of a card at a terminal, as it stands in the log (`gatelog.swipe.v1`).
///
/// Identity is (`event_id`, `card_id`, `occurred_at`). Fields that are not listed are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(expecting = "a JSON object")]
// Written first, so that the value alone says what it is. Where it is absent, the header does.
#[serde(tag = "type", rename = "gatelog.swipe.v1")]
#[schemars(transform = with_type)]
pub struct Swipe<'a> {
    /// The event's id, equal to the header `ce_id` and to the idempotency key.
    pub event_id: Uuid,
    /// The credential that was read; also the record's key. 1 to 64 visible ASCII characters.
    #[serde(borrow)]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[!-~]+$"))]
    pub card_id: Cow<'a, str>,
    /// The reader at one access point. 1 to 64 visible ASCII characters.
    #[serde(borrow)]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[!-~]+$"))]
    pub terminal_id: Cow<'a, str>,
    /// How often the terminal's counter was reset; only together with `terminal_seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub terminal_epoch: Option<u32>,
    /// The terminal's own count of its swipes in that epoch; only together with `terminal_epoch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9223372036854775807_u64))]
    pub terminal_seq: Option<u64>,
    /// When the card was read, by the terminal's clock.
    pub occurred_at: Millis,
    /// How long ago that was when the terminal sent it, by its monotonic clock, in ms. Without it a
    /// swipe is never live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 315576000000_u64))]
    pub age_ms: Option<u64>,
    /// When the gateway received it, by the gateway's clock.
    pub received_at: Millis,
    /// Which way through the door; needed where the terminal serves both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Whether the terminal was connected when the card was read.
    pub mode: Mode,
    /// What an offline terminal decided by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_decision: Option<LocalDecision>,
}

/// What a terminal sends: a swipe without what the gateway adds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(expecting = "a JSON object")]
pub struct Submission<'a> {
    /// The event's id; where it is absent and no idempotency key is sent, it is derived.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "uuid"))]
    pub event_id: Option<Cow<'a, str>>,
    /// The credential that was read. 1 to 64 visible ASCII characters.
    #[serde(borrow)]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[!-~]+$"))]
    pub card_id: Cow<'a, str>,
    /// The reader at one access point. 1 to 64 visible ASCII characters.
    #[serde(borrow)]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[!-~]+$"))]
    pub terminal_id: Cow<'a, str>,
    /// How often the terminal's counter was reset; only together with `terminal_seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2147483647))]
    pub terminal_epoch: Option<u32>,
    /// The terminal's own count of its swipes in that epoch; only together with `terminal_epoch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 9223372036854775807_u64))]
    pub terminal_seq: Option<u64>,
    /// When the card was read, by the terminal's clock.
    pub occurred_at: Millis,
    /// How long ago that was when the terminal sent it, by its monotonic clock, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 315576000000_u64))]
    pub age_ms: Option<u64>,
    /// Which way through the door; needed where the terminal serves both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    /// Whether the terminal was connected when the card was read.
    pub mode: Mode,
    /// What an offline terminal decided by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local_decision: Option<LocalDecision>,
}

/// What a value says of its own type.
#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, default)]
    r#type: Option<Cow<'a, str>>,
}

/// The value may say its type, or leave it to the header; it must not contradict it.
fn with_type(schema: &mut schemars::Schema) {
    schema.insert("title".to_owned(), "Swipe".into());
    let properties = schema.get_mut("properties").and_then(|found| found.as_object_mut());
    if let Some(properties) = properties {
        let says = "What this is. A value without it is a swipe if the header ce_type says so.";
        properties.insert(
            "type".to_owned(),
            serde_json::json!({ "const": headers::TYPE_SWIPE_V1, "description": says }),
        );
    }
}

/// A terminal's own count: the number of the swipe and the generation of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TerminalCounter {
    /// Reset generation.
    pub epoch: u32,
    /// Number within the generation.
    pub seq: u64,
}

/// Which way through the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Into the terminal's zone.
    In,
    /// Out of it.
    Out,
}

/// Whether the terminal was connected when the card was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It asked for a decision.
    Online,
    /// It decided by itself, or kept the read for later.
    Offline,
}

/// What an offline terminal decided by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LocalDecision {
    /// It opened.
    Granted,
    /// It stayed shut.
    Denied,
}

impl Direction {
    /// The word that stands in the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
        }
    }
}

impl Mode {
    /// The word that stands in the event.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
        }
    }
}

impl<'a> Swipe<'a> {
    /// Reads a swipe from a record's value, borrowing from it, and checks every limit.
    ///
    /// # Errors
    /// Names the first field that is wrong.
    pub fn decode(value: &'a [u8]) -> Result<Self, Invalid> {
        if let Some(swipe) = Self::decode_canonical(value) {
            return Ok(swipe);
        }
        let swipe: Self = decode(value)?;
        swipe.check()?;
        match decode::<Typed<'_>>(value)?.r#type {
            Some(other) if other != headers::TYPE_SWIPE_V1 => {
                Err(Invalid::new("type", format!("must be {}", headers::TYPE_SWIPE_V1)))
            }
            _ => Ok(swipe),
        }
    }

    /// Reads a swipe from a value that says itself, byte by byte in the gateway's own form, that it
    /// is a `gatelog.swipe.v1`; such a record's headers only repeat it. `None` for any other value,
    /// and where a limit is broken.
    pub fn decode_canonical(value: &'a [u8]) -> Option<Self> {
        let swipe = canonical_form::read(value)?;
        (value.len() <= EVENT_BYTES_MAX && swipe.check().is_ok()).then_some(swipe)
    }

    /// The terminal's counter, where it has one.
    pub fn counter(&self) -> Option<TerminalCounter> {
        Some(TerminalCounter { epoch: self.terminal_epoch?, seq: self.terminal_seq? })
    }

    fn check(&self) -> Result<(), Invalid> {
        check_id("card_id", &self.card_id)?;
        check_id("terminal_id", &self.terminal_id)?;
        check_counter(self.terminal_epoch, self.terminal_seq)?;
        check_age(self.age_ms)
    }
}

impl<'a> Submission<'a> {
    /// Reads what a terminal sent and checks every limit; the id is checked by [`Self::event_id`].
    ///
    /// # Errors
    /// Names the first field that is wrong.
    pub fn decode(body: &'a [u8]) -> Result<Self, Invalid> {
        let submission: Self = decode(body)?;
        check_id("card_id", &submission.card_id)?;
        check_id("terminal_id", &submission.terminal_id)?;
        check_counter(submission.terminal_epoch, submission.terminal_seq)?;
        check_age(submission.age_ms)?;
        Ok(submission)
    }

    /// The id that the event will have: the body's, or derived from what was read.
    ///
    /// # Errors
    /// The body's `event_id` is not a UUID.
    pub fn event_id(&self) -> Result<Uuid, Invalid> {
        match &self.event_id {
            Some(text) => crate::parse_key("event_id", text),
            None => Ok(derive_event_id(&self.terminal_id, self.occurred_at, &self.nonce())),
        }
    }

    /// The swipe that goes into the log.
    pub fn into_swipe(self, event_id: Uuid, received_at: Millis) -> Swipe<'a> {
        Swipe {
            event_id,
            card_id: self.card_id,
            terminal_id: self.terminal_id,
            terminal_epoch: self.terminal_epoch,
            terminal_seq: self.terminal_seq,
            occurred_at: self.occurred_at,
            age_ms: self.age_ms,
            received_at,
            direction: self.direction,
            mode: self.mode,
            local_decision: self.local_decision,
        }
    }

    fn nonce(&self) -> Nonce<'_> {
        match (self.terminal_epoch, self.terminal_seq) {
            (Some(epoch), Some(seq)) => Nonce::Counter(TerminalCounter { epoch, seq }),
            _ => Nonce::Read { card_id: &self.card_id, direction: self.direction, mode: self.mode },
        }
    }
}

/// Parses fast; only what fails is parsed again by a reader that remembers where it was.
fn decode<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Result<T, Invalid> {
    if value.len() > EVENT_BYTES_MAX {
        let problem = format!("has {} bytes, may have {EVENT_BYTES_MAX}", value.len());
        return Err(Invalid::new("$", problem));
    }
    serde_json::from_slice(value).map_err(|_| locate::<T>(value))
}

#[cold]
fn locate<'a, T: Deserialize<'a>>(value: &'a [u8]) -> Invalid {
    let mut reader = serde_json::Deserializer::from_slice(value);
    match serde_path_to_error::deserialize::<_, T>(&mut reader) {
        Ok(_) => Invalid::new("$", "has more after the end of the JSON object"),
        Err(error) => {
            let path = error.path().to_string();
            let error = error.into_inner();
            let problem = match error.classify() {
                serde_json::error::Category::Data => without_value(&error.to_string()),
                // Positions only: the text may quote the value.
                _ => format!("is not JSON at line {} column {}", error.line(), error.column()),
            };
            let missing = problem.strip_prefix("missing field `").and_then(|m| m.split('`').next());
            match missing {
                Some(field) => Invalid::new(field, "is missing"),
                None => {
                    // Keys that we do not know may hold anything, even a card.
                    let known = path.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
                    Invalid::new(if known && path.len() < 32 { &path } else { "$" }, problem)
                }
            }
        }
    }
}

/// serde's "invalid type: integer `4242`, expected a string at line 1 column 9" quotes what stood
/// there, which may be a card: what is expected says enough.
fn without_value(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(before, _)| before);
    // The last "expected" is serde's own: what stood there comes before it.
    match message.rsplit_once(", expected ") {
        Some((_, "u32" | "u64")) => "must be a whole number, 0 or more".to_owned(),
        Some((_, expected)) => format!("must be {expected}"),
        None => message.to_owned(),
    }
}

fn check_counter(epoch: Option<u32>, seq: Option<u64>) -> Result<(), Invalid> {
    match (epoch, seq) {
        (None, Some(_)) => Err(Invalid::new("terminal_epoch", "is needed with terminal_seq")),
        (Some(_), None) => Err(Invalid::new("terminal_seq", "is needed with terminal_epoch")),
        (Some(epoch), _) if epoch > i32::MAX as u32 => {
            Err(Invalid::new("terminal_epoch", format!("may be {} at most", i32::MAX)))
        }
        (_, Some(seq)) if seq > i64::MAX as u64 => {
            Err(Invalid::new("terminal_seq", format!("may be {} at most", i64::MAX)))
        }
        _ => Ok(()),
    }
}

fn check_age(age_ms: Option<u64>) -> Result<(), Invalid> {
    match age_ms {
        Some(age) if age > AGE_MS_MAX => {
            Err(Invalid::new("age_ms", format!("may be {AGE_MS_MAX} (ten years) at most")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_never_quotes_the_card() {
        for body in [
            r#"{"card_id":4242}"#,
            r#"{"card_id":["4242"]}"#,
            r#"{"card_id":"4242 ","terminal_id":"t","occurred_at":"2026-03-01T08:00:00Z","mode":"online"}"#,
            r#"{"card_id":"4242","card_id":"4242"}"#,
            r#"{"card_id":"4242","terminal_id":"4242","mode":"4242"}"#,
            r#""4242""#,
            r#"{"age_ms":"x, expected 4242 or expected 4242"}"#,
            r#"{"mode":"4242, expected 4242"}"#,
            r#"{"4242\u0000":x}"#,
            r#"{"card_id":"4242" 4242"#,
        ] {
            let error = Submission::decode(body.as_bytes()).unwrap_err().to_string();
            assert!(!error.contains("4242"), "{body}: {error}");
        }
    }
}
