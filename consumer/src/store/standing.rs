//! What stands already at the very offsets of a batch, where the log is being read again: an offset
//! whose outcome stands keeps it, whatever would become of the event today.

use std::collections::{BTreeMap, HashSet};

use registry::{Cache, Timestamptz};
use schemas::DeadLetterReason;
use seal::bucket_of;

use super::Transaction;
use super::probe::{Asked, Probe};
use super::rows::Sorted;
use super::runs::Runs;
use crate::batch::{Batch, Part};
use crate::decode::{Cause, Event, Refusal};
use crate::error::Error;
use crate::fold::Standing;

/// An event that is refused for what is known today, not for what its record holds: a day that is
/// not kept, a terminal that nobody knows.
pub(crate) struct Declined<'e, 'a> {
    pub(crate) event: &'e Event<'a>,
    pub(crate) cause: Cause,
}

impl Transaction<'_> {
    /// Offsets of the batch that have their dead letter already, by partition and offset.
    pub(crate) async fn standing_dead(&self, batch: &Batch) -> Result<HashSet<(i32, i64)>, Error> {
        let parts = || batch.parts().filter(|part| part.read_again());
        let partitions: Vec<i32> = parts().map(|part| part.claim.partition).collect();
        if partitions.is_empty() {
            return Ok(HashSet::new());
        }
        let column = |pick: fn(&Part) -> i64| parts().map(pick).collect::<Vec<i64>>();
        let (first, next) = (column(|part| part.first), column(|part| part.next));
        let sql = include_str!("../sql/standing_dead.sql");
        let rows = self.inner.query(sql, &[&partitions, &first, &next]).await;
        let rows = rows.map_err(Error::postgres("looking for dead letters"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Leaves to the dead letters those events that have no other outcome already.
    pub(crate) async fn refuse<'e, 'a>(
        &mut self,
        declined: Vec<Declined<'e, 'a>>,
        settled: &HashSet<(i32, i64)>,
        batch: &Batch,
        cache: &Cache,
        sorted: &mut Sorted<'e, 'a>,
    ) -> Result<(), Error> {
        let read_again =
            |event: &Event<'_>| batch.part(event.partition()).is_some_and(Part::read_again);
        let asked = || {
            let numbered = (0..).zip(&declined).map(|(nth, one)| (nth, one.event));
            numbered.filter(|(_, event)| read_again(event))
        };
        let mut standing = Standing::default();
        let (mut duplicates, mut gone) = (Runs::default(), HashSet::new());
        if asked().next().is_some() {
            let numbers = declined.len();
            standing = self.standing_where_there_are_days(asked(), numbers, cache).await?;
            duplicates = self.standing_duplicates(asked().map(|(_, event)| event)).await?;
            gone = self.gone_with_their_day(&declined, batch).await?;
        }
        for (nth, Declined { event, cause }) in (0..).zip(declined) {
            let (partition, offset) = event.place();
            let collided = (event.key(), event.swipe.event_id);
            if standing.row(nth).is_some_and(|(_, row)| row.offset == offset) {
                continue;
            }
            if standing.collisions.get(&collided).is_some_and(|stood| stood.offset == offset) {
                sorted.collisions_standing.push(partition);
            } else if duplicates.hold(event.place()) {
                sorted.duplicates_standing.push(partition);
            } else if gone.contains(&event.place()) && !settled.contains(&event.place()) {
                // Counted as a row, which nearly all of them were.
                continue;
            } else {
                sorted.dead.push(Refusal { record: event.record, cause });
            }
        }
        Ok(())
    }

    /// Offsets that had their outcome, in days that were dropped since: nothing of them stands, and
    /// they are no news either.
    async fn gone_with_their_day(
        &self,
        declined: &[Declined<'_, '_>],
        batch: &Batch,
    ) -> Result<HashSet<(i32, i64)>, Error> {
        let (mut partitions, mut offsets) = (Vec::new(), Vec::new());
        let (mut buckets, mut at) = (Vec::new(), Vec::new());
        for Declined { event, cause } in declined {
            let (partition, offset) = event.place();
            let applied = batch.part(partition).is_some_and(|part| offset < part.before.applied_to);
            if applied && cause.reason == DeadLetterReason::OccurredAtOutOfRange {
                partitions.push(partition);
                offsets.push(offset);
                buckets.push(bucket_of(offset));
                at.push(Timestamptz(event.swipe.occurred_at));
            }
        }
        if partitions.is_empty() {
            return Ok(HashSet::new());
        }
        let sql = include_str!("../sql/gone_with_their_day.sql");
        let rows = self.inner.query(sql, &[&partitions, &offsets, &buckets, &at]).await;
        let rows = rows.map_err(Error::postgres("looking for sums of dropped days"))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }

    /// Days that were dropped have no rows; a detached one still has its own.
    async fn standing_where_there_are_days<'e, 'a: 'e>(
        &mut self,
        events: impl Iterator<Item = (u32, &'e Event<'a>)>,
        numbers: usize,
        cache: &Cache,
    ) -> Result<Standing, Error> {
        let day = |event: &Event<'_>| event.swipe.occurred_at.unix_day();
        let events: Vec<(u32, &Event<'a>)> = events.collect();
        let days: Vec<i32> = events.iter().map(|(_, event)| day(event)).collect();
        let sql = include_str!("../sql/days_with_tables.sql");
        let rows = self.inner.query(sql, &[&days]).await;
        let rows = rows.map_err(Error::postgres("looking for days of access_log"))?;
        let there: HashSet<i32> = rows.iter().map(|row| row.get(0)).collect();
        let on_them = events.into_iter().filter(|(_, event)| there.contains(&day(event)));
        let asked = on_them.map(|(nth, event)| Asked::of(nth, event));
        self.standing(asked, numbers, cache, Probe::Moments).await
    }

    /// The runs of duplicates that stand where these events do.
    pub(super) async fn standing_duplicates<'e, 'a: 'e>(
        &self,
        events: impl Iterator<Item = &'e Event<'a>>,
    ) -> Result<Runs, Error> {
        let mut spans: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
        for (partition, offset) in events.map(Event::place) {
            let (first, last) = spans.entry(partition).or_insert((offset, offset));
            (*first, *last) = (offset.min(*first), offset.max(*last));
        }
        if spans.is_empty() {
            return Ok(Runs::default());
        }
        let partitions: Vec<i32> = spans.keys().copied().collect();
        let (first, last): (Vec<i64>, Vec<i64>) = spans.into_values().unzip();
        let statement = &self.statements.standing_runs;
        let rows = self.inner.query(statement, &[&partitions, &first, &last]).await;
        let rows = rows.map_err(Error::postgres("looking for duplicates"))?;
        Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
    }
}
