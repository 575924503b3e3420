use std::ops::AddAssign;

use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use crate::{Direction, LocalDecision, Millis, Mode, Swipe};

/// An additive digest of a set of events: the sum, modulo 2^128, of a 128-bit hash of each.
///
/// A sum does not depend on the order, so the log, read by offset, and the tables, read as they
/// lie, come to the same number if they hold the same events. The hash is XXH3-128 (Yann Collet,
/// xxHash 0.8): stable, portable, and fast enough not to be seen. It finds accidents and careless
/// hands; it is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Digest(pub u128);

impl AddAssign for Digest {
    fn add_assign(&mut self, other: Self) {
        self.0 = self.0.wrapping_add(other.0);
    }
}

impl std::fmt::Display for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// The digest of whatever lies at `offset`: of the swipe's fields where the value is one and the key
/// its card, of key and value as bytes where they are not. The log and a dead letter's original
/// bytes go through this one function. With it comes `occurred_at`, where there is a swipe.
pub fn record(offset: i64, key: Option<&[u8]>, value: Option<&[u8]>) -> (Digest, Option<Millis>) {
    match Swipe::decode(value.unwrap_or_default()) {
        Ok(swipe) if key == Some(swipe.card_id.as_bytes()) => {
            (canonical(offset, &swipe), Some(swipe.occurred_at))
        }
        _ => {
            let mut hash = Xxh3::new();
            hash.update(&[0]);
            hash.update(&offset.to_le_bytes());
            for part in [key, value] {
                // Absent is told apart from empty.
                hash.update(&part.map_or(-1, |p| p.len() as i64).to_le_bytes());
                hash.update(part.unwrap_or_default());
            }
            (Digest(hash.digest128()), None)
        }
    }
}

/// The digest of a swipe at `offset`: over its fields in a fixed order and width, so that it does
/// not depend on how the JSON was written.
pub fn canonical(offset: i64, swipe: &Swipe<'_>) -> Digest {
    let mut bytes = [0_u8; 96 + 2 * crate::ID_LENGTH_MAX];
    let mut length = 0;
    let mut put = |part: &[u8]| {
        // Checked ids are 64 bytes at most; what was never checked is cut, not a panic.
        let part = &part[..part.len().min(bytes.len() - length)];
        bytes[length..length + part.len()].copy_from_slice(part);
        length += part.len();
    };
    put(&[1]);
    put(&offset.to_le_bytes());
    put(swipe.event_id.as_bytes());
    put(&swipe.occurred_at.unix_ms().to_le_bytes());
    put(&swipe.received_at.unix_ms().to_le_bytes());
    put(&swipe.age_ms.map_or(-1, |age| age as i64).to_le_bytes());
    put(&swipe.terminal_epoch.map_or(-1, |epoch| epoch as i32).to_le_bytes());
    put(&swipe.terminal_seq.map_or(-1, |seq| seq as i64).to_le_bytes());
    put(&[
        direction_code(swipe.direction),
        match swipe.mode {
            Mode::Online => b'n',
            Mode::Offline => b'f',
        },
        match swipe.local_decision {
            None => b'-',
            Some(LocalDecision::Granted) => b'g',
            Some(LocalDecision::Denied) => b'd',
        },
    ]);
    put(&[swipe.card_id.len() as u8]);
    put(swipe.card_id.as_bytes());
    put(&[swipe.terminal_id.len() as u8]);
    put(swipe.terminal_id.as_bytes());
    Digest(xxh3_128(&bytes[..length]))
}

fn direction_code(direction: Option<Direction>) -> u8 {
    match direction {
        None => b'-',
        Some(Direction::In) => b'i',
        Some(Direction::Out) => b'o',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SWIPE: &str = r#"{"event_id":"0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11","card_id":"c1",
        "terminal_id":"t1","occurred_at":"2026-03-01T08:00:00.000Z",
        "received_at":"2026-03-01T08:00:00.020Z","mode":"online","age_ms":12}"#;

    #[test]
    fn the_way_the_json_is_written_does_not_matter_and_each_field_does() {
        let one = record(7, Some(b"c1"), Some(SWIPE.as_bytes()));
        let spaced = SWIPE.replace(',', " , ").replace("00.000Z", "00Z");
        assert_eq!(record(7, Some(b"c1"), Some(spaced.as_bytes())), one);
        assert_ne!(record(8, Some(b"c1"), Some(SWIPE.as_bytes())), one);
        assert_ne!(record(7, Some(b"c2"), Some(SWIPE.as_bytes())), one);
        for (from, to) in [
            ("9e11", "9e12"),
            ("\"c1\"", "\"c2\""),
            ("\"t1\"", "\"t2\""),
            ("00.000Z", "00.001Z"),
            ("00.020Z", "00.021Z"),
            ("online", "offline"),
            ("\"age_ms\":12", "\"age_ms\":13"),
            (",\"age_ms\":12", ""),
            ("\"mode\"", "\"direction\":\"in\",\"mode\""),
            ("\"mode\"", "\"local_decision\":\"granted\",\"mode\""),
            ("\"mode\"", "\"terminal_epoch\":0,\"terminal_seq\":0,\"mode\""),
        ] {
            let changed = SWIPE.replace(from, to);
            assert_ne!(changed, SWIPE);
            let key = if to == "\"c2\"" { b"c2" } else { b"c1" };
            assert_ne!(record(7, Some(key), Some(changed.as_bytes())), one, "{from} -> {to}");
        }
    }

    #[test]
    fn bytes_that_are_no_swipe_count_with_their_key() {
        let one = record(7, Some(b"k"), Some(b"v"));
        assert_ne!(record(7, None, Some(b"v")), one);
        assert_ne!(record(7, Some(b"k"), None), one);
        assert_ne!(record(7, Some(b"kv"), Some(b"")), one);
    }
}
