//! One partition's row of `consumer_offset`: where it is, and putting it elsewhere.

use registry::Timestamptz;
use seal::{Chain, Open, Sum};
use tokio_postgres::{GenericClient, Row, Transaction};

use super::Outcomes;
use crate::operator::{Run, busy};
use crate::{Error, stored};

/// Where a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) partition: i32,
    pub(super) first_offset: i64,
    /// Next offset, and the bucket that it lies in.
    pub(super) open: Open,
    /// Offsets before this one have their outcome already.
    pub(super) applied_to: i64,
    /// What the offsets before the next became.
    pub(super) outcomes: Outcomes,
}

/// Who holds a row for too long.
const HELD: &str = "a consumer's batch holds the partitions: try again in a moment; where it stays so, \
    a consumer hangs (`gatelog offsets show` names the owners)";

/// Those of `partitions` that were ever read, or all, in order; where something is to be changed,
/// nobody else changes them from here to the end of the transaction.
pub(super) async fn positions(
    client: &impl GenericClient,
    partitions: Option<&[i32]>,
    run: &Run,
) -> Result<Vec<Position>, Error> {
    let sql = include_str!("sql/positions.sql");
    let lock = if run.is_dry() { "" } else { "FOR UPDATE" };
    let rows = client.query(&format!("{sql}{lock}"), &[&partitions]).await.map_err(busy(HELD))?;
    rows.iter().map(Position::read).collect()
}

impl Position {
    pub(super) fn next_offset(&self) -> i64 {
        self.open.next_offset
    }

    fn read(row: &Row) -> Result<Self, Error> {
        let end = |column: &str| row.get::<_, Option<Timestamptz>>(column).map(|at| at.0);
        let sum = Sum {
            events: row.get::<_, i64>("open_events").unsigned_abs(),
            digest: stored::digest(row.get("open_digest"))?,
            occurred: end("open_occurred_min").zip(end("open_occurred_max")),
        };
        let open =
            Open { next_offset: row.get("next_offset"), sum, chain: chain(row.get("chain"))? };
        Ok(Self {
            partition: row.get("log_partition"),
            first_offset: row.get("first_offset"),
            open,
            applied_to: row.get("applied_to"),
            outcomes: Outcomes::read(row),
        })
    }
}

/// Puts a partition elsewhere; `by` is the command that does.
pub(super) async fn put(
    transaction: &Transaction<'_>,
    partition: i32,
    by: &str,
    open: &Open,
    outcomes: &Outcomes,
) -> Result<(), Error> {
    let [rows, collisions, duplicates, dead, parked, gaps, lost] = outcomes.cells();
    let Columns { events, digest, min, max } = Columns::of(&open.sum);
    let (next, chain) = (open.next_offset, &open.chain.0[..]);
    transaction
        .execute(
            include_str!("sql/put_position.sql"),
            &[
                &partition,
                &by,
                &next,
                &rows,
                &collisions,
                &duplicates,
                &dead,
                &parked,
                &gaps,
                &lost,
                &events,
                &digest,
                &min,
                &max,
                &chain,
            ],
        )
        .await?;
    Ok(())
}

/// A gap that an offset lies within is two from now on: read again from there, its second part is
/// found as one of its own.
pub(super) async fn split_gap(
    transaction: &Transaction<'_>,
    partition: i32,
    offset: i64,
) -> Result<(), Error> {
    for sql in [include_str!("sql/split_gap.sql"), include_str!("sql/end_gap.sql")] {
        transaction.execute(sql, &[&partition, &offset]).await?;
    }
    Ok(())
}

/// A sum as columns hold it.
pub(super) struct Columns {
    pub(super) events: i64,
    pub(super) digest: Vec<u8>,
    pub(super) min: Option<Timestamptz>,
    pub(super) max: Option<Timestamptz>,
}

impl Columns {
    pub(super) fn of(sum: &Sum) -> Self {
        Self {
            // At most a bucket's.
            events: sum.events as i64,
            digest: sum.digest.0.to_be_bytes().to_vec(),
            min: sum.occurred.map(|(min, _)| Timestamptz(min)),
            max: sum.occurred.map(|(_, max)| Timestamptz(max)),
        }
    }
}

/// A chain as a column holds it.
pub(super) fn chain(bytes: &[u8]) -> Result<Chain, Error> {
    let bytes = bytes.try_into();
    bytes.map(Chain).map_err(|_| Error::Other("a stored chain has not 32 bytes".to_owned()))
}
