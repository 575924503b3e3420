//! The data path of one batch:
//!
//! ```text
//!                                                       ┌──── the clock moved: once more, ──────┐
//!                                                       ▼     under the lock                    │
//! records → decode → days → ┌ begin · fence · seals · probe · judge · sort → COPY · totals · clock ┐ → commit → outbox
//!              └─ refused ──┴──────────────→ dead letters ────────────────────────────────────────┘
//! ```
//!
//! What is judged is judged inside the transaction, in log order; nothing of it is kept if the
//! transaction is not. What depends on permissions comes last, behind a savepoint.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use registry::{Cache, Freshness, Slot};
use schemas::{DeadLetterReason, Millis};
use telemetry::optimistic_lock::FailureReason;

use crate::batch::{Batch, Part};
use crate::chunk::Claim;
use crate::claims::{Claims, Loss};
use crate::decide::{Liveness, resolve};
use crate::decode::{Cause, Event, Refusal, decode};
use crate::error::Error;
use crate::fault::{after, step};
use crate::fold::Standing;
use crate::metrics::Metrics;
use crate::outbox::{self, Entry};
use crate::progress::Told;
use crate::settings::Decision;
use crate::start::{AskKafka, Log};
use crate::store::{Declined, Fence, Fenced, Known, Share, Sorted, Store, Transaction};
use crate::tracks::Tracks;

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
    Stopped(Vec<(i32, Fence)>),
}

/// What decisions on permissions count as in the metrics of optimistic locking.
const DECIDE: &str = "decide";

/// The records of a batch, read.
#[derive(Default)]
struct Decoded<'b> {
    events: Vec<Event<'b>>,
    /// Events of days that are not kept.
    outside: Vec<Event<'b>>,
    dead: Vec<Refusal<'b>>,
    told: Told,
}

/// A batch that has passed the fence, and what stands in its way.
struct Undecided<'e, 'a> {
    batch: &'e Batch,
    events: &'e [Event<'a>],
    /// Events of days that are not kept.
    outside: &'e [Event<'a>],
    /// Offsets that have their dead letter.
    settled: HashSet<(i32, i64)>,
    standing: Standing,
}

