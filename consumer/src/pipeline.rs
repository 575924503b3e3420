//! The data path of one batch:
//!
//! ```text
//! records → decode → days → ┌ begin · judge · fence · probe → sort → COPY · totals · seal ┐ → commit
//!              │            │                           clock moved: again, under the lock │
//!              └─ refused ──┴──────────────→ dead letters ───────────────────────────────────┘
//! ```
//!
//! What is judged is judged inside the transaction, in log order; nothing of it is kept if the
//! transaction is not.

use std::collections::HashMap;
use std::num::NonZeroUsize;

use registry::{Cache, Freshness};
use schemas::{DeadLetterReason, Millis};
use uuid::Uuid;

use crate::batch::{Batch, Part};
use crate::claims::Claims;
use crate::decide::{Judged, Liveness, judge};
use crate::decode::{Cause, Event, Refusal, decode};
use crate::error::Error;
use crate::metrics::Metrics;
use crate::settings::Decision;
use crate::start::PartitionCount;
use crate::store::{Fence, Fenced, Share, Sorted, Store};

/// What a writer needs besides its connection.
pub(crate) struct Pipeline {
    pub(crate) cache: Cache,
    pub(crate) decision: Decision,
    /// Partitions of the log.
    pub(crate) partitions: i32,
    /// Namespace of ids that are derived from offsets.
    pub(crate) log_id: Uuid,
    pub(crate) metrics: Metrics,
    /// Probe also what the partition's latest event says cannot be there: it was, once.
    pub(crate) probe_everything: bool,
    /// Asks Kafka how many partitions the log has now.
    pub(crate) count: PartitionCount,
}

/// How one try of a transaction ended, if Postgres refused nothing.
enum Try {
    Committed,
    ClockMoved,
    Stopped(Vec<(i32, Fence)>),
}

impl Pipeline {
    pub(crate) fn new(
        decision: Decision,
        partitions: i32,
        log_id: Uuid,
        metrics: Metrics,
        count: PartitionCount,
    ) -> Self {
        let cards_max = NonZeroUsize::new(decision.cached_cards_max).unwrap_or(NonZeroUsize::MIN);
        Self {
            cache: Cache::new(cards_max),
            decision,
            partitions,
            log_id,
            metrics,
            probe_everything: false,
            count,
        }
    }

    /// Applies a batch, or what of it is still ours: afterwards each of its offsets has its
    /// outcome, by us or by whoever took the partition over.
    pub(crate) async fn apply(
        &mut self,
        batch: &mut Batch,
        store: &mut Store,
        claims: &Claims,
    ) -> Result<(), Error> {
        let mut freshness = Freshness::Optimistic;
        while !batch.is_empty() {
            match self.try_once(batch, store, freshness).await? {
                Try::Committed => {
                    batch.parts().for_each(|part| claims.committed(part.claim, part.next));
                    return Ok(());
                }
                Try::ClockMoved => {
                    self.metrics.stale_decisions.inc();
                    freshness = Freshness::Current;
                }
                Try::Stopped(stopped) => self.settle(batch, &stopped, claims),
            }
        }
        Ok(())
    }

    async fn try_once(
        &mut self,
        batch: &Batch,
        store: &mut Store,
        freshness: Freshness,
    ) -> Result<Try, Error> {
        let (events, mut dead) = self.decode(batch, store).await?;
        store.ensure_days(events.iter().map(|event| event.swipe.occurred_at.unix_day())).await?;

        let mut transaction = store.begin().await?;
        if freshness == Freshness::Current {
            transaction.seal().await?;
        }
        let cards = events.iter().map(|event| event.card);
        let terminals = events.iter().map(|event| event.terminal);
        self.cache.prepare(transaction.client(), cards, terminals, freshness).await?;
        let clock = self.cache.clock().unwrap_or_default();
        let judged = self.judge(&events, &mut dead);

        let seen_up_to = match transaction.fence(&shares(batch, &judged, &dead)).await? {
            Fenced::Through(seen_up_to) => seen_up_to,
            Fenced::Stopped(stopped) => return Ok(Try::Stopped(stopped)),
        };
        let standing = transaction.probe(&judged, &seen_up_to, self.probe_everything).await?;
        let sorted = Sorted::sort(judged, dead, standing, self.cache.cards_numbered());
        transaction.copy_rows(&sorted.rows, clock).await?;
        transaction.copy_collisions(&sorted.collisions, clock).await?;
        transaction.insert_duplicates(&sorted.duplicates).await?;
        transaction.insert_dead(&sorted.dead, self.log_id).await?;
        transaction.insert_gaps(batch.parts()).await?;
        transaction.correct_totals(&sorted).await?;
        if transaction.seal().await? != clock {
            return Ok(Try::ClockMoved);
        }
        transaction.commit().await?;
        self.metrics.applied(&sorted);
        Ok(Try::Committed)
    }

