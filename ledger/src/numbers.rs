//! Numbers of a counter in few bytes: most are one behind the last.

/// Appends numbers that are in order: of each how much it is more than the one before, seven bits a
/// byte, the lowest first, the top bit saying that more follow (LEB128).
pub(crate) fn encode(numbers: &[i64], out: &mut Vec<u8>) {
    let mut last = 0;
    for number in numbers {
        let mut more = number.wrapping_sub(last) as u64;
        last = *number;
        while more >= 0x80 {
            out.push(more as u8 | 0x80);
            more >>= 7;
        }
        out.push(more as u8);
    }
}

/// Bits of the last of the nine bytes that a number can take.
const SHIFT_MAX: u32 = 56;

/// Appends the numbers that were encoded; `None` where it is no such thing.
pub(crate) fn decode(mut bytes: &[u8], numbers: &mut Vec<i64>) -> Option<()> {
    let mut last = 0_i64;
    while !bytes.is_empty() {
        let (mut more, mut shift) = (0_u64, 0);
        loop {
            let (byte, rest) = bytes.split_first()?;
            bytes = rest;
            more |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > SHIFT_MAX {
                return None;
            }
        }
        last = last.checked_add(i64::try_from(more).ok()?)?;
        numbers.push(last);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_byte_for_the_next() {
        let mut out = Vec::new();
        encode(&[48_211, 48_212, 48_212, 48_340], &mut out);
        assert_eq!(out, [0xd3, 0xf8, 0x02, 1, 0, 0x80, 0x01]);
    }

    #[test]
    fn what_is_none_is_refused() {
        let most = [&[0xff; 8][..], &[0x7f]].concat();
        assert_eq!(decode(&most, &mut Vec::new()), Some(()));
        // Cut off, more than 63 bits, and one behind the last number.
        let wrong = [vec![0x80], [&[0x80; 9][..], &[0x02]].concat(), [&most[..], &[1]].concat()];
        for wrong in wrong {
            assert_eq!(decode(&wrong, &mut Vec::new()), None, "{wrong:x?}");
        }
    }

    proptest! {
        #[test]
        fn as_they_were(mut numbers in prop::collection::vec(prop_oneof![0..300_i64, 0..=i64::MAX], 0..60)) {
            numbers.sort_unstable();
            let (mut bytes, mut again) = (Vec::new(), Vec::new());
            encode(&numbers, &mut bytes);
            prop_assert_eq!(decode(&bytes, &mut again), Some(()));
            prop_assert_eq!(again, numbers);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode(&bytes, &mut Vec::new());
        }
    }
}
