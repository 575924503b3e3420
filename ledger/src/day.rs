//! One day of a round: what of its numbers came before, and where.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::Error;
use crate::conflict::Lookup;
use crate::delta::{Columns, Group};
use crate::seen::Seen;
use crate::taken::Groups;

/// What deltas give of a day.
#[derive(Debug)]
pub(crate) struct Day<'g> {
    day: i32,
    oldest_day: i32,
    entries: Vec<Entry<'g>>,
    /// By the day on which they came before: which numbers, of which entries.
    found: BTreeMap<i32, Vec<(usize, Seen)>>,
}

/// What goes into one row of the ledger.
#[derive(Debug)]
struct Entry<'g> {
    terminal_id: &'g str,
    epoch: i32,
    group: &'g Group,
    block: i64,
    /// In order; one an event.
    seqs: &'g [i64],
    /// What was not found on another day, so far.
    unknown: Seen,
    /// Whether its numbers come again and again, which has been told often enough.
    is_told: bool,
    /// What must not be in the ledger before it is known where else it is, and is left to another round.
    put_off: Seen,
}

/// Numbers of one row of the ledger: so it stays small, however many gaps there are.
const BLOCK: i64 = 1_000;
/// Times that numbers of one row came again, from which on that is told no more: with a counter that stands
/// still, each event of a day would be looked up with each that follows.
const TOLD_MAX: i64 = 100;
/// Events that are left to other rounds together.
const LEFT_MAX: i64 = 100_000;

impl<'g> Day<'g> {
    pub(crate) fn new(day: i32, oldest_day: i32, groups: &'g Groups) -> Self {
        let mut entries = Vec::new();
        for ((terminal_id, epoch), group) in groups {
            for seqs in group.seqs.chunk_by(|a, b| a / BLOCK == b / BLOCK) {
                entries.push(Entry {
                    terminal_id,
                    epoch: *epoch,
                    group,
                    block: seqs[0] / BLOCK,
                    seqs,
                    unknown: Seen::of(seqs.iter().copied()),
                    is_told: false,
                    put_off: Seen::default(),
                });
            }
        }
        Self { day, oldest_day, entries, found: BTreeMap::new() }
    }

