//! A new event made of a letter's: the value as it was edited, with an id of its own, and the key
//! and headers that belong to it. Pure.

use dead_letters::Amended;
use schemas::{Invalid, Swipe, check_id, headers};
use serde::Serialize;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::letter::{Header, Letter};

/// What the new event is, and how its value differs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Amendment {
    pub(super) event_id: Uuid,
    /// The event that it stands for: its id, or the letter's where it has none that can be read.
    pub(super) amends: Uuid,
    pub(super) amended: Amended,
    /// Whether the original cannot be read, so that what it was made from is a guess.
    pub(super) guessed: bool,
    pub(super) changes: Vec<Change>,
}

/// A field that differs. Only of fields that never hold a card it is said what stands there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Change {
    pub(super) field: String,
    pub(super) before: Option<Value>,
    pub(super) after: Option<Value>,
    /// Whether both are left out because they may hold a card.
    pub(super) withheld: bool,
}

/// Fields that each edit makes anew.
const MADE: [&str; 3] = ["event_id", "amends", "type"];
/// Fields of a swipe that say nothing of the card.
const SHOWN: [&str; 9] = [
    "terminal_id",
    "terminal_epoch",
    "terminal_seq",
    "occurred_at",
    "age_ms",
    "received_at",
    "direction",
    "mode",
    "local_decision",
];
/// Headers that belong to the event as it was, or to an earlier replay of it.
const DROPPED: [&str; 10] = [
    headers::SPEC_VERSION,
    headers::ID,
    headers::SOURCE,
    headers::TYPE,
    headers::TIME,
    headers::CONTENT_TYPE,
    headers::DEADLINE,
    headers::REPLAY,
    headers::dlq::ID,
    headers::dlq::VERSION,
];

/// What an edit starts from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Start {
    pub(super) fields: Map<String, Value>,
    /// Whether nobody knows that they are what the event said.
    pub(super) guessed: bool,
}

/// The fields of the value that a replay would send, less those that each edit makes anew. Of what is
/// no JSON object, what key and headers say.
pub(super) fn start(letter: &Letter) -> Start {
    let value = letter.sent().value().and_then(|value| serde_json::from_slice(value).ok());
    let (mut fields, guessed) = match value {
        Some(Value::Object(fields)) => (fields, false),
        _ => (guess(letter), true),
    };
    fields.retain(|name, _| !MADE.contains(&name.as_str()));
    Start { fields, guessed }
}

/// Makes the new event.
///
/// # Errors
/// Names the first field that is wrong.
pub(super) fn make(letter: &Letter, fields: &Map<String, Value>) -> Result<Amendment, Invalid> {
    if let Some(made) = MADE.iter().find(|name| fields.contains_key(**name)) {
        return Err(Invalid::new(*made, "is made anew by each edit: leave it out"));
    }
    let amends = letter.says.as_ref().map_or(letter.dead_letter_id, |says| says.event_id);
    // Any id will do until the new one can be derived from what the event says.
    let mut named = fields.clone();
    named.insert("event_id".to_owned(), amends.to_string().into());
    let named = Value::Object(named).to_string();
    let mut swipe = Swipe::decode(named.as_bytes())?;
    let known = |name: &String| name == "card_id" || SHOWN.contains(&name.as_str());
    let mut more: Map<String, Value> = fields.clone();
    more.retain(|name, _| !known(name));
    more.insert("amends".to_owned(), amends.to_string().into());
    // The same edit of the same letter is the same event, however often it is made.
    let event_id = Uuid::new_v5(&letter.dead_letter_id, &write(&swipe, &more)?);
    swipe.event_id = event_id;
    let value = write(&swipe, &more)?;
    // Once more as a whole: it may have become too long.
    let swipe = Swipe::decode(&value)?;
    let amended = Amended {
        key: swipe.card_id.as_bytes().to_vec(),
        headers: headers_of(letter, &swipe),
        value: value.clone(),
    };
    let Start { fields: before, guessed } = start(letter);
    // Where the original says nothing, all is new.
    let before = if guessed { Map::new() } else { before };
    Ok(Amendment { event_id, amends, amended, guessed, changes: changes(&before, fields) })
}

/// The swipe in the gateway's own form, with `more` at its end.
fn write(swipe: &Swipe<'_>, more: &Map<String, Value>) -> Result<Vec<u8>, Invalid> {
    let unwritable = |_| Invalid::new("$", "cannot be written as JSON");
    let mut value = serde_json::to_vec(swipe).map_err(unwritable)?;
    let more = serde_json::to_vec(more).map_err(unwritable)?;
    // Both are objects, and neither is empty.
    value.pop();
    value.push(b',');
    value.extend_from_slice(&more[1..]);
    Ok(value)
}

