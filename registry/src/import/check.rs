use std::collections::{HashMap, HashSet};

use access::{CardState, DENIALS_MAX, Enforcement, ZoneMode};
use schemas::check_id;

use super::file::{Antipassback, Lockout};
use super::{AccessFile, Problem};
use crate::edit::Passage;

/// Zones that one card may have.
const CARD_ZONES_MAX: usize = 1_000;
/// Characters of a zone's name.
const NAME_LENGTH_MAX: usize = 200;
/// A week: the longest time of a rule, in ms.
const TIME_MAX_MS: i32 = 604_800_000;

/// What a file may refer to without bringing it along.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Ids of the zones that are registered.
    pub zones: HashSet<String>,
    /// Ids of the schedules that are registered.
    pub schedules: HashSet<String>,
}

/// Ids that a file may name: its own and what is known.
struct Names<'a> {
    zones: HashSet<&'a str>,
    schedules: HashSet<&'a str>,
}

impl AccessFile {
    /// Everything that is wrong with the file, in its order.
    pub fn check(&self, known: &Known) -> Vec<Problem> {
        let mut problems = Problems::default();
        let zones = self.zones.iter().map(|zone| &zone.zone_id);
        let schedules = self.schedules.iter().map(|schedule| &schedule.schedule_id);
        let names = Names {
            zones: known.zones.iter().chain(zones).map(String::as_str).collect(),
            schedules: known.schedules.iter().chain(schedules).map(String::as_str).collect(),
        };
        self.check_schedules(&mut problems);
        self.check_zones(&mut problems);
        self.check_terminals(&names, &mut problems);
        self.check_cards(&names, &mut problems);
        problems.found
    }

    fn check_schedules(&self, problems: &mut Problems) {
        let ids = self.schedules.iter().map(|schedule| &schedule.schedule_id);
        problems.ids(ids, |index| format!("schedules[{index}].schedule_id"));
        for (index, schedule) in self.schedules.iter().enumerate() {
            if let Err(invalid) = access::Schedule::new(&schedule.definition) {
                let path = format!("schedules[{index}].definition.{}", invalid.field);
                problems.add(path, invalid.problem);
            }
        }
    }

    fn check_zones(&self, problems: &mut Problems) {
        let ids = self.zones.iter().map(|zone| &zone.zone_id);
        problems.ids(ids, |index| format!("zones[{index}].zone_id"));
        for (index, zone) in self.zones.iter().enumerate() {
            if let Err(problem) = check_name(&zone.name) {
                problems.add(format!("zones[{index}].name"), problem);
            }
            if zone.mode.as_deref().is_some_and(|mode| ZoneMode::parse(mode).is_none()) {
                let wanted = one_of(ZoneMode::ALL.map(|(_, word)| word));
                problems.add(format!("zones[{index}].mode"), wanted);
            }
            if let Some(antipassback) = &zone.antipassback {
                check_antipassback(&format!("zones[{index}].antipassback"), antipassback, problems);
            }
            if let Some(Some(lockout)) = &zone.lockout {
                check_lockout(&format!("zones[{index}].lockout"), lockout, problems);
            }
        }
    }

    fn check_terminals(&self, names: &Names<'_>, problems: &mut Problems) {
        let ids = self.terminals.iter().map(|terminal| &terminal.terminal_id);
        problems.ids(ids, |index| format!("terminals[{index}].terminal_id"));
        for (index, terminal) in self.terminals.iter().enumerate() {
            if !names.zones.contains(terminal.zone_id.as_str()) {
                let path = format!("terminals[{index}].zone_id");
                problems.add(path, unknown("zone", &terminal.zone_id));
            }
            let words = Passage::ALL.map(|(_, word)| word);
            if !words.contains(&terminal.direction.as_str()) {
                problems.add(format!("terminals[{index}].direction"), one_of(words));
            }
        }
    }

    fn check_cards(&self, names: &Names<'_>, problems: &mut Problems) {
        let places = &self.places;
        problems.ids(self.cards.iter().map(|card| &card.card_id), |index| {
            places.card(index, "card_id")
        });
        for (index, card) in self.cards.iter().enumerate() {
            if card.state.as_deref().is_some_and(|state| CardState::parse(state).is_none()) {
                let wanted = one_of(CardState::ALL.map(|(_, word)| word));
                problems.add(places.card(index, "state"), wanted);
            }
            if matches!((card.valid_from, card.valid_until), (Some(from), Some(until)) if from >= until)
            {
                let problem = "must be later than valid_from".to_owned();
                problems.add(places.card(index, "valid_until"), problem);
            }
            if let Some(Some(schedule)) = &card.schedule_id
                && !names.schedules.contains(schedule.as_str())
            {
                problems.add(places.card(index, "schedule_id"), unknown("schedule", schedule));
            }
            if card.zones.len() > CARD_ZONES_MAX {
                let wanted = format!("has {}, may have {CARD_ZONES_MAX}", card.zones.len());
                problems.add(places.card(index, "zones"), wanted);
            }
            let mut seen = HashMap::new();
            for (place, zone) in card.zones.iter().enumerate() {
                if !names.zones.contains(zone.as_str()) {
                    problems.add(places.card_zone(index, place), unknown("zone", zone));
                }
                if let Some(first) = seen.insert(zone.as_str(), place) {
                    let first = places.card_zone(index, first);
                    problems.add(places.card_zone(index, place), format!("repeats {first}"));
                }
            }
        }
    }
}

