//! Lanes: the events of one card that wait, in log order, behind one that failed for a reason that
//! may pass. Pure.
//!
//! What waits is a row of `parked_event` and nothing else: each transaction reads the lanes of its
//! partitions behind the fence, so that whoever takes a partition over goes on where the last owner
//! stopped.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;
use registry::Slot;
use resilience::{Backoff, share};
use schemas::{Millis, headers};
use serde::{Deserialize, Serialize};

use crate::chunk::{Record, last};

/// The limits of lanes.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How long a card may be held up by a lane, however many events wait in it, in ms. What is left
    /// of the promised 2 s is for applying what waited.
    pub open_ms_max: u64,
    /// Lanes of one partition; where there are so many, what fails becomes a dead letter at once.
    pub lanes_max: usize,
    /// Events of one lane; with more it is closed early.
    pub events_max: usize,
    /// Between two tries of what failed.
    pub retry: Backoff,
}

impl Default for Limits {
    fn default() -> Self {
        let retry = Backoff { base_ms: 100, cap_ms: 500 };
        Self { open_ms_max: 1_800, lanes_max: 200, events_max: 100, retry }
    }
}

/// An event that waits.
#[derive(Debug)]
pub(crate) struct Parked {
    /// Partition and offset.
    pub(crate) place: (i32, i64),
    pub(crate) card_id: String,
    pub(crate) wait: Wait,
}

/// How long an event has waited, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    /// When its lane was opened.
    pub(crate) opened_at: Millis,
    /// How often it was tried; 0 for one that waits for another.
    pub(crate) tries: u32,
    /// When it is tried again.
    pub(crate) next_try_at: Millis,
}

/// The lanes of a batch's partitions, as they are while the batch is decided.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    of: HashMap<Slot, Lane, RandomState>,
    /// Open lanes of each partition.
    open: HashMap<i32, usize>,
}

#[derive(Debug)]
struct Lane {
    partition: i32,
    wait: Wait,
    events: usize,
    /// Whether what comes of the card must wait.
    holds: bool,
    /// Whether what fails waits no longer.
    is_over: bool,
}

/// What becomes of an event that cannot be applied yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotYet {
    /// It waits, and its card with it.
    Wait(Wait),
    /// It has waited long enough, or may not: a dead letter, after so many tries.
    GiveUp { tries: u32 },
}

/// How far a clock may be behind the one that opened a lane.
const SKEW_MS: i64 = 1_000;

impl Lanes {
    /// Takes in what waits, in log order: `card` is its number.
    pub(crate) fn found(&mut self, card: Slot, parked: &Parked, now: Millis, limits: &Limits) {
        let wait = parked.wait;
        let lane = self.of.entry(card).or_insert_with(|| {
            *self.open.entry(parked.place.0).or_default() += 1;
            let is_over = is_over(&wait, now, limits);
            let due = is_over || wait.next_try_at <= now;
            Lane { partition: parked.place.0, wait, events: 0, holds: !due, is_over }
        });
        lane.events += 1;
        if lane.events >= limits.events_max {
            (lane.is_over, lane.holds) = (true, false);
        }
    }

    /// Whether an event of this card has to wait for one that is not tried now, or has failed again.
    pub(crate) fn holds(&self, card: Slot) -> bool {
        !self.of.is_empty() && self.of.get(&card).is_some_and(|lane| lane.holds)
    }

