use std::time::{Duration, SystemTime};

use tokio_postgres::types::ToSql;

/// What a `#[version(time)]` field can be: a moment in whole milliseconds. `i64` is a `bigint` of ms
/// since 1970, [`SystemTime`] a `timestamptz`; `Option` is for columns that may be null.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a `#[version(time)]` field",
    label = "must be `i64` (ms since 1970), `SystemTime` or another `versioned::Moment`"
)]
pub trait Moment: ToSql + Send + Sync + 'static {
    /// The moment `ms` milliseconds after 1970-01-01T00:00:00Z.
    fn from_unix_ms(ms: i64) -> Self;
}

impl Moment for i64 {
    fn from_unix_ms(ms: i64) -> Self {
        ms
    }
}

impl Moment for SystemTime {
    fn from_unix_ms(ms: i64) -> Self {
        let distance = Duration::from_millis(ms.unsigned_abs());
        if ms < 0 { Self::UNIX_EPOCH - distance } else { Self::UNIX_EPOCH + distance }
    }
}

impl<T: Moment> Moment for Option<T> {
    fn from_unix_ms(ms: i64) -> Self {
        Some(T::from_unix_ms(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_and_after_1970() {
        let of = |ms| SystemTime::from_unix_ms(ms);
        assert_eq!(of(0), SystemTime::UNIX_EPOCH);
        assert_eq!(of(1_500), SystemTime::UNIX_EPOCH + Duration::from_millis(1_500));
        assert_eq!(of(-1), SystemTime::UNIX_EPOCH - Duration::from_millis(1));
    }
}
