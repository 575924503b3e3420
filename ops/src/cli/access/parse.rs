use access::{Enforcement, Lockout, ZoneMode};
use registry::edit::{Passage, Words};
use schemas::{Direction, Millis, check_id};

use crate::verify;

/// The longest time of a rule, in ms: a week.
const TIME_MAX_MS: i64 = 604_800_000;

/// One end of a card's validity; none where it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound(pub Option<Millis>);

/// A rule, or that there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule<T>(pub Option<T>);

pub(super) fn id(text: &str) -> Result<String, String> {
    match check_id("id", text) {
        Ok(()) => Ok(text.to_owned()),
        Err(invalid) => Err(invalid.problem),
    }
}

pub(super) fn from(text: &str) -> Result<Bound, String> {
    bound(text, "ever")
}

pub(super) fn until(text: &str) -> Result<Bound, String> {
    bound(text, "never")
}

fn bound(text: &str, none: &str) -> Result<Bound, String> {
    if text == none {
        return Ok(Bound(None));
    }
    verify::since(text).map(|at| Bound(Some(at))).map_err(|problem| format!("{problem}, or {none}"))
}

pub(super) fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "in" => Ok(Direction::In),
        "out" => Ok(Direction::Out),
        _ => Err("must be in or out".to_owned()),
    }
}

pub(super) fn passage(text: &str) -> Result<Passage, String> {
    Passage::of_word(text).ok_or_else(|| one_of(Passage::ALL.map(|(_, word)| word)))
}

pub(super) fn mode(text: &str) -> Result<ZoneMode, String> {
    ZoneMode::parse(text).ok_or_else(|| one_of(ZoneMode::ALL.map(|(_, word)| word)))
}

pub(super) fn enforcement(text: &str) -> Result<Enforcement, String> {
    Enforcement::parse(text).ok_or_else(|| one_of(Enforcement::ALL.map(|(_, word)| word)))
}

/// `5m`, or `off`.
pub(super) fn timed(text: &str) -> Result<Rule<i32>, String> {
    if text == "off" {
        return Ok(Rule(None));
    }
    duration_ms(text).map(|ms| Rule(Some(ms))).ok_or_else(|| format!("{WANTED}, or off"))
}

/// `5/1m/10m`, or `off`.
pub(super) fn lockout(text: &str) -> Result<Rule<Lockout>, String> {
    if text == "off" {
        return Ok(Rule(None));
    }
    let wanted = "must be DENIALS/WITHIN/FOR, as 5/1m/10m, or off";
    let parts: Vec<&str> = text.split('/').collect();
    let [denials, within, lasts] = parts[..] else { return Err(wanted.to_owned()) };
    let denials = denials.parse().map_err(|_| wanted.to_owned())?;
    let time = |text| {
        let ms = duration_ms(text).and_then(|ms| u32::try_from(ms).ok());
        ms.ok_or_else(|| format!("{wanted}; a time {WANTED}"))
    };
    let lockout = Lockout::new(denials, time(within)?, time(lasts)?);
    lockout.map(|lockout| Rule(Some(lockout))).map_err(|invalid| invalid.to_string())
}

const WANTED: &str = "must be a time up to a week, as 90s, 5m, 12h or 7d";

pub(in crate::cli) fn duration_ms(text: &str) -> Option<i32> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let ms = number.parse::<i64>().ok()?.checked_mul(unit_ms)?;
    i32::try_from(ms).ok().filter(|_| (1..=TIME_MAX_MS).contains(&ms))
}

fn one_of<const N: usize>(words: [&str; N]) -> String {
    format!("must be one of {}", words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_and_a_week_is_the_end() {
        assert_eq!(timed("90s"), Ok(Rule(Some(90_000))));
        assert_eq!(timed("7d"), Ok(Rule(Some(604_800_000))));
        assert_eq!(timed("off"), Ok(Rule(None)));
        for wrong in ["", "90", "s", "0s", "8d", "1w", "-1s", "99999999999999999999s", "1.5h"] {
            assert!(timed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_lockout_is_three_parts() {
        assert_eq!(lockout("5/1m/10m"), Ok(Rule(Lockout::new(5, 60_000, 600_000).ok())));
        assert_eq!(lockout("off"), Ok(Rule(None)));
        for wrong in ["5", "5/1m", "5/1m/10m/1s", "x/1m/1m", "21/1m/1m", "5/1/1"] {
            assert!(lockout(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_bound_can_be_taken_away() {
        assert_eq!(until("never"), Ok(Bound(None)));
        assert_eq!(from("ever"), Ok(Bound(None)));
        assert!(from("never").is_err() && until("2027-01-01").is_ok());
    }
}
