//! `gatelog access`: who may go where. Each edit is one transaction, made for the versions that it
//! has read: what somebody else has changed meanwhile is a conflict, never overwritten.

mod change;
mod conflict;
mod edit;
pub mod forgive;
pub mod grant;
pub mod history;
pub mod import;
pub mod schedule;
pub mod show;
pub mod state;
pub mod terminal;
mod whereabouts;
pub mod why;
pub mod zone;

use crate::output::Table;

pub use edit::Asked;

/// What a person reads where a value is null.
const NOTHING: &str = "-";

/// Names and values under each other.
fn facts<const N: usize>(facts: [(&str, String); N]) -> String {
    let mut table = Table::headless(&[0, 1]);
    for (name, value) in facts {
        table.row([name.to_owned(), value]);
    }
    table.render()
}

/// Words in a row, or that there are none.
fn list(words: &[String]) -> String {
    if words.is_empty() { NOTHING.to_owned() } else { words.join(", ") }
}

fn or_nothing<T: ToString>(value: Option<&T>) -> String {
    value.map_or_else(|| NOTHING.to_owned(), T::to_string)
}

/// Milliseconds as people write them: the largest unit that gives a whole number.
fn duration(ms: i32) -> String {
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let unit = units.iter().find(|(unit, _)| ms % unit == 0);
    unit.map_or_else(|| format!("{ms}ms"), |(unit, name)| format!("{}{name}", ms / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_short() {
        let all = [1, 1_500, 90_000, 120_000, 3_600_000, 604_800_000].map(duration);
        assert_eq!(all, ["1ms", "1500ms", "90s", "2m", "1h", "7d"]);
    }
}
