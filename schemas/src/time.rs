use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A moment, in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// As text it is RFC 3339 in UTC with three decimals (`2016-05-31T00:05:00.000Z`). Another offset
/// is accepted and turned into UTC; a finer fraction than milliseconds is refused, because
/// `occurred_at` is a part of an event's identity and must survive every step unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(i64);

impl Millis {
    /// The moment `ms` milliseconds after the epoch.
    pub const fn from_unix_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// Now, by this machine's clock.
    pub fn now() -> Self {
        Self(Timestamp::now().as_millisecond())
    }

    /// Milliseconds since the epoch.
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// Whole days since the epoch, in UTC: the day of `access_log` that the moment falls in.
    pub const fn unix_day(self) -> i32 {
        self.0.div_euclid(DAY_MS) as i32
    }
}

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// 0001-01-01T00:00:00Z and 9999-12-31T00:00:00Z: what four digits of a year can say, less a day
/// at the end so that no offset carries a moment out of the range.
const RANGE_MS: std::ops::Range<i64> = -62_135_596_800_000..253_402_214_400_000;

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.3}"),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl FromStr for Millis {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let timestamp: Timestamp = text
            .parse()
            .map_err(|_| "must be an RFC 3339 time with an offset, as 2016-05-31T00:05:00.000Z")?;
        if timestamp.subsec_nanosecond() % 1_000_000 != 0 {
            return Err("may have milliseconds at most");
        }
        let ms = timestamp.as_millisecond();
        if !RANGE_MS.contains(&ms) {
            return Err("must lie in the years 0001 to 9999");
        }
        Ok(Self(ms))
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Millis;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time as text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Millis, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

impl JsonSchema for Millis {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Millis".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "RFC 3339, in UTC, whole milliseconds.",
            "type": "string",
            "format": "date-time",
            "pattern": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,3}0*)?(Z|[+-]\d{2}:\d{2})$",
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn other_offsets_become_utc_and_finer_fractions_are_refused() {
        let utc: Millis = "2016-05-31T00:05:00.120Z".parse().unwrap();
        assert_eq!("2016-05-31T02:05:00.12+02:00".parse(), Ok(utc));
        assert_eq!(utc.to_string(), "2016-05-31T00:05:00.120Z");
        assert!("2016-05-31T00:05:00.1201Z".parse::<Millis>().is_err());
        assert!("2016-05-31T00:05:00".parse::<Millis>().is_err());
        assert!("2016-05-31".parse::<Millis>().is_err());
    }

    #[test]
    fn days_before_the_epoch_are_negative() {
        assert_eq!(Millis::from_unix_ms(-1).unix_day(), -1);
        assert_eq!(Millis::from_unix_ms(DAY_MS).unix_day(), 1);
    }

    proptest! {
        #[test]
        fn text_and_back(ms in RANGE_MS) {
            let moment = Millis::from_unix_ms(ms);
            prop_assert_eq!(moment.to_string().parse(), Ok(moment));
        }
    }
}