/// Checks the name of a zone.
///
/// # Errors
/// Says what it must be.
pub fn check_name(name: &str) -> Result<(), String> {
    if (1..=NAME_LENGTH_MAX).contains(&name.chars().count()) && !name.contains(char::is_control) {
        return Ok(());
    }
    Err(format!("must have 1 to {NAME_LENGTH_MAX} characters, none of them a control character"))
}

fn check_antipassback(at: &str, rule: &Antipassback, problems: &mut Problems) {
    if Enforcement::parse(&rule.enforcement).is_none() {
        let wanted = one_of(Enforcement::ALL.map(|(_, word)| word));
        problems.add(format!("{at}.enforcement"), wanted);
    }
    if let Some(ms) = rule.timed_ms {
        problems.range(format!("{at}.timed_ms"), ms, TIME_MAX_MS);
    }
}

fn check_lockout(at: &str, rule: &Lockout, problems: &mut Problems) {
    problems.range(format!("{at}.denials"), rule.denials, DENIALS_MAX as i32);
    problems.range(format!("{at}.within_ms"), rule.within_ms, TIME_MAX_MS);
    problems.range(format!("{at}.for_ms"), rule.for_ms, TIME_MAX_MS);
}

#[derive(Default)]
struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, path: String, problem: String) {
        self.found.push(Problem { path, problem });
    }

    fn range(&mut self, path: String, value: i32, max: i32) {
        if !(1..=max).contains(&value) {
            self.add(path, format!("must be 1 to {max}"));
        }
    }

    /// Ids are legal and each is there once.
    fn ids<'a>(&mut self, ids: impl Iterator<Item = &'a String>, path: impl Fn(usize) -> String) {
        let mut seen: HashMap<&str, usize> = HashMap::new();
        for (index, id) in ids.enumerate() {
            if let Err(invalid) = check_id("id", id) {
                self.add(path(index), invalid.problem);
            } else if let Some(first) = seen.get(id.as_str()) {
                self.add(path(index), format!("repeats {}", path(*first)));
            } else {
                seen.insert(id, index);
            }
        }
    }
}

fn unknown(kind: &str, id: &str) -> String {
    format!("no such {kind} {:?}", id.chars().take(64).collect::<String>())
}

fn one_of<const N: usize>(words: [&str; N]) -> String {
    format!("must be one of {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let file = AccessFile::parse(text.as_bytes()).unwrap();
        let problems = file.check(&Known::default());
        problems.iter().map(ToString::to_string).collect()
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
                "cards[0].zones[2]: repeats cards[0].zones[0]",
                "cards[1].state: must be one of enabled, disabled, lost, stolen, blocked, expired",
                "cards[1].valid_until: must be later than valid_from",
            ]
        );
    }

    #[test]
    fn rules_and_schedules_are_checked_too() {
        let found = problems(
            r#"{
                "schedules": [
                    { "schedule_id": "s", "definition": { "time_zone": "UTC", "weekly":
                        [{ "days": [], "from": "07:00", "until": "19:00" }] } },
                    { "schedule_id": "s", "definition": { "time_zone": "UTC" } }
                ],
                "zones": [{ "zone_id": "a", "name": "A", "mode": "open",
                    "antipassback": { "enforcement": "strict", "timed_ms": 0 },
                    "lockout": { "denials": 21, "within_ms": 1, "for_ms": 604800001 } }],
                "cards": [{ "card_id": "c", "zones": [], "schedule_id": "t" }]
            }"#,
        );
        assert_eq!(
            found,
            [
                "schedules[1].schedule_id: repeats schedules[0].schedule_id",
                "schedules[0].definition.weekly[0].days: must name one day or more, each once",
                "zones[0].mode: must be one of normal, deny_all, released",
                "zones[0].antipassback.enforcement: must be one of off, soft, hard",
                "zones[0].antipassback.timed_ms: must be 1 to 604800000",
                "zones[0].lockout.denials: must be 1 to 20",
                "zones[0].lockout.for_ms: must be 1 to 604800000",
                r#"cards[0].schedule_id: no such schedule "t""#,
            ]
        );
    }
}
