//! The rows of `duplicate_event` that a second drain of the same events must have written.

use bytes::{BufMut, BytesMut};
use schemas::digest_of_swipe;

use super::binary::{field, timestamp};
use crate::workload::Placed;

/// Starts a COPY of the rows that [`row`] encodes.
pub(crate) const COPY: &str = "COPY duplicate_event (log_partition, log_offset, first_offset, occurred_at, card_id, \
     event_id, digest, run) FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 8;

/// The row of a swipe that stands a second time at `offset`; the first of a run has its length.
pub(crate) fn row(out: &mut BytesMut, placed: &Placed<'_>, offset: i64, run: Option<i32>) {
    let swipe = &placed.swipe;
    out.put_i16(COLUMNS);
    field(out, &placed.partition.to_be_bytes());
    field(out, &offset.to_be_bytes());
    field(out, &placed.offset.to_be_bytes());
    timestamp(out, swipe.occurred_at);
    field(out, swipe.card_id.as_bytes());
    field(out, swipe.event_id.as_bytes());
    field(out, &digest_of_swipe(offset, swipe).0.to_be_bytes());
    match run {
        Some(length) => field(out, &length.to_be_bytes()),
        None => out.put_i32(-1),
    }
}