fn headers_of(letter: &Letter, swipe: &Swipe<'_>) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let made = [
        (headers::SPEC_VERSION, headers::SPEC_VERSION_1_0.to_owned()),
        (headers::ID, swipe.event_id.to_string()),
        (headers::SOURCE, swipe.terminal_id.clone().into_owned()),
        (headers::TYPE, headers::TYPE_SWIPE_V1.to_owned()),
        (headers::TIME, swipe.occurred_at.to_string()),
        (headers::CONTENT_TYPE, headers::CONTENT_TYPE_JSON.to_owned()),
    ];
    let made = made.into_iter().map(|(name, value)| (name.into(), Some(value.into_bytes())));
    let is_kept = |header: &&Header| DROPPED.iter().all(|name| name.as_bytes() != header.name.0);
    let kept = letter.original.headers.iter().filter(is_kept).map(|Header { name, value }| {
        (name.0.clone(), value.as_ref().map(|value| value.0.clone()))
    });
    made.chain(kept).collect()
}

/// What an event that cannot be read may have said.
fn guess(letter: &Letter) -> Map<String, Value> {
    let header = |name: &str| {
        let mut all = letter.original.headers.iter().rev();
        let found = all.find(|header| header.name.0 == name.as_bytes())?;
        String::from_utf8(found.value.as_ref()?.0.clone()).ok()
    };
    let key = letter.original.key().and_then(|key| String::from_utf8(key.to_vec()).ok());
    let card = key.filter(|key| check_id("card_id", key).is_ok());
    let received = letter.published_at.unwrap_or(letter.created_at);
    [
        ("card_id", card.unwrap_or_default()),
        ("terminal_id", header(headers::SOURCE).unwrap_or_default()),
        ("occurred_at", header(headers::TIME).unwrap_or_default()),
        ("received_at", received.to_string()),
        ("mode", "offline".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::String(value)))
    .collect()
}

fn changes(before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Change> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let change = |name: &String| {
        let (before, after) = (before.get(name), after.get(name));
        let withheld = !SHOWN.contains(&name.as_str());
        let shown = |value: Option<&Value>| value.filter(|_| !withheld).cloned();
        (before != after).then(|| Change {
            // A field that we do not know may be called anything.
            field: if withheld && name != "card_id" {
                "another field".into()
            } else {
                name.clone()
            },
            before: shown(before),
            after: shown(after),
            withheld,
        })
    };
    names.into_iter().filter_map(change).collect()
}

