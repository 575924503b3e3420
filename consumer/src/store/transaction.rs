//! The steps of a batch's transaction.

use std::collections::{BTreeMap, HashMap};
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use futures::future::try_join_all;
use registry::Timestamptz;
use schemas::{Millis, dead_letter_id, digest_of_swipe};
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Statement};
use uuid::Uuid;

use super::encode;
use super::rows::{Collision, Duplicate, key};
use crate::batch::Part;
use crate::claim::Loss;
use crate::decide::Judged;
use crate::decode::{Event, Refusal};
use crate::error::Error;
use crate::fold::{Standing, Standings};

/// Statements that every batch, or nearly every one, needs.
pub(crate) struct Statements {
    fence: Statement,
    copy_rows: Statement,
    seal: Statement,
    /// Probes of days, by day; many only while days of long ago come in.
    probes: HashMap<i32, Statement>,
}

/// Probes of so many days are remembered; then they start over.
const PROBES_MAX: usize = 512;
/// COPY data is handed over in pieces of about this size.
const COPY_BYTES: usize = 256 * 1024;
/// Dead letters under way at once.
const DEAD_AT_ONCE: usize = 256;

impl Statements {
    pub(super) async fn prepare(client: &Client) -> Result<Self, Error> {
        let copy = format!("COPY access_log ({}) FROM STDIN (FORMAT binary)", encode::COLUMNS);
        let statements = async {
            Ok(Self {
                fence: client.prepare(include_str!("../sql/fence.sql")).await?,
                copy_rows: client.prepare(&copy).await?,
                seal: client.prepare("SELECT seal_batch()").await?,
                probes: HashMap::new(),
            })
        };
        statements.await.map_err(Error::postgres("preparing statements"))
    }
}

/// Kafka timestamps that Postgres can hold: 1970 to 9999.
const SANE: std::ops::Range<Millis> =
    Millis::from_unix_ms(0)..Millis::from_unix_ms(253_402_300_800_000);

/// One batch's transaction.
pub(crate) struct Transaction<'s> {
    inner: tokio_postgres::Transaction<'s>,
    statements: &'s mut Statements,
}

/// One partition's share of a batch, as the fence counts it.
#[derive(Debug, Clone)]
pub(crate) struct Share<'b> {
    pub(crate) part: &'b Part,
    pub(crate) dead: i64,
    pub(crate) occurred_at_max: Millis,
}

/// What became of the fence.
#[derive(Debug)]
pub(crate) enum Fenced {
    /// Every partition was where we left it; their latest `occurred_at` before this batch.
    Through(HashMap<i32, Millis>),
    /// Some were not.
    Stopped(Vec<(i32, Fence)>),
}

/// Why a partition could not be advanced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fence {
    /// The claim is lost.
    Lost(Loss),
    /// It is ours and ahead: a commit whose reply was lost had landed, up to here.
    Landed(i64),
}

impl<'s> Transaction<'s> {
    pub(super) fn new(
        inner: tokio_postgres::Transaction<'s>,
        statements: &'s mut Statements,
    ) -> Self {
        Self { inner, statements }
    }

