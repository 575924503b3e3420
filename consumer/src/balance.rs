//! What is left for each writer of a backlog, and what the one that will be done first takes over.
//! Pure.
//!
//! Two writers never get on equally fast: at the end of a backlog one of them would stand idle, and
//! with it half of the machine, for as long as the other takes for what was fetched and queued for
//! it: near a second.

use std::time::{Duration, Instant};

/// What is left for each writer.
#[derive(Debug)]
pub(crate) struct Balance {
    writers: Vec<Left>,
    /// Events that are too few to be worth a move.
    apart_min: f64,
    looked: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Left {
    /// Events of its partitions that are not committed.
    events: i64,
    /// The mean of late: batches come in leaps.
    mean: f64,
    /// When there were fewer than before, last.
    got_on: Option<Instant>,
}

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Over how long the mean is taken: a few batches.
const MEAN_OF: Duration = Duration::from_millis(700);
/// A writer whose last commit is longer ago is not known to get on, and is given nothing.
const GETS_ON_WITHIN: Duration = Duration::from_secs(2);

impl Balance {
    /// Of so many writers, whose batches hold so many events at most. By half a batch they may be
    /// apart at any moment.
    pub(crate) fn new(writers: usize, rows_max: usize) -> Self {
        let writers = vec![Left::default(); writers];
        Self { writers, apart_min: rows_max as f64 / 2.0, looked: None }
    }

    /// Whether it is time for another look.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.looked.is_none_or(|looked| now.duration_since(looked) >= LOOK_EVERY)
    }

    /// Takes note of what is left for each writer.
    pub(crate) fn look(&mut self, left: &[i64], now: Instant) {
        let since = self.looked.replace(now).map_or(MEAN_OF, |looked| now.duration_since(looked));
        let weight = (since.as_secs_f64() / MEAN_OF.as_secs_f64()).min(1.0);
        for (writer, events) in self.writers.iter_mut().zip(left) {
            if *events < writer.events {
                writer.got_on = Some(now);
            }
            writer.events = *events;
            writer.mean += weight * (*events as f64 - writer.mean);
        }
    }

    /// Partitions have gone from one writer to another: what was before says nothing.
    pub(crate) fn start_over(&mut self) {
        self.looked = None;
    }

    /// The writer that will be done first, where that is worth a move, and how many events it should
    /// take over from `from`.
    pub(crate) fn ahead_of(&self, from: usize, now: Instant) -> Option<(usize, i64)> {
        let gets_on =
            |left: &Left| left.got_on.is_some_and(|at| now.duration_since(at) < GETS_ON_WITHIN);
        let others =
            self.writers.iter().enumerate().filter(|(at, left)| *at != from && gets_on(left));
        let (to, least) = others.min_by(|(_, a), (_, b)| a.mean.total_cmp(&b.mean))?;
        let apart = self.writers.get(from)?.mean - least.mean;
        (apart >= self.apart_min).then_some((to, (apart / 2.0) as i64))
    }
}

/// Which of these partitions, with what was not read of them yet, together make `events` at most, and
/// as near to it as taking the largest first comes.
pub(crate) fn share(mut unread: Vec<(i32, i64)>, mut events: i64) -> Vec<i32> {
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

    /// Looks at two writers ten times a second, each of which commits so many events every so many
    /// looks.
    fn observed(looks: u32, writers: [(i64, i64, u32); 2]) -> (Balance, Instant) {
        let started = Instant::now();
        let (mut balance, mut now) = (Balance::new(2, 50_000), started);
        for look in 0..looks {
            now = started + LOOK_EVERY * look;
            assert!(balance.is_due(now), "look {look}");
            let left = writers.map(|(first, batch, every)| first - batch * i64::from(look / every));
            balance.look(&left, now);
            assert!(!balance.is_due(now), "look {look}");
        }
        (balance, now)
    }

    #[test]
    fn who_will_be_done_first_takes_half_of_what_they_are_apart() {
        let (balance, now) = observed(30, [(900_000, 10_000, 1), (1_500_000, 10_000, 1)]);
        let (to, events) = balance.ahead_of(1, now).unwrap();
        assert_eq!(to, 0);
        assert!((295_000..=305_000).contains(&events), "{events}");
        assert_eq!(balance.ahead_of(0, now), None, "who is ahead has nothing to give");
    }

    #[test]
    fn batches_that_end_at_other_times_are_no_difference() {
        for looks in 1..40 {
            let (balance, now) = observed(looks, [(1_000_000, 40_000, 4), (1_000_000, 30_000, 3)]);
            assert_eq!(balance.ahead_of(0, now), None, "after {looks} looks");
            assert_eq!(balance.ahead_of(1, now), None, "after {looks} looks");
        }
    }

    #[test]
    fn who_does_not_get_on_is_given_nothing() {
        let (balance, now) = observed(5, [(0, 0, 1), (1_500_000, 10_000, 1)]);
        assert_eq!(balance.ahead_of(1, now), None, "it may hang");
        let (balance, now) = observed(5, [(100_000, 1_000, 1), (1_500_000, 10_000, 1)]);
        assert!(balance.ahead_of(1, now).is_some());
        assert_eq!(balance.ahead_of(1, now + GETS_ON_WITHIN), None, "it has stopped");
    }

    #[test]
    fn what_came_before_a_move_says_nothing() {
        let (mut balance, now) = observed(30, [(900_000, 10_000, 1), (1_500_000, 10_000, 1)]);
        balance.start_over();
        let now = now + LOOK_EVERY;
        balance.look(&[900_000, 899_000], now);
        assert_eq!(balance.ahead_of(1, now), None);
    }

    proptest! {
        #[test]
        fn a_share_is_no_more_than_wanted_and_nearly_that(
            unread in prop::collection::vec(1_i64..10_000, 0..50), wanted in 0_i64..300_000
        ) {
            let of: Vec<(i32, i64)> = (0..).zip(unread.iter().copied()).collect();
            let taken = share(of.clone(), wanted);
            let sum: i64 = taken.iter().map(|at| unread[*at as usize]).sum();
            prop_assert!(sum <= wanted);
            let left = of.iter().filter(|(partition, _)| !taken.contains(partition));
            prop_assert!(left.into_iter().all(|(_, unread)| sum + unread > wanted), "one more fits");
        }
    }
}
