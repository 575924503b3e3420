//! The data path of one batch:
//!
//! ```text
//! records → decode → days → ┌ begin · judge · fence · probe → sort → COPY · seals · totals · clock ┐ → commit → outbox
//!              │            │                                    moved: again, under the lock       │
//!              └─ refused ──┴──────────────→ dead letters ────────────────────────────────────────────┘
//! ```
//!
//! What is judged is judged inside the transaction, in log order; nothing of it is kept if the
//! transaction is not.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use registry::{Cache, Freshness};
use schemas::{DeadLetterReason, Millis};

use crate::batch::{Batch, Part};
use crate::chunk::Claim;
use crate::claims::{Claims, Loss};
use crate::decide::{Judged, Liveness, judge};
use crate::decode::{Cause, Event, Refusal, decode};
use crate::error::Error;
use crate::fault::{after, step};
use crate::metrics::Metrics;
use crate::outbox::{self, Entry};
use crate::progress::Told;
use crate::settings::Decision;
use crate::start::{AskKafka, Log};
use crate::store::{Declined, Fence, Fenced, Share, Sorted, Store};

/// What a writer needs besides its connection.
pub(crate) struct Pipeline {
    pub(crate) cache: Cache,
    pub(crate) decision: Decision,
    /// The log that the database is pinned to.
    pub(crate) log: Log,
    pub(crate) metrics: Metrics,
    /// Probe also what the partition's latest event says cannot be there: it was, once.
    pub(crate) probe_everything: bool,
    /// Asks Kafka whether it still is that log.
    pub(crate) kafka: AskKafka,
}

/// How one try of a transaction ended, if Postgres refused nothing.
enum Try {
    Committed(Vec<Entry>),
    ClockMoved,
    Stopped(Vec<(i32, Fence)>),
}

/// The records of a batch, read.
#[derive(Default)]
struct Decoded<'b> {
    events: Vec<Event<'b>>,
    /// Events of days that are not kept.
    outside: Vec<Event<'b>>,
    dead: Vec<Refusal<'b>>,
    told: Told,
}

impl Pipeline {
    pub(crate) fn new(decision: Decision, log: Log, metrics: Metrics, kafka: AskKafka) -> Self {
        let cards_max = NonZeroUsize::new(decision.cached_cards_max).unwrap_or(NonZeroUsize::MIN);
        Self {
            cache: Cache::new(cards_max),
            decision,
            log,
            metrics,
            probe_everything: false,
            kafka,
        }
    }

    /// Applies a batch, or what of it is still ours: afterwards each of its offsets has its
    /// outcome, by us or by whoever took the partition over. What is to be published now.
    pub(crate) async fn apply(
        &mut self,
        batch: &mut Batch,
        store: &mut Store,
        claims: &Claims,
    ) -> Result<Vec<Entry>, Error> {
        let mut freshness = Freshness::Optimistic;
        while !batch.is_empty() {
            match self.try_once(batch, store, claims, freshness).await? {
                Try::Committed(entries) => return Ok(entries),
                Try::ClockMoved => {
                    self.metrics.stale_decisions.inc();
                    freshness = Freshness::Current;
                }
                Try::Stopped(stopped) => self.settle(batch, &stopped, claims),
            }
        }
        Ok(Vec::new())
    }

    async fn try_once(
        &mut self,
        batch: &Batch,
        store: &mut Store,
        claims: &Claims,
        freshness: Freshness,
    ) -> Result<Try, Error> {
        let Decoded { events, outside, mut dead, mut told } =
            step("decode", self.decode(batch, store)).await?;
        let days = events.iter().map(|event| event.swipe.occurred_at.unix_day());
        step("days", store.ensure_days(days)).await?;

        let mut transaction = step("begin", store.begin()).await?;
        if freshness == Freshness::Current {
            step("lock", transaction.seal()).await?;
        }
        let cards = events.iter().map(|event| event.card);
        let terminals = events.iter().map(|event| event.terminal);
        self.cache.prepare(transaction.client(), cards, terminals, freshness).await?;
        let clock = self.cache.clock().unwrap_or_default();
        let settled = transaction.standing_dead(batch).await?;
        let (judged, declined) = self.judge(&events, &outside, &settled, &mut dead);
        let refused = transaction.refuse(declined, &settled, batch, &self.cache, &mut dead);
        let again = step("judge", refused).await?;

        judged.iter().for_each(|judged| told.judged(judged.event));
        dead.iter().for_each(|refusal| told.refused(refusal.record));
        let shares: Vec<Share<'_>> = batch.parts().map(|part| told.share(part)).collect();
        if let Fenced::Stopped(stopped) = step("fence", transaction.fence(&shares)).await? {
            return Ok(Try::Stopped(stopped));
        }
        let everything = self.probe_everything;
        let probed = transaction.probe(&judged, batch, &self.cache, everything);
        let standing = step("probe", probed).await?;
        let mut sorted = Sorted::sort(judged, dead, standing, again, self.cache.cards_numbered());
        sorted.conflicts.retain(|conflict| !batch.stands(conflict.at));
        step("rows", transaction.copy_rows(&sorted.rows, clock)).await?;
        step("collisions", transaction.copy_collisions(&sorted.collisions, clock)).await?;
        let read_again = batch.parts().any(Part::read_again);
        let repeated = transaction.copy_duplicates(&sorted.duplicates, read_again);
        step("duplicates", repeated).await?;
        step("conflicts", transaction.insert_conflicts(&sorted.conflicts)).await?;
        step("dead-letters", transaction.insert_dead(&sorted.dead, self.log.log_id)).await?;
        let entries = outbox::decisions(&sorted, clock, self.decision.command_ttl_ms)?;
        step("outbox", transaction.copy_outbox(&entries)).await?;
        step("gaps", transaction.insert_gaps(batch.parts())).await?;
        step("seals", transaction.insert_seals(&shares)).await?;
        step("totals", transaction.correct_totals(&sorted)).await?;
        if step("clock", transaction.seal()).await? != clock {
            return Ok(Try::ClockMoved);
        }
        step("commit", transaction.commit()).await?;
        shares.iter().for_each(|share| claims.committed(share.part.claim, share.after));
        after("noted");
        self.metrics.applied(&sorted);
        Ok(Try::Committed(entries))
    }

