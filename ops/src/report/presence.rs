//! How many were inside, and when most: from the moments at which that changed. Pure.

use super::span::Span;

/// How many were inside at most, in each hour and at all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    /// The most of each hour.
    pub by_hour: Vec<u64>,
    /// The most of all, and since when, in ms since 1970.
    pub peak: Option<(u64, i64)>,
}

const HOUR_MS: i64 = 3_600_000;

/// Counts along.
#[derive(Debug)]
pub(super) struct Counting {
    starts_at_ms: i64,
    inside: i64,
    /// The hour that is counted.
    hour: usize,
    found: Presence,
}

impl Counting {
    pub(super) fn new(span: Span) -> Self {
        let found = Presence { by_hour: vec![0; span.hours()], peak: None };
        Self { starts_at_ms: span.starts_at_ms(), inside: 0, hour: 0, found }
    }

    /// From `at_ms` on `change` more were inside; moments come in their order.
    pub(super) fn step(&mut self, at_ms: i64, change: i64) {
        let since = at_ms - self.starts_at_ms;
        if since > 0 {
            self.go_on_to((since / HOUR_MS) as usize);
        }
        self.inside += change;
        if since % HOUR_MS == 0
            && let Some(most) = self.found.by_hour.get_mut(self.hour)
        {
            // Whoever leaves with the hour was not inside in the next.
            *most = 0;
        }
        if since >= 0 {
            self.note(at_ms);
        }
    }

    pub(super) fn finish(mut self) -> Presence {
        self.go_on_to(self.found.by_hour.len());
        self.found
    }

    /// In the hours that begin until then, those were inside who are so now.
    fn go_on_to(&mut self, hour: usize) {
        if self.found.peak.is_none() {
            self.note(self.starts_at_ms);
        }
        let inside = u64::try_from(self.inside).unwrap_or(0);
        while self.hour < hour {
            self.hour += 1;
            let Some(most) = self.found.by_hour.get_mut(self.hour) else { break };
            *most = inside;
        }
    }

    fn note(&mut self, at_ms: i64) {
        let inside = u64::try_from(self.inside).unwrap_or(0);
        // Not after the end.
        let Some(most) = self.found.by_hour.get_mut(self.hour) else { return };
        *most = inside.max(*most);
        if self.found.peak.is_none_or(|(peak, _)| inside > peak) {
            self.found.peak = Some((inside, at_ms));
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::super::span::Length;
    use super::*;

    fn counted(steps: &[(i64, i64)]) -> Presence {
        let now = "2016-06-15T10:00:00Z".parse().unwrap();
        let span = Span::new(Length::Day, Some(date(2016, 6, 1)), now).unwrap();
        let mut counting = Counting::new(span);
        let start = span.starts_at_ms();
        steps.iter().for_each(|(minute, change)| counting.step(start + minute * 60_000, *change));
        counting.finish()
    }

    #[test]
    fn an_hour_has_those_who_were_there_before_it() {
        // Three from the day before; one leaves at 01:30, two more come at 03:00 and go at 03:10.
        let found = counted(&[(-600, 3), (90, -1), (180, 2), (190, -2)]);
        assert_eq!(found.by_hour[..5], [3, 3, 2, 4, 2]);
        assert_eq!(found.by_hour[23], 2);
        assert_eq!(counted(&[(0, 2), (60, -2)]).by_hour[..2], [2, 0]);
        assert_eq!(found.peak, Some((4, 1_464_739_200_000 + 180 * 60_000)));
    }

    #[test]
    fn nobody_is_nobody_and_the_next_day_is_another() {
        assert_eq!(
            counted(&[]),
            Presence { by_hour: vec![0; 24], peak: Some((0, 1_464_739_200_000)) }
        );
        let found = counted(&[(1_439, 1), (1_440, 5), (1_500, 5)]);
        assert_eq!((found.by_hour[22], found.by_hour[23]), (0, 1));
        assert_eq!(found.peak.unwrap().0, 1);
    }

    #[test]
    fn the_first_hour_counts_who_was_inside_at_its_start() {
        assert_eq!(counted(&[(-10, 5), (10, -5)]).peak.unwrap().0, 5);
        assert_eq!(counted(&[(-10, 5), (0, -5)]).by_hour[0], 0);
    }
}
