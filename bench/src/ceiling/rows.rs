//! The rows of `access_log` that a drain must have written.

use bytes::{BufMut, BytesMut};
use schemas::{Direction, Mode};

use super::binary::{boolean, field, nullable, timestamp};
use crate::workload::Placed;

/// Starts a COPY of the rows that [`row`] encodes.
pub(crate) const COPY: &str = "COPY access_log (occurred_at, received_at, log_offset, permission_clock, age_ms, \
     terminal_seq, terminal_epoch, log_partition, reasons, granted, live, online, locally_granted, \
     event_id, card_id, terminal_id, zone_id, direction, notes) FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 19;

/// The row of a swipe, decided under permission clock `clock`.
pub(crate) fn row(out: &mut BytesMut, placed: &Placed<'_>, clock: i64) {
    let swipe = &placed.swipe;
    out.put_i16(COLUMNS);
    timestamp(out, swipe.occurred_at);
    timestamp(out, swipe.received_at);
    field(out, &placed.offset.to_be_bytes());
    field(out, &clock.to_be_bytes());
    let counted = |number: Option<u64>| number.map(|number| (number as i64).to_be_bytes());
    nullable(out, counted(swipe.age_ms).as_ref().map(<[u8; 8]>::as_slice));
    nullable(out, counted(swipe.terminal_seq).as_ref().map(<[u8; 8]>::as_slice));
    let epoch = swipe.terminal_epoch.map(u32::to_be_bytes);
    nullable(out, epoch.as_ref().map(<[u8; 4]>::as_slice));
    field(out, &placed.partition.to_be_bytes());
    field(out, &placed.reasons.bits().to_be_bytes());
    boolean(out, placed.reasons.is_empty());
    // Received days ago: none is live.
    boolean(out, false);
    boolean(out, swipe.mode == Mode::Online);
    nullable(out, None);
    field(out, swipe.event_id.as_bytes());
    field(out, swipe.card_id.as_bytes());
    field(out, swipe.terminal_id.as_bytes());
    field(out, placed.zone_id.as_bytes());
    nullable(out, swipe.direction.map(|way| Direction::as_str(way).as_bytes()));
    field(out, &0_i16.to_be_bytes());
}
