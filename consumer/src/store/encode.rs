//! Rows in the binary format of COPY (PostgreSQL documentation, "COPY", File Formats).

use bytes::{BufMut, BytesMut};
use registry::{Cache, Timestamptz};
use schemas::{Direction, LocalDecision, Millis, Mode};

use super::rows::Duplicate;
use crate::decide::Judged;

/// Signature, flags and length of the extension: before the first row.
pub(super) fn begin(out: &mut BytesMut) {
    out.put_slice(b"PGCOPY\n\xff\r\n\0");
    out.put_u64(0);
}

/// After the last row.
pub(super) fn end(out: &mut BytesMut) {
    out.put_i16(-1);
}

/// Columns of `access_log`, in the order in which [`row`] writes them.
pub(super) const COLUMNS: &str = "occurred_at, received_at, log_offset, permission_clock, age_ms, \
     terminal_seq, terminal_epoch, log_partition, reasons, granted, live, online, \
     locally_granted, event_id, card_id, terminal_id, zone_id, direction, notes";

const COLUMNS_COUNT: i16 = 19;

/// One row of `access_log`; `more` columns follow it, which the caller writes.
pub(super) fn row(
    out: &mut BytesMut,
    judged: &Judged<'_, '_>,
    cache: &Cache,
    clock: i64,
    more: i16,
) {
    let event = judged.event;
    let (swipe, (partition, offset)) = (&event.swipe, event.place());
    out.put_i16(COLUMNS_COUNT + more);
    timestamp(out, swipe.occurred_at);
    timestamp(out, swipe.received_at);
    int8(out, offset);
    int8(out, clock);
    nullable(out, swipe.age_ms, |out, age| int8(out, age as i64));
    nullable(out, swipe.terminal_seq, |out, seq| int8(out, seq as i64));
    nullable(out, swipe.terminal_epoch, |out, epoch| {
        int4(out, epoch as i32);
    });
    int4(out, partition);
    int2(out, judged.reasons.bits());
    boolean(out, judged.reasons.is_empty());
    boolean(out, judged.is_live());
    boolean(out, swipe.mode == Mode::Online);
    nullable(out, swipe.local_decision, |out, local| {
        boolean(out, local == LocalDecision::Granted);
    });
    field(out, swipe.event_id.as_bytes());
    // Rows come in the order of time here: what the cache calls them is at hand, and the record is not.
    field(out, cache.card_id(event.card).as_bytes());
    field(out, cache.terminal_id(event.terminal).as_bytes());
    field(out, cache.zone_id(judged.zone).as_bytes());
    nullable(out, swipe.direction.map(Direction::as_str), |out, word| {
        field(out, word.as_bytes());
    });
    int2(out, judged.notes);
}

/// Columns of `duplicate_event`, in the order in which [`duplicate`] writes them.
pub(super) const DUPLICATE_COLUMNS: &str =
    "log_partition, log_offset, first_offset, occurred_at, card_id, event_id, digest, run";

/// One row of `duplicate_event`; the first of a run has its length.
pub(super) fn duplicate(out: &mut BytesMut, duplicate: &Duplicate<'_, '_>, run: Option<i32>) {
    let event = duplicate.event;
    out.put_i16(8);
    int4(out, event.partition());
    int8(out, event.offset());
    int8(out, duplicate.first_offset);
    timestamp(out, event.swipe.occurred_at);
    field(out, event.swipe.card_id.as_bytes());
    field(out, event.swipe.event_id.as_bytes());
    field(out, &event.digest.0.to_be_bytes());
    nullable(out, run, int4);
}

pub(super) fn int8(out: &mut BytesMut, value: i64) {
    fixed::<8, 12>(out, value.to_be_bytes());
}

pub(super) fn int4(out: &mut BytesMut, value: i32) {
    fixed::<4, 8>(out, value.to_be_bytes());
}

fn int2(out: &mut BytesMut, value: i16) {
    fixed::<2, 6>(out, value.to_be_bytes());
}

pub(super) fn timestamp(out: &mut BytesMut, at: Millis) {
    int8(out, Timestamptz(at).to_binary());
}

fn boolean(out: &mut BytesMut, value: bool) {
    fixed::<1, 5>(out, [u8::from(value)]);
}

/// Length and value in one copy: this runs nineteen times a row.
fn fixed<const N: usize, const WITH_LENGTH: usize>(out: &mut BytesMut, value: [u8; N]) {
    let mut bytes = [0; WITH_LENGTH];
    bytes[..4].copy_from_slice(&(N as i32).to_be_bytes());
    bytes[4..].copy_from_slice(&value);
    out.extend_from_slice(&bytes);
}

pub(super) fn field(out: &mut BytesMut, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

pub(super) fn nullable<T>(
    out: &mut BytesMut,
    value: Option<T>,
    put: impl FnOnce(&mut BytesMut, T),
) {
    match value {
        Some(value) => put(out, value),
        None => out.put_i32(-1),
    }
}
