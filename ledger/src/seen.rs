use std::error::Error;
use std::ops::Range;

use bytes::{Buf, BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// Numbers of a counter, as ranges in order that neither overlap nor meet: an `int8multirange`.
///
/// `i64::MAX` is never among them: behind it no range can end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen(Vec<Range<i64>>);

/// Flags of a range on the wire (`src/include/utils/rangetypes.h`): its lower bound belongs to it.
const LOWER_INCLUSIVE: u8 = 0x02;
/// Bytes of a range with both bounds: the flags, and each bound behind its length.
const RANGE_BYTES: i32 = 1 + 2 * (4 + 8);

impl Seen {
    /// What is in a list, which it puts in order; and what is there more than once, each once.
    pub fn of(numbers: &mut [i64]) -> (Self, Vec<i64>) {
        numbers.sort_unstable();
        let mut ranges: Vec<Range<i64>> = Vec::new();
        let mut repeated = Vec::new();
        for number in numbers.iter().copied() {
            let Some(end) = number.checked_add(1) else { break };
            match ranges.last_mut() {
                Some(last) if last.end == number => last.end = end,
                Some(last) if last.end == end => {
                    if repeated.last() != Some(&number) {
                        repeated.push(number);
                    }
                }
                _ => ranges.push(number..end),
            }
        }
        (Self(ranges), repeated)
    }

    /// Each number.
    pub fn numbers(&self) -> impl Iterator<Item = i64> {
        self.0.iter().cloned().flatten()
    }
}

impl ToSql for Seen {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i32(i32::try_from(self.0.len())?);
        for range in &self.0 {
            out.put_i32(RANGE_BYTES);
            out.put_u8(LOWER_INCLUSIVE);
            for bound in [range.start, range.end] {
                out.put_i32(8);
                out.put_i64(bound);
            }
        }
        Ok(IsNull::No)
    }

    accepts!(INT8MULTI_RANGE);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Seen {
    fn from_sql(_: &Type, mut raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let count = raw.try_get_i32()?;
        let mut ranges = Vec::new();
        for _ in 0..count {
            let (length, flags) = (raw.try_get_i32()?, raw.try_get_u8()?);
            if (length, flags) != (RANGE_BYTES, LOWER_INCLUSIVE) {
                return Err("a range without bounds of its own".into());
            }
            let mut bound = || {
                let _length = raw.try_get_i32()?;
                raw.try_get_i64()
            };
            ranges.push(bound()?..bound()?);
        }
        Ok(Self(ranges))
    }

    accepts!(INT8MULTI_RANGE);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn neighbours_are_one_range() {
        let mut numbers = [5, i64::MAX, 3, 4, 9, 4, 4, i64::MAX, 0, 9];
        let (seen, repeated) = Seen::of(&mut numbers);
        assert_eq!(seen, Seen(vec![0..1, 3..6, 9..10]));
        assert_eq!(repeated, [4, 9]);
        assert_eq!(Seen::of(&mut []), (Seen::default(), Vec::new()));
    }

    proptest! {
        #[test]
        fn as_a_set(mut numbers in prop::collection::vec(prop_oneof![0_i64..40, any::<i64>()], 0..80)) {
            let set: BTreeSet<i64> =
                numbers.iter().copied().filter(|number| *number != i64::MAX).collect();
            let more_than_once = |number: &i64| numbers.iter().filter(|n| *n == number).count() > 1;
            let repeats: Vec<i64> = set.iter().copied().filter(more_than_once).collect();
            let (seen, repeated) = Seen::of(&mut numbers);
            prop_assert!(seen.numbers().eq(set));
            prop_assert_eq!(repeated, repeats);
            prop_assert!(seen.0.windows(2).all(|two| two[0].end < two[1].start));

            let mut wire = BytesMut::new();
            seen.to_sql(&Type::INT8MULTI_RANGE, &mut wire).unwrap();
            prop_assert_eq!(Seen::from_sql(&Type::INT8MULTI_RANGE, &wire).unwrap(), seen);
            for cut in 0..wire.len() {
                prop_assert!(Seen::from_sql(&Type::INT8MULTI_RANGE, &wire[..cut]).is_err());
            }
        }
    }
}
