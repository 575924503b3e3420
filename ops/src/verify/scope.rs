//! Which offsets are verified, and where an outcome that was found belongs.

use std::collections::BTreeMap;

use schemas::Millis;
use seal::{bucket_of, bucket_start};

use super::snapshot::Position;
use super::{Options, Span};

/// What is verified.
#[derive(Debug)]
pub(super) struct Scope {
    /// By partition number, so that each event finds its own in no time.
    partitions: Vec<Option<Part>>,
    /// Outcomes of other partitions are nobody's; not where only some were asked for.
    pub(super) whole: bool,
    /// No event of the wanted buckets occurred before it; none where that is not known or everything
    /// is wanted.
    pub(super) floor: Option<Millis>,
}

/// What is verified of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) span: Span,
    /// First offset of the span that Kafka still has, or its end.
    pub(super) low: i64,
    applied_to: i64,
    before_base: bool,
    /// Whether each bucket is wanted, from the first offset's to the next offset's.
    wanted: Vec<bool>,
}

/// Where an outcome belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To a bucket that is verified.
    Verified,
    /// To the span that was applied, but not to a bucket that was asked for.
    LeftOut,
    /// To offsets that are not verified: of days that are gone, or yet to be read again.
    Unverified,
    /// To no offset that was ever applied.
    Nowhere,
}

impl Scope {
    /// What `options` ask for; `lows` is the first offset that Kafka has of each partition.
    pub(super) fn new(
        positions: &BTreeMap<i32, Position>,
        lows: &BTreeMap<i32, i64>,
        options: &Options,
    ) -> Self {
        let mut scope =
            Self { partitions: Vec::new(), whole: options.partitions.is_empty(), floor: None };
        let mut floor = options.since;
        for (partition, position) in positions.iter().filter(|(p, _)| options.wants(**p)) {
            let Ok(at) = usize::try_from(*partition) else { continue };
            let low = lows.get(partition).copied().unwrap_or(i64::MAX);
            let part = Part::new(position, low, options.since);
            for told in part.buckets().map(|bucket| position.told(bucket)) {
                // A seal that is missing says nothing of how far back its bucket reaches.
                let earliest = told.map_or(Some(Millis::from_unix_ms(i64::MIN)), |sum| {
                    sum.occurred.map(|(min, _)| min)
                });
                floor = floor.map(|floor| earliest.map_or(floor, |min| floor.min(min)));
            }
            scope.partitions.resize(scope.partitions.len().max(at + 1), None);
            scope.partitions[at] = Some(part);
        }
        scope.floor = floor.filter(|floor| floor.unix_ms() > i64::MIN);
        scope
    }

    /// The partitions, in order.
    pub(super) fn parts(&self) -> impl Iterator<Item = (i32, &Part)> {
        let numbered = self.partitions.iter().enumerate();
        numbered.filter_map(|(at, part)| Some((i32::try_from(at).ok()?, part.as_ref()?)))
    }

    pub(super) fn part(&self, partition: i32) -> Option<&Part> {
        self.partitions.get(usize::try_from(partition).ok()?)?.as_ref()
    }

    /// Where an outcome belongs.
    pub(super) fn place(&self, partition: i32, offset: i64) -> Place {
        match self.part(partition) {
            Some(part) => part.place(offset),
            None if self.whole => Place::Nowhere,
            None => Place::Unverified,
        }
    }

    /// Offsets whose outcomes are expected in the tables.
    pub(super) fn offsets(&self) -> i64 {
        let spans = self.parts().flat_map(|(_, p)| p.buckets().map(|bucket| p.of_bucket(bucket)));
        spans.map(|span| span.next - span.first).sum()
    }

    /// What is to be read of the log.
    pub(super) fn runs(&self) -> BTreeMap<i32, Vec<Span>> {
        self.parts().map(|(partition, part)| (partition, part.runs())).collect()
    }
}

impl Part {
    fn new(position: &Position, low: i64, since: Option<Millis>) -> Self {
        let span = Span { first: position.first.min(position.next), next: position.next };
        let is_wanted = |bucket| match (since, position.told(bucket)) {
            (Some(since), Some(sum)) => sum.occurred.is_some_and(|(_, max)| max >= since),
            _ => true,
        };
        let mut wanted = Vec::new();
        // Not while it is being read again from before the point where seals begin.
        if position.first <= position.next {
            wanted.extend((bucket_of(span.first)..=bucket_of(span.next)).map(is_wanted));
        }
        Self {
            span,
            low: low.clamp(span.first, span.next),
            applied_to: position.applied_to,
            before_base: position.before_base > 0,
            wanted,
        }
    }

