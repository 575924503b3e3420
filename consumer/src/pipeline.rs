//! The data path of one batch:
//!
//! ```text
//!                                                     ┌──── the clock moved: once more, ──────┐
//!                                                     ▼     under the lock                    │
//! records → decode → days → ┌ begin · fence · seals · lanes · probe · judge · sort → COPY · totals · clock ┐ → commit → outbox
//!              └─ refused ──┴──────────────→ dead letters ────────────────────────────────────────┘
//! ```
//!
//! What is judged is judged inside the transaction, in log order; nothing of it is kept if the
//! transaction is not. What depends on permissions comes last, behind a savepoint: there a batch
//! goes back to when the clock has moved, and when Postgres refuses a row, to find out which.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use registry::{Cache, Freshness, Slot};
use schemas::Millis;
use telemetry::optimistic_lock::FailureReason;

use crate::batch::Batch;
use crate::chunk::Claim;
use crate::claims::{Claims, Loss};
use crate::decide::{Liveness, resolve};
use crate::decode::{Cause, Event, Refusal};
use crate::error::{Class, Error};
use crate::fault::{after, step};
use crate::fold::Standing;
use crate::intake::{Decoded, Waiting, set_aside};
use crate::lanes;
use crate::metrics::{DECIDE, Metrics};
use crate::outbox::{self, Entry};
use crate::quarantine::Quarantine;
use crate::replays::Replays;
use crate::settings::{Decision, Settings};
use crate::start::{AskKafka, Log};
use crate::store::{Declined, Fence, Fenced, Known, Origin, Share, Sorted, Store, Transaction};
use crate::systemic::Recent;
use crate::tracks::Tracks;

/// What a writer needs besides its connection.
pub(crate) struct Pipeline {
    pub(crate) cache: Cache,
    pub(crate) decision: Decision,
    pub(crate) lanes: lanes::Limits,
    /// The log that the database is pinned to.
    pub(crate) log: Log,
    /// The log, as its dead letters name it.
    pub(crate) origin: Origin,
    /// This process, as its actions name it.
    pub(crate) member: String,
    pub(crate) metrics: Metrics,
    /// Probe also what the partition's latest event says cannot be there: it was, once.
    pub(crate) probe_everything: bool,
    /// Asks Kafka whether it still is that log.
    pub(crate) kafka: AskKafka,
    pub(crate) quarantine: Quarantine,
    pub(crate) recent: Recent,
    /// Rows of the batch at hand that Postgres refuses, as far as that is known from earlier tries.
    pub(crate) bad: Bad,
}

/// How one try of a transaction ended, if Postgres refused nothing.
enum Try {
    Committed(Vec<Entry>),
    Stopped(Vec<(i32, Fence)>),
}

/// A batch that has passed the fence, and what stands in its way.
pub(crate) struct Undecided<'e, 'a> {
    pub(crate) batch: &'e Batch,
    pub(crate) waiting: &'e Waiting,
    /// In log order: those of lanes come before the batch's own.
    pub(crate) events: &'e [Event<'a>],
    /// Events of days that are not kept.
    pub(crate) outside: &'e [Event<'a>],
    /// What was refused for what it is, and has its dead letter.
    pub(crate) refused: &'e [Refusal<'a>],
    /// The same of lanes, without one yet.
    pub(crate) refused_in_lanes: &'e [Refusal<'a>],
    /// Offsets that have their dead letter.
    pub(crate) settled: &'e HashSet<(i32, i64)>,
    pub(crate) standing: &'e Standing,
    pub(crate) replays: &'e Replays,
}

/// A batch that is decided and written, and what is to be done once it is committed.
pub(crate) struct Decided<'e, 'a> {
    sorted: Sorted<'e, 'a>,
    entries: Vec<Entry>,
    lanes: lanes::Lanes,
}

/// Why events of a batch are given up whose rows Postgres refuses; by their places.
pub(crate) type Bad = HashMap<(i32, i64), Cause>;

impl Pipeline {
    pub(crate) fn new(
        settings: &Settings,
        log: Log,
        member: &str,
        metrics: Metrics,
        kafka: AskKafka,
    ) -> Self {
        let decision = settings.decision.clone();
        let cards_max = NonZeroUsize::new(decision.cached_cards_max).unwrap_or(NonZeroUsize::MIN);
        let (topic, group) = (settings.topic.swipes.clone(), settings.group.id.clone());
        Self {
            cache: Cache::new(cards_max),
            decision,
            lanes: settings.lanes.clone(),
            origin: Origin { log_id: log.log_id, topic, group },
            log,
            member: format!("consumer {member}"),
            metrics,
            probe_everything: false,
            kafka,
            quarantine: Quarantine::default(),
            recent: Recent::default(),
            bad: Bad::new(),
        }
    }