    /// Bytes to events. What lies outside the days that are kept is set aside only after a fresh
    /// look at which days those are.
    async fn decode<'b>(
        &mut self,
        batch: &'b Batch,
        store: &mut Store,
    ) -> Result<Decoded<'b>, Error> {
        let count = batch.records().count();
        self.cache.begin(count);
        let mut decoded = Decoded { events: Vec::with_capacity(count), ..Decoded::default() };
        for record in batch.records() {
            match decode(record, self.log.topic.partitions, &mut self.cache) {
                Ok(event) => {
                    decoded.told.event(&event);
                    decoded.events.push(event);
                }
                Err(cause) => {
                    decoded.told.record(record);
                    decoded.dead.push(Refusal { record, cause });
                }
            }
        }
        // More partitions would make every second record look misplaced: look before believing it.
        let misplaced =
            |refusal: &Refusal<'_>| refusal.cause.reason == DeadLetterReason::WrongPartition;
        if decoded.dead.iter().any(misplaced) {
            self.kafka.must_be(&self.log.topic).await?;
        }
        let now = Millis::now();
        let window = store.window(now);
        if !decoded.events.iter().all(|event| window.holds(event.swipe.occurred_at)) {
            store.refresh_window().await?;
            let window = store.window(now);
            (decoded.events, decoded.outside) =
                decoded.events.into_iter().partition(|e| window.holds(e.swipe.occurred_at));
        }
        Ok(decoded)
    }

    /// Decides every event that can be decided, in log order.
    fn judge<'e, 'a>(
        &'e self,
        events: &'e [Event<'a>],
        outside: &'e [Event<'a>],
        settled: &HashSet<(i32, i64)>,
        dead: &mut Vec<Refusal<'a>>,
    ) -> (Vec<Judged<'e, 'a>>, Vec<Declined<'e, 'a>>) {
        let liveness = Liveness {
            now: Millis::now(),
            window_ms: i64::try_from(self.decision.live_window_ms).unwrap_or(i64::MAX),
            skew_ms: i64::try_from(self.decision.clock_skew_ms).unwrap_or(i64::MAX),
        };
        let mut judged = Vec::with_capacity(events.len());
        let mut declined: Vec<Declined<'_, '_>> =
            outside.iter().map(|event| Declined { event, cause: Cause::outside() }).collect();
        for event in events {
            if !settled.is_empty() && settled.contains(&event.place()) {
                dead.push(Refusal { record: event.record, cause: Cause::settled() });
                continue;
            }
            match judge(event, &self.cache, &liveness) {
                Ok(one) => judged.push(one),
                Err(cause) => declined.push(Declined { event, cause }),
            }
        }
        (judged, declined)
    }

    /// Leaves out of a batch the partitions that could not be advanced.
    fn settle(&self, batch: &mut Batch, stopped: &[(i32, Fence)], claims: &Claims) {
        for (partition, fence) in stopped {
            let Some(claim) = batch.parts().map(|p| p.claim).find(|c| c.partition == *partition)
            else {
                continue;
            };
            match *fence {
                Fence::Landed(at) => {
                    let next = at.open.next_offset;
                    tracing::info!(partition, next, "a commit whose reply was lost had landed");
                    batch.skip_to(*partition, at);
                    claims.committed(claim, at);
                }
                Fence::Lost(loss) => {
                    self.lose(claim, loss, claims);
                    batch.drop_part(*partition);
                }
            }
        }
    }

    /// A claim was found to be lost, by the fence or by a look at its row.
    pub(crate) fn lose(&self, claim: Claim, loss: Loss, claims: &Claims) {
        let partition = claim.partition;
        tracing::warn!(partition, ?loss, "the claim is lost; leaving it alone");
        self.metrics.claims_lost.inc();
        claims.lose(claim, loss);
    }
}
