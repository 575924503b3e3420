//! Faulty terminals: whose events keep failing one after the other. No card waits for them, until
//! their registration changes. Pure.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// What a writer knows of terminals whose events have failed. Forgotten with the process: to learn
/// it again costs a few cards the time of a lane.
#[derive(Debug, Default)]
pub(crate) struct Quarantine {
    of: HashMap<String, Strikes, RandomState>,
}

#[derive(Debug)]
struct Strikes {
    in_a_row: u32,
    /// The version of its registration, as it was then; none where it had none.
    registered: Option<i64>,
    /// What Postgres said to its rows, where it was that.
    sqlstate: Option<String>,
}

/// How an event ended, as far as that says something of its terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) terminal_id: String,
    pub(crate) registered: Option<i64>,
    pub(crate) outcome: Result<(), Failed>,
}

/// An event that was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failed {
    /// What Postgres said to its row, where it was that.
    pub(crate) sqlstate: Option<String>,
}

/// Failures in a row that make a terminal faulty.
pub(crate) const STRIKES: u32 = 3;
/// Terminals that are watched: anyone can make names up.
const WATCHED_MAX: usize = 10_000;

impl Quarantine {
    /// Whether there is any terminal whose good events count, too.
    pub(crate) fn is_watching(&self) -> bool {
        !self.of.is_empty()
    }

    /// Whether events of this terminal are given up at once.
    pub(crate) fn holds(&self, terminal_id: &str, registered: Option<i64>) -> bool {
        self.faulty(terminal_id, registered).is_some()
    }

    /// What Postgres has said to the rows of this terminal, if it is for that that they are given up.
    pub(crate) fn refused(&self, terminal_id: &str, registered: Option<i64>) -> Option<&str> {
        self.faulty(terminal_id, registered)?.sqlstate.as_deref()
    }

    fn faulty(&self, terminal_id: &str, registered: Option<i64>) -> Option<&Strikes> {
        if self.of.is_empty() {
            return None;
        }
        let strikes = self.of.get(terminal_id)?;
        (strikes.in_a_row >= STRIKES && strikes.registered == registered).then_some(strikes)
    }

    /// Gives every terminal another chance: it was not the terminals.
    pub(crate) fn forget(&mut self) {
        self.of.clear();
    }

    /// Terminals that are faulty now.
    pub(crate) fn len(&self) -> usize {
        self.of.values().filter(|strikes| strikes.in_a_row >= STRIKES).count()
    }

    /// Takes in how events ended, in log order; returns the terminals that are faulty from now on.
    pub(crate) fn learn(&mut self, ends: Vec<End>) -> Vec<String> {
        let mut faulty = Vec::new();
        for End { terminal_id, registered, outcome } in ends {
            let Err(Failed { sqlstate }) = outcome else {
                self.of.remove(&terminal_id);
                continue;
            };
            if self.of.len() >= WATCHED_MAX && !self.of.contains_key(&terminal_id) {
                // Rather some are learned anew than that this grows.
                self.of.retain(|_, strikes| strikes.in_a_row >= STRIKES);
                if self.of.len() >= WATCHED_MAX {
                    self.of.clear();
                }
            }
            let new = || Strikes { in_a_row: 0, registered, sqlstate: None };
            let strikes = self.of.entry(terminal_id.clone()).or_insert_with(new);
            if strikes.registered != registered {
                *strikes = new();
            }
            strikes.sqlstate = sqlstate;
            strikes.in_a_row = strikes.in_a_row.saturating_add(1);
            if strikes.in_a_row == STRIKES {
                faulty.push(terminal_id);
            }
        }
        faulty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(terminal: &str, registered: Option<i64>, failed: &[bool]) -> Vec<End> {
        let outcome = |failed| if failed { Err(Failed { sqlstate: None }) } else { Ok(()) };
        let end = |failed: &bool| End {
            terminal_id: terminal.to_owned(),
            registered,
            outcome: outcome(*failed),
        };
        failed.iter().map(end).collect()
    }

    #[test]
    fn three_in_a_row_and_only_under_that_registration() {
        let mut quarantine = Quarantine::default();
        assert!(quarantine.learn(ends("t", None, &[true, true, false, true, true])).is_empty());
        assert!(!quarantine.holds("t", None));
        assert_eq!(quarantine.learn(ends("t", None, &[true, true])), ["t"]);
        assert!(quarantine.holds("t", None) && !quarantine.holds("u", None));
        assert!(!quarantine.holds("t", Some(7)), "it was registered since");
        assert_eq!(quarantine.len(), 1);
        quarantine.learn(ends("t", Some(7), &[true]));
        assert!(!quarantine.holds("t", Some(7)) && !quarantine.holds("t", None));
        quarantine.learn(ends("t", Some(7), &[false]));
        assert!(!quarantine.is_watching());
    }

    #[test]
    fn names_that_are_made_up_take_no_room_for_ever() {
        let mut quarantine = Quarantine::default();
        for name in 0..3 * WATCHED_MAX {
            quarantine.learn(ends(&name.to_string(), None, &[true; 3]));
            assert!(quarantine.of.len() <= WATCHED_MAX);
        }
    }
}