    /// When each partition's lanes are to be looked after next.
    pub(crate) fn due(&self, now: Millis, limits: &Limits) -> HashMap<i32, Duration> {
        let mut due: HashMap<i32, Duration> = HashMap::new();
        for lane in self.of.values().filter(|lane| lane.holds) {
            let at = due_in(&lane.wait, now, limits);
            due.entry(lane.partition).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
        due
    }

    /// Where an event stands that waits for another of its card.
    pub(crate) fn behind(&mut self, card: Slot) -> Option<Wait> {
        let lane = self.of.get_mut(&card)?;
        lane.events += 1;
        Some(Wait { tries: 0, ..lane.wait })
    }

    /// What becomes of an event that cannot be applied yet. `may_open`: whether it may have a lane.
    pub(crate) fn not_yet(
        &mut self,
        card: Slot,
        record: &Record,
        before: Option<Wait>,
        may_open: impl FnOnce() -> bool,
        now: Millis,
        limits: &Limits,
    ) -> NotYet {
        let tries = before.map_or(0, |wait| wait.tries) + 1;
        let partition = record.claim().partition;
        // A try takes the time until the next one: a shrinking part of what the lane and the event
        // have left.
        let opened_at = self.of.get(&card).map_or(now, |lane| lane.wait.opened_at);
        let lane_end = opened_at.unix_ms().saturating_add(open_ms_max(limits));
        let end = deadline(record).map_or(lane_end, |at| at.unix_ms().min(lane_end));
        let left_ms = u64::try_from(end.saturating_sub(now.unix_ms())).unwrap_or_default();
        let share = share(Duration::from_millis(left_ms), tries);
        let may_wait = share.is_some()
            && match self.of.get(&card) {
                Some(lane) => !lane.is_over,
                None => {
                    may_open()
                        && self.open.get(&partition).copied().unwrap_or_default() < limits.lanes_max
                }
            };
        if !may_wait {
            return NotYet::GiveUp { tries };
        }
        let delay = limits.retry.delay(tries, &mut rand::rng());
        let delay_ms = delay.min(share.unwrap_or_default()).as_millis() as i64;
        let next_try_at = Millis::from_unix_ms(now.unix_ms().saturating_add(delay_ms));
        let lane = self.of.entry(card).or_insert_with(|| {
            *self.open.entry(partition).or_default() += 1;
            let wait = Wait { opened_at: now, tries, next_try_at };
            Lane { partition, wait, events: 1, holds: true, is_over: false }
        });
        lane.holds = true;
        lane.wait = Wait { opened_at: lane.wait.opened_at, tries, next_try_at };
        NotYet::Wait(lane.wait)
    }
}

/// When what waits so is to be looked after: its next try, or the end of its lane.
fn due_in(wait: &Wait, now: Millis, limits: &Limits) -> Duration {
    let end = wait.opened_at.unix_ms().saturating_add(open_ms_max(limits));
    let at = wait.next_try_at.unix_ms().min(end);
    Duration::from_millis(at.saturating_sub(now.unix_ms()).max(0).unsigned_abs())
}

fn is_over(wait: &Wait, now: Millis, limits: &Limits) -> bool {
    let open_ms = now.unix_ms().saturating_sub(wait.opened_at.unix_ms());
    // A lane that is to be opened yet was opened by a clock that is wrong, or ours is.
    !(-SKEW_MS..open_ms_max(limits)).contains(&open_ms)
}

fn open_ms_max(limits: &Limits) -> i64 {
    i64::try_from(limits.open_ms_max).unwrap_or(i64::MAX)
}

/// When trying an event again is of no use any more, where its sender says so.
fn deadline(record: &Record) -> Option<Millis> {
    let headers = record.headers()?;
    let text = std::str::from_utf8(last(&headers, headers::DEADLINE)?).ok()?;
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use registry::Cache;
    use uuid::Uuid;

    use super::*;
    use crate::chunk::{Claim, Kept};

    fn at(ms: i64) -> Millis {
        Millis::from_unix_ms(ms)
    }

    fn record(deadline: Option<&str>) -> Record {
        let header =
            |text: &str| (headers::DEADLINE.as_bytes().to_vec(), Some(text.as_bytes().to_vec()));
        let kept = Kept { headers: deadline.map(header).into_iter().collect(), ..Kept::default() };
        Record::kept(Claim { partition: 0, owner: Uuid::nil() }, 7, kept)
    }

    fn cards() -> [Slot; 2] {
        let mut cache = Cache::new(NonZeroUsize::MIN);
        ["a", "b"].map(|card| cache.card(card))
    }

    fn waiting(wait: Wait, events: usize, now: Millis, limits: &Limits) -> Lanes {
        let mut lanes = Lanes::default();
        for offset in 0..events {
            let parked = Parked { place: (0, offset as i64), card_id: "a".to_owned(), wait };
            lanes.found(cards()[0], &parked, now, limits);
        }
        lanes
    }

    #[test]
    fn what_fails_opens_a_lane_that_holds_its_card_and_no_other() {
        let (mut lanes, limits, [a, b]) = (Lanes::default(), Limits::default(), cards());
        let fate = lanes.not_yet(a, &record(None), None, || true, at(1_000), &limits);
        let NotYet::Wait(wait) = fate else { panic!("{fate:?}") };
        assert_eq!((wait.opened_at, wait.tries), (at(1_000), 1));
        assert!(lanes.holds(a) && !lanes.holds(b));
        assert_eq!(lanes.behind(a).map(|wait| wait.tries), Some(0));
        assert_eq!(lanes.behind(b), None);
        let due = lanes.due(at(1_000), &limits)[&0];
        assert!(due <= Duration::from_millis(limits.retry.cap_ms), "{due:?}");
    }

    #[test]
    fn who_may_not_wait_does_not() {
        let (limits, [a, _]) = (Limits::default(), cards());
        let give_up = NotYet::GiveUp { tries: 1 };
        let fate = |record, may_open, limits: &Limits| {
            Lanes::default().not_yet(a, &record, None, || may_open, at(1_000), limits)
        };
        assert_eq!(fate(record(None), false, &limits), give_up);
        assert_eq!(fate(record(Some("1970-01-01T00:00:01Z")), true, &limits), give_up);
        assert_ne!(fate(record(Some("1970-01-01T00:00:02Z")), true, &limits), give_up);
        assert_eq!(fate(record(None), true, &Limits { lanes_max: 0, ..limits }), give_up);
    }

    #[test]
    fn a_try_has_a_shrinking_share_of_what_is_left_and_none_starts_with_too_little() {
        let slow = Backoff { base_ms: 2_000, cap_ms: 2_000 };
        let limits = Limits { open_ms_max: 2_000, retry: slow, ..Limits::default() };
        let wait = |tries, now: i64, deadline| {
            let before = Wait { opened_at: at(10_000), tries, next_try_at: at(now) };
            let mut lanes = waiting(before, 1, at(now), &limits);
            lanes.not_yet(cards()[0], &record(deadline), Some(before), || false, at(now), &limits)
        };
        for (tries, now, share_ms) in [(0, 10_000, 1_000), (1, 11_000, 250), (2, 11_200, 100)] {
            for _ in 0..20 {
                let NotYet::Wait(wait) = wait(tries, now, None) else { panic!("after {tries}") };
                let took = wait.next_try_at.unix_ms() - now;
                assert!(took <= share_ms, "try {} took {took} of {share_ms}", wait.tries);
            }
        }
        assert_eq!(wait(3, 11_901, None), NotYet::GiveUp { tries: 4 }, "99 ms are too few");
        let deadline = Some("1970-01-01T00:00:10.400Z");
        assert!(
            matches!(wait(0, 10_300, deadline), NotYet::Wait(w) if w.next_try_at <= at(10_400))
        );
        assert_eq!(wait(0, 10_301, deadline), NotYet::GiveUp { tries: 1 });
    }

    #[test]
    fn a_lane_is_tried_when_it_is_due_and_is_over_in_time() {
        let (limits, [a, _]) = (Limits::default(), cards());
        let wait = Wait { opened_at: at(10_000), tries: 1, next_try_at: at(10_400) };
        assert!(waiting(wait, 2, at(10_399), &limits).holds(a), "not due yet");
        let mut due = waiting(wait, 2, at(10_400), &limits);
        assert!(!due.holds(a));
        let fate = due.not_yet(a, &record(None), Some(wait), || false, at(10_400), &limits);
        assert!(
            matches!(fate, NotYet::Wait(Wait { tries: 2, opened_at, .. }) if opened_at == at(10_000))
        );
        assert!(due.holds(a), "what is behind it waits on");
        // Over: after its time, with too many in it, or by a clock that cannot be right.
        let late = 10_000 + limits.open_ms_max as i64;
        for (events, now) in [(2, late), (limits.events_max, 10_100), (2, 8_999)] {
            let mut over = waiting(wait, events, at(now), &limits);
            assert!(!over.holds(a), "{events} events at {now}");
            let fate = over.not_yet(a, &record(None), Some(wait), || true, at(now), &limits);
            assert_eq!(fate, NotYet::GiveUp { tries: 2 }, "{events} events at {now}");
        }
    }
}
