//! What of it all is to be verified.

use jiff::civil::Date;
use schemas::Millis;

use crate::Error;

/// What to verify; everything, where nothing is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// Only buckets that hold events that occurred at or after this moment.
    pub since: Option<Millis>,
    /// Only these partitions; all of them where it is empty.
    pub partitions: Vec<i32>,
    /// Also look for events anywhere in the tables that claim to be one.
    pub identities: bool,
}

impl Options {
    /// Whether this partition is to be verified.
    pub(super) fn wants(&self, partition: i32) -> bool {
        self.partitions.is_empty() || self.partitions.contains(&partition)
    }

    /// A partition that does not exist would be verified in no time.
    pub(super) fn check<'p>(&self, known: impl Iterator<Item = &'p i32>) -> Result<(), Error> {
        let known: Vec<i32> = known.copied().collect();
        match self.partitions.iter().find(|partition| !known.contains(partition)) {
            None => Ok(()),
            Some(other) => Err(Error::Usage(format!(
                "--partition {other}: no consumer has read such a partition"
            ))),
        }
    }
}

/// `2016-06-01`, which is midnight UTC, or `2016-06-01T08:00:00Z`.
///
/// # Errors
/// Says what it should look like.
pub fn since(text: &str) -> Result<Millis, String> {
    let day = text.parse::<Date>().ok().filter(|_| text.len() == "2016-06-01".len());
    let midnight = day.map(|_| format!("{text}T00:00:00Z"));
    midnight
        .as_deref()
        .unwrap_or(text)
        .parse()
        .map_err(|_| "must be a day, as 2016-06-01, or a time, as 2016-06-01T08:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_utc() {
        assert_eq!(since("2016-06-01"), since("2016-06-01T02:00:00+02:00"));
        for wrong in ["yesterday", "2016-06-31", "2016-06-01T08:00:00", "20160601"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
