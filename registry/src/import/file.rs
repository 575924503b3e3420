use std::collections::{HashMap, HashSet};
use std::fmt;

use access::CardState;
use schemas::{Millis, check_id};
use serde::Deserialize;

use super::Error;

/// Zones that one card may have.
const CARD_ZONES_MAX: usize = 1_000;
/// Characters of a zone's name.
const NAME_LENGTH_MAX: usize = 200;
/// Terminals' directions.
const DIRECTIONS: [&str; 3] = ["in", "out", "both"];

/// An access file: JSON, fields that are not listed here are refused.
///
/// ```json
/// {
///   "in_force_from": "2016-01-01T00:00:00Z",
///   "zones": [{ "zone_id": "lab", "name": "Laboratory" }],
///   "terminals": [{ "terminal_id": "door-7", "zone_id": "lab", "direction": "in" }],
///   "cards": [{ "card_id": "4711", "zones": ["lab"], "valid_until": "2027-01-01T00:00:00Z" }]
/// }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessFile {
    /// Since when a card's first permissions count for late swipes, where the card does not say.
    #[serde(default)]
    pub in_force_from: Option<Millis>,
    /// Areas that terminals guard.
    #[serde(default)]
    pub zones: Vec<Zone>,
    /// The readers.
    #[serde(default)]
    pub terminals: Vec<Terminal>,
    /// The credentials and where they may go.
    #[serde(default)]
    pub cards: Vec<Card>,
}

/// An area that terminals guard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// 1 to 64 visible ASCII characters.
    pub zone_id: String,
    /// For people.
    pub name: String,
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
    /// `enabled` where it is absent.
    #[serde(default = "enabled")]
    pub state: String,
    /// Not before this moment.
    #[serde(default)]
    pub valid_from: Option<Millis>,
    /// Not from this moment on.
    #[serde(default)]
    pub valid_until: Option<Millis>,
    /// Zones it may enter.
    pub zones: Vec<String>,
    /// Since when this counts for late swipes; the file's where it is absent, and the moment of
    /// the import where neither says.
    #[serde(default)]
    pub in_force_from: Option<Millis>,
}

/// What a file may refer to without bringing it along.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Ids of the zones that are registered.
    pub zones: HashSet<String>,
}

/// What is wrong with a file, and where. Never quotes a card id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path in the file, as `cards[17].zones[2]`; `$` is the file itself.
    pub path: String,
    /// What is wrong there.
    pub problem: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

impl AccessFile {
    /// Reads a file; whether it makes sense, [`Self::check`] says.
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

    /// Everything that is wrong with the file, in its order.
    pub fn check(&self, known: &Known) -> Vec<Problem> {
        let mut problems = Problems::default();
        self.check_zones(&mut problems);
        let mut zones: HashSet<&str> = known.zones.iter().map(String::as_str).collect();
        zones.extend(self.zones.iter().map(|zone| zone.zone_id.as_str()));
        self.check_terminals(&zones, &mut problems);
        self.check_cards(&zones, &mut problems);
        problems.found
    }

    fn check_zones(&self, problems: &mut Problems) {
        problems.ids("zones", "zone_id", self.zones.iter().map(|zone| &zone.zone_id));
        for (index, zone) in self.zones.iter().enumerate() {
            let length = zone.name.chars().count();
            if !(1..=NAME_LENGTH_MAX).contains(&length) || zone.name.contains(char::is_control) {
                let wanted = format!(
                    "must have 1 to {NAME_LENGTH_MAX} characters, none of them a control character"
                );
                problems.add(format!("zones[{index}].name"), wanted);
            }
        }
    }

    fn check_terminals(&self, zones: &HashSet<&str>, problems: &mut Problems) {
        let ids = self.terminals.iter().map(|terminal| &terminal.terminal_id);
        problems.ids("terminals", "terminal_id", ids);
        for (index, terminal) in self.terminals.iter().enumerate() {
            if !zones.contains(terminal.zone_id.as_str()) {
                problems.add(format!("terminals[{index}].zone_id"), no_zone(&terminal.zone_id));
            }
            if !DIRECTIONS.contains(&terminal.direction.as_str()) {
                let wanted = one_of(DIRECTIONS);
                problems.add(format!("terminals[{index}].direction"), wanted);
            }
        }
    }

