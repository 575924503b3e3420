//! The swipes of a bench: the same ones for the same options on the same day.

use std::borrow::Cow;
use std::ops::Range;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schemas::{Millis, Mode, Reasons, Swipe};
use uuid::Uuid;

use crate::site::{Site, TERMINALS};

/// Days of swipes, where nobody says otherwise.
pub(crate) const DAYS: u16 = 5;
const DAY_MS: i64 = 86_400_000;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) rows: u32,
    pub(crate) partitions: u16,
    pub(crate) seed: u64,
    /// How late a swipe may arrive, at most.
    pub(crate) jitter_ms: u32,
    /// The swipes lie in so many whole days, the last of which is yesterday.
    pub(crate) days: u16,
}

/// Swipes in the order in which they arrive, and who made them.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) site: Site,
    reads: Vec<Read>,
    /// By partition of the log: which swipe stands at each offset.
    partitions: Vec<Vec<u32>>,
    /// Since the epoch.
    days: Range<i32>,
}

#[derive(Debug)]
struct Read {
    occurred_at: Millis,
    event_id: Uuid,
    age_ms: u32,
    card: u32,
    terminal: u32,
    terminal_seq: u32,
    partition: u16,
    offset: u32,
}

/// A swipe with its place in the log and the decision it must get.
#[derive(Debug)]
pub(crate) struct Placed<'w> {
    pub(crate) swipe: Swipe<'w>,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) zone_id: &'w str,
    pub(crate) reasons: Reasons,
}

impl Workload {
    /// Generates the swipes of a shape. Each has a millisecond of its own, so all become rows.
    ///
    /// # Errors
    /// The days have fewer milliseconds than the shape has rows.
    pub(crate) fn generate(shape: Shape) -> Result<Self> {
        let days_ms = i64::from(shape.days) * DAY_MS;
        let slot_ms = days_ms / i64::from(shape.rows.max(1));
        ensure!(
            slot_ms > 0,
            "{} rows are more than {} days have milliseconds",
            shape.rows,
            shape.days
        );
        let today = Millis::now().unix_day();
        let mut workload = Self {
            site: Site::new(shape.rows as usize),
            reads: Vec::with_capacity(shape.rows as usize),
            partitions: vec![Vec::new(); usize::from(shape.partitions)],
            days: today - i32::from(shape.days)..today,
        };
        let mut random = StdRng::seed_from_u64(shape.seed);
        let mut seqs = [0; TERMINALS];
        for slot in 0..i64::from(shape.rows) {
            let start = i64::from(workload.days.start) * DAY_MS + slot * slot_ms;
            let mut read = workload.read(&mut random, shape.jitter_ms);
            read.occurred_at = Millis::from_unix_ms(start + random.random_range(0..slot_ms));
            seqs[read.terminal as usize] += 1;
            read.terminal_seq = seqs[read.terminal as usize];
            workload.reads.push(read);
        }
        workload.place(shape);
        Ok(workload)
    }

    /// How many swipes there are.
    pub(crate) fn len(&self) -> usize {
        self.reads.len()
    }

    /// By partition of the log: which swipe stands at each offset.
    pub(crate) fn partitions(&self) -> &[Vec<u32>] {
        &self.partitions
    }

    /// The partition of the swipe that arrives after `index` others.
    pub(crate) fn partition(&self, index: usize) -> usize {
        usize::from(self.reads[index].partition)
    }

    /// The days, since the epoch, on which the swipes occurred.
    pub(crate) fn days(&self) -> Range<i32> {
        self.days.clone()
    }

    /// So many days, the last of which is the workload's last.
    pub(crate) fn days_up_to_its_last(&self, days: u16) -> Range<i32> {
        self.days.end - i32::from(days)..self.days.end
    }

    /// How many must be denied.
    pub(crate) fn denied(&self) -> i64 {
        let denied = (0..self.len()).filter(|index| !self.placed(*index).reasons.is_empty());
        denied.count() as i64
    }

