use std::error::Error;
use std::fmt;

use bytes::{BufMut, BytesMut};
use schemas::Millis;
use serde::{Serialize, Serializer};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

/// A `timestamptz`, in ms since 1970, to and from Postgres.
///
/// Reading rounds microseconds up, so that a bound stays the bound for moments in whole ms:
/// `at >= bound` and `at < bound` answer as they would with the microseconds. The infinities are
/// the ends of the range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamptz(pub Millis);

/// 2000-01-01T00:00:00Z, Postgres' epoch, in ms since 1970.
const POSTGRES_EPOCH_MS: i64 = 946_684_800_000;

impl Timestamptz {
    /// `-infinity`.
    pub const MIN: Self = Self(Millis::from_unix_ms(i64::MIN));
    /// `infinity`: what still stands.
    pub const MAX: Self = Self(Millis::from_unix_ms(i64::MAX));

    /// Microseconds since 2000: the binary form of the type.
    pub const fn to_binary(self) -> i64 {
        match self.0.unix_ms() {
            i64::MIN => i64::MIN,
            i64::MAX => i64::MAX,
            // Beyond 294276 AD Postgres refuses; no checked event comes near.
            ms => ms.saturating_sub(POSTGRES_EPOCH_MS).saturating_mul(1_000),
        }
    }

    /// From the binary form; what is finer than a millisecond is rounded up.
    pub const fn from_binary(us: i64) -> Self {
        Self(Millis::from_unix_ms(match us {
            i64::MIN => i64::MIN,
            i64::MAX => i64::MAX,
            us => -(-us).div_euclid(1_000) + POSTGRES_EPOCH_MS,
        }))
    }
}

/// As its moment; the infinities as Postgres writes them.
impl Serialize for Timestamptz {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Timestamptz {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.unix_ms() {
            i64::MIN => f.write_str("-infinity"),
            i64::MAX => f.write_str("infinity"),
            _ => self.0.fmt(f),
        }
    }
}

impl ToSql for Timestamptz {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        out.put_i64(self.to_binary());
        Ok(IsNull::No)
    }

    accepts!(TIMESTAMPTZ);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Timestamptz {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::from_binary(i64::from_be_bytes(raw.try_into()?)))
    }

    accepts!(TIMESTAMPTZ);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_round_up_and_infinities_stay() {
        let ms = |us| Timestamptz::from_binary(us).0.unix_ms() - POSTGRES_EPOCH_MS;
        assert_eq!([ms(0), ms(1), ms(999), ms(1_000), ms(-1), ms(-1_000)], [0, 1, 1, 1, 0, -1]);
        for end in [i64::MIN, i64::MAX, 0, 1_464_652_800_000_000] {
            assert_eq!(Timestamptz::from_binary(end).to_binary(), end);
        }
    }
}
