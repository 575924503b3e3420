//! The decision: what a card may do, the rules of a zone, what the card did before and a moment in;
//! granted, or every reason for a denial, out.
//!
//! Pure: no I/O, no clock and no settings of its own, time zones included (they are in the binary).
//! The same inputs give the same answer for ever, which is what lets a late swipe be decided as it
//! would have been at its moment.
//!
//! Zones and schedules are numbers here, handed out by whoever holds the permissions; their names
//! stay outside. [`decide`] judges one read, [`CardTrack::fold`] remembers what the next ones need.

mod credential;
mod decide;
mod schedule;
mod track;
mod zone;

pub use credential::{CardState, Credential, ScheduleNumber, ZoneList, ZoneNumber};
pub use decide::{Read, Request, Verdict, decide};
pub use schedule::{
    OPEN_PERIODS_MAX, Period, SPECIAL_DAYS_MAX, Schedule, ScheduleDefinition, SpecialDay,
    WEEKLY_WINDOWS_MAX, Weekday, WeeklyWindow,
};
pub use track::{CardTrack, DENIALS_MAX, Lock, VISITS_MAX, Visit};
pub use zone::{Antipassback, Enforcement, Lockout, ZoneMode, ZoneRules};
