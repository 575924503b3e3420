//! The rows that the drain must have written, in the binary format of COPY (PostgreSQL
//! documentation, "COPY", File Formats).

use bytes::{BufMut, Bytes, BytesMut};
use registry::Timestamptz;
use schemas::{Direction, Millis, Mode};

use crate::workload::{Placed, Workload};

/// Rows of one COPY: a full batch of the consumer.
const ROWS: usize = 50_000;
/// A COPY is handed over in pieces of this size.
const PIECE_BYTES: usize = 256 * 1024;

/// Starts a COPY of the rows that [`copies`] encodes.
pub(super) const COPY: &str = "COPY access_log (occurred_at, received_at, log_offset, permission_clock, age_ms, \
     terminal_seq, terminal_epoch, log_partition, reasons, granted, live, online, locally_granted, \
     event_id, card_id, terminal_id, zone_id, direction) FROM STDIN (FORMAT binary)";
const COLUMNS: i16 = 18;

/// The data of one COPY, in pieces.
pub(super) type Copy = Vec<Bytes>;

/// Encodes the swipes of one connection, decided under permission clock `clock`.
pub(super) fn copies(workload: &Workload, swipes: &[u32], clock: i64) -> Vec<Copy> {
    let encode = |swipes: &[u32]| {
        let mut out = BytesMut::with_capacity(swipes.len() * 192);
        out.put_slice(b"PGCOPY\n\xff\r\n\0");
        out.put_u64(0);
        for index in swipes {
            row(&mut out, &workload.placed(*index as usize), clock);
        }
        out.put_i16(-1);
        let mut rest = out.freeze();
        let mut pieces = Vec::new();
        while rest.len() > PIECE_BYTES {
            pieces.push(rest.split_to(PIECE_BYTES));
        }
        pieces.push(rest);
        pieces
    };
    swipes.chunks(ROWS).map(encode).collect()
}

fn row(out: &mut BytesMut, placed: &Placed<'_>, clock: i64) {
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
}

fn timestamp(out: &mut BytesMut, at: Millis) {
    field(out, &Timestamptz(at).to_binary().to_be_bytes());
}

fn boolean(out: &mut BytesMut, value: bool) {
    field(out, &[u8::from(value)]);
}

fn nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => field(out, bytes),
        None => out.put_i32(-1),
    }
}

fn field(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}
