use std::error::Error;
use std::ops::Range;

use bytes::{Buf, BufMut, BytesMut};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// Numbers of a counter, as ranges in order that neither overlap nor meet: an `int8multirange`.
///
/// `i64::MAX` is never among them: behind it no range can end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen(Vec<Range<i64>>);

/// Flags of a range on the wire (`src/include/utils/rangetypes.h`): its lower bound belongs to it.
const LOWER_INCLUSIVE: u8 = 0x02;
/// Bytes of a range with both bounds: the flags, and each bound behind its length.
const RANGE_BYTES: i32 = 1 + 2 * (4 + 8);

impl Seen {
    /// What is in a list that is in order.
    pub(crate) fn of(numbers: impl IntoIterator<Item = i64>) -> Self {
        let mut ranges: Vec<Range<i64>> = Vec::new();
        for number in numbers {
            let Some(end) = number.checked_add(1) else { break };
            match ranges.last_mut() {
                Some(last) if last.end >= number => last.end = end,
                _ => ranges.push(number..end),
            }
        }
        Self(ranges)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each number.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = i64> {
        self.0.iter().cloned().flatten()
    }

    pub(crate) fn holds(&self, number: i64) -> bool {
        let nth = self.0.partition_point(|range| range.end <= number);
        self.0.get(nth).is_some_and(|range| range.contains(&number))
    }

    /// Adds numbers.
    pub(crate) fn add(&mut self, others: &Self) {
        let mut numbers: Vec<i64> = self.numbers().chain(others.numbers()).collect();
        numbers.sort_unstable();
        *self = Self::of(numbers);
    }

    /// Takes numbers out.
    pub(crate) fn remove(&mut self, others: &Self) {
        let kept = self.numbers().filter(|number| !others.holds(*number));
        *self = Self::of(kept);
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
        let seen = Seen::of([0, 3, 4, 4, 5, 9, 9, i64::MAX, i64::MAX]);
        assert_eq!(seen, Seen(vec![0..1, 3..6, 9..10]));
        assert_eq!(Seen::of([]), Seen::default());
    }

    fn numbers() -> impl Strategy<Value = Vec<i64>> {
        prop::collection::vec(prop_oneof![0_i64..40, i64::MAX - 5..=i64::MAX], 0..80)
    }

    fn set(numbers: &[i64]) -> BTreeSet<i64> {
        numbers.iter().copied().filter(|number| *number != i64::MAX).collect()
    }

    proptest! {
        #[test]
        fn as_a_set(mut numbers in numbers(), mut others in numbers()) {
            numbers.sort_unstable();
            others.sort_unstable();
            let (mut seen, without) = (Seen::of(numbers.clone()), Seen::of(others.clone()));
            prop_assert!(seen.numbers().eq(set(&numbers)));
            prop_assert!(seen.0.windows(2).all(|two| two[0].end < two[1].start));
            for number in 0..45 {
                prop_assert_eq!(seen.holds(number), numbers.contains(&number));
            }

            let mut wire = BytesMut::new();
            seen.to_sql(&Type::INT8MULTI_RANGE, &mut wire).unwrap();
            prop_assert_eq!(&Seen::from_sql(&Type::INT8MULTI_RANGE, &wire).unwrap(), &seen);
            for cut in 0..wire.len() {
                prop_assert!(Seen::from_sql(&Type::INT8MULTI_RANGE, &wire[..cut]).is_err());
            }

            let mut with = seen.clone();
            with.add(&without);
            let both: BTreeSet<i64> = &set(&numbers) | &set(&others);
            prop_assert_eq!(with, Seen::of(both));
            seen.remove(&without);
            let left: BTreeSet<i64> = &set(&numbers) - &set(&others);
            prop_assert!(seen.numbers().eq(left));
        }
    }
}