    /// Finds where numbers came before, until that is on more days than can be looked through.
    ///
    /// Of each number one day is enough, the latest: who has it there alone is who was never named, and
    /// if there are several, they were.
    pub(crate) async fn search(
        &mut self,
        transaction: &Transaction<'_>,
        lookups: usize,
    ) -> Result<(), Error> {
        let mut asked = self.untold(transaction).await?;
        while !asked.is_empty() {
            let hits = self.overlaps(transaction, &asked).await?;
            asked = hits.iter().map(|(nth, ..)| *nth).collect();
            for (nth, other_day, seqs) in hits {
                self.entries[nth].unknown.remove(&seqs);
                self.found.entry(other_day).or_default().push((nth, seqs));
            }
            if self.found.len() >= lookups {
                break;
            }
        }
        // Only of those that were asked for in vain is known that nobody had them before.
        for nth in asked {
            let entry = &mut self.entries[nth];
            entry.put_off = std::mem::take(&mut entry.unknown);
        }
        for (nth, entry) in self.entries.iter().enumerate().filter(|(_, entry)| !entry.is_told) {
            let twice = entry.seqs.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]);
            let twice = Seen::of(twice.filter(|seq| entry.unknown.holds(*seq)));
            if !twice.is_empty() {
                self.found.entry(self.day).or_default().push((nth, twice));
            }
        }
        Ok(())
    }

    /// The entries that are to be looked at.
    async fn untold(&mut self, transaction: &Transaction<'_>) -> Result<Vec<usize>, Error> {
        let all: Vec<usize> = (0..self.entries.len()).collect();
        let (terminal_ids, epochs, blocks) = self.keys(&all);
        let sql = include_str!("sql/told.sql");
        let rows = transaction
            .query(sql, &[&terminal_ids, &epochs, &blocks, &self.day, &TOLD_MAX])
            .await?;
        for row in &rows {
            let number: i64 = row.get(0);
            let entry = usize::try_from(number - 1).ok().and_then(|nth| self.entries.get_mut(nth));
            if let Some(entry) = entry {
                entry.is_told = true;
            }
        }
        Ok(all.into_iter().filter(|nth| !self.entries[*nth].is_told).collect())
    }

    /// Terminals, epochs and blocks of entries.
    fn keys(&self, of: &[usize]) -> (Vec<&'g str>, Vec<i32>, Vec<i64>) {
        let of = || of.iter().map(|nth| &self.entries[*nth]);
        (
            of().map(|entry| entry.terminal_id).collect(),
            of().map(|entry| entry.epoch).collect(),
            of().map(|entry| entry.block).collect(),
        )
    }

    /// Of each of these entries the numbers that are in the ledger already, on the latest day of which
    /// some are.
    async fn overlaps(
        &self,
        transaction: &Transaction<'_>,
        asked: &[usize],
    ) -> Result<Vec<(usize, i32, Seen)>, Error> {
        let (terminal_ids, epochs, blocks) = self.keys(asked);
        let seen: Vec<&Seen> = asked.iter().map(|nth| &self.entries[*nth].unknown).collect();
        let sql = include_str!("sql/overlaps.sql");
        let rows = transaction
            .query(sql, &[&terminal_ids, &epochs, &blocks, &seen, &self.oldest_day])
            .await?;
        let mut overlaps = Vec::with_capacity(rows.len());
        for row in &rows {
            let number: i64 = row.get(0);
            let nth = usize::try_from(number - 1).ok().and_then(|nth| asked.get(nth));
            if let Some(nth) = nth {
                overlaps.push((*nth, row.get(1), row.try_get(2)?));
            }
        }
        Ok(overlaps)
    }

    /// Names the events whose numbers came before, as long as `may_look`, in any order; the rest is put
    /// off. Adds the conflicts of each terminal. Whether no look took too long.
    pub(crate) async fn name(
        &mut self,
        transaction: &mut Transaction<'_>,
        mut may_look: impl FnMut() -> bool,
        reused: &mut BTreeMap<String, usize>,
    ) -> Result<bool, Error> {
        let mut found: Vec<_> = std::mem::take(&mut self.found).into_iter().collect();
        found.shuffle(&mut rand::rng());
        let mut in_time = true;
        for (other_day, hits) in found {
            if in_time && may_look() {
                let mut lookup = Lookup::new(self.day, other_day);
                for (nth, seqs) in &hits {
                    let Entry { terminal_id, epoch, group, .. } = self.entries[*nth];
                    lookup.add(terminal_id, epoch, (group.from, group.to), seqs.numbers());
                }
                let savepoint = transaction.transaction().await?;
                match lookup.name(&savepoint).await {
                    Ok(conflicts) => {
                        savepoint.commit().await?;
                        for (terminal_id, conflicts) in conflicts {
                            *reused.entry(terminal_id.to_owned()).or_default() += conflicts;
                        }
                        continue;
                    }
                    Err(Error::Postgres(error))
                        if error.code() == Some(&SqlState::QUERY_CANCELED) =>
                    {
                        savepoint.rollback().await?;
                        in_time = false;
                    }
                    Err(error) => return Err(error),
                }
            }
            for (nth, seqs) in hits {
                self.entries[nth].put_off.add(&seqs);
            }
        }
        Ok(in_time)
    }

    /// Writes all but the numbers that are put off: those are left to another round. How many events are
    /// written.
    pub(crate) async fn write(&self, transaction: &Transaction<'_>) -> Result<usize, Error> {
        let (mut terminal_ids, mut epochs, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
        let (mut seen, mut events, mut left) = (Vec::new(), Vec::new(), Columns::default());
        for entry in &self.entries {
            let Entry { terminal_id, epoch, group, block, .. } = *entry;
            let (off, kept): (Vec<i64>, Vec<i64>) =
                entry.seqs.iter().partition(|seq| entry.put_off.holds(**seq));
            if !off.is_empty() {
                left.push(terminal_id, epoch, (group.from, group.to), &off);
                left.insert_from(LEFT_MAX, transaction).await?;
            }
            if !kept.is_empty() {
                terminal_ids.push(terminal_id);
                epochs.push(epoch);
                blocks.push(block);
                events.push(kept.len() as i64);
                seen.push(Seen::of(kept));
            }
        }
        left.insert_from(1, transaction).await?;
        let sql = include_str!("sql/write_ledger.sql");
        let day = self.day;
        transaction.execute(sql, &[&day, &terminal_ids, &epochs, &blocks, &seen, &events]).await?;
        Ok(events.iter().sum::<i64>() as usize)
    }
}