    /// Bytes to events. What lies outside the days that are kept is refused only after a fresh look
    /// at which days those are.
    async fn decode<'b>(
        &mut self,
        batch: &'b Batch,
        store: &mut Store,
    ) -> Result<(Vec<Event<'b>>, Vec<Refusal<'b>>), Error> {
        let count = batch.records().count();
        self.cache.begin(count);
        let (mut events, mut dead) = (Vec::with_capacity(count), Vec::new());
        for record in batch.records() {
            match decode(record, self.partitions, &mut self.cache) {
                Ok(event) => events.push(event),
                Err(cause) => dead.push(Refusal { record, cause }),
            }
        }
        // More partitions would make every second record look misplaced: look before believing it.
        let misplaced =
            |refusal: &Refusal<'_>| refusal.cause.reason == DeadLetterReason::WrongPartition;
        if dead.iter().any(misplaced) {
            self.count.must_be(self.partitions).await?;
        }
        let now = Millis::now();
        let window = store.window(now);
        if !events.iter().all(|event| window.holds(event.swipe.occurred_at)) {
            store.refresh_window().await?;
            let window = store.window(now);
            let (kept, outside): (Vec<_>, Vec<_>) =
                events.into_iter().partition(|event| window.holds(event.swipe.occurred_at));
            events = kept;
            let message = format!(
                "occurred_at: must lie between {} and {}; `gatelog setup --keep-from` moves \
                     the oldest day",
                window.oldest, window.newest
            );
            let cause = Cause::new(DeadLetterReason::OccurredAtOutOfRange, message);
            let refuse = |event: Event<'b>| Refusal { record: event.record, cause: cause.clone() };
            dead.extend(outside.into_iter().map(refuse));
        }
        Ok((events, dead))
    }

    fn judge<'e, 'a>(
        &'e self,
        events: &'e [Event<'a>],
        dead: &mut Vec<Refusal<'a>>,
    ) -> Vec<Judged<'e, 'a>> {
        let liveness = Liveness {
            now: Millis::now(),
            window_ms: i64::try_from(self.decision.live_window_ms).unwrap_or(i64::MAX),
            skew_ms: i64::try_from(self.decision.clock_skew_ms).unwrap_or(i64::MAX),
        };
        let mut judged = Vec::with_capacity(events.len());
        for event in events {
            match judge(event, &self.cache, &liveness) {
                Ok(one) => judged.push(one),
                Err(cause) => dead.push(Refusal { record: event.record, cause }),
            }
        }
        judged
    }

    /// Leaves out of a batch the partitions that could not be advanced.
    fn settle(&self, batch: &mut Batch, stopped: &[(i32, Fence)], claims: &Claims) {
        for (partition, fence) in stopped {
            let Some(claim) = batch.parts().map(|p| p.claim).find(|c| c.partition == *partition)
            else {
                continue;
            };
            match *fence {
                Fence::Landed(next) => {
                    tracing::info!(partition, next, "a commit whose reply was lost had landed");
                    batch.skip_to(*partition, next);
                    claims.committed(claim, next);
                }
                Fence::Lost(loss) => {
                    tracing::warn!(partition, ?loss, "the claim is lost; leaving it alone");
                    self.metrics.claims_lost.inc();
                    claims.lose(claim, loss);
                    batch.drop_part(*partition);
                }
            }
        }
    }
}

/// What the fence is to count, a partition each.
fn shares<'b>(batch: &'b Batch, judged: &[Judged<'_, '_>], dead: &[Refusal<'_>]) -> Vec<Share<'b>> {
    let none = Millis::from_unix_ms(i64::MIN);
    let mut latest: HashMap<i32, Millis> = HashMap::new();
    for judged in judged {
        let latest = latest.entry(judged.event.claim().partition).or_insert(none);
        *latest = (*latest).max(judged.event.swipe.occurred_at);
    }
    let mut refused: HashMap<i32, i64> = HashMap::new();
    for refusal in dead {
        *refused.entry(refusal.record.claim().partition).or_default() += 1;
    }
    let share = |part: &'b Part| Share {
        part,
        dead: refused.get(&part.claim.partition).copied().unwrap_or_default(),
        occurred_at_max: latest.get(&part.claim.partition).copied().unwrap_or(none),
    };
    batch.parts().map(share).collect()
}
