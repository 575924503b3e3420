use std::collections::HashMap;

use foldhash::fast::RandomState;
use registry::{Slot, Timestamptz};
use schemas::{Millis, TerminalCounter};
use tokio_postgres::types::ToSql;

/// Adds one [`Delta`]: its parameters are [`Columns::parameters`].
pub const INSERT: &str = include_str!("sql/insert_delta.sql");

/// The counters of the rows and collisions that one batch makes.
#[derive(Debug, Default)]
pub struct Delta {
    groups: HashMap<(Slot, u32, i32), Group, RandomState>,
}

/// Those of one terminal, epoch and day.
#[derive(Debug)]
struct Group {
    from: Millis,
    to: Millis,
    seqs: Vec<i64>,
}

/// A delta as it is written: a group's numbers lie behind those of the group before.
#[derive(Debug, Default)]
pub struct Columns<'n> {
    terminal_ids: Vec<&'n str>,
    epochs: Vec<i32>,
    from: Vec<Timestamptz>,
    to: Vec<Timestamptz>,
    ends: Vec<i32>,
    seqs: Vec<i64>,
}

impl Delta {
    /// Adds what an event that occurred at that moment says of its terminal's counter.
    pub fn add(&mut self, terminal: Slot, counter: TerminalCounter, at: Millis) {
        let key = (terminal, counter.epoch, at.unix_day());
        let new = || Group { from: at, to: at, seqs: Vec::new() };
        let group = self.groups.entry(key).or_insert_with(new);
        group.from = group.from.min(at);
        group.to = group.to.max(at);
        // A checked event has no more.
        group.seqs.push(i64::try_from(counter.seq).unwrap_or(i64::MAX));
    }

    /// Whether no event had a counter.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What is written, with the terminals by their names.
    pub fn columns<'n>(&self, name: impl Fn(Slot) -> &'n str) -> Columns<'n> {
        let mut columns = Columns::default();
        for ((terminal, epoch, _), group) in &self.groups {
            columns.terminal_ids.push(name(*terminal));
            columns.epochs.push(i32::try_from(*epoch).unwrap_or(i32::MAX));
            columns.from.push(Timestamptz(group.from));
            columns.to.push(Timestamptz(group.to));
            columns.seqs.extend(&group.seqs);
            // A batch holds a million events at most.
            columns.ends.push(columns.seqs.len() as i32);
        }
        columns
    }
}

impl Columns<'_> {
    /// For [`INSERT`].
    pub fn parameters(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.terminal_ids, &self.epochs, &self.from, &self.to, &self.ends, &self.seqs]
    }
}
