//! Where the reader is in a partition, and what it makes of offsets that do not come. Pure.

use std::collections::VecDeque;

use crate::chunk::{Claim, Gap, LastOf};

/// Where the reader is in one partition.
#[derive(Debug)]
pub(crate) struct Position {
    pub(crate) claim: Claim,
    pub(crate) writer: usize,
    /// The writer that has it next, and whether this one is done with it.
    moves: Option<(usize, LastOf)>,
    /// When the last message that was passed on had been published, in ms since 1970.
    pub(crate) reached_ms: Option<i64>,
    /// Whether there was more than it was given turns for, as far as was seen last.
    pub(crate) has_more: bool,
    /// The offset that must come next.
    expected: i64,
    /// Gaps that were met once, in order.
    doubted: VecDeque<Gap>,
    /// Where it ended for us when Kafka last said so: before what a transaction holds back.
    pub(crate) end: Option<i64>,
    /// The next offset and the last stable one, when all there is was last found to be applied.
    pub(crate) caught_up: Option<(i64, i64)>,
    /// While looking ahead for more of them: the offset that should come next, and how many events
    /// have come by.
    ahead: Option<(i64, usize)>,
}

/// What an event is to the reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Met {
    /// It was here before.
    Old,
    /// The next one; before it, perhaps, offsets that hold no event.
    Next(Option<Gap>),
    /// Offsets are missing: it will come once more.
    Doubtful,
    /// The same, and it is time to go back to this offset.
    GoBack(i64),
}

/// Events that are looked at ahead before the log is read once more: a producer that uses
/// transactions leaves an offset without event behind each of them, and each must not cost a fetch.
const AHEAD_MAX: usize = 2_000;

impl Position {
    pub(crate) fn new(claim: Claim, writer: usize, expected: i64) -> Self {
        Self {
            claim,
            writer,
            moves: None,
            reached_ms: None,
            has_more: false,
            expected,
            doubted: VecDeque::new(),
            end: None,
            caught_up: None,
            ahead: None,
        }
    }

    /// From now on its writer gets nothing more of it. What goes with the last that it has got.
    pub(crate) fn move_to(&mut self, writer: usize) -> LastOf {
        let last = LastOf::default();
        self.moves = Some((writer, last.clone()));
        last
    }

    /// Offsets that were not read yet, as far as is known.
    pub(crate) fn unread(&self) -> i64 {
        self.end.map_or(0, |end| end - self.expected).max(i64::from(self.has_more))
    }

    /// Offsets that were read from `next` on.
    pub(crate) fn read_since(&self, next: i64) -> i64 {
        (self.expected - next).max(0)
    }

    /// Whether it is between two writers.
    pub(crate) fn is_moving(&self) -> bool {
        self.moves.is_some()
    }

    /// If its writer is done with it, the next one has it, and is returned.
    pub(crate) fn arrive(&mut self) -> Option<usize> {
        let (to, _) = self.moves.take_if(|(_, last)| last.is_done())?;
        self.writer = to;
        Some(to)
    }

    /// Whether `next` is what it waits for: all that was met is applied, and nothing is doubted.
    pub(crate) fn waits_for(&self, next: i64) -> bool {
        self.expected == next && self.ahead.is_none() && self.doubted.is_empty()
    }

    /// Takes note of the event at `offset`. A gap is believed only when a second fetch shows the
    /// same.
    pub(crate) fn meet(&mut self, offset: i64) -> Met {
        if let Some((next, seen)) = self.ahead {
            return self.look_ahead(offset, next, seen + 1);
        }
        if offset < self.expected {
            return Met::Old;
        }
        let gap = Gap { first: self.expected, end: offset };
        if gap.first == gap.end {
            self.expected += 1;
            return Met::Next(None);
        }
        if self.doubted.front() == Some(&gap) {
            self.doubted.pop_front();
            self.expected = offset + 1;
            return Met::Next(Some(gap));
        }
        self.doubted.clear();
        self.doubted.push_back(gap);
        self.ahead = Some((offset + 1, 1));
        Met::Doubtful
    }

