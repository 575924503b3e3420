use uuid::Uuid;

use crate::{Direction, Invalid, Millis, Mode, TerminalCounter};

/// Namespace of every id that gatelog derives: UUIDv5 of the DNS name `events.gatelog` in the DNS
/// namespace of RFC 9562. Fixed for ever: a terminal's retry must derive the id it had before.
const NAMESPACE: Uuid = Uuid::from_u128(0x87cd93fd_73a8_597b_a2d9_f289a64bd02e);

/// What tells two swipes of one terminal in one millisecond apart.
///
/// Never `age_ms` or `received_at`: they differ between a terminal's first try and its second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nonce<'a> {
    /// The terminal counts its swipes.
    Counter(TerminalCounter),
    /// It doesn't: what was read stands for the number.
    Read {
        /// The card.
        card_id: &'a str,
        /// Way through the door, where the event says it.
        direction: Option<Direction>,
        /// Whether the terminal was connected.
        mode: Mode,
    },
}

/// The id of an event that was sent without one: UUIDv5 over terminal, `occurred_at` in ms and
/// nonce. `vectors/derived-key.json` holds test vectors for other implementations.
pub fn derive_event_id(terminal_id: &str, occurred_at: Millis, nonce: &Nonce<'_>) -> Uuid {
    let ms = occurred_at.unix_ms();
    // Ids hold no line feeds, so the lines can't be mistaken for one another.
    let name = match nonce {
        Nonce::Counter(counter) => {
            format!("swipe\n{terminal_id}\n{ms}\nseq\n{}\n{}", counter.epoch, counter.seq)
        }
        Nonce::Read { card_id, direction, mode } => {
            let direction = direction.map_or("", Direction::as_str);
            format!("swipe\n{terminal_id}\n{ms}\nread\n{card_id}\n{direction}\n{}", mode.as_str())
        }
    };
    Uuid::new_v5(&NAMESPACE, name.as_bytes())
}

/// The id of the door command that a granted live swipe leads to; sending it twice is harmless.
pub fn command_id(event_id: Uuid) -> Uuid {
    Uuid::new_v5(&event_id, b"open")
}

/// The id of the decision on a live swipe: `ce_id` of its record. Published twice, it is the same.
pub fn decision_id(event_id: Uuid) -> Uuid {
    Uuid::new_v5(&event_id, b"decision")
}

/// The id of the dead letter that one offset ends as, at one stage.
pub fn dead_letter_id(topic_id: Uuid, partition: i32, offset: i64, stage: &str) -> Uuid {
    Uuid::new_v5(&topic_id, format!("{partition}\n{offset}\n{stage}").as_bytes())
}

/// Reads an idempotency key: trimmed, in any case, an RFC 9562 UUID in its hyphenated form.
///
/// # Errors
/// Names the limit; `field` is where the key stood.
pub fn parse_key(field: &str, text: &str) -> Result<Uuid, Invalid> {
    let trimmed = text.trim();
    let invalid = || {
        Invalid::new(field, "must be a UUID of RFC 9562, as 0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11")
    };
    if trimmed.len() != 36 {
        return Err(invalid());
    }
    let id = Uuid::try_parse(trimmed).map_err(|_| invalid())?;
    // The variant bits 10 are what makes it RFC 9562's; nil and max belong to nobody's event.
    if id.get_variant() != uuid::Variant::RFC4122 || id.is_nil() || id.is_max() {
        return Err(invalid());
    }
    Ok(id)
}
