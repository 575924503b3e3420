//! Rows go in by binary COPY.

use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use registry::Cache;
use schemas::Millis;
use tokio_postgres::Statement;

use super::Transaction;
use super::days::leaf;
use super::rows::{Collision, Duplicate};
use super::{encode, runs};
use crate::decide::Judged;
use crate::error::{Error, WRITING_A_DAY};
use crate::fault;
use crate::warm::warmed;

/// COPY data is handed over in pieces of about this size.
const COPY_BYTES: usize = 256 * 1024;
/// Rows of one day from which on they go straight to the day's own table: through `access_log`
/// Postgres routes each row, and takes it apart again for its constraints, a tenth of a COPY's CPU.
/// Fewer are not worth the look whether it still is a day.
const ROWS_OF_A_DAY_MIN: usize = 500;

impl Transaction<'_> {
    /// Writes the rows, in the order of time: that of the index, which grows at its end.
    pub(crate) async fn copy_rows(
        &mut self,
        rows: &[Judged<'_, '_>],
        cache: &Cache,
        clock: i64,
    ) -> Result<(), Error> {
        let mut in_time: Vec<_> =
            rows.iter().map(|row| (row.event.swipe.occurred_at, row)).collect();
        in_time.sort_unstable_by_key(|(at, _)| *at);
        let of_days: Vec<&[_]> =
            in_time.chunk_by(|(a, _), (b, _)| a.unix_day() == b.unix_day()).collect();
        let (full, scattered): (Vec<&[_]>, Vec<&[_]>) =
            of_days.into_iter().partition(|of_day| of_day.len() >= ROWS_OF_A_DAY_MIN);
        // First, as whoever alters the table locks it before its days.
        let scattered = scattered.concat();
        let rows = encoded(&scattered, cache, clock);
        self.copy(&self.statements.copy_rows, rows, "writing access_log").await?;
        let mut leaves = Vec::with_capacity(full.len());
        for of_day in full {
            let day = of_day[0].0.unix_day();
            fault::after("routed");
            let statement = self.copy_of(day).await?;
            self.copy(&statement, encoded(of_day, cache, clock), WRITING_A_DAY).await?;
            leaves.push(leaf(day)?);
        }
        self.must_be_days(&leaves).await
    }

    async fn copy_of(&mut self, day: i32) -> Result<Statement, Error> {
        if let Some(statement) = self.statements.copies.known(day) {
            return Ok(statement);
        }
        let (leaf, columns) = (leaf(day)?, encode::COLUMNS);
        let sql = format!("COPY {leaf} ({columns}) FROM STDIN (FORMAT binary)");
        self.statements.copies.prepare(&self.inner, day, &sql, &[], WRITING_A_DAY).await
    }

    /// A day that somebody has taken out of `access_log` is a table like any other, and takes rows.
    /// What we have written to, nobody takes out before we commit.
    async fn must_be_days(&self, leaves: &[String]) -> Result<(), Error> {
        if leaves.is_empty() {
            return Ok(());
        }
        let attached = self.inner.query_one(&self.statements.are_days, &[&leaves]).await;
        let attached: i64 = attached.map_err(Error::postgres(WRITING_A_DAY))?.get(0);
        if attached == leaves.len() as i64 { Ok(()) } else { Err(Error::DayDetached) }
    }

    /// Writes the collisions.
    pub(crate) async fn copy_collisions(
        &self,
        collisions: &[Collision<'_, '_>],
        cache: &Cache,
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
                encode::row(out, &collision.judged, cache, clock, 1);
                encode::int8(out, collision.row_offset);
            }
        });
        self.copy(&statement, encoded, doing).await
    }

    /// Writes the duplicates, but for those that stand already, at their own offsets: the log may be
    /// read again, and whoever has put back how far it was read may not have said so.
    pub(crate) async fn copy_duplicates(
        &self,
        duplicates: &[Duplicate<'_, '_>],
    ) -> Result<(), Error> {
        let standing = self.standing_duplicates(duplicates.iter().map(|one| one.event)).await?;
        let is_new = |one: &&Duplicate<'_, '_>| !standing.hold(one.event.place());
        let mut new: Vec<_> = duplicates.iter().filter(is_new).collect();
        new.sort_unstable_by_key(|one| one.event.place());
        let cut = runs::cut(&new, runs::dated);
        let encoded =
            cut.iter().map(|(one, run)| |out: &mut BytesMut| encode::duplicate(out, one, *run));
        self.copy(&self.statements.copy_duplicates, encoded, "writing duplicate_event").await
    }

    pub(super) async fn copy<F: FnOnce(&mut BytesMut)>(
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
        fault::after("copying");
        encode::end(&mut out);
        sink.send(out.freeze()).await.map_err(Error::postgres(doing))?;
        let written = sink.finish().await.map_err(Error::postgres(doing))?;
        if written != count {
            return Err(Error::Bug(format!("{doing}: {written} of {count} rows")));
        }
        Ok(())
    }
}

fn encoded<'r>(
    rows: &'r [(Millis, &'r Judged<'_, '_>)],
    cache: &'r Cache,
    clock: i64,
) -> impl ExactSizeIterator<Item = impl FnOnce(&mut BytesMut)> {
    // In the order of time each lies somewhere else.
    let look = |(_, row): &(Millis, &Judged<'_, '_>)| {
        let swipe = &row.event.swipe;
        let ends = swipe.event_id.as_bytes()[0] as usize ^ swipe.received_at.unix_ms() as usize;
        ends ^ row.event.offset() as usize ^ cache.card_id(row.event.card).len()
    };
    warmed(rows, look)
        .map(move |(_, row)| move |out: &mut BytesMut| encode::row(out, row, cache, clock, 0))
}
