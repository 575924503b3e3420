//! A bucket that differs, event by event.

use std::collections::BTreeMap;

use schemas::Millis;
use seal::{Sum, bucket_start};

use super::findings::Findings;
use super::sums::Entry;

/// One bucket, opened.
#[derive(Debug, Default)]
pub(super) struct Opened {
    pub(super) events: Vec<Entry>,
    pub(super) outcomes: Vec<Entry>,
}

/// What of a bucket's outcomes went with their days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    /// Events that occurred before it may be among them.
    pub(super) before: Option<Millis>,
    /// What is kept of them; none where they cannot be told from those that Kafka has no longer.
    pub(super) sum: Option<Sum>,
}

impl Opened {
    /// Names what differs.
    ///
    /// An event without an outcome may be one whose day was dropped. Those are compared with what is
    /// kept of the day as one: if that differs and something was kept, it cannot be said which of
    /// them it is.
    pub(super) fn compare(
        &self,
        (partition, bucket): (i32, i64),
        gone: Gone,
        findings: &mut Findings,
    ) {
        let mut by_offset: BTreeMap<i64, Vec<&Entry>> = BTreeMap::new();
        for outcome in &self.outcomes {
            by_offset.entry(outcome.offset).or_default().push(outcome);
        }
        let (mut perhaps_dropped, mut sum) = (Vec::new(), Sum::default());
        for event in &self.events {
            let found = by_offset.remove(&event.offset).unwrap_or_default();
            let kind = match found[..] {
                [] if gone.before > event.occurred_at && event.occurred_at.is_some() => {
                    perhaps_dropped.push(event);
                    sum.add(event.digest, None);
                    continue;
                }
                [] => "missing",
                [one] if one.digest == event.digest => continue,
                [_] => "altered",
                _ => "doubled",
            };
            findings.add(kind, partition, Some(event.offset), tables(&found));
        }
        for (offset, found) in by_offset {
            findings.add("invented", partition, Some(offset), tables(&found));
        }
        match gone.sum {
            Some(kept) if kept.agrees(&sum) => {}
            Some(kept) if kept.events > 0 => {
                findings.add("dropped", partition, Some(bucket_start(bucket)), vec!["dropped_sum"]);
            }
            Some(_) => {
                for event in perhaps_dropped {
                    findings.add("missing", partition, Some(event.offset), Vec::new());
                }
            }
            None => {}
        }
    }
}

fn tables(found: &[&Entry]) -> Vec<&'static str> {
    found.iter().map(|outcome| outcome.found.name()).collect()
}

#[cfg(test)]
mod tests {
    use schemas::Digest;

    use super::*;
    use crate::verify::sums::Found;

    fn entry(offset: i64, digest: u128, found: Found) -> Entry {
        let occurred_at = Some(Millis::from_unix_ms(offset));
        Entry { partition: 0, offset, digest: Digest(digest), occurred_at, found }
    }

    fn log(offsets: std::ops::Range<i64>) -> Vec<Entry> {
        offsets.map(|offset| entry(offset, 7, Found::Log)).collect()
    }

    fn found(opened: &Opened, gone: Gone) -> Vec<(&'static str, Option<i64>)> {
        let mut findings = Findings::default();
        opened.compare((0, 0), gone, &mut findings);
        findings.named().iter().map(|found| (found.kind, found.offset)).collect()
    }

    const NOTHING: Gone =
        Gone { before: None, sum: Some(Sum { events: 0, digest: Digest(0), occurred: None }) };

    #[test]
    fn each_kind_of_difference_is_named() {
        let outcomes = vec![
            entry(0, 7, Found::Row),
            entry(1, 8, Found::Row),
            entry(2, 7, Found::Row),
            entry(2, 7, Found::DeadLetter),
            entry(9, 7, Found::Collision),
        ];
        let opened = Opened { events: log(0..4), outcomes };
        let expected = [
            ("altered", Some(1)),
            ("doubled", Some(2)),
            ("invented", Some(9)),
            ("missing", Some(3)),
        ];
        assert_eq!(found(&opened, NOTHING), expected);
    }

    #[test]
    fn what_went_with_its_day_is_missing_only_if_nothing_was_kept_of_it() {
        // Of ten events, the day of the first six is gone; the outcome of the last is missing.
        let outcomes = (6..9).map(|offset| entry(offset, 7, Found::Row)).collect();
        let opened = Opened { events: log(0..10), outcomes };
        let before = Some(Millis::from_unix_ms(6));
        let kept = |events, digest| {
            let sum = Sum { events, digest: Digest(digest), occurred: None };
            Gone { before, sum: Some(sum) }
        };
        assert_eq!(found(&opened, kept(6, 42)), [("missing", Some(9))]);
        let differs = [("dropped", Some(0)), ("missing", Some(9))];
        assert_eq!(found(&opened, kept(5, 35)), differs);
        assert_eq!(found(&opened, kept(6, 41)), differs);
        assert_eq!(found(&opened, Gone { before, sum: None }), [("missing", Some(9))]);
        assert_eq!(found(&opened, kept(0, 0)).len(), 7, "nothing was kept: all are missing");
        assert_eq!(found(&opened, NOTHING).len(), 7);
    }
}
