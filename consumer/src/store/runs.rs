//! Runs of duplicates: offsets of a partition one behind the other, all duplicates of one day. By them
//! a duplicate is found again: each has a row, but only the first of a run is in an index.

use std::collections::BTreeMap;

use super::rows::Duplicate;

/// Runs that stand, by their first place: how long they are. They do not overlap.
#[derive(Debug, Default)]
pub(super) struct Runs(BTreeMap<(i32, i64), i32>);

impl Runs {
    /// Whether this place is in one of them.
    pub(super) fn hold(&self, place @ (partition, offset): (i32, i64)) -> bool {
        let before = self.0.range(..=place).next_back();
        before.is_some_and(|((of, first), run)| *of == partition && offset - first < (*run).into())
    }
}

impl FromIterator<((i32, i64), i32)> for Runs {
    fn from_iter<I: IntoIterator<Item = ((i32, i64), i32)>>(runs: I) -> Self {
        Self(runs.into_iter().collect())
    }
}

/// A place in the log, and the day of what stands there.
pub(super) type Dated = ((i32, i64), i32);

pub(super) fn dated(duplicate: &Duplicate<'_, '_>) -> Dated {
    (duplicate.event.place(), duplicate.event.swipe.occurred_at.unix_day())
}

/// Cuts duplicates, in the order of their places, into runs. Each with the length of the run that it is
/// the first of. Days are given up one by one, and a run must go as a whole.
pub(super) fn cut<T: Copy>(duplicates: &[T], dated: impl Fn(T) -> Dated) -> Vec<(T, Option<i32>)> {
    let is_next = |one: &T, other: &T| {
        let ((partition, offset), day) = dated(*one);
        dated(*other) == ((partition, offset + 1), day)
    };
    let mut cut = Vec::with_capacity(duplicates.len());
    for run in duplicates.chunk_by(is_next) {
        // A batch is bounded, far below that.
        let length = i32::try_from(run.len()).unwrap_or(i32::MAX);
        cut.extend(run.iter().enumerate().map(|(nth, one)| (*one, (nth == 0).then_some(length))));
    }
    cut
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Exactly what was cut is found, however many batches it came in; and what goes with a day
        /// takes no other's run along.
        #[test]
        fn runs_hold_what_was_cut_into_them(
            places in prop::collection::btree_map((0_i32..3, 0_i64..30), (0_i32..2, 0..3), 0..60)
        ) {
            let of_batch = |batch: i32| -> Vec<Dated> {
                let of_it = places.iter().filter(|(_, (_, of))| *of == batch);
                of_it.map(|(place, (day, _))| (*place, *day)).collect()
            };
            let batches = (0..3).map(|batch| cut(&of_batch(batch), |one| one));
            let rows: Vec<(Dated, Option<i32>)> = batches.flatten().collect();
            let stand = |days: &[i32]| -> Runs {
                let left = rows.iter().filter(|((_, day), _)| days.contains(day));
                left.filter_map(|((place, _), run)| Some((*place, (*run)?))).collect()
            };
            for days in [&[0, 1][..], &[1]] {
                let runs = stand(days);
                for place in (0..3).flat_map(|partition| (0..31).map(move |at| (partition, at))) {
                    let stands = places.get(&place).is_some_and(|(day, _)| days.contains(day));
                    prop_assert_eq!(runs.hold(place), stands, "{:?} of {:?}", place, days);
                }
            }
        }
    }

    #[test]
    fn a_run_is_of_one_partition_and_day_without_a_gap() {
        let places: BTreeMap<_, _> =
            [((0, 7), 1), ((0, 8), 1), ((0, 9), 2), ((0, 11), 2), ((1, 12), 2)].into();
        let places: Vec<Dated> = places.into_iter().collect();
        let runs: Vec<_> = cut(&places, |one| one).into_iter().map(|(_, run)| run).collect();
        assert_eq!(runs, [Some(2), None, Some(1), Some(1), Some(1)]);
    }
}
