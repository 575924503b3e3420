mod calendar;
mod definition;
mod offsets;

use jiff::tz::TimeZoneDatabase;
use schemas::{Invalid, Millis};

use self::calendar::Calendar;
pub use self::definition::{
    OPEN_PERIODS_MAX, Period, SPECIAL_DAYS_MAX, ScheduleDefinition, SpecialDay, WEEKLY_WINDOWS_MAX,
    Weekday, WeeklyWindow,
};
use self::offsets::Offsets;

/// When a card may pass: weekly windows in a time zone, and days on which other ones hold. Made once
/// from its [definition](ScheduleDefinition), then asked for every read.
///
/// A moment is turned into the civil time that a clock on the wall shows, and allowed if that lies
/// in a window. So what a clock shows twice (when it is set back) is in a window both times, and
/// what it skips is in none.
#[derive(Debug, Clone)]
pub struct Schedule {
    offsets: Offsets,
    calendar: Calendar,
}

impl Schedule {
    /// The schedule that `definition` describes.
    ///
    /// # Errors
    ///
    /// Names the first field that is wrong, by its path, and what it may be.
    pub fn new(definition: &ScheduleDefinition) -> Result<Self, Invalid> {
        let zone = TimeZoneDatabase::bundled()
            .get(&definition.time_zone)
            .ok()
            .filter(|zone| !zone.is_unknown())
            .ok_or_else(|| {
                let problem = "is no time zone of the IANA database that this program carries; \
                               use a name such as Europe/Berlin or UTC";
                Invalid::new("time_zone", problem)
            })?;
        let calendar = Calendar::new(&definition.weekly_plan()?, &definition.special_plans()?);
        Ok(Self { offsets: Offsets::new(zone), calendar })
    }

    /// Whether it allows `at`. A moment beyond the years −9999 to 9999 is never allowed.
    pub fn allows(&self, at: Millis) -> bool {
        let Some(offset_ms) = self.offsets.offset_ms(at) else { return false };
        let local_ms = at.unix_ms() + offset_ms;
        // Both fit: the offset is known only within jiff's range of years.
        let day = local_ms.div_euclid(DAY_MS) as i32;
        let minute = (local_ms.rem_euclid(DAY_MS) / MINUTE_MS) as u16;
        self.calendar.is_open(day, minute)
    }
}

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