    fn check_cards(&self, zones: &HashSet<&str>, problems: &mut Problems) {
        problems.ids("cards", "card_id", self.cards.iter().map(|card| &card.card_id));
        for (index, card) in self.cards.iter().enumerate() {
            let at = format!("cards[{index}]");
            if CardState::parse(&card.state).is_none() {
                let wanted = one_of(CardState::ALL.map(|(_, word)| word));
                problems.add(format!("{at}.state"), wanted);
            }
            if matches!((card.valid_from, card.valid_until), (Some(from), Some(until)) if from >= until)
            {
                problems.add(format!("{at}.valid_until"), "must be later than valid_from".into());
            }
            if card.zones.len() > CARD_ZONES_MAX {
                let wanted = format!("has {}, may have {CARD_ZONES_MAX}", card.zones.len());
                problems.add(format!("{at}.zones"), wanted);
            }
            let mut seen = HashMap::new();
            for (place, zone) in card.zones.iter().enumerate() {
                if !zones.contains(zone.as_str()) {
                    problems.add(format!("{at}.zones[{place}]"), no_zone(zone));
                }
                if let Some(first) = seen.insert(zone.as_str(), place) {
                    problems.add(format!("{at}.zones[{place}]"), format!("repeats zones[{first}]"));
                }
            }
        }
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

#[derive(Default)]
struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, path: String, problem: String) {
        self.found.push(Problem { path, problem });
    }

    /// Ids are legal and each is there once.
    fn ids<'a>(&mut self, list: &str, field: &str, ids: impl Iterator<Item = &'a String>) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (index, id) in ids.enumerate() {
            if let Err(invalid) = check_id(field, id) {
                self.add(format!("{list}[{index}].{field}"), invalid.problem);
            } else if let Some(first) = seen.get(id.as_str()) {
                let problem = format!("repeats {list}[{first}].{field}");
                self.add(format!("{list}[{index}].{field}"), problem);
            } else {
                seen.insert(id, index);
            }
        }
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

fn no_zone(id: &str) -> String {
    format!("no such zone {:?}", id.chars().take(64).collect::<String>())
}

fn one_of<const N: usize>(words: [&str; N]) -> String {
    format!("must be one of {}", words.join(", "))
}

fn enabled() -> String {
    "enabled".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreadable(text: &str) -> String {
        AccessFile::parse(text.as_bytes()).unwrap_err().to_string()
    }

    fn problems(text: &str) -> Vec<String> {
        let file = AccessFile::parse(text.as_bytes()).unwrap();
        let problems = file.check(&Known::default());
        problems.iter().map(ToString::to_string).collect()
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
    fn every_mistake_is_listed_by_its_path() {
        let found = problems(
            r#"{
                "zones": [{ "zone_id": "a", "name": "A" }, { "zone_id": "a", "name": "" }],
                "terminals": [{ "terminal_id": "t 1", "zone_id": "b", "direction": "up" }],
                "cards": [
                    { "card_id": "secret", "zones": ["a", "x", "a"] },
                    { "card_id": "secret", "zones": [], "state": "eaten",
                      "valid_from": "2016-01-01T00:00:00Z", "valid_until": "2016-01-01T00:00:00Z" }
                ]
            }"#,
        );
        assert_eq!(
            found,
            [
                "zones[1].zone_id: repeats zones[0].zone_id",
                "zones[1].name: must have 1 to 200 characters, none of them a control character",
                "terminals[0].terminal_id: may hold visible ASCII characters only, without spaces",
                r#"terminals[0].zone_id: no such zone "b""#,
                "terminals[0].direction: must be one of in, out, both",
                "cards[1].card_id: repeats cards[0].card_id",
                r#"cards[0].zones[1]: no such zone "x""#,
                "cards[0].zones[2]: repeats zones[0]",
                "cards[1].state: must be one of enabled, disabled, lost, stolen, blocked, expired",
                "cards[1].valid_until: must be later than valid_from",
            ]
        );
    }

    #[test]
    fn a_long_list_of_mistakes_is_cut_off() {
        let problem = |n| Problem { path: format!("cards[{n}]"), problem: "is wrong".to_owned() };
        let error = Error::Refused((0..25).map(problem).collect()).to_string();
        assert_eq!(error.lines().count(), 22);
        assert!(error.ends_with("… and 5 more"));
    }
}
