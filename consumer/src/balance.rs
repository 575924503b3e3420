//! What is left for each writer of a backlog, and what the one that will be done first takes over.
//! Pure.
//!
//! Two writers never get on equally fast: at the end of a backlog one of them would stand idle, and
//! with it half of the machine, for as long as the other takes for what was read for it.

use std::time::{Duration, Instant};

/// What a writer has before it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Load {
    /// Events that were read for it and are not committed.
    pub(crate) read: i64,
    /// Offsets of its partitions that were not read yet, as far as is known.
    pub(crate) unread: i64,
    /// Those by partition, of which there is more at this moment.
    pub(crate) waiting: Vec<(i32, i64)>,
    /// Whether Kafka has not said of all its partitions where they end.
    pub(crate) is_unknown: bool,
    /// Whether its queue is full.
    pub(crate) is_blocked: bool,
    /// Whether it has had nothing to do for a while.
    pub(crate) is_idle: bool,
}

/// Partitions that go from one writer to another.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Move {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) partitions: Vec<i32>,
}

/// Keeps writers even.
#[derive(Debug)]
pub(crate) struct Balance {
    writers: Vec<Left>,
    /// Events that are too few to be worth a move from one that works to another.
    apart_min: f64,
    started: Option<Instant>,
    looked: Option<Instant>,
}

/// What is left for a writer.
#[derive(Debug, Clone, Copy, Default)]
struct Left {
    events: i64,
    /// The mean of late: batches come in leaps.
    mean: f64,
    /// How often there were fewer than at the look before.
    commits: u32,
    /// When, last.
    got_on: Option<Instant>,
}

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Over how long the mean is taken at least, and what must have passed before it is one.
const MEAN_OF: Duration = Duration::from_millis(700);
/// Commits that a mean is taken over, and that must have been seen before it is one.
const COMMITS: u32 = 2;
/// A writer whose last commit is longer ago is not known to get on: it may hang.
const GETS_ON_WITHIN: Duration = Duration::from_secs(5);

impl Balance {
    /// Of so many writers, whose batches hold so many events at most: by as much they are apart at any
    /// moment, and half of it their means may be.
    pub(crate) fn new(writers: usize, batch_max: usize) -> Self {
        let writers = vec![Left::default(); writers];
        Self { writers, apart_min: batch_max as f64 / 2.0, started: None, looked: None }
    }

    /// Whether it is time for another look.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK_EVERY)
    }

    /// Partitions have come or gone: what was before says nothing.
    pub(crate) fn start_over(&mut self) {
        (self.started, self.looked) = (None, None);
    }

    /// Takes note of what is before each writer, and says what is to go from one to another.
    pub(crate) fn look(&mut self, loads: &[Load], now: Instant) -> Option<Move> {
        if loads.iter().any(|load| load.is_unknown) {
            self.start_over();
        }
        self.note(loads, now);
        // Whoever has most gives first; it may have nothing that can be parted.
        let mut givers: Vec<usize> = (0..loads.len()).filter(|at| loads[*at].is_blocked).collect();
        givers.sort_by_key(|at| (!self.gets_on(*at, now), -loads[*at].left()));
        givers.into_iter().find_map(|from| {
            let (to, events) = match loads.iter().position(|load| load.is_idle) {
                Some(to) => (to, surplus(&loads[from], loads[from].left(), loads[to].left())),
                None => self.ahead_of(from, loads, now)?,
            };
            let partitions = share(loads[from].waiting.clone(), events);
            (!partitions.is_empty()).then_some(Move { from, to, partitions })
        })
    }

    fn note(&mut self, loads: &[Load], now: Instant) {
        let since = self.looked.replace(now).map(|looked| now.duration_since(looked));
        let (Some(since), Some(started)) = (since, self.started) else {
            self.started = Some(now);
            self.writers = loads.iter().map(Left::of).collect();
            return;
        };
        for (writer, load) in self.writers.iter_mut().zip(loads) {
            if load.left() < writer.events {
                (writer.commits, writer.got_on) = (writer.commits + 1, Some(now));
            }
            writer.events = load.left();
            // Of all looks at first, and later of the last ones.
            let passed = now.duration_since(started);
            let commits = passed * COMMITS / writer.commits.max(1);
            let of = (passed + since).min(commits.max(MEAN_OF)).as_secs_f64();
            let weight = (since.as_secs_f64() / of).min(0.5);
            writer.mean += weight * (load.left() as f64 - writer.mean);
        }
    }

    /// The writer that will be done before `from`, where that is worth a move, and how many events it
    /// should take over. One that is not at a backlog itself is left alone: its swipes may be of this
    /// moment.
    fn ahead_of(&self, from: usize, loads: &[Load], now: Instant) -> Option<(usize, i64)> {
        if now.duration_since(self.started?) < MEAN_OF || !self.gets_on(from, now) {
            return None;
        }
        let may_take = |at: &usize| *at != from && loads[*at].is_blocked && self.gets_on(*at, now);
        let mean = |at: usize| self.writers[at].mean;
        let others = (0..loads.len()).filter(may_take);
        let to = others.min_by(|a, b| mean(*a).total_cmp(&mean(*b)))?;
        let events = surplus(&loads[from], mean(from) as i64, mean(to) as i64);
        (mean(from) - mean(to) >= self.apart_min).then_some((to, events))
    }

    fn gets_on(&self, writer: usize, now: Instant) -> bool {
        let Left { commits, got_on, .. } = self.writers[writer];
        commits >= COMMITS && got_on.is_some_and(|at| now.duration_since(at) < GETS_ON_WITHIN)
    }
}