    /// For reading permissions inside this transaction.
    pub(crate) fn client(&self) -> &tokio_postgres::Transaction<'s> {
        &self.inner
    }

    /// Advances all partitions, on `owner = ours AND next_offset = first`.
    pub(crate) async fn fence(&self, shares: &[Share<'_>]) -> Result<Fenced, Error> {
        let doing = "advancing the partitions";
        let column = |pick: fn(&Share<'_>) -> i64| shares.iter().map(pick).collect::<Vec<i64>>();
        let partitions: Vec<i32> = shares.iter().map(|s| s.part.claim.partition).collect();
        let owners: Vec<Uuid> = shares.iter().map(|s| s.part.claim.owner).collect();
        let first = column(|s| s.part.first);
        let next = column(|s| s.part.next);
        let dead = column(|s| s.dead);
        let gaps = column(|s| s.part.gaps.iter().map(|gap| gap.end - gap.first).sum());
        let latest: Vec<_> = shares.iter().map(|s| Timestamptz(s.occurred_at_max)).collect();
        let parameters: [&(dyn ToSql + Sync); 7] =
            [&partitions, &owners, &first, &next, &dead, &gaps, &latest];
        let rows = self
            .inner
            .query(&self.statements.fence, &parameters)
            .await
            .map_err(Error::postgres(doing))?;
        let through: HashMap<i32, Millis> =
            rows.iter().map(|row| (row.get(0), row.get::<_, Timestamptz>(1).0)).collect();
        if through.len() == shares.len() {
            return Ok(Fenced::Through(through));
        }
        let rows = self
            .inner
            .query(include_str!("../sql/read_offsets.sql"), &[&partitions])
            .await
            .map_err(Error::postgres(doing))?;
        let found: HashMap<i32, (Uuid, i64)> =
            rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect();
        let stopped = shares
            .iter()
            .filter(|share| !through.contains_key(&share.part.claim.partition))
            .map(|share| {
                let partition = share.part.claim.partition;
                (partition, why_stopped(share.part, found.get(&partition).copied()))
            });
        Ok(Fenced::Stopped(stopped.collect()))
    }

    /// What stands at the keys of those events that may have come before. One that is later than
    /// all its partition has seen cannot: a key belongs to one partition for ever.
    pub(crate) async fn probe(
        &mut self,
        judged: &[Judged<'_, '_>],
        seen_up_to: &HashMap<i32, Millis>,
    ) -> Result<Standings, Error> {
        let mut by_day: BTreeMap<i32, Vec<&Event<'_>>> = BTreeMap::new();
        for event in judged.iter().map(|judged| judged.event) {
            let seen = seen_up_to.get(&event.claim().partition);
            if seen.is_none_or(|seen| event.swipe.occurred_at <= *seen) {
                by_day.entry(event.swipe.occurred_at.unix_day()).or_default().push(event);
            }
        }
        let mut standing = Standings::default();
        let mut taken = Vec::new();
        for (day, events) in by_day {
            let statement = self.probe_of(day).await?;
            for (event, event_id, offset) in self.find(&statement, &events).await? {
                let found = Standing { event_id, offset, collisions: Vec::new() };
                if standing.insert(key(event), found).is_none() {
                    taken.push(event);
                }
            }
        }
        if !taken.is_empty() {
            self.probe_collisions(&taken, &mut standing).await?;
        }
        Ok(standing)
    }

    /// Writes the rows.
    pub(crate) async fn copy_rows(&self, rows: &[Judged<'_, '_>], clock: i64) -> Result<(), Error> {
        let encoded = rows.iter().map(|row| |out: &mut BytesMut| encode::row(out, row, clock, 0));
        self.copy(&self.statements.copy_rows, encoded, "writing access_log").await
    }

    /// Writes the collisions.
    pub(crate) async fn copy_collisions(
        &self,
        collisions: &[Collision<'_, '_>],
        clock: i64,
    ) -> Result<(), Error> {
        if collisions.is_empty() {
            return Ok(());
        }
        let doing = "writing collision";
        let sql =
            format!("COPY collision ({}, row_offset) FROM STDIN (FORMAT binary)", encode::COLUMNS);
        let statement = self.inner.prepare(&sql).await.map_err(Error::postgres(doing))?;
        let encoded = collisions.iter().map(|collision| {
            |out: &mut BytesMut| {
                encode::row(out, &collision.judged, clock, 1);
                encode::int8(out, collision.row_offset);
            }
        });
        self.copy(&statement, encoded, doing).await
    }

    /// Writes the duplicates.
    pub(crate) async fn insert_duplicates(
        &self,
        duplicates: &[Duplicate<'_, '_>],
    ) -> Result<(), Error> {
        if duplicates.is_empty() {
            return Ok(());
        }
        let events = || duplicates.iter().map(|duplicate| duplicate.judged.event);
        let partitions: Vec<i32> = events().map(|event| event.claim().partition).collect();
        let offsets: Vec<i64> = events().map(|event| event.offset()).collect();
        let first: Vec<i64> = duplicates.iter().map(|duplicate| duplicate.first_offset).collect();
        let at: Vec<_> = events().map(|event| Timestamptz(event.swipe.occurred_at)).collect();
        let cards: Vec<&str> = events().map(|event| &*event.swipe.card_id).collect();
        let ids: Vec<Uuid> = events().map(|event| event.swipe.event_id).collect();
        let digest = |event: &Event<'_>| {
            digest_of_swipe(event.offset(), &event.swipe).0.to_be_bytes().to_vec()
        };
        let digests: Vec<Vec<u8>> = events().map(digest).collect();
        let parameters: [&(dyn ToSql + Sync); 7] =
            [&partitions, &offsets, &first, &at, &cards, &ids, &digests];
        self.inner
            .execute(include_str!("../sql/insert_duplicates.sql"), &parameters)
            .await
            .map_err(Error::postgres("writing duplicate_event"))?;
        Ok(())
    }

    /// Writes the dead letters, with their original bytes.
    pub(crate) async fn insert_dead(
        &self,
        dead: &[Refusal<'_>],
        log_id: Uuid,
    ) -> Result<(), Error> {
        if dead.is_empty() {
            return Ok(());
        }
        let doing = "writing dead_letter";
        let sql = include_str!("../sql/insert_dead_letter.sql");
        let statement = self.inner.prepare(sql).await.map_err(Error::postgres(doing))?;
        for some in dead.chunks(DEAD_AT_ONCE) {
            // Polled together, the statements are pipelined.
            try_join_all(
                some.iter().map(|refusal| self.insert_one_dead(&statement, refusal, log_id)),
            )
            .await
            .map_err(Error::postgres(doing))?;
        }
        Ok(())
    }

    /// Records the offsets that hold no event.
    pub(crate) async fn insert_gaps(
        &self,
        parts: impl Iterator<Item = &Part>,
    ) -> Result<(), Error> {
        let (mut partitions, mut first, mut end) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            for gap in &part.gaps {
                partitions.push(part.claim.partition);
                first.push(gap.first);
                end.push(gap.end);
            }
        }
        if partitions.is_empty() {
            return Ok(());
        }
        self.inner
            .execute(include_str!("../sql/insert_gaps.sql"), &[&partitions, &first, &end])
            .await
            .map_err(Error::postgres("writing offset_gap"))?;
        Ok(())
    }

    /// Moves what the fence counted as rows to what it turned out to be.
    pub(crate) async fn correct_totals(
        &self,
        collisions: &[Collision<'_, '_>],
        duplicates: &[Duplicate<'_, '_>],
    ) -> Result<(), Error> {
        let mut counts: BTreeMap<i32, (i64, i64)> = BTreeMap::new();
        for collision in collisions {
            counts.entry(collision.judged.event.claim().partition).or_default().0 += 1;
        }
        for duplicate in duplicates {
            counts.entry(duplicate.judged.event.claim().partition).or_default().1 += 1;
        }
        if counts.is_empty() {
            return Ok(());
        }
        let partitions: Vec<i32> = counts.keys().copied().collect();
        let (collisions, duplicates): (Vec<i64>, Vec<i64>) = counts.into_values().unzip();
        self.inner
            .execute(
                include_str!("../sql/correct_totals.sql"),
                &[&partitions, &collisions, &duplicates],
            )
            .await
            .map_err(Error::postgres("correcting the totals"))?;
        Ok(())
    }

    /// The permission clock, which stands still from here to the end of the transaction.
    pub(crate) async fn seal(&self) -> Result<i64, Error> {
        let doing = "checking the permission clock";
        let row = self.inner.query_one(&self.statements.seal, &[]).await;
        Ok(row.map_err(Error::postgres(doing))?.get(0))
    }

    /// Makes it so. An error here leaves open whether it is: the next fence will tell.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.inner.commit().await.map_err(Error::postgres("committing a batch"))
    }

    async fn copy<F: FnOnce(&mut BytesMut)>(
        &self,
        statement: &Statement,
        rows: impl ExactSizeIterator<Item = F>,
        doing: &'static str,
    ) -> Result<(), Error> {
        let count = rows.len() as u64;
        if count == 0 {
            return Ok(());
        }
        let sink =
            self.inner.copy_in::<_, Bytes>(statement).await.map_err(Error::postgres(doing))?;
        let mut sink = pin!(sink);
        let mut out = BytesMut::with_capacity(COPY_BYTES + 4096);
        encode::begin(&mut out);
        for put in rows {
            put(&mut out);
            if out.len() >= COPY_BYTES {
                sink.feed(out.split().freeze()).await.map_err(Error::postgres(doing))?;
                out.reserve(COPY_BYTES + 4096);
            }
        }
        encode::end(&mut out);
        sink.send(out.freeze()).await.map_err(Error::postgres(doing))?;
        let written = sink.finish().await.map_err(Error::postgres(doing))?;
        if written != count {
            return Err(Error::Bug(format!("{doing}: {written} of {count} rows")));
        }
        Ok(())
    }

    async fn probe_of(&mut self, day: i32) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.probes.get(&day) {
            return Ok(statement.clone());
        }
        let leaf = leaf(day)?;
        let sql = format!(
            "SELECT k.number, a.event_id, a.log_offset \
             FROM unnest($1::timestamptz[], $2::text[]) WITH ORDINALITY \
             AS k (occurred_at, card_id, number) JOIN {leaf} a USING (occurred_at, card_id)"
        );
        let statement = self
            .inner
            .prepare_typed(&sql, &[Type::TIMESTAMPTZ_ARRAY, Type::TEXT_ARRAY])
            .await
            .map_err(Error::postgres("preparing a probe"))?;
        if self.statements.probes.len() >= PROBES_MAX {
            self.statements.probes.clear();
        }
        self.statements.probes.insert(day, statement.clone());
        Ok(statement)
    }

    async fn probe_collisions(
        &self,
        taken: &[&Event<'_>],
        standing: &mut Standings,
    ) -> Result<(), Error> {
        let sql = include_str!("../sql/probe_collisions.sql");
        let statement =
            self.inner.prepare(sql).await.map_err(Error::postgres("probing collision"))?;
        for (event, event_id, offset) in self.find(&statement, taken).await? {
            if let Some(standing) = standing.get_mut(&key(event)) {
                standing.collisions.push((event_id, offset));
            }
        }
        Ok(())
    }

    /// Runs a probe: what it finds, by the events it was asked for.
    async fn find<'e, 'a>(
        &self,
        statement: &Statement,
        events: &[&'e Event<'a>],
    ) -> Result<Vec<(&'e Event<'a>, Uuid, i64)>, Error> {
        let at: Vec<_> = events.iter().map(|event| Timestamptz(event.swipe.occurred_at)).collect();
        let cards: Vec<&str> = events.iter().map(|event| &*event.swipe.card_id).collect();
        let rows = self
            .inner
            .query(statement, &[&at, &cards])
            .await
            .map_err(Error::postgres("probing keys"))?;
        let event = |number: i64| usize::try_from(number - 1).ok().and_then(|n| events.get(n));
        let found =
            rows.iter().filter_map(|row| Some((*event(row.get(0))?, row.get(1), row.get(2))));
        Ok(found.collect())
    }

    async fn insert_one_dead(
        &self,
        statement: &Statement,
        refusal: &Refusal<'_>,
        log_id: Uuid,
    ) -> Result<u64, tokio_postgres::Error> {
        let (record, claim) = (&refusal.record, refusal.record.claim());
        let stage = refusal.cause.reason.stage().as_str();
        let id = dead_letter_id(log_id, claim.partition, record.offset(), stage);
        // Text of Postgres holds no NUL.
        let printable = refusal.cause.message.chars().filter(|c| !c.is_control());
        let message: String = printable.take(1024).collect();
        let (names, values): (Vec<&[u8]>, Vec<Option<&[u8]>>) = record.headers().unzip();
        // Whoever publishes sets it, to anything.
        let published_at = record.published_at().filter(|at| SANE.contains(at)).map(Timestamptz);
        let parameters: [&(dyn ToSql + Sync); 11] = [
            &id,
            &claim.partition,
            &record.offset(),
            &stage,
            &refusal.cause.reason.as_str(),
            &message,
            &record.key(),
            &record.value(),
            &names,
            &values,
            &published_at,
        ];
        self.inner.execute(statement, &parameters).await
    }
}

