//! Rows go in by binary COPY.

use std::collections::HashSet;
use std::pin::pin;

use bytes::{Bytes, BytesMut};
use futures::SinkExt;
use registry::Cache;
use tokio_postgres::Statement;

use super::Transaction;
use super::encode;
use super::rows::{Collision, Duplicate};
use crate::decide::Judged;
use crate::error::Error;
use crate::fault;

/// COPY data is handed over in pieces of about this size.
const COPY_BYTES: usize = 256 * 1024;

impl Transaction<'_> {
    /// Writes the rows, in the order of time: that of the index, which grows at its end.
    pub(crate) async fn copy_rows(
        &self,
        rows: &[Judged<'_, '_>],
        cache: &Cache,
        clock: i64,
    ) -> Result<(), Error> {
        let mut in_time: Vec<_> =
            rows.iter().map(|row| (row.event.swipe.occurred_at, row)).collect();
        in_time.sort_unstable_by_key(|(at, _)| *at);
        let encoded = in_time
            .into_iter()
            .map(|(_, row)| |out: &mut BytesMut| encode::row(out, row, cache, clock, 0));
        self.copy(&self.statements.copy_rows, encoded, "writing access_log").await
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

    /// Writes the duplicates; `read_again`: some of them may stand already, at their own offsets.
    pub(crate) async fn copy_duplicates(
        &self,
        duplicates: &[Duplicate<'_, '_>],
        read_again: bool,
    ) -> Result<(), Error> {
        let standing = if read_again && !duplicates.is_empty() {
            self.standing_duplicates(duplicates.iter().map(|one| one.event)).await?
        } else {
            HashSet::new()
        };
        let mut new: Vec<_> =
            duplicates.iter().filter(|one| !standing.contains(&one.event.place())).collect();
        // In the order of the index.
        new.sort_unstable_by_key(|one| one.event.place());
        let encoded = new.iter().map(|one| |out: &mut BytesMut| encode::duplicate(out, one));
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
