//! Values of Postgres that its driver has no type for, in the unit that they are exported in.

use std::error::Error;

use tokio_postgres::types::{FromSql, Type, accepts};

/// 2000-01-01, Postgres' epoch, in days and in µs since 1970.
const EPOCH_DAYS: i32 = 10_957;
const EPOCH_US: i64 = 946_684_800_000_000;
/// A day of UTC, in µs.
const DAY_US: i64 = 86_400_000_000;

/// A `timestamptz` or `timestamp`, in µs since 1970.
pub(super) struct Micros(pub(super) i64);

/// A `date`, in days since 1970.
pub(super) struct Days(pub(super) i32);

/// An `interval`, in µs. A day is 24 hours, as it is between two moments of UTC.
pub(super) struct Length(pub(super) i64);

impl<'a> FromSql<'a> for Micros {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match i64::from_be_bytes(raw.try_into()?) {
            i64::MIN | i64::MAX => Err("an infinite time has no place in a file".into()),
            us => us.checked_add(EPOCH_US).map(Self).ok_or_else(|| "a time out of range".into()),
        }
    }

    accepts!(TIMESTAMPTZ, TIMESTAMP);
}

impl<'a> FromSql<'a> for Days {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        match i32::from_be_bytes(raw.try_into()?) {
            i32::MIN | i32::MAX => Err("an infinite day has no place in a file".into()),
            days => days.checked_add(EPOCH_DAYS).map(Self).ok_or_else(|| "out of range".into()),
        }
    }

    accepts!(DATE);
}

impl<'a> FromSql<'a> for Length {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        let (us, rest) = raw.split_first_chunk::<8>().ok_or("too short for an interval")?;
        let (days, months) = rest.split_first_chunk::<4>().ok_or("too short for an interval")?;
        if i32::from_be_bytes(months.try_into()?) != 0 {
            return Err("an interval of months has no length".into());
        }
        let days = i64::from(i32::from_be_bytes(*days));
        let us = i64::from_be_bytes(*us).checked_add(days.saturating_mul(DAY_US));
        us.map(Self).ok_or_else(|| "an interval out of range".into())
    }

    accepts!(INTERVAL);
}

/// The digits of a `numeric` with `scale` of them behind the point, as one whole number.
pub(super) fn unscaled(text: &str, scale: i8) -> Option<i128> {
    let (digits, sign) = text.strip_prefix('-').map_or((text, 1), |digits| (digits, -1));
    let (whole, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = usize::try_from(scale).ok()?;
    if behind.len() > scale {
        return None;
    }
    format!("{whole}{behind:0<scale$}").parse::<i128>().ok().map(|number| number * sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_exact_or_refused() {
        let interval = |us: i64, days: i32, months: i32| {
            let raw = [&us.to_be_bytes()[..], &days.to_be_bytes(), &months.to_be_bytes()].concat();
            Length::from_sql(&Type::INTERVAL, &raw).map(|length| length.0)
        };
        assert_eq!(interval(1, 0, 0).unwrap(), 1);
        assert_eq!(interval(-5, 2, 0).unwrap(), 2 * DAY_US - 5);
        assert!(interval(0, 0, 1).is_err() && interval(i64::MAX, 1, 0).is_err());
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(unscaled("12.34", 2), Some(1_234));
        assert_eq!(unscaled("-0.5", 2), Some(-50));
        assert_eq!(unscaled("7", 3), Some(7_000));
        assert_eq!((unscaled("1.234", 2), unscaled("NaN", 2)), (None, None));
    }

    #[test]
    fn moments_count_from_1970() {
        let at = |us: i64| Micros::from_sql(&Type::TIMESTAMPTZ, &us.to_be_bytes());
        assert_eq!(at(-EPOCH_US).unwrap().0, 0);
        assert!(at(i64::MAX).is_err());
        assert_eq!(Days::from_sql(&Type::DATE, &0_i32.to_be_bytes()).unwrap().0, EPOCH_DAYS);
    }
}
