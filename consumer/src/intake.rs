//! Bytes to events: what a batch holds, and what waits in lanes and is tried with it.

use std::collections::{HashMap, HashSet};

use registry::Cache;
use schemas::{DeadLetterReason, Millis};

use crate::batch::Batch;
use crate::chunk::Record;
use crate::decode::{Cause, Event, Read, Refusal, Window, decode};
use crate::error::Error;
use crate::lanes::{Lanes, Limits, Parked, Wait};
use crate::pipeline::Pipeline;
use crate::progress::Told;
use crate::store::{Store, Transaction};
use crate::warm::{AT_ONCE, look_at};

/// The records of a batch, read.
#[derive(Default)]
pub(crate) struct Decoded<'b> {
    pub(crate) events: Vec<Event<'b>>,
    /// Events of days that are not kept.
    pub(crate) outside: Vec<Event<'b>>,
    pub(crate) dead: Vec<Refusal<'b>>,
    pub(crate) told: Told,
}

/// What waits in the lanes of a batch's partitions.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    parked: Vec<Parked>,
    /// Of those that are tried now, how long they have waited.
    pub(crate) waited: HashMap<(i32, i64), Wait>,
    /// The records of those that are tried now, in log order.
    pub(crate) records: Vec<Record>,
    /// When that was found out, and the days that are kept: every decision of the batch goes by it.
    looked: Option<(Millis, Window)>,
}

impl Pipeline {
    /// What lies outside the days that are kept is set aside only after a fresh look at which days
    /// those are.
    pub(crate) async fn decode<'b>(
        &mut self,
        batch: &'b Batch,
        store: &mut Store,
    ) -> Result<Decoded<'b>, Error> {
        let count = batch.records().count();
        self.cache.begin(count);
        let mut decoded = Decoded { events: Vec::with_capacity(count), ..Decoded::default() };
        let mut read = Vec::with_capacity(AT_ONCE);
        for record in batch.records() {
            match decode(record, self.log.topic.partitions) {
                Ok(event) => {
                    decoded.told.event(&event);
                    read.push(event);
                }
                Err(cause) => {
                    decoded.told.record(record);
                    decoded.dead.push(Refusal { record, cause });
                }
            }
            if read.len() == AT_ONCE {
                self.number(&mut read, &mut decoded.events);
            }
        }
        self.number(&mut read, &mut decoded.events);
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

    /// Gives the names of some events their numbers.
    fn number<'b>(&mut self, read: &mut Vec<Read<'b>>, events: &mut Vec<Event<'b>>) {
        look_at(read, |read| self.cache.look_at_card_id(&read.swipe.card_id));
        events.extend(read.drain(..).map(|read| read.numbered(&mut self.cache)));
    }

    /// Finds what waits in the lanes of these partitions, and reads what is tried now.
    pub(crate) async fn waiting(
        &mut self,
        transaction: &Transaction<'_>,
        partitions: &[i32],
        batch: &Batch,
        window: Window,
    ) -> Result<Waiting, Error> {
        let parked = transaction.parked(partitions).await?;
        if parked.is_empty() {
            return Ok(Waiting::default());
        }
        let now = Millis::now();
        let lanes = lanes(&parked, &mut self.cache, now, &self.lanes);
        let tried: Vec<&Parked> =
            parked.iter().filter(|one| !lanes.holds(self.cache.card(&one.card_id))).collect();
        let places: Vec<(i32, i64)> = tried.iter().map(|one| one.place).collect();
        let waited = tried.iter().map(|one| (one.place, one.wait)).collect();
        let records = transaction.parked_records(&places, batch).await?;
        Ok(Waiting { parked, waited, records, looked: Some((now, window)) })
    }
}

impl Waiting {
    /// The lanes as they are before anything is tried.
    pub(crate) fn lanes(&self, cache: &mut Cache, limits: &Limits) -> Lanes {
        self.looked.map_or_else(Lanes::default, |(now, _)| lanes(&self.parked, cache, now, limits))
    }

    /// Reads what is tried now: events, and those that cannot be applied any more.
    pub(crate) fn decode(
        &self,
        partitions: i32,
        cache: &mut Cache,
    ) -> (Vec<Event<'_>>, Vec<Refusal<'_>>) {
        let (mut events, mut dead) = (Vec::with_capacity(self.records.len()), Vec::new());
        for record in &self.records {
            let refuse = |cause| Refusal { record, cause };
            match decode(record, partitions).map(|read| read.numbered(cache)) {
                // The day went while it waited: its consumer had stopped.
                Ok(event) if !self.keeps(event.swipe.occurred_at) => {
                    dead.push(refuse(Cause::outside()));
                }
                Ok(event) => events.push(event),
                Err(cause) => dead.push(refuse(cause)),
            }
        }
        (events, dead)
    }
}

impl Waiting {
    fn keeps(&self, at: Millis) -> bool {
        self.looked.is_some_and(|(_, window)| window.holds(at))
    }
}

fn lanes(parked: &[Parked], cache: &mut Cache, now: Millis, limits: &Limits) -> Lanes {
    let mut lanes = Lanes::default();
    for one in parked {
        lanes.found(cache.card(&one.card_id), one, now, limits);
    }
    lanes
}

/// Leaves to the dead letters what has one already: the log is being read again.
pub(crate) fn set_aside<'a>(
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