fn why_stopped(part: &Part, found: Option<(Uuid, i64)>) -> Fence {
    match found {
        Some((owner, _)) if owner != part.claim.owner => Fence::Lost(Loss::Taken),
        Some((_, next)) if next > part.first => Fence::Landed(next),
        _ => Fence::Lost(Loss::PutBack),
    }
}

/// Name of the partition of `access_log` that holds a day; made by the SQL function `ensure_day`.
fn leaf(unix_day: i32) -> Result<String, Error> {
    let epoch = jiff::civil::date(1970, 1, 1);
    let day = epoch
        .checked_add(jiff::Span::new().days(unix_day))
        .map_err(|error| Error::Bug(format!("day {unix_day} of access_log: {error}")))?;
    Ok(format!("access_log_{:04}{:02}{:02}", day.year(), day.month(), day.day()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Claim;

    #[test]
    fn leaves_are_named_by_day() {
        assert_eq!(leaf(0).unwrap(), "access_log_19700101");
        assert_eq!(leaf(16_952).unwrap(), "access_log_20160531");
        assert_eq!(leaf(-1).unwrap(), "access_log_19691231");
    }

    #[test]
    fn the_readings_of_a_row_that_did_not_advance() {
        let (ours, theirs) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let claim = Claim { partition: 0, owner: ours };
        let part = Part { claim, first: 10, next: 20, gaps: Vec::new() };
        assert_eq!(why_stopped(&part, Some((theirs, 10))), Fence::Lost(Loss::Taken));
        assert_eq!(why_stopped(&part, Some((theirs, 20))), Fence::Lost(Loss::Taken));
        assert_eq!(why_stopped(&part, Some((ours, 20))), Fence::Landed(20));
        assert_eq!(why_stopped(&part, Some((ours, 5))), Fence::Lost(Loss::PutBack));
        assert_eq!(why_stopped(&part, None), Fence::Lost(Loss::PutBack));
    }
}
