use smallvec::SmallVec;

use super::definition::{MINUTES_OF_DAY, Plan};

/// What part of each local day is open.
///
/// The part of a window after midnight is kept with the day that it falls on, so that a question
/// looks at one day only.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    /// By day of the week, from Monday.
    weekly: [Spans; 7],
    /// The days that differ from their day of the week, by days since 1970-01-01, ascending: the
    /// special ones, and those after them.
    dated: Box<[(i32, Spans)]>,
}

/// The open parts of one day: apart from one another, ascending.
type Spans = SmallVec<[Span; 4]>;

/// Minutes of a day, the last one exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    from: u16,
    until: u16,
}

impl Calendar {
    /// The calendar of weekly windows, from Monday on, and of special days, ascending.
    pub(super) fn new(weekly: &[Plan; 7], special: &[(i32, Plan)]) -> Self {
        let week: [Spans; 7] =
            std::array::from_fn(|day| spans(&weekly[day], &weekly[(day + 6) % 7]));
        let mut dated: Vec<(i32, Spans)> = Vec::with_capacity(2 * special.len());
        for (place, (day, plan)) in special.iter().enumerate() {
            dated.push((*day, spans(plan, &Plan::new())));
            let next = day + 1;
            if special.get(place + 1).is_none_or(|(day, _)| *day != next) {
                dated.push((next, spans(&weekly[weekday(next)], plan)));
            }
        }
        Self { weekly: week, dated: dated.into() }
    }

    /// Whether `minute` of `day` (since 1970-01-01) is open.
    #[inline]
    pub(super) fn is_open(&self, day: i32, minute: u16) -> bool {
        let spans = match self.dated.binary_search_by_key(&day, |(day, _)| *day) {
            Ok(place) => &self.dated[place].1,
            Err(_) => &self.weekly[weekday(day)],
        };
        spans.iter().any(|span| span.from <= minute && minute < span.until)
    }
}

/// The day of the week, from 0 for Monday: 1970-01-01 was a Thursday.
fn weekday(day: i32) -> usize {
    (i64::from(day) + 3).rem_euclid(7) as usize
}

/// The open parts of a day with the windows `own`, after one with the windows `eve`.
fn spans(own: &Plan, eve: &Plan) -> Spans {
    let begun = own.iter().map(|w| Span { from: w.from, until: w.until.min(MINUTES_OF_DAY) });
    let left = eve.iter().filter(|w| w.until > MINUTES_OF_DAY);
    let left = left.map(|w| Span { from: 0, until: w.until - MINUTES_OF_DAY });
    let mut all: Vec<Span> = begun.chain(left).collect();
    all.sort_unstable_by_key(|span| span.from);
    let mut merged = Spans::new();
    for span in all {
        match merged.last_mut() {
            Some(last) if span.from <= last.until => last.until = last.until.max(span.until),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::super::definition::Window;
    use super::*;

    #[test]
    fn windows_that_touch_or_overlap_are_one() {
        let window = |from, until| Window { from, until };
        let own: Plan = [window(300, 400), window(0, 60), window(400, 2000)].into_iter().collect();
        let eve: Plan = [window(1300, 1530), window(0, 1440)].into_iter().collect();
        let open = [Span { from: 0, until: 90 }, Span { from: 300, until: 1440 }];
        assert_eq!(spans(&own, &eve).as_slice(), open);
    }

    #[test]
    fn the_epoch_was_a_thursday() {
        assert_eq!([-4, -3, -1, 0, 4].map(weekday), [6, 0, 2, 3, 0]);
    }
}