    /// Applies a batch, or what of it is still ours: afterwards each of its offsets has its
    /// outcome or waits in a lane, by us or by whoever took the partition over. What is to be
    /// published now.
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

        let window = store.window(Millis::now());
        let mut transaction = step("begin", store.begin()).await?;
        let settled = transaction.standing_dead(batch).await?;
        set_aside(&mut events, &settled, &mut dead);
        events.iter().for_each(|event| told.goes_through(event));
        dead.iter().for_each(|refusal| told.refused(refusal.record));
        let shares: Vec<Share<'_>> = batch.parts().map(|part| told.share(part)).collect();
        let ahead = match step("fence", transaction.fence(&shares)).await? {
            Fenced::Through(ahead) => ahead,
            Fenced::Stopped(stopped) => return Ok(Try::Stopped(stopped)),
        };
        step("refused", transaction.insert_dead(&dead, &self.origin)).await?;
        step("gaps", transaction.insert_gaps(batch.parts())).await?;
        step("seals", transaction.insert_seals(&shares)).await?;
        let waiting = self.waiting(&transaction, &ahead.with_lanes, batch, window);
        let waiting = step("lanes", waiting).await?;
        let (from_lanes, refused_in_lanes) =
            waiting.decode(self.log.topic.partitions, &mut self.cache);
        events.splice(..0, from_lanes);
        (0..).zip(&mut events).for_each(|(nth, event)| event.nth = nth);
        let replays = match ahead.is_replaying {
            true => Replays::find(batch.records().chain(&waiting.records)),
            false => Replays::default(),
        };
        let everything = self.probe_everything;
        let probed = transaction.probe(&events, batch, &self.cache, everything);
        let standing = step("probe", probed).await?;

