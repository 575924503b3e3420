use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemas::Millis;

/// The distance of a time zone's clocks from UTC, at any moment.
///
/// Almost every question is about a moment in the years of the table, which is a sorted list of
/// when the clocks change; a few hundred entries at most.
#[derive(Debug, Clone)]
pub(super) struct Offsets {
    zone: TimeZone,
    /// When each offset begins to hold, in milliseconds; the first at `TABLE_FROM_MS`.
    starts: Box<[i64]>,
    /// The offset from then on, in milliseconds.
    offsets: Box<[i32]>,
}

/// 2000-01-01T00:00:00Z.
const TABLE_FROM_MS: i64 = 946_684_800_000;
const TABLE_FROM: Timestamp = Timestamp::constant(TABLE_FROM_MS / 1000, 0);
/// 2100-01-01T00:00:00Z.
const TABLE_UNTIL_MS: i64 = 4_102_444_800_000;

impl Offsets {
    pub(super) fn new(zone: TimeZone) -> Self {
        let mut starts = vec![TABLE_FROM_MS];
        let mut offsets = vec![zone.to_offset(TABLE_FROM).seconds() * 1000];
        for change in zone.following(TABLE_FROM) {
            let start = change.timestamp().as_millisecond();
            if start >= TABLE_UNTIL_MS {
                break;
            }
            starts.push(start);
            offsets.push(change.offset().seconds() * 1000);
        }
        Self { zone, starts: starts.into(), offsets: offsets.into() }
    }

    /// What to add to `at` for the civil time, in milliseconds; none beyond the years −9999 to 9999.
    #[inline]
    pub(super) fn offset_ms(&self, at: Millis) -> Option<i64> {
        let ms = at.unix_ms();
        if (TABLE_FROM_MS..TABLE_UNTIL_MS).contains(&ms) {
            let after = self.starts.partition_point(|start| *start <= ms);
            return self.offsets.get(after.wrapping_sub(1)).copied().map(i64::from);
        }
        let timestamp = Timestamp::from_millisecond(ms).ok()?;
        Some(i64::from(self.zone.to_offset(timestamp).seconds()) * 1000)
    }
}