    /// The swipe that arrives after `index` others.
    pub(crate) fn placed(&self, index: usize) -> Placed<'_> {
        let read = &self.reads[index];
        let site = &self.site;
        let (card, terminal) = (read.card as usize, read.terminal as usize);
        let reasons = site.reasons(card, terminal);
        let (card, terminal) = (&site.cards[card], &site.terminals[terminal]);
        // A few ms on the way to the gateway.
        let way_ms = i64::from(read.event_id.as_bytes()[0] % 16);
        let received_at = read.occurred_at.unix_ms() + i64::from(read.age_ms) + way_ms;
        Placed {
            swipe: Swipe {
                event_id: read.event_id,
                card_id: Cow::Borrowed(&card.id),
                terminal_id: Cow::Borrowed(&terminal.id),
                terminal_epoch: Some(1),
                terminal_seq: Some(u64::from(read.terminal_seq)),
                occurred_at: read.occurred_at,
                age_ms: Some(u64::from(read.age_ms)),
                received_at: Millis::from_unix_ms(received_at),
                direction: Some(terminal.direction),
                mode: Mode::Online,
                local_decision: None,
            },
            partition: i32::from(read.partition),
            offset: i64::from(read.offset),
            zone_id: &site.zones[terminal.zone],
            reasons,
        }
    }

    fn read(&self, random: &mut StdRng, jitter_ms: u32) -> Read {
        let card = random.random_range(0..self.site.cards.len());
        let terminal = self.site.terminal_for(random, card);
        Read {
            occurred_at: Millis::from_unix_ms(0),
            event_id: uuid::Builder::from_random_bytes(random.random()).into_uuid(),
            age_ms: random.random_range(5..50) + random.random_range(0..=jitter_ms),
            card: card as u32,
            terminal: terminal as u32,
            terminal_seq: 0,
            partition: 0,
            offset: 0,
        }
    }

    /// Brings the swipes into the order of arrival and gives each its place in the log.
    fn place(&mut self, shape: Shape) {
        if shape.jitter_ms > 0 {
            let arrival = |read: &Read| read.occurred_at.unix_ms() + i64::from(read.age_ms);
            self.reads.sort_by_key(arrival);
        }
        let by_card = self.site.partitions(shape.partitions);
        for (index, read) in self.reads.iter_mut().enumerate() {
            read.partition = by_card[read.card as usize];
            let offsets = &mut self.partitions[usize::from(read.partition)];
            read.offset = offsets.len() as u32;
            offsets.push(index as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SHAPE: Shape = Shape { rows: 5_000, partitions: 7, seed: 3, jitter_ms: 0, days: 5 };

    #[test]
    fn every_swipe_becomes_a_row_and_the_days_hold_them() {
        let workload = Workload::generate(Shape { jitter_ms: 900_000, ..SHAPE }).unwrap();
        let mut keys = HashSet::new();
        let mut offsets = [0; 7];
        for index in 0..workload.len() {
            let placed = workload.placed(index);
            let swipe = &placed.swipe;
            assert!(keys.insert((swipe.card_id.clone(), swipe.occurred_at)));
            assert!(workload.days().contains(&swipe.occurred_at.unix_day()));
            assert_eq!(placed.partition, schemas::partition_of(swipe.card_id.as_bytes(), 7));
            let next = &mut offsets[placed.partition as usize];
            assert_eq!(placed.offset, *next);
            *next += 1;
        }
        let cards = &workload.site.cards;
        assert_eq!(cards.iter().map(|card| &card.id).collect::<HashSet<_>>().len(), cards.len());
        let share = workload.denied() as f64 / workload.len() as f64;
        assert!((0.02..0.04).contains(&share), "{share}");
    }

    #[test]
    fn the_seed_decides_and_jitter_moves_arrival() {
        let all = |shape| {
            let workload = Workload::generate(shape).unwrap();
            let swipes = (0..workload.len()).map(|i| format!("{:?}", workload.placed(i)));
            swipes.collect::<Vec<String>>()
        };
        assert_eq!(all(SHAPE), all(SHAPE));
        assert_ne!(all(SHAPE), all(Shape { seed: 4, ..SHAPE }));
        let in_order = |shape| {
            let workload = Workload::generate(shape).unwrap();
            let times = (0..workload.len()).map(|i| workload.placed(i).swipe.occurred_at);
            times.is_sorted()
        };
        assert!(in_order(SHAPE));
        assert!(!in_order(Shape { jitter_ms: 900_000, ..SHAPE }));
    }
}
