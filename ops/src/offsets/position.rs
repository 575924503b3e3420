//! One partition's row of `consumer_offset`, as far as moving it needs.

use registry::Timestamptz;
use schemas::Digest;
use seal::{Chain, Open, Sum};
use tokio_postgres::{GenericClient, Row};

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
    pub(super) parked: i64,
}

/// A batch holds its partitions for moments; a consumer that was stopped may hold them for long.
pub(super) const HELD: &str = "a consumer's batch holds the partitions: try again in a moment; where \
    it stays so, a consumer hangs (`gatelog offsets show` names the owners)";

/// All partitions that were ever read, in order; where something is to be changed, nobody else
/// changes them from here to the end of the transaction.
pub(super) async fn positions(
    client: &impl GenericClient,
    run: &Run,
) -> Result<Vec<Position>, Error> {
    let sql = include_str!("sql/positions.sql");
    let lock = if run.is_dry() { "" } else { "FOR UPDATE" };
    let rows = client.query(&format!("{sql}{lock}"), &[]).await.map_err(busy(HELD))?;
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
            parked: row.get("parked"),
        })
    }
}

/// A chain as a column holds it.
pub(super) fn chain(bytes: &[u8]) -> Result<Chain, Error> {
    let bytes = bytes.try_into();
    bytes.map(Chain).map_err(|_| Error::Other("a stored chain has not 32 bytes".to_owned()))
}

/// A digest as a column holds it.
pub(super) fn bytes(digest: Digest) -> Vec<u8> {
    digest.0.to_be_bytes().to_vec()
}
