//! Outcomes as they stand in tables, and their digests.

use std::borrow::Cow;

use registry::Timestamptz;
use schemas::{Digest, Direction, LocalDecision, Mode, Swipe, digest_of_swipe};
use tokio_postgres::Row;

use crate::Error;

/// The columns of `access_log` and `collision` that hold the swipe as it was sent, and its place.
pub(crate) const COLUMNS: &str = "log_partition, log_offset, event_id, card_id, terminal_id, \
     terminal_epoch, terminal_seq, occurred_at, age_ms, received_at, direction, online, \
     locally_granted";

/// Partition and offset of an outcome.
pub(crate) fn place(row: &Row) -> (i32, i64) {
    (row.get("log_partition"), row.get("log_offset"))
}

/// Digest of the swipe that a row holds, read with [`COLUMNS`]: what the log's own is.
pub(crate) fn digest_of_row(row: &Row) -> Digest {
    let unsigned = |value: Option<i64>| value.map(i64::cast_unsigned);
    let swipe = Swipe {
        event_id: row.get("event_id"),
        card_id: Cow::Borrowed(row.get("card_id")),
        terminal_id: Cow::Borrowed(row.get("terminal_id")),
        terminal_epoch: row.get::<_, Option<i32>>("terminal_epoch").map(i32::cast_unsigned),
        terminal_seq: unsigned(row.get("terminal_seq")),
        occurred_at: row.get::<_, Timestamptz>("occurred_at").0,
        age_ms: unsigned(row.get("age_ms")),
        received_at: row.get::<_, Timestamptz>("received_at").0,
        direction: match row.get("direction") {
            Some("in") => Some(Direction::In),
            Some(_) => Some(Direction::Out),
            None => None,
        },
        mode: if row.get("online") { Mode::Online } else { Mode::Offline },
        local_decision: row
            .get::<_, Option<bool>>("locally_granted")
            .map(|granted| if granted { LocalDecision::Granted } else { LocalDecision::Denied }),
    };
    digest_of_swipe(row.get("log_offset"), &swipe)
}

/// A digest as a column holds it.
pub(crate) fn digest(bytes: &[u8]) -> Result<Digest, Error> {
    let bytes = bytes.try_into();
    let bytes = bytes.map_err(|_| Error::Other("a stored digest has not 16 bytes".to_owned()))?;
    Ok(Digest(u128::from_be_bytes(bytes)))
}