    /// The wanted buckets.
    pub(super) fn buckets(&self) -> impl Iterator<Item = i64> {
        let first = bucket_of(self.span.first);
        let numbered = (first..).zip(&self.wanted);
        numbered.filter_map(|(bucket, wanted)| wanted.then_some(bucket))
    }

    /// The offsets of a bucket that were applied.
    pub(super) fn of_bucket(&self, bucket: i64) -> Span {
        Span {
            first: bucket_start(bucket).max(self.span.first),
            next: bucket_start(bucket + 1).min(self.span.next),
        }
    }

    fn place(&self, offset: i64) -> Place {
        if offset < self.span.first {
            return if self.before_base { Place::Unverified } else { Place::Nowhere };
        }
        if offset >= self.span.next {
            let again = offset < self.applied_to;
            return if again { Place::Unverified } else { Place::Nowhere };
        }
        let at = usize::try_from(bucket_of(offset) - bucket_of(self.span.first));
        match at.ok().and_then(|at| self.wanted.get(at)) {
            Some(true) => Place::Verified,
            _ => Place::LeftOut,
        }
    }

    /// What of the wanted buckets Kafka still has, in as few runs as can be.
    fn runs(&self) -> Vec<Span> {
        let mut runs: Vec<Span> = Vec::new();
        for bucket in self.buckets() {
            let span = self.of_bucket(bucket);
            let span = Span { first: span.first.max(self.low), next: span.next };
            match runs.last_mut() {
                _ if span.first >= span.next => {}
                Some(last) if last.next == span.first => last.next = span.next,
                _ => runs.push(span),
            }
        }
        runs
    }
}

#[cfg(test)]
mod tests {
    use seal::{Chain, Sum};

    use super::*;

    const fn at(ms: i64) -> Millis {
        Millis::from_unix_ms(ms)
    }

    /// Offsets 5,000 to 42,000; bucket b holds what occurred from b to b + 10.
    fn position() -> Position {
        let sum = |bucket: i64| Sum {
            events: 1,
            occurred: Some((at(bucket), at(bucket + 10))),
            ..Sum::default()
        };
        Position {
            first: 5_000,
            next: 42_000,
            applied_to: 45_000,
            before_base: 0,
            chain_before: Chain::START,
            chain: Chain::START,
            open: sum(4),
            seals: (0..4).map(|bucket| (bucket, (sum(bucket), Chain::START))).collect(),
            dropped: BTreeMap::new(),
            gaps: Vec::new(),
            running: [0; 7],
        }
    }

    fn scope(position: Position, low: i64, since: Option<i64>) -> Scope {
        let options = Options { since: since.map(at), ..Options::default() };
        Scope::new(&BTreeMap::from([(2, position)]), &BTreeMap::from([(2, low)]), &options)
    }

    #[test]
    fn everything_is_one_run_from_where_kafka_begins() {
        let whole = scope(position(), 12_345, None);
        assert_eq!(whole.runs()[&2], [Span { first: 12_345, next: 42_000 }]);
        assert_eq!((whole.offsets(), whole.floor), (37_000, None));
        let places = [4_999, 5_000, 41_999, 42_000, 45_000].map(|offset| whole.place(2, offset));
        let expected =
            [Place::Nowhere, Place::Verified, Place::Verified, Place::Unverified, Place::Nowhere];
        assert_eq!(places, expected);
        assert_eq!(whole.place(0, 0), Place::Nowhere);
    }

    #[test]
    fn since_leaves_out_what_seals_say_is_older_and_reads_back_as_far_as_they_say() {
        let late = scope(position(), 0, Some(13));
        assert_eq!(late.runs()[&2], [Span { first: 30_000, next: 42_000 }]);
        assert_eq!(late.floor, Some(at(3)));
        assert_eq!(late.place(2, 29_999), Place::LeftOut);
        let mut unsealed = position();
        unsealed.seals.remove(&1);
        let unsealed = scope(unsealed, 0, Some(13));
        let runs = [Span { first: 10_000, next: 20_000 }, Span { first: 30_000, next: 42_000 }];
        assert_eq!(unsealed.runs()[&2], runs);
        assert_eq!(unsealed.floor, None, "what is not sealed may reach back for ever");
    }
}