/// Sets the field at a path: names with dots between them. Null takes it away.
///
/// # Errors
/// A step of the path that is no object.
pub(super) fn set(
    fields: &mut Map<String, Value>,
    path: &str,
    value: &Value,
) -> Result<(), Invalid> {
    match path.split_once('.') {
        None if value.is_null() => drop(fields.remove(path)),
        None => drop(fields.insert(path.to_owned(), value.clone())),
        Some((first, rest)) => {
            let empty = || Value::Object(Map::new());
            let inner = fields.entry(first.to_owned()).or_insert_with(empty);
            let inner = inner.as_object_mut();
            set(inner.ok_or_else(|| Invalid::new(first, "is no object"))?, rest, value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use schemas::Millis;
    use serde_json::json;

    use super::super::blob::Blob;
    use super::super::letter::{Record, Says};
    use super::*;

    fn letter(value: &[u8], headers: &[(&str, &str)]) -> Letter {
        let blob = |text: &str| Blob(text.as_bytes().to_vec());
        let header =
            |(name, value): &(&str, &str)| Header { name: blob(name), value: Some(blob(value)) };
        Letter {
            dead_letter_id: Uuid::from_u128(7),
            log_partition: 0,
            log_offset: 0,
            stage: "decode".to_owned(),
            reason: "undecodable".to_owned(),
            message: String::new(),
            sqlstate: None,
            tries: 1,
            state: "open".to_owned(),
            version: 1,
            created_at: Millis::from_unix_ms(0),
            published_at: None,
            settled_at: None,
            lease_until: None,
            merged_into: None,
            replay_count: 0,
            compensations: 0,
            compensate_at: None,
            says: Says::of(Some(value)),
            original: Record {
                key: Some(blob("card-1")),
                value: Some(Blob(value.to_vec())),
                headers: headers.iter().map(header).collect(),
            },
            amended: None,
        }
    }

    const SWIPE: &str = r#"{"type":"gatelog.swipe.v1","event_id":"0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11",
        "card_id":"card-1","terminal_id":"door-9","occurred_at":"2026-03-01T08:00:00.000Z",
        "received_at":"2026-03-01T08:00:00.100Z","mode":"online","note":"x"}"#;

    #[test]
    fn an_edit_is_a_new_event_that_says_what_it_amends() {
        let letter = letter(
            SWIPE.as_bytes(),
            &[
                ("ce_id", "old"),
                ("traceparent", "00-1"),
                ("gatelog-replay", "2"),
                ("gatelog-dlq-version", "3"),
                ("x", "y"),
            ],
        );
        let Start { mut fields, guessed } = start(&letter);
        assert!(!guessed);
        assert!(MADE.iter().all(|made| !fields.contains_key(*made)));
        set(&mut fields, "terminal_id", &json!("door-1")).unwrap();
        set(&mut fields, "card_id", &json!("card-2")).unwrap();
        set(&mut fields, "note", &Value::Null).unwrap();
        let made = make(&letter, &fields).unwrap();
        let value: Value = serde_json::from_slice(&made.amended.value).unwrap();
        assert_eq!(value["amends"], "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11");
        assert_eq!(value["event_id"], json!(made.event_id));
        assert_ne!(made.event_id, made.amends);
        assert_eq!((&value["terminal_id"], value.get("note")), (&json!("door-1"), None));
        assert_eq!(made.amended.key, b"card-2");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let headers: Vec<(String, String)> = (made.amended.headers.iter())
            .map(|(name, value)| (text(name), text(value.as_ref().unwrap())))
            .collect();
        let id = made.event_id.to_string();
        for (name, value) in [
            ("ce_specversion", "1.0"),
            ("ce_id", id.as_str()),
            ("ce_source", "door-1"),
            ("ce_type", "gatelog.swipe.v1"),
            ("ce_time", "2026-03-01T08:00:00.000Z"),
            ("content-type", "application/json"),
            ("traceparent", "00-1"),
            ("x", "y"),
        ] {
            let all: Vec<_> = headers.iter().filter(|header| header.0 == name).collect();
            assert_eq!(all, [&(name.to_owned(), value.to_owned())]);
        }
        assert_eq!(headers.len(), 8);
        // The same edit is the same event; another one is another.
        assert_eq!(make(&letter, &fields).unwrap(), made);
        set(&mut fields, "mode", &json!("offline")).unwrap();
        assert_ne!(make(&letter, &fields).unwrap().event_id, made.event_id);

        let shown = |change: &Change| (change.field.clone(), change.after.clone(), change.withheld);
        let shown: Vec<_> = made.changes.iter().map(shown).collect();
        assert_eq!(
            shown,
            [
                ("card_id".to_owned(), None, true),
                ("another field".to_owned(), None, true),
                ("terminal_id".to_owned(), Some(json!("door-1")), false),
            ]
        );
    }

    #[test]
    fn what_is_no_json_starts_from_what_key_and_headers_say() {
        let at = "2026-03-01T08:00:00.000Z";
        let letter = letter(b"\xff", &[("ce_source", "door-9"), ("ce_time", at)]);
        let Start { fields, guessed } = start(&letter);
        assert!(guessed);
        assert_eq!(
            (&fields["card_id"], &fields["terminal_id"]),
            (&json!("card-1"), &json!("door-9"))
        );
        let made = make(&letter, &fields).unwrap();
        assert_eq!(made.amends, letter.dead_letter_id);
        assert!(made.guessed);
        let changed: Vec<&str> = made.changes.iter().map(|change| change.field.as_str()).collect();
        assert_eq!(changed, ["card_id", "mode", "occurred_at", "received_at", "terminal_id"]);
    }

    #[test]
    fn what_is_wrong_is_named_and_not_quoted() {
        let letter = letter(SWIPE.as_bytes(), &[]);
        for (path, value, field) in [
            ("event_id", json!("0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11"), "event_id"),
            ("card_id", json!("4711 "), "card_id"),
            ("card_id", json!(4711), "card_id"),
            ("occurred_at", json!("yesterday 4711"), "occurred_at"),
            ("terminal_seq", json!(4711), "terminal_epoch"),
            ("mode", Value::Null, "mode"),
            ("note", json!("4711".repeat(5_000)), "$"),
        ] {
            let mut fields = start(&letter).fields;
            set(&mut fields, path, &value).unwrap();
            let error = make(&letter, &fields).unwrap_err();
            assert_eq!(error.field, field, "{error}");
            assert!(!error.to_string().contains("4711"), "{error}");
        }
        let mut fields = start(&letter).fields;
        set(&mut fields, "a.b", &json!(1)).unwrap();
        assert_eq!(fields["a"], json!({ "b": 1 }));
        assert!(set(&mut fields, "mode.x", &json!(1)).is_err());
    }
}
