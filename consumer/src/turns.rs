//! Whose turn it is: which partitions are read next, and how much of each. Pure.
//!
//! Partitions are kept together in time while a backlog is read: a batch then holds events of the
//! same hours from all of them, and fits the index of one day where it would else be spread over
//! all (bench drain). Yet one that is far behind must not keep the others waiting, whose events may
//! be of this moment: so it only gets more than they do, not all.

use std::collections::VecDeque;

use crate::position::Position;

/// A partition's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) partition: i32,
    /// Messages that may be taken.
    pub(crate) most: usize,
}

/// What a partition is given that is nearer to the last in time than to the first.
pub(crate) const BEHIND: usize = 128;
/// What the others are given.
const AHEAD: usize = 32;

/// A round among partitions that have something: those that are behind in time first. To be worked
/// off before the next, or those at its end might never have theirs.
pub(crate) fn round<'p>(waiting: impl Iterator<Item = &'p Position>) -> VecDeque<Turn> {
    let mut waiting: Vec<(Option<i64>, i32)> =
        waiting.map(|position| (position.reached_ms, position.claim.partition)).collect();
    waiting.sort_unstable();
    let mut reached = waiting.iter().filter_map(|(reached, _)| *reached);
    let last = reached.next();
    let first = reached.next_back().or(last);
    // A clock may have said anything.
    let middle = last.zip(first).map(|(last, first)| last + first.saturating_sub(last) / 2);
    let turn = |(reached, partition)| Turn {
        partition,
        most: if reached <= middle { BEHIND } else { AHEAD },
    };
    waiting.into_iter().map(turn).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::chunk::Claim;

    fn position(partition: usize, reached_ms: Option<i64>) -> Position {
        let claim = Claim { partition: partition as i32, owner: Uuid::nil() };
        let mut position = Position::new(claim, 0, 0);
        position.reached_ms = reached_ms;
        position
    }

    #[test]
    fn whoever_is_behind_comes_first_and_gets_more() {
        let positions = [Some(30), None, Some(20), Some(40)].into_iter().enumerate();
        let positions: Vec<Position> = positions.map(|(p, at)| position(p, at)).collect();
        let turn = |partition, most| Turn { partition, most };
        assert_eq!(
            round(positions.iter()),
            [turn(1, BEHIND), turn(2, BEHIND), turn(0, BEHIND), turn(3, AHEAD)]
        );
        assert_eq!(round(positions[..1].iter()), [turn(0, BEHIND)], "alone");
        assert_eq!(round(std::iter::empty()), []);
    }

    proptest! {
        /// Partitions that begin apart, and whose events lie unevenly close, come together in time.
        #[test]
        fn partitions_come_together(
            logs in prop::collection::vec((0_i64..60_000, 8_i64..20), 2..24)
        ) {
            let mut positions: Vec<Position> = logs
                .iter()
                .enumerate()
                .map(|(partition, (begins, _))| position(partition, Some(*begins)))
                .collect();
            let spread = |positions: &[Position]| {
                let reached = || positions.iter().filter_map(|position| position.reached_ms);
                reached().max().unwrap() - reached().min().unwrap()
            };
            for _ in 0..2_000 {
                for Turn { partition, most } in round(positions.iter()) {
                    let at = &mut positions[partition as usize];
                    let every_ms = logs[partition as usize].1;
                    at.reached_ms = at.reached_ms.map(|reached| reached + most as i64 * every_ms);
                }
            }
            // A few turns of whoever goes furthest in one.
            let apart = spread(&positions);
            prop_assert!(apart <= 4 * 20 * BEHIND as i64, "{apart} ms apart");
        }
    }
}
