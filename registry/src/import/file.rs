use access::ScheduleDefinition;
use schemas::Millis;
use serde::{Deserialize, Deserializer};

use super::place::Places;
use super::{Error, Problem};

/// An access file: JSON, fields that are not listed here are refused; or the cards alone, as
/// [CSV](Self::parse_csv).
///
/// ```json
/// {
///   "in_force_from": "2016-01-01T00:00:00Z",
///   "schedules": [{ "schedule_id": "office", "definition": { "time_zone": "Europe/Berlin",
///     "weekly": [{ "days": ["mon", "fri"], "from": "07:00", "until": "19:00" }] } }],
///   "zones": [{ "zone_id": "lab", "name": "Laboratory", "antipassback": { "enforcement": "hard" } }],
///   "terminals": [{ "terminal_id": "door-7", "zone_id": "lab", "direction": "in" }],
///   "cards": [{ "card_id": "4711", "zones": ["lab"], "schedule_id": "office" }]
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessFile {
    /// Since when a card's first permissions count for late swipes, where the card does not say.
    #[serde(default)]
    pub in_force_from: Option<Millis>,
    /// When cards may pass.
    #[serde(default)]
    pub schedules: Vec<Schedule>,
    /// Areas that terminals guard.
    #[serde(default)]
    pub zones: Vec<Zone>,
    /// The readers.
    #[serde(default)]
    pub terminals: Vec<Terminal>,
    /// The credentials and where they may go.
    #[serde(default)]
    pub cards: Vec<Card>,
    /// How the file names the places of cards.
    #[serde(skip)]
    pub(super) places: Places,
}

/// When cards may pass.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// 1 to 64 visible ASCII characters.
    pub schedule_id: String,
    /// Weekly windows and special days.
    pub definition: ScheduleDefinition,
}

/// An area that terminals guard. Rules that are absent stay as they are, so that a file from before
/// a lockdown does not end it; of a new zone there are none.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// 1 to 64 visible ASCII characters.
    pub zone_id: String,
    /// For people.
    pub name: String,
    /// `normal`, `deny_all` or `released`.
    #[serde(default)]
    pub mode: Option<String>,
    /// What becomes of a card that is where it cannot be.
    #[serde(default)]
    pub antipassback: Option<Antipassback>,
    /// What becomes of a card that was denied too often; null is nothing.
    #[serde(default, deserialize_with = "given")]
    pub lockout: Option<Option<Lockout>>,
}

/// Anti-passback of a zone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Antipassback {
    /// `off`, `soft` or `hard`.
    pub enforcement: String,
    /// Whether a card that is inside may not enter, nor one that is outside leave; yes where absent.
    #[serde(default = "yes")]
    pub two_way: bool,
    /// A card may not enter again within so many milliseconds.
    #[serde(default)]
    pub timed_ms: Option<i32>,
}

/// Lockout of a zone: so many denials within a time lock the card out for a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lockout {
    /// 1 to 20.
    pub denials: i32,
    /// The time that they are counted in, in milliseconds.
    pub within_ms: i32,
    /// The time that the card is locked out for, in milliseconds.
    pub for_ms: i32,
}

/// The reader at one access point.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terminal {
    /// 1 to 64 visible ASCII characters.
    pub terminal_id: String,
    /// The zone it guards: one of the file's or one that is registered already.
    pub zone_id: String,
    /// `in`, `out` or `both`.
    pub direction: String,
}

/// A credential and where it may go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// 1 to 64 visible ASCII characters.
    pub card_id: String,
    /// Absent, it stays as it is: a list of cards enables none that was lost. A new one is `enabled`.
    #[serde(default)]
    pub state: Option<String>,
    /// Not before this moment.
    #[serde(default)]
    pub valid_from: Option<Millis>,
    /// Not from this moment on.
    #[serde(default)]
    pub valid_until: Option<Millis>,
    /// Zones it may enter.
    pub zones: Vec<String>,
    /// When it may: one of the file's schedules or one that is registered; null is at any time.
    /// Absent, it stays as it is: files of before there were schedules widen nothing.
    #[serde(default, deserialize_with = "given")]
    pub schedule_id: Option<Option<String>>,
    /// Since when this counts for late swipes; the file's where it is absent, and the moment of
    /// the import where neither says.
    #[serde(default)]
    pub in_force_from: Option<Millis>,
}

impl AccessFile {
    /// Reads a JSON file; whether it makes sense, [`Self::check`] says.
    ///
    /// # Errors
    /// [`Error::Unreadable`] with the path of the first field that is wrong.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let file = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let path = error.path().to_string();
            let path = if path == "." { "$".to_owned() } else { path };
            Error::Unreadable(Problem { path, problem: without_value(error.inner()) })
        })?;
        reader.end().map_err(|error| {
            Error::Unreadable(Problem { path: "$".to_owned(), problem: error.to_string() })
        })?;
        Ok(file)
    }
}

impl Card {
    /// The zones in the order in which the table has them, separated by the spaces that no id has.
    pub(super) fn zones_in_order(&self) -> String {
        let mut zones: Vec<&str> = self.zones.iter().map(String::as_str).collect();
        zones.sort_unstable();
        zones.join(" ")
    }
}

/// serde's message without the value that it found there, which may be a card.
fn without_value(error: &serde_json::Error) -> String {
    let message = error.to_string();
    match message.split_once(", expected ") {
        Some((found, expected)) if found.starts_with("invalid ") => format!("must be {expected}"),
        _ => message,
    }
}

/// Tells null from absent.
fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreadable(text: &str) -> String {
        AccessFile::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn the_form_is_checked_and_no_value_is_quoted() {
        for (text, wanted) in [
            ("[", "$: "),
            ("{} {}", "$: trailing"),
            (r#"{ "crads": [] }"#, "crads: unknown field"),
            (r#"{ "cards": {} }"#, "cards: must be a sequence"),
            (r#"{ "cards": [{ "card_id": "a" }] }"#, "cards[0]: missing field `zones`"),
            (
                r#"{ "cards": [{ "card_id": 4711, "zones": [] }] }"#,
                "cards[0].card_id: must be a string",
            ),
            (r#"{ "in_force_from": "2016" }"#, "in_force_from: must be an RFC 3339 time"),
        ] {
            let error = unreadable(text);
            assert!(error.starts_with(wanted), "{text}: {error}");
            assert!(!error.contains("4711"), "{error}");
        }
    }

    #[test]
    fn null_is_not_absent() {
        let text = r#"{ "cards": [{ "card_id": "a", "zones": [] },
            { "card_id": "b", "zones": [], "schedule_id": null }],
            "zones": [{ "zone_id": "z", "name": "Z", "lockout": null }] }"#;
        let file = AccessFile::parse(text.as_bytes()).unwrap();
        assert_eq!(file.cards[0].schedule_id, None);
        assert_eq!(file.cards[1].schedule_id, Some(None));
        assert_eq!(file.zones[0].lockout, Some(None));
    }
}
