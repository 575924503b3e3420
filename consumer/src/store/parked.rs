//! `parked_event`: the lanes, read behind the fence and written with the batch.

use std::collections::HashMap;

use futures::future::try_join_all;
use registry::Timestamptz;
use schemas::headers;
use tokio_postgres::Statement;
use tokio_postgres::types::ToSql;

use super::Transaction;
use crate::batch::Batch;
use crate::chunk::{Kept, Record};
use crate::decode::Event;
use crate::error::Error;
use crate::lanes::{Parked, Wait};
use crate::store::Sorted;

/// Statements under way at once.
const AT_ONCE: usize = 256;

impl Transaction<'_> {
    /// What waits in the lanes of these partitions, in log order. Only the owner of a partition
    /// writes there, so what is read behind the fence stands until the commit.
    pub(crate) async fn parked(&self, partitions: &[i32]) -> Result<Vec<Parked>, Error> {
        if partitions.is_empty() {
            return Ok(Vec::new());
        }
        let sql = include_str!("../sql/read_lanes.sql");
        let rows = self.inner.query(sql, &[&partitions]).await;
        let rows = rows.map_err(Error::postgres("reading the lanes"))?;
        let parked = rows.iter().map(|row| Parked {
            place: (row.get(0), row.get(1)),
            card_id: row.get(2),
            wait: Wait {
                opened_at: row.get::<_, Timestamptz>(3).0,
                tries: row.get::<_, i32>(4).unsigned_abs(),
                next_try_at: row.get::<_, Timestamptz>(5).0,
            },
        });
        Ok(parked.collect())
    }

    /// The records behind some of them, in log order.
    pub(crate) async fn parked_records(
        &self,
        places: &[(i32, i64)],
        batch: &Batch,
    ) -> Result<Vec<Record>, Error> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        let claims: HashMap<i32, _> =
            batch.parts().map(|part| (part.claim.partition, part.claim)).collect();
        let (partitions, offsets): (Vec<i32>, Vec<i64>) = places.iter().copied().unzip();
        let sql = include_str!("../sql/read_parked.sql");
        let rows = self.inner.query(sql, &[&partitions, &offsets]).await;
        let rows = rows.map_err(Error::postgres("reading the lanes"))?;
        let record = |row: &tokio_postgres::Row| {
            let claim = *claims.get(&row.get(0))?;
            let names: Vec<Vec<u8>> = row.get(4);
            let values: Vec<Option<Vec<u8>>> = row.get(5);
            let kept = Kept {
                key: row.get(2),
                value: row.get(3),
                headers: names.into_iter().zip(values).collect(),
                published_at: row.get::<_, Option<Timestamptz>>(6).map(|at| at.0),
            };
            Some(Record::kept(claim, row.get(1), kept))
        };
        Ok(rows.iter().filter_map(record).collect())
    }

    /// Brings the lanes up to date: who comes to wait, who waits on, who has left.
    pub(crate) async fn write_lanes(&self, sorted: &Sorted<'_, '_>) -> Result<(), Error> {
        let doing = "writing parked_event";
        if !sorted.left.is_empty() {
            let (partitions, offsets): (Vec<i32>, Vec<i64>) = sorted.left.iter().copied().unzip();
            let sql = "DELETE FROM parked_event p \
                       USING unnest($1::int[], $2::bigint[]) AS l (log_partition, log_offset) \
                       WHERE (p.log_partition, p.log_offset) = (l.log_partition, l.log_offset)";
            let gone = self.inner.execute(sql, &[&partitions, &offsets]).await;
            if gone.map_err(Error::postgres(doing))? != sorted.left.len() as u64 {
                return Err(Error::Bug("an event left a lane that it was not in".to_owned()));
            }
        }
        if !sorted.tried.is_empty() {
            let (places, waits): (Vec<(i32, i64)>, Vec<Wait>) =
                sorted.tried.iter().copied().unzip();
            let (partitions, offsets): (Vec<i32>, Vec<i64>) = places.into_iter().unzip();
            let (tries, next) = columns(&waits);
            let sql = "UPDATE parked_event p SET tries = w.tries, next_try_at = w.next_try_at \
                       FROM unnest($1::int[], $2::bigint[], $3::int[], $4::timestamptz[]) \
                           AS w (log_partition, log_offset, tries, next_try_at) \
                       WHERE (p.log_partition, p.log_offset) = (w.log_partition, w.log_offset)";
            let written = self.inner.execute(sql, &[&partitions, &offsets, &tries, &next]).await;
            written.map_err(Error::postgres(doing))?;
        }
        self.park(&sorted.parked).await.map_err(Error::postgres(doing))
    }

    async fn park(&self, parked: &[(&Event<'_>, Wait)]) -> Result<(), tokio_postgres::Error> {
        if parked.is_empty() {
            return Ok(());
        }
        let statement = self.inner.prepare(include_str!("../sql/park.sql")).await?;
        for some in parked.chunks(AT_ONCE) {
            // Polled together, the statements are pipelined.
            try_join_all(some.iter().map(|(event, wait)| self.park_one(&statement, event, wait)))
                .await?;
        }
        Ok(())
    }

    async fn park_one(
        &self,
        statement: &Statement,
        event: &Event<'_>,
        wait: &Wait,
    ) -> Result<u64, tokio_postgres::Error> {
        let (partition, offset) = event.place();
        let (opened_at, next) = (Timestamptz(wait.opened_at), Timestamptz(wait.next_try_at));
        let tries = wait.tries as i32;
        // Headers that nobody can read may say that it is a replay: it opens no door afterwards,
        // either.
        let unreadable = || vec![(headers::REPLAY.as_bytes(), Some(&b"0"[..]))];
        let headers = event.record.headers().unwrap_or_else(unreadable);
        let (names, values): (Vec<&[u8]>, Vec<Option<&[u8]>>) = headers.into_iter().unzip();
        let published_at = super::letters::sane(event.record.published_at());
        let parameters: [&(dyn ToSql + Sync); 11] = [
            &partition,
            &offset,
            &&*event.swipe.card_id,
            &opened_at,
            &tries,
            &next,
            &event.record.key(),
            &event.record.value(),
            &names,
            &values,
            &published_at,
        ];
        self.inner.execute(statement, &parameters).await
    }
}

fn columns(waits: &[Wait]) -> (Vec<i32>, Vec<Timestamptz>) {
    waits.iter().map(|wait| (wait.tries as i32, Timestamptz(wait.next_try_at))).unzip()
}