        let undecided = Undecided {
            batch,
            waiting: &waiting,
            events: &events,
            outside: &outside,
            refused: &dead,
            refused_in_lanes: &refused_in_lanes,
            settled: &settled,
            standing: &standing,
            replays: &replays,
        };
        let decided = self.decide_to_the_end(&mut transaction, &undecided).await?;
        let Decided { sorted, entries, lanes } = decided;
        step("commit", transaction.commit()).await?;
        let due = lanes.due(Millis::now(), &self.lanes);
        for share in &shares {
            let claim = share.part.claim;
            claims.committed(claim, share.after);
            claims.lanes_due_in(claim, due.get(&claim.partition).copied());
        }
        after("noted");
        self.learn(events.len(), &sorted);
        self.metrics.applied(&sorted, &dead);
        Ok(Try::Committed(entries))
    }

    /// Decides a batch and writes what it becomes, until that holds: under the permission lock, if
    /// the clock moved, and without the rows that Postgres refuses.
    async fn decide_to_the_end<'e, 'a>(
        &mut self,
        transaction: &mut Transaction<'_>,
        undecided: &Undecided<'e, 'a>,
    ) -> Result<Decided<'e, 'a>, Error> {
        transaction.before_the_decision().await?;
        let (mut bad, mut moved) = (self.bad.clone(), false);
        loop {
            // Whoever holds the lock cannot lose a second time.
            let freshness = if moved { Freshness::Current } else { Freshness::Optimistic };
            match self.decide(transaction, undecided, &bad, freshness).await {
                Ok(Some(decided)) => {
                    let events = undecided.events.len();
                    self.must_not_be_systemic(events, &decided.sorted.bad)?;
                    self.metrics.optimistic_lock.done(DECIDE, u32::from(moved));
                    return Ok(decided);
                }
                Ok(None) if moved => {
                    return Err(Error::Bug("the permission clock moved under its lock".to_owned()));
                }
                Ok(None) => {
                    moved = true;
                    self.metrics.optimistic_lock.failed(DECIDE, FailureReason::StaleData);
                    transaction.back_to_the_decision().await?;
                }
                Err(error) if error.class() == Class::BadRow => {
                    transaction.back_to_the_decision().await?;
                    self.isolate(transaction, undecided, error, &mut bad).await?;
                }
                Err(error) => return Err(error),
            }
            if moved {
                step("lock", transaction.seal()).await?;
            }
        }
    }

    /// Decides a batch and writes what it becomes; none if the clock that it was decided with is no
    /// longer the current one.
    pub(crate) async fn decide<'e, 'a>(
        &mut self,
        transaction: &mut Transaction<'_>,
        undecided: &Undecided<'e, 'a>,
        bad: &Bad,
        freshness: Freshness,
    ) -> Result<Option<Decided<'e, 'a>>, Error> {
        let Undecided { batch, waiting, events, outside, settled, standing, .. } = *undecided;
        // What stands was decided when it came first.
        let new = |event: &&Event<'_>| !event.stands(standing);
        let new: Vec<&Event<'_>> = events.iter().filter(new).collect();
        let cards = new.iter().map(|event| event.card);
        let terminals = new.iter().map(|event| event.terminal);
        self.cache.prepare(transaction.client(), cards, terminals, freshness).await?;
        self.metrics.loaded(self.cache.take_loads());
        let never_read = || Error::Bug("the permission clock was not read".to_owned());
        let clock = self.cache.clock().ok_or_else(never_read)?;
        let liveness = Liveness {
            now: Millis::now(),
            window_ms: i64::try_from(self.decision.live_window_ms).unwrap_or(i64::MAX),
            skew_ms: i64::try_from(self.decision.clock_skew_ms).unwrap_or(i64::MAX),
        };
        let tracked = tracked_cards(&new, &self.cache, &liveness);
        let mut tracks = transaction.tracks(&tracked, &mut self.cache).await?;
        let mut lanes = waiting.lanes(&mut self.cache, &self.lanes);

        let known = Known {
            cache: &self.cache,
            liveness,
            clock,
            batch,
            waited: &waiting.waited,
            bad,
            quarantine: &self.quarantine,
            limits: &self.lanes,
        };
        let (mut sorted, mut declined) =
            Sorted::sort(events, standing, &known, &mut tracks, &mut lanes);
        for refusal in undecided.refused_in_lanes {
            sorted.left.push((refusal.record.claim().partition, refusal.record.offset()));
            sorted.dead.push(refusal.clone());
        }
        declined.extend(outside.iter().map(|e| Declined { event: e, cause: Cause::outside() }));
        let refused = transaction.refuse(declined, settled, batch, &self.cache, &mut sorted);
        step("judge", refused).await?;
        let is_news = |at| !batch.stands(at) || waiting.waited.contains_key(&at);
        sorted.conflicts.retain(|conflict| is_news(conflict.at));

        let entries = outbox::decisions(&sorted, clock.version, self.decision.command_ttl_ms)?;
        self.write(transaction, undecided, &sorted, &tracks, clock.version).await?;
        step("outbox", transaction.copy_outbox(&entries)).await?;
        let current =
            async { if sorted.open { transaction.seal().await } else { Ok(clock.version) } };
        let stands = step("clock", current).await? == clock.version;
        Ok(stands.then_some(Decided { sorted, entries, lanes }))
    }

    async fn write(
        &self,
        transaction: &mut Transaction<'_>,
        undecided: &Undecided<'_, '_>,
        sorted: &Sorted<'_, '_>,
        tracks: &Tracks,
        clock: i64,
    ) -> Result<(), Error> {
        let cache = &self.cache;
        step("rows", transaction.copy_rows(&sorted.rows, cache, clock)).await?;
        let collisions = transaction.copy_collisions(&sorted.collisions, cache, clock);
        step("collisions", collisions).await?;
        step("duplicates", transaction.copy_duplicates(&sorted.duplicates)).await?;
        step("conflicts", transaction.insert_conflicts(&sorted.conflicts)).await?;
        step("dead-letters", transaction.insert_dead(&sorted.dead, &self.origin)).await?;
        step("parked", transaction.write_lanes(sorted)).await?;
        step("card-states", transaction.save_tracks(tracks, cache)).await?;
        let settlements = undecided.replays.settle(sorted, undecided.refused, undecided.settled);
        step("letters", transaction.settle(&settlements, &self.member)).await?;
        step("ledger", transaction.insert_delta(&sorted.counters, cache)).await?;
        step("totals", transaction.correct_totals(sorted)).await
    }

    /// Takes note of how a batch's events ended, for the next ones.
    fn learn(&mut self, events: usize, sorted: &Sorted<'_, '_>) {
        self.bad.clear();
        self.recent.committed(events, sorted.bad.clone(), Instant::now());
        if sorted.ends.is_empty() {
            return;
        }
        let before = self.quarantine.len() as i64;
        for terminal in self.quarantine.learn(sorted.ends.clone()) {
            tracing::warn!(
                terminal,
                "its events keep failing: they are given up at once from now on"
            );
        }
        self.metrics.quarantined.add(self.quarantine.len() as i64 - before);
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
                    // What that commit has parked, nobody here knows.
                    claims.lanes_due_in(claim, Some(Duration::ZERO));
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

/// The cards whose decisions look at what they did before, each once.
fn tracked_cards(events: &[&Event<'_>], cache: &Cache, liveness: &Liveness) -> Vec<Slot> {
    if !cache.tracks_cards() {
        return Vec::new();
    }
    let needs_track =
        |event: &&&Event<'_>| resolve(event, cache, liveness).is_ok_and(|case| case.needs_track());
    let cards: HashSet<Slot> = events.iter().filter(needs_track).map(|event| event.card).collect();
    cards.into_iter().collect()
}
