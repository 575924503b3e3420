use std::collections::HashMap;

use foldhash::fast::RandomState;
use registry::{Slot, Timestamptz};
use schemas::{Millis, TerminalCounter};
use tokio_postgres::Transaction;
use tokio_postgres::types::ToSql;

use crate::numbers;

/// Adds one [`Delta`]: its parameters are [`Columns::parameters`].
pub const INSERT: &str = include_str!("sql/insert_delta.sql");

/// The counters of the rows and collisions that one batch makes.
#[derive(Debug, Default)]
pub struct Delta {
    groups: HashMap<(Slot, u32, i32), Group, RandomState>,
}

/// The counters of one terminal, epoch and day.
#[derive(Debug)]
pub(crate) struct Group {
    /// When the first of the events was.
    pub(crate) from: Millis,
    /// When the last was.
    pub(crate) to: Millis,
    /// A number an event.
    pub(crate) seqs: Vec<i64>,
}

/// A delta as it is written: a group's numbers lie behind those of the group before.
#[derive(Debug, Default)]
pub struct Columns<'n> {
    events: i64,
    terminal_ids: Vec<&'n str>,
    epochs: Vec<i32>,
    from: Vec<Timestamptz>,
    to: Vec<Timestamptz>,
    ends: Vec<i32>,
    seqs: Vec<u8>,
}

impl Delta {
    /// Adds what an event that occurred at that moment says of its terminal's counter.
    pub fn add(&mut self, terminal: Slot, counter: TerminalCounter, at: Millis) {
        let key = (terminal, counter.epoch, at.unix_day());
        let group = self.groups.entry(key).or_insert_with(|| Group::at(at));
        // A checked event has no more.
        group.add(at, i64::try_from(counter.seq).unwrap_or(i64::MAX));
    }

    /// Whether no event had a counter.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What is written, with the terminals by their names.
    pub fn columns<'n>(&self, name: impl Fn(Slot) -> &'n str) -> Columns<'n> {
        let mut columns = Columns::default();
        let mut seqs = Vec::new();
        for ((terminal, epoch, _), group) in &self.groups {
            seqs.clone_from(&group.seqs);
            seqs.sort_unstable();
            let epoch = i32::try_from(*epoch).unwrap_or(i32::MAX);
            columns.push(name(*terminal), epoch, (group.from, group.to), &seqs);
        }
        columns
    }
}

impl Group {
    pub(crate) fn at(at: Millis) -> Self {
        Self { from: at, to: at, seqs: Vec::new() }
    }

    fn add(&mut self, at: Millis, seq: i64) {
        self.reach(at, at);
        self.seqs.push(seq);
    }

    pub(crate) fn reach(&mut self, from: Millis, to: Millis) {
        self.from = self.from.min(from);
        self.to = self.to.max(to);
    }
}

impl<'n> Columns<'n> {
    /// Adds a group: when its events were, and their numbers in order.
    pub(crate) fn push(
        &mut self,
        terminal_id: &'n str,
        epoch: i32,
        (from, to): (Millis, Millis),
        seqs: &[i64],
    ) {
        self.events += seqs.len() as i64;
        self.terminal_ids.push(terminal_id);
        self.epochs.push(epoch);
        self.from.push(Timestamptz(from));
        self.to.push(Timestamptz(to));
        numbers::encode(seqs, &mut self.seqs);
        // Nine bytes an event at most; of a batch or a round, which are ten millions at most.
        self.ends.push(self.seqs.len() as i32);
    }

    /// Adds them to the deltas once they are of so many events, and begins anew.
    pub(crate) async fn insert_from(
        &mut self,
        events: i64,
        transaction: &Transaction<'_>,
    ) -> Result<(), tokio_postgres::Error> {
        if self.events >= events {
            transaction.execute(INSERT, &self.parameters()).await?;
            *self = Self::default();
        }
        Ok(())
    }

    /// For [`INSERT`].
    pub fn parameters(&self) -> [&(dyn ToSql + Sync); 7] {
        [
            &self.events,
            &self.terminal_ids,
            &self.epochs,
            &self.from,
            &self.to,
            &self.ends,
            &self.seqs,
        ]
    }
}
