//! The swipes of a bench: the same ones for the same options on the same day.

use std::borrow::Cow;

use anyhow::{Result, ensure};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use schemas::{DenialReason, Direction, Millis, Mode, Reasons, Swipe};
use uuid::Uuid;

const CARDS: usize = 50_000;
const TERMINALS: usize = 200;
const ZONES: usize = 20;
/// Zones on a card's list.
const ZONES_A_CARD: usize = 4;
/// Share of swipes at a zone that is not on the card's list.
const DENIED: f64 = 0.03;
/// The swipes lie in the last whole days.
const DAYS: i32 = 5;
const DAY_MS: i64 = 86_400_000;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) rows: u32,
    pub(crate) partitions: u16,
    pub(crate) seed: u64,
    /// How late a swipe may arrive, at most.
    pub(crate) jitter_ms: u32,
}

/// Swipes in the order in which they arrive, and who made them.
#[derive(Debug)]
pub(crate) struct Workload {
    pub(crate) cards: Vec<Card>,
    pub(crate) terminals: Vec<Terminal>,
    pub(crate) zones: Vec<String>,
    reads: Vec<Read>,
    /// By partition of the log: which swipe stands at each offset.
    partitions: Vec<Vec<u32>>,
    first_day: i32,
}

#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) id: String,
    /// Indices of the zones it may enter.
    pub(crate) zones: [usize; ZONES_A_CARD],
}

#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) id: String,
    /// Index of its zone.
    pub(crate) zone: usize,
    pub(crate) direction: Direction,
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
        let slot_ms = i64::from(DAYS) * DAY_MS / i64::from(shape.rows.max(1));
        ensure!(slot_ms > 0, "{} rows are more than {DAYS} days have milliseconds", shape.rows);
        let first_day = Millis::now().unix_day() - DAYS;
        let mut workload = Self {
            cards: (0..CARDS).map(card).collect(),
            terminals: (0..TERMINALS).map(terminal).collect(),
            zones: (0..ZONES).map(|i| format!("zone-{i:02}")).collect(),
            reads: Vec::with_capacity(shape.rows as usize),
            partitions: vec![Vec::new(); usize::from(shape.partitions)],
            first_day,
        };
        let mut random = StdRng::seed_from_u64(shape.seed);
        let mut seqs = [0; TERMINALS];
        for slot in 0..i64::from(shape.rows) {
            let start = i64::from(first_day) * DAY_MS + slot * slot_ms;
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

    /// The days, since the epoch, on which the swipes occurred.
    pub(crate) fn days(&self) -> Vec<i32> {
        (self.first_day..self.first_day + DAYS).collect()
    }

    /// A moment before all of them.
    pub(crate) fn before(&self) -> Millis {
        Millis::from_unix_ms(i64::from(self.first_day - 1) * DAY_MS)
    }

    /// How many must be denied.
    pub(crate) fn denied(&self) -> i64 {
        let denied = (0..self.len()).filter(|index| !self.placed(*index).reasons.is_empty());
        denied.count() as i64
    }

    /// The swipe that arrives after `index` others.
    pub(crate) fn placed(&self, index: usize) -> Placed<'_> {
        let read = &self.reads[index];
        let (card, terminal) =
            (&self.cards[read.card as usize], &self.terminals[read.terminal as usize]);
        let mut reasons = Reasons::NONE;
        if !card.zones.contains(&terminal.zone) {
            reasons.insert(DenialReason::Unauthorized);
        }
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
            zone_id: &self.zones[terminal.zone],
            reasons,
        }
    }

    fn read(&self, random: &mut StdRng, jitter_ms: u32) -> Read {
        let card = random.random_range(0..CARDS);
        let zones = &self.cards[card].zones;
        let zone = if random.random_bool(DENIED) {
            let others: Vec<usize> = (0..ZONES).filter(|zone| !zones.contains(zone)).collect();
            others[random.random_range(0..others.len())]
        } else {
            zones[random.random_range(0..zones.len())]
        };
        // Terminals are dealt to the zones in turn.
        let terminal = zone + ZONES * random.random_range(0..TERMINALS / ZONES);
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
        let owed = |card: &Card| {
            schemas::partition_of(card.id.as_bytes(), i32::from(shape.partitions)) as u16
        };
        let by_card: Vec<u16> = self.cards.iter().map(owed).collect();
        for (index, read) in self.reads.iter_mut().enumerate() {
            read.partition = by_card[read.card as usize];
            let offsets = &mut self.partitions[usize::from(read.partition)];
            read.offset = offsets.len() as u32;
            offsets.push(index as u32);
        }
    }
}

/// An id like the serial number of a MIFARE card: seven bytes, of which six are spread evenly, by
/// an odd factor, so that no two are alike.
fn card(index: usize) -> Card {
    let spread = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff_ffff_ffff;
    Card { id: format!("04{spread:012X}"), zones: std::array::from_fn(|i| (index + i * 3) % ZONES) }
}

fn terminal(index: usize) -> Terminal {
    let zone = index % ZONES;
    let direction = match index / ZONES % 2 {
        0 => Direction::In,
        _ => Direction::Out,
    };
    Terminal { id: format!("reader-{index:03}"), zone, direction }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const SHAPE: Shape = Shape { rows: 5_000, partitions: 7, seed: 3, jitter_ms: 0 };

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
        assert_eq!(workload.cards.iter().map(|card| &card.id).collect::<HashSet<_>>().len(), CARDS);
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
