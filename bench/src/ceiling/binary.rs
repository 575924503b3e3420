//! The binary format of COPY (PostgreSQL documentation, "COPY", File Formats).

use bytes::{BufMut, Bytes, BytesMut};
use registry::Timestamptz;
use schemas::Millis;

/// Rows of one COPY: a full batch of the consumer.
const ROWS: usize = 50_000;
/// A COPY is handed over in pieces of this size.
const PIECE_BYTES: usize = 256 * 1024;

/// The data of one COPY, in pieces.
pub(crate) type Copy = Vec<Bytes>;

/// Encodes one row of each of the swipes, for a connection of its own.
pub(crate) fn copies(swipes: &[u32], row: impl Fn(&mut BytesMut, usize)) -> Vec<Copy> {
    let encode = |swipes: &[u32]| {
        let mut out = BytesMut::with_capacity(swipes.len() * 192);
        out.put_slice(b"PGCOPY\n\xff\r\n\0");
        out.put_u64(0);
        for index in swipes {
            row(&mut out, *index as usize);
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

pub(super) fn timestamp(out: &mut BytesMut, at: Millis) {
    field(out, &Timestamptz(at).to_binary().to_be_bytes());
}

pub(super) fn boolean(out: &mut BytesMut, value: bool) {
    field(out, &[u8::from(value)]);
}

pub(super) fn nullable(out: &mut BytesMut, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => field(out, bytes),
        None => out.put_i32(-1),
    }
}

pub(super) fn field(out: &mut BytesMut, bytes: &[u8]) {
    out.put_i32(bytes.len() as i32);
    out.put_slice(bytes);
}