    /// Where to read on from, if this one is looking ahead: there is no more to look at.
    pub(crate) fn go_back(&mut self) -> Option<i64> {
        self.ahead.take().map(|_| self.expected)
    }

    /// Where it goes on when what had been fetched ahead is gone.
    pub(crate) fn start_over(&mut self) -> i64 {
        self.doubted.clear();
        self.ahead = None;
        self.expected
    }

    fn look_ahead(&mut self, offset: i64, next: i64, seen: usize) -> Met {
        if offset < next {
            return Met::Old;
        }
        if offset > next {
            self.doubted.push_back(Gap { first: next, end: offset });
        }
        if seen < AHEAD_MAX {
            self.ahead = Some((offset + 1, seen));
            return Met::Doubtful;
        }
        self.ahead = None;
        Met::GoBack(self.expected)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn position(expected: i64) -> Position {
        Position::new(Claim { partition: 0, owner: Uuid::nil() }, 0, expected)
    }

    /// Reads a log whose events are at `offsets`, as Kafka would show it: what came through, the
    /// gaps before it, and how often it went back.
    fn read(offsets: &[i64], first: i64) -> (Vec<i64>, Vec<Gap>, usize) {
        let (mut position, mut at, mut back) = (position(first), 0, 0);
        let (mut events, mut gaps) = (Vec::new(), Vec::new());
        loop {
            let again = match offsets.get(at) {
                Some(offset) => {
                    at += 1;
                    match position.meet(*offset) {
                        Met::Next(gap) => {
                            gaps.extend(gap);
                            events.push(*offset);
                            None
                        }
                        Met::GoBack(to) => Some(to),
                        Met::Old | Met::Doubtful => None,
                    }
                }
                None => match position.go_back() {
                    Some(to) => Some(to),
                    None => return (events, gaps, back),
                },
            };
            if let Some(to) = again {
                back += 1;
                at = offsets.partition_point(|offset| *offset < to);
            }
        }
    }

    proptest! {
        /// Every event comes through once, in order; what lies between two is one gap; and going
        /// back is as rare as it can be.
        #[test]
        fn events_come_through_and_gaps_between_them(
            first in 0_i64..5,
            steps in prop::collection::vec(prop_oneof![4 => Just(1_i64), 1 => 2_i64..4], 0..6_000)
        ) {
            let mut at = first - 1;
            let offsets: Vec<i64> = steps.iter().map(|step| { at += step; at }).collect();
            let (events, gaps, back) = read(&offsets, first);
            prop_assert_eq!(&events, &offsets);
            let mut expected = Vec::new();
            let mut next = first;
            for offset in &offsets {
                if *offset > next {
                    expected.push(Gap { first: next, end: *offset });
                }
                next = offset + 1;
            }
            prop_assert_eq!(gaps, expected);
            prop_assert!(back <= offsets.len() / AHEAD_MAX + 2, "went back {} times", back);
        }
    }

    #[test]
    fn a_gap_that_is_none_the_second_time_is_forgotten() {
        let mut position = position(5);
        assert_eq!(position.meet(8), Met::Doubtful);
        assert_eq!(position.go_back(), Some(5));
        assert_eq!(position.meet(5), Met::Next(None));
        assert_eq!(position.meet(6), Met::Next(None));
        assert_eq!(position.meet(7), Met::Next(None));
        assert_eq!(position.meet(8), Met::Next(None));
    }

    #[test]
    fn another_gap_than_the_first_time_is_doubted_again() {
        let mut position = position(5);
        assert_eq!(position.meet(8), Met::Doubtful);
        assert_eq!(position.go_back(), Some(5));
        assert_eq!(position.meet(7), Met::Doubtful);
        assert_eq!(position.go_back(), Some(5));
        assert_eq!(position.meet(7), Met::Next(Some(Gap { first: 5, end: 7 })));
    }

    #[test]
    fn starting_over_forgets_what_was_ahead() {
        let mut position = position(5);
        assert_eq!(position.meet(7), Met::Doubtful);
        assert_eq!(position.start_over(), 5);
        assert_eq!(position.meet(7), Met::Doubtful);
        assert_eq!(position.meet(3), Met::Old);
    }
}