/// A batch that is decided and written, and what is to be published once it is committed.
struct Decided<'e, 'a> {
    sorted: Sorted<'e, 'a>,
    entries: Vec<Entry>,
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
        while !batch.is_empty() {
            match self.try_once(batch, store, claims).await? {
                Try::Committed(entries) => return Ok(entries),
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
    ) -> Result<Try, Error> {
        let Decoded { mut events, outside, mut dead, mut told } =
            step("decode", self.decode(batch, store)).await?;
        let days = events.iter().map(|event| event.swipe.occurred_at.unix_day());
        step("days", store.ensure_days(days)).await?;

        let mut transaction = step("begin", store.begin()).await?;
        let settled = transaction.standing_dead(batch).await?;
        set_aside(&mut events, &settled, &mut dead);
        events.iter().for_each(|event| told.goes_through(event));
        dead.iter().for_each(|refusal| told.refused(refusal.record));
        let shares: Vec<Share<'_>> = batch.parts().map(|part| told.share(part)).collect();
        if let Fenced::Stopped(stopped) = step("fence", transaction.fence(&shares)).await? {
            return Ok(Try::Stopped(stopped));
        }
        step("refused", transaction.insert_dead(&dead, self.log.log_id)).await?;
        step("gaps", transaction.insert_gaps(batch.parts())).await?;
        step("seals", transaction.insert_seals(&shares)).await?;
        let everything = self.probe_everything;
        let probed = transaction.probe(&events, batch, &self.cache, everything);
        let standing = step("probe", probed).await?;

        transaction.before_the_decision().await?;
        let undecided = Undecided { batch, events: &events, outside: &outside, settled, standing };
        let mut retries = 0;
        let mut decided = self.decide(&mut transaction, &undecided, Freshness::Optimistic).await?;
        if decided.is_none() {
            // Whoever holds the lock cannot lose a second time.
            retries = 1;
            self.metrics.optimistic_lock.failed(DECIDE, FailureReason::StaleData);
            transaction.back_to_the_decision().await?;
            step("lock", transaction.seal()).await?;
            decided = self.decide(&mut transaction, &undecided, Freshness::Current).await?;
        }
        let moved = || Error::Bug("the permission clock moved under its lock".to_owned());
        let Decided { sorted, entries } = decided.ok_or_else(moved)?;
        step("commit", transaction.commit()).await?;
        shares.iter().for_each(|share| claims.committed(share.part.claim, share.after));
        after("noted");
        self.metrics.optimistic_lock.done(DECIDE, retries);
        self.metrics.applied(&sorted, dead.len());
        Ok(Try::Committed(entries))
    }

    /// Decides a batch and writes what it becomes; none if the clock that it was decided with is no
    /// longer the current one.
    async fn decide<'e, 'a>(
        &mut self,
        transaction: &mut Transaction<'_>,
        undecided: &Undecided<'e, 'a>,
        freshness: Freshness,
    ) -> Result<Option<Decided<'e, 'a>>, Error> {
        let Undecided { batch, events, outside, settled, standing } = undecided;
        let cards = events.iter().map(|event| event.card);
        let terminals = events.iter().map(|event| event.terminal);
        self.cache.prepare(transaction.client(), cards, terminals, freshness).await?;
        self.metrics.loaded(self.cache.take_loads());
        let never_read = || Error::Bug("the permission clock was not read".to_owned());
        let clock = self.cache.clock().ok_or_else(never_read)?;
        let liveness = Liveness {
            now: Millis::now(),
            window_ms: i64::try_from(self.decision.live_window_ms).unwrap_or(i64::MAX),
            skew_ms: i64::try_from(self.decision.clock_skew_ms).unwrap_or(i64::MAX),
        };
        let tracked = tracked_cards(events, &self.cache, &liveness);
        let mut tracks = transaction.tracks(&tracked, &mut self.cache).await?;

        let known = Known { cache: &self.cache, liveness, clock };
        let (mut sorted, mut declined) =
            Sorted::sort(events, standing.clone(), &known, &mut tracks);
        declined.extend(outside.iter().map(|e| Declined { event: e, cause: Cause::outside() }));
        let refused = transaction.refuse(declined, settled, batch, &self.cache, &mut sorted);
        step("judge", refused).await?;
        sorted.conflicts.retain(|conflict| !batch.stands(conflict.at));

        let entries = outbox::decisions(&sorted, clock.version, self.decision.command_ttl_ms)?;
        self.write(transaction, batch, &sorted, &tracks, clock.version).await?;
        step("outbox", transaction.copy_outbox(&entries)).await?;
        let current =
            async { if sorted.open { transaction.seal().await } else { Ok(clock.version) } };
        let stands = step("clock", current).await? == clock.version;
        Ok(stands.then_some(Decided { sorted, entries }))
    }

    async fn write(
        &self,
        transaction: &Transaction<'_>,
        batch: &Batch,
        sorted: &Sorted<'_, '_>,
        tracks: &Tracks,
        clock: i64,
    ) -> Result<(), Error> {
        let cache = &self.cache;
        step("rows", transaction.copy_rows(&sorted.rows, cache, clock)).await?;
        let collisions = transaction.copy_collisions(&sorted.collisions, cache, clock);
        step("collisions", collisions).await?;
        let read_again = batch.parts().any(Part::read_again);
        let repeated = transaction.copy_duplicates(&sorted.duplicates, read_again);
        step("duplicates", repeated).await?;
        step("conflicts", transaction.insert_conflicts(&sorted.conflicts)).await?;
        step("dead-letters", transaction.insert_dead(&sorted.dead, self.log.log_id)).await?;
        step("card-states", transaction.save_tracks(tracks, cache)).await?;
        step("totals", transaction.correct_totals(sorted)).await
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

/// Leaves to the dead letters what has one already: the log is being read again.
fn set_aside<'a>(
    events: &mut Vec<Event<'a>>,
    settled: &HashSet<(i32, i64)>,
    dead: &mut Vec<Refusal<'a>>,
) {
    if settled.is_empty() {
        return;
    }
    events.retain(|event| {
        let stands = settled.contains(&event.place());
        if stands {
            dead.push(Refusal { record: event.record, cause: Cause::settled() });
        }
        !stands
    });
}

/// The cards whose decisions look at what they did before, each once.
fn tracked_cards(events: &[Event<'_>], cache: &Cache, liveness: &Liveness) -> Vec<Slot> {
    if !cache.tracks_cards() {
        return Vec::new();
    }
    let needs_track =
        |event: &&Event<'_>| resolve(event, cache, liveness).is_ok_and(|case| case.needs_track());
    let cards: HashSet<Slot> = events.iter().filter(needs_track).map(|event| event.card).collect();
    cards.into_iter().collect()
}
