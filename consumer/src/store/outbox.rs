//! The outbox's rows: written with the batch, read and deleted by the worker.

use std::borrow::Cow;

use bytes::{BufMut, Bytes, BytesMut};
use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Row};

use super::{Transaction, encode};
use crate::error::Error;
use crate::outbox::{Entry, Kind, Letters, Place};

/// Columns of `outbox`, in the order in which [`put`] writes them.
pub(super) const COLUMNS: &str =
    "log_partition, log_offset, kind, key, value, header_names, header_values, since, expires_at";

impl Transaction<'_> {
    /// Writes what is to be published once this transaction is committed.
    pub(crate) async fn copy_outbox(&self, entries: &[Entry]) -> Result<(), Error> {
        let encoded = entries.iter().map(|entry| |out: &mut BytesMut| put(out, entry));
        self.copy(&self.statements.copy_outbox, encoded, "writing outbox").await
    }
}

/// Deletes what Kafka has acknowledged: each place, if what stands there is due since that moment.
pub(crate) async fn delete_outbox(client: &Client, rows: &[(Place, Millis)]) -> Result<(), Error> {
    let partitions: Vec<i32> = rows.iter().map(|(place, _)| place.partition).collect();
    let offsets: Vec<i64> = rows.iter().map(|(place, _)| place.offset).collect();
    let kinds: Vec<&str> = rows.iter().map(|(place, _)| place.kind.as_str()).collect();
    let since: Vec<Timestamptz> = rows.iter().map(|(_, since)| Timestamptz(*since)).collect();
    client
        .execute(include_str!("../sql/delete_outbox.sql"), &[&partitions, &offsets, &kinds, &since])
        .await
        .map_err(Error::postgres("deleting from outbox"))?;
    Ok(())
}

/// So many rows of each partition, and those of the last one's offset; from these offsets on, in the
/// order of the log.
pub(crate) async fn sweep_outbox(
    client: &Client,
    from: &[(i32, i64)],
    each_max: i64,
) -> Result<Vec<Entry>, Error> {
    let (partitions, offsets): (Vec<i32>, Vec<i64>) = from.iter().copied().unzip();
    let kinds = [Kind::Decision.as_str()];
    let sql = include_str!("../sql/sweep_outbox.sql");
    let rows = client.query(sql, &[&partitions, &offsets, &each_max, &&kinds[..]]).await;
    let rows = rows.map_err(Error::postgres("reading outbox"))?;
    rows.iter().map(entry).collect()
}

/// Dead letters or replays of these partitions, behind a place, so many of so many bytes at most;
/// from then on they cannot be taken back.
pub(crate) async fn sweep_letters(
    client: &Client,
    partitions: &[i32],
    letters: &Letters,
) -> Result<Vec<Entry>, Error> {
    let Letters { kind, behind, max, bytes_max } = letters;
    let (partition, offset) = behind.unwrap_or((-1, -1));
    let max = i64::try_from(*max).unwrap_or(i64::MAX);
    let bytes_max = i64::try_from(*bytes_max).unwrap_or(i64::MAX);
    let sql = include_str!("../sql/sweep_letters.sql");
    let parameters: [&(dyn ToSql + Sync); 6] =
        [&partitions, &kind.as_str(), &max, &bytes_max, &partition, &offset];
    let rows = client.query(sql, &parameters).await;
    let rows = rows.map_err(Error::postgres("reading outbox"))?;
    rows.iter().map(entry).collect()
}

fn entry(row: &Row) -> Result<Entry, Error> {
    let kind: &str = row.get(2);
    let kind = Kind::named(kind)
        .ok_or_else(|| Error::Bug(format!("outbox: nobody knows the kind {kind:?}")))?;
    let names: Vec<&[u8]> = row.get(5);
    let values: Vec<Option<Vec<u8>>> = row.get(6);
    let bytes = |bytes: Option<Vec<u8>>| bytes.map(Bytes::from);
    let name = |name: &[u8]| Cow::Owned(String::from_utf8_lossy(name).into_owned());
    Ok(Entry {
        place: Place { partition: row.get(0), offset: row.get(1), kind },
        key: bytes(row.get(3)),
        value: bytes(row.get(4)),
        headers: names.into_iter().map(name).zip(values.into_iter().map(bytes)).collect(),
        since: row.get::<_, Timestamptz>(7).0,
        expires_at: row.get::<_, Option<Timestamptz>>(8).map(|at| at.0),
        waited: false,
    })
}

/// One row in the binary format of COPY.
fn put(out: &mut BytesMut, entry: &Entry) {
    out.put_i16(9);
    encode::int4(out, entry.place.partition);
    encode::int8(out, entry.place.offset);
    encode::field(out, entry.place.kind.as_str().as_bytes());
    encode::nullable(out, entry.key.as_deref(), encode::field);
    encode::nullable(out, entry.value.as_deref(), encode::field);
    array(out, entry.headers.iter().map(|(name, _)| Some(name.as_bytes())));
    array(out, entry.headers.iter().map(|(_, value)| value.as_deref()));
    encode::timestamp(out, entry.since);
    encode::nullable(out, entry.expires_at, encode::timestamp);
}

/// A `bytea[]` (src/backend/utils/adt/arrayfuncs.c, `array_send`).
fn array<'b>(out: &mut BytesMut, items: impl ExactSizeIterator<Item = Option<&'b [u8]>>) {
    let start = out.len();
    // Its length is known when it is there.
    out.put_i32(0);
    let count = items.len() as i32;
    out.put_i32(i32::from(count > 0));
    // Some items may be null.
    out.put_i32(1);
    out.put_u32(Type::BYTEA.oid());
    if count > 0 {
        out.put_i32(count);
        out.put_i32(1);
    }
    items.for_each(|item| encode::nullable(out, item, encode::field));
    let length = (out.len() - start - 4) as i32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}