impl Left {
    fn of(load: &Load) -> Self {
        Self { events: load.left(), mean: load.left() as f64, ..Self::default() }
    }
}

impl Load {
    fn left(&self) -> i64 {
        self.read + self.unread
    }
}

/// How many events go from a writer to another, for which so many are left, so that both are done
/// together, if they get on equally fast from here on. The other one cannot begin with them before
/// all is committed that was read for the first.
fn surplus(giver: &Load, left: i64, left_to_taker: i64) -> i64 {
    (left - left_to_taker.max(giver.read)) / 2
}

/// Which of these partitions, with what was not read of them yet, together make `events` at most, and
/// as near to it as taking the largest first comes.
fn share(mut unread: Vec<(i32, i64)>, mut events: i64) -> Vec<i32> {
    unread.sort_unstable_by_key(|(partition, unread)| (-unread, *partition));
    unread.retain(|(_, unread)| {
        let fits = *unread <= events;
        events -= if fits { *unread } else { 0 };
        fits
    });
    unread.into_iter().map(|(partition, _)| partition).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BATCH: i64 = 50_000;

    fn load(read: i64, waiting: &[i64]) -> Load {
        let waiting: Vec<(i32, i64)> = (0..).zip(waiting.iter().copied()).collect();
        let unread = waiting.iter().map(|(_, unread)| unread).sum();
        Load { read, unread, waiting, is_blocked: true, ..Load::default() }
    }

    fn idle() -> Load {
        Load { is_idle: true, ..Load::default() }
    }

    /// After some looks: what was seen last, when, and what was to go then.
    type Looked = (Balance, Vec<Load>, Instant, Option<Move>);

    /// Looks ten times a second at writers that commit a tenth of a batch a look.
    fn looked(looks: u32, writers: &[&[i64]]) -> Looked {
        let started = Instant::now();
        let mut balance = Balance::new(writers.len(), BATCH as usize);
        let (mut loads, mut now, mut moved) = (Vec::new(), started, None);
        for look in 0..looks {
            now = started + LOOK_EVERY * look;
            let read = |at: usize| 200_000 - BATCH * (i64::from(look) + 1 - at as i64) / 10;
            loads = writers.iter().enumerate().map(|(at, of)| load(read(at), of)).collect();
            assert!(balance.is_due(now), "look {look}");
            moved = balance.look(&loads, now);
            assert!(!balance.is_due(now), "look {look}");
            if moved.is_some() {
                break;
            }
        }
        (balance, loads, now, moved)
    }

    #[test]
    fn who_will_be_done_first_takes_half_of_what_they_are_apart() {
        let (.., moved) = looked(20, &[&[100_000; 6], &[100_000; 12]]);
        assert_eq!(moved, Some(Move { from: 1, to: 0, partitions: vec![0, 1, 2] }));
    }

    #[test]
    fn nothing_goes_before_the_means_are_known() {
        let known = (MEAN_OF.as_millis() / LOOK_EVERY.as_millis()) as u32;
        let writers: [&[i64]; 2] = [&[10_000], &[100_000; 12]];
        let (mut balance, loads, now, moved) = looked(known, &writers);
        assert_eq!(moved, None);
        assert!(looked(known + 1, &writers).3.is_some());
        balance.start_over();
        assert_eq!(balance.look(&loads, now + LOOK_EVERY), None);
        // Nor before it is known where partitions end.
        let (mut balance, mut loads, now, _) = looked(known, &writers);
        loads[0].is_unknown = true;
        assert_eq!(balance.look(&loads, now + LOOK_EVERY), None);
    }

    #[test]
    fn who_got_on_and_then_hangs_is_left_alone() {
        let (mut balance, loads, now, _) = looked(20, &[&[100_000; 6], &[100_000; 6]]);
        let more = [loads[0].clone(), load(loads[1].read, &[100_000; 12])];
        let seen_at = |ago| now + GETS_ON_WITHIN + LOOK_EVERY - ago;
        assert_eq!(balance.look(&more, seen_at(Duration::ZERO)), None);
        let (mut balance, ..) = looked(20, &[&[100_000; 6], &[100_000; 6]]);
        assert!(balance.look(&more, seen_at(2 * LOOK_EVERY)).is_some());
    }

    #[test]
    fn who_has_nothing_to_do_takes_half_at_once() {
        let mut balance = Balance::new(2, BATCH as usize);
        let moved = balance.look(&[load(90_000, &[4_000; 8]), idle()], Instant::now());
        assert_eq!(moved, Some(Move { from: 0, to: 1, partitions: vec![0, 1, 2, 3] }));
        // Before anybody has said where they end.
        let moved = balance.look(&[load(90_000, &[1; 8]), idle()], Instant::now());
        assert_eq!(moved, Some(Move { from: 0, to: 1, partitions: vec![0, 1, 2, 3] }));
        let moved = balance.look(&[load(90_000, &[400_000]), idle()], Instant::now());
        assert_eq!(moved, None, "one partition goes to and fro for nothing");
        let many = [load(0, &[1_000_000]), load(0, &[1_000; 4]), idle()];
        let moved = balance.look(&many, Instant::now());
        assert_eq!(moved, Some(Move { from: 1, to: 2, partitions: vec![0, 1] }));
    }

    #[test]
    fn who_does_not_get_on_or_has_no_backlog_is_left_alone() {
        for stuck in [0, 1] {
            let (mut balance, mut now) = (Balance::new(2, BATCH as usize), Instant::now());
            for look in 1..30 {
                let mut loads = [load(200_000, &[1_000; 4]), load(200_000, &[100_000; 12])];
                loads[1 - stuck].read -= 5_000 * look;
                assert_eq!(balance.look(&loads, now), None, "{stuck} may hang");
                now += LOOK_EVERY;
            }
        }
        let (mut balance, mut now) = (Balance::new(2, BATCH as usize), Instant::now());
        for look in 1..30 {
            let mut loads = [load(10, &[]), load(200_000 - 5_000 * look, &[100_000; 12])];
            (loads[0].read, loads[0].is_blocked) = (10 + look % 2, false);
            assert_eq!(balance.look(&loads, now), None, "its swipes are of this moment");
            now += LOOK_EVERY;
        }
    }

    /// Two writers at work, in steps of 10 ms.
    struct Writer {
        /// Events a step.
        pace: i64,
        in_hand: i64,
        queued: i64,
        partitions: Vec<(i32, i64)>,
    }

    /// A move under way, how much is to be committed before, and what goes.
    type Moving = (Move, i64, Vec<(i32, i64)>);

    /// In how many steps they are done, and with how many moves.
    fn drained(mut writers: [Writer; 2], even: bool) -> (u32, u32) {
        const QUEUE: i64 = 57_000;
        let started = Instant::now();
        let mut balance = Balance::new(2, BATCH as usize);
        let mut moving: Option<Moving> = None;
        let (mut step, mut moves, mut idle_for) = (0, 0, [0; 2]);
        let mut progress = [0_i64; 2];
        while writers.iter().any(|w| w.in_hand + w.queued > 0 || !w.partitions.is_empty())
            || moving.is_some()
        {
            step += 1;
            assert!(step < 100_000, "they are never done");
            for (at, writer) in writers.iter_mut().enumerate() {
                for (_, unread) in &mut writer.partitions {
                    let taken = (*unread).min(4_000).min(QUEUE - writer.queued);
                    (*unread, writer.queued) = (*unread - taken, writer.queued + taken);
                }
                writer.partitions.retain(|(_, unread)| *unread > 0);
                if writer.in_hand == 0 {
                    writer.in_hand = writer.queued.min(BATCH);
                    writer.queued -= writer.in_hand;
                    progress[at] = 0;
                }
                progress[at] += writer.pace;
                if progress[at] >= writer.in_hand {
                    if let Some((_, before, _)) = moving.as_mut().filter(|(m, ..)| m.from == at) {
                        *before -= writer.in_hand;
                    }
                    writer.in_hand = 0;
                }
                let idle = writer.in_hand + writer.queued == 0;
                idle_for[at] = if idle { idle_for[at] + 1 } else { 0 };
            }
            if let Some((there, _, partitions)) = moving.take_if(|(_, before, _)| *before <= 0) {
                writers[there.to].partitions.extend(partitions);
                idle_for[there.to] = 0;
                balance.start_over();
            }
            let now = started + Duration::from_millis(10) * step;
            if !even || moving.is_some() || !balance.is_due(now) {
                continue;
            }
            let load = |at: usize| {
                let Writer { in_hand, queued, partitions, .. } = &writers[at];
                Load {
                    read: in_hand + queued,
                    unread: partitions.iter().map(|(_, unread)| unread).sum(),
                    waiting: partitions.clone(),
                    is_unknown: false,
                    is_blocked: *queued == QUEUE,
                    is_idle: idle_for[at] > 10,
                }
            };
            let loads = [load(0), load(1)];
            if let Some(there) = balance.look(&loads, now) {
                moves += 1;
                let giver = &mut writers[there.from];
                let goes = |(partition, _): &(i32, i64)| there.partitions.contains(partition);
                let (gone, kept) = giver.partitions.iter().copied().partition(goes);
                giver.partitions = kept;
                let before = loads[there.from].read;
                moving = Some((there, before, gone));
            }
        }
        (step, moves)
    }

    proptest! {
        /// With moves a backlog is done no later than without, but for a batch of chance.
        #[test]
        fn moves_are_worth_it(
            pace in 100_i64..1_200, percent in 80_i64..125,
            unread in prop::array::uniform2(prop::collection::vec(1_i64..60_000, 1..24))
        ) {
            let paces = [pace, pace * percent / 100];
            let writers = || [0, 1].map(|at| {
                let partitions = (100 * at as i32..).zip(unread[at].iter().copied()).collect();
                Writer { pace: paces[at], in_hand: 0, queued: 0, partitions }
            });
            let (without, _) = drained(writers(), false);
            let (with, moves) = drained(writers(), true);
            let chance = (BATCH / paces[0].min(paces[1])) as u32;
            prop_assert!(with <= without + chance, "{with} steps with {moves} moves, {without} without");
            prop_assert!(moves <= 3 + without / 70, "{moves} moves in {with} steps");
        }

        #[test]
        fn a_share_is_no_more_than_wanted_and_nearly_that(
            unread in prop::collection::vec(1_i64..10_000, 0..50), wanted in -10_i64..300_000
        ) {
            let of: Vec<(i32, i64)> = (0..).zip(unread.iter().copied()).collect();
            let taken = share(of.clone(), wanted);
            let sum: i64 = taken.iter().map(|at| unread[*at as usize]).sum();
            prop_assert!(sum <= wanted.max(0));
            let left = of.iter().filter(|(partition, _)| !taken.contains(partition));
            prop_assert!(left.into_iter().all(|(_, unread)| sum + unread > wanted), "one more fits");
        }
    }

    #[test]
    fn writers_of_unequal_pace_end_together() {
        let writers = || {
            [1_100, 1_300].map(|pace| Writer {
                pace,
                in_hand: 0,
                queued: 0,
                partitions: (pace as i32..).zip([62_500; 24]).collect(),
            })
        };
        let ((without, _), (with, moves)) = (drained(writers(), false), drained(writers(), true));
        // Both at once would take 1,250 steps.
        assert!(
            with < 1_310 && without > 1_350,
            "{with} steps with {moves} moves, {without} without"
        );
    }
}
