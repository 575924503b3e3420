use jiff::civil::Date;
use schemas::Invalid;
use serde::{Deserialize, Serialize};

/// Weekly windows that a schedule may have.
pub const WEEKLY_WINDOWS_MAX: usize = 64;

/// Special days that a schedule may have.
pub const SPECIAL_DAYS_MAX: usize = 512;

/// Periods that a special day may be open.
pub const OPEN_PERIODS_MAX: usize = 8;

/// A schedule as people write it (ONVIF Schedule with its `SpecialDaysSchedule`; BACnet
/// `Weekly_Schedule` and `Exception_Schedule`).
///
/// A window belongs to the day that it starts on. A special day is all there is to say about its
/// date, from 00:00 to 24:00, as in ONVIF and BACnet: the weekly windows that start on it do not
/// hold, not after its midnight either, and a window of the evening before ends at midnight. Who
/// wants the night shift to go on gives the special day a period from 00:00. A period of its own may
/// go on after midnight, unless the next day is special as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleDefinition {
    /// Name of an IANA time zone.
    pub time_zone: String,
    /// When it is open, week after week; where windows overlap, it is open. At most
    /// [`WEEKLY_WINDOWS_MAX`]; none means closed but for the special days.
    #[serde(default)]
    pub weekly: Vec<WeeklyWindow>,
    /// Days that the weekly windows don't hold on, each once, at most [`SPECIAL_DAYS_MAX`].
    #[serde(default)]
    pub special_days: Vec<SpecialDay>,
}

/// A window that starts on some days of the week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeeklyWindow {
    /// The days that it starts on, at least one, each once.
    pub days: Vec<Weekday>,
    /// From this minute on, `00:00` to `23:59`.
    pub from: String,
    /// Until this minute, exclusive, `00:00` to `24:00`; not later than `from` means on the next
    /// day.
    pub until: String,
}

/// A date with times of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpecialDay {
    /// The date, as `2026-12-24`.
    pub date: String,
    /// When it is open, at most [`OPEN_PERIODS_MAX`] periods; none closes it.
    pub open: Vec<Period>,
}

/// A time that a special day is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// As in [`WeeklyWindow`].
    pub from: String,
    /// As in [`WeeklyWindow`].
    pub until: String,
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Weekday {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// The windows that start on one day.
pub(super) type Plan = Vec<Window>;

/// Minutes from the midnight before, the last one exclusive and up to two days after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) from: u16,
    pub(super) until: u16,
}

pub(super) const MINUTES_OF_DAY: u16 = 24 * 60;

impl ScheduleDefinition {
    /// The windows that start on each day of the week, from Monday.
    pub(super) fn weekly_plan(&self) -> Result<[Plan; 7], Invalid> {
        at_most(WEEKLY_WINDOWS_MAX, "windows", self.weekly.len(), || "weekly".into())?;
        let mut plan: [Plan; 7] = Default::default();
        for (place, weekly) in self.weekly.iter().enumerate() {
            let path = || format!("weekly[{place}]");
            let window = window(&weekly.from, &weekly.until, path)?;
            let mut named = [false; 7];
            for day in &weekly.days {
                named[*day as usize] = true;
            }
            if weekly.days.is_empty() || named.iter().filter(|n| **n).count() < weekly.days.len() {
                let problem = "must name one day or more, each once";
                return Err(Invalid::new(path() + ".days", problem));
            }
            let starting = plan.iter_mut().zip(named).filter(|(_, named)| *named);
            starting.for_each(|(windows, _)| windows.push(window));
        }
        Ok(plan)
    }

    /// The special days with the windows that start on them, by days since 1970-01-01, ascending.
    pub(super) fn special_plans(&self) -> Result<Vec<(i32, Plan)>, Invalid> {
        at_most(SPECIAL_DAYS_MAX, "days", self.special_days.len(), || "special_days".into())?;
        let mut plans = Vec::with_capacity(self.special_days.len());
        for (place, special) in self.special_days.iter().enumerate() {
            let path = || format!("special_days[{place}]");
            let day = unix_day(&special.date)
                .ok_or_else(|| Invalid::new(path() + ".date", "must be a date as 2026-12-24"))?;
            at_most(OPEN_PERIODS_MAX, "periods", special.open.len(), || path() + ".open")?;
            let mut plan = Plan::with_capacity(special.open.len());
            for (n, period) in special.open.iter().enumerate() {
                let path = || format!("special_days[{place}].open[{n}]");
                plan.push(window(&period.from, &period.until, path)?);
            }
            plans.push((place, day, plan));
        }
        plans.sort_by_key(|(_, day, _)| *day);
        if let Some(same) = plans.windows(2).find(|pair| pair[0].1 == pair[1].1) {
            let problem = format!("is the same day as special_days[{}].date", same[0].0);
            return Err(Invalid::new(format!("special_days[{}].date", same[1].0), problem));
        }
        Ok(plans.into_iter().map(|(_, day, plan)| (day, plan)).collect())
    }
}

fn at_most(
    max: usize,
    things: &str,
    found: usize,
    path: impl Fn() -> String,
) -> Result<(), Invalid> {
    if found > max {
        return Err(Invalid::new(path(), format!("may have {max} {things} at most, has {found}")));
    }
    Ok(())
}

fn window(from: &str, until: &str, path: impl Fn() -> String) -> Result<Window, Invalid> {
    let from = minute(from).filter(|minute| *minute < MINUTES_OF_DAY).ok_or_else(|| {
        Invalid::new(path() + ".from", "must be a time of day from 00:00 to 23:59")
    })?;
    let until = minute(until).ok_or_else(|| {
        Invalid::new(path() + ".until", "must be a time of day from 00:00 to 24:00")
    })?;
    let until = if until <= from { until + MINUTES_OF_DAY } else { until };
    Ok(Window { from, until })
}

/// The minute of the day that `hh:mm` names, up to `24:00`.
fn minute(text: &str) -> Option<u16> {
    let [h1, h2, b':', m1, m2] = text.as_bytes() else { return None };
    let digits = [h1, h2, m1, m2].map(|byte| byte.wrapping_sub(b'0'));
    if digits.iter().any(|digit| *digit > 9) {
        return None;
    }
    let [h1, h2, m1, m2] = digits.map(u16::from);
    let (hour, minute) = (10 * h1 + h2, 10 * m1 + m2);
    (minute < 60 && (hour < 24 || hour == 24 && minute == 0)).then_some(60 * hour + minute)
}

/// Days from 1970-01-01 to the date that `yyyy-mm-dd` names.
fn unix_day(text: &str) -> Option<i32> {
    // jiff reads other notations too, and years of six digits.
    let date: Date = text.parse().ok().filter(|date: &Date| date.to_string() == text)?;
    if date.year() < 0 {
        return None;
    }
    let hours = date.duration_since(Date::constant(1970, 1, 1)).as_hours();
    i32::try_from(hours / 24).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Schedule;

    fn check(json: &str) -> String {
        match serde_json::from_str::<ScheduleDefinition>(json) {
            Ok(definition) => {
                Schedule::new(&definition).err().map_or("ok".into(), |e| e.to_string())
            }
            Err(error) => error.to_string(),
        }
    }

    fn week(window: &str) -> String {
        check(&format!(r#"{{"time_zone":"Europe/Berlin","weekly":[{window}]}}"#))
    }

    fn special(days: &str) -> String {
        check(&format!(r#"{{"time_zone":"Europe/Berlin","special_days":[{days}]}}"#))
    }

    #[test]
    fn what_is_wrong_is_named_with_what_it_may_be() {
        assert_eq!(week(r#"{"days":["mon","sun"],"from":"22:00","until":"24:00"}"#), "ok");
        let no_time = "weekly[0].from: must be a time of day from 00:00 to 23:59";
        for from in ["24:00", "7:00", "07:60", "25:00", "07:00:00", "ab:cd", "+7:00", ""] {
            assert_eq!(
                week(&format!(r#"{{"days":["mon"],"from":"{from}","until":"08:00"}}"#)),
                no_time
            );
        }
        let no_time = "weekly[0].until: must be a time of day from 00:00 to 24:00";
        for until in ["24:01", "99:00"] {
            assert_eq!(
                week(&format!(r#"{{"days":["mon"],"from":"07:00","until":"{until}"}}"#)),
                no_time
            );
        }
        for days in ["", r#""mon","mon""#] {
            assert_eq!(
                week(&format!(r#"{{"days":[{days}],"from":"07:00","until":"08:00"}}"#)),
                "weekly[0].days: must name one day or more, each once"
            );
        }
        let no_day = week(r#"{"days":["monday"],"from":"07:00","until":"08:00"}"#);
        assert!(no_day.starts_with("unknown variant `monday`, expected one of `mon`"), "{no_day}");
        let more = week(r#"{"days":["mon"],"from":"07:00","until":"08:00","note":""}"#);
        assert!(more.starts_with("unknown field `note`"), "{more}");
    }

    #[test]
    fn special_days_are_dates_each_once() {
        assert_eq!(special(r#"{"date":"2028-02-29","open":[]}"#), "ok");
        for date in ["2026-02-29", "20261224", "2026-12-24T00:00", "24.12.2026", "-002026-12-24"] {
            assert_eq!(
                special(&format!(r#"{{"date":"{date}","open":[]}}"#)),
                "special_days[0].date: must be a date as 2026-12-24"
            );
        }
        assert_eq!(
            special(
                r#"{"date":"2026-12-25","open":[]},{"date":"2026-12-24","open":[]},{"date":"2026-12-25","open":[]}"#
            ),
            "special_days[2].date: is the same day as special_days[0].date"
        );
        assert_eq!(
            special(r#"{"date":"2026-12-24","open":[{"from":"08:00","until":"8"}]}"#),
            "special_days[0].open[0].until: must be a time of day from 00:00 to 24:00"
        );
    }

    #[test]
    fn counts_are_bounded() {
        let window = r#"{"days":["mon"],"from":"07:00","until":"08:00"}"#;
        assert_eq!(week(&[window; 64].join(",")), "ok");
        assert_eq!(week(&[window; 65].join(",")), "weekly: may have 64 windows at most, has 65");
        let day = |n: usize| format!(r#"{{"date":"{:04}-01-01","open":[]}}"#, 1 + n);
        let days = |n: usize| (0..n).map(day).collect::<Vec<_>>().join(",");
        assert_eq!(special(&days(512)), "ok");
        assert_eq!(special(&days(513)), "special_days: may have 512 days at most, has 513");
        let periods = [r#"{"from":"07:00","until":"08:00"}"#; 9].join(",");
        assert_eq!(
            special(&format!(r#"{{"date":"2026-12-24","open":[{periods}]}}"#)),
            "special_days[0].open: may have 8 periods at most, has 9"
        );
    }

    #[test]
    fn a_time_zone_that_is_not_known_is_an_error_with_what_to_do() {
        for zone in ["Europe/Atlantis", "", "CET-1CEST", "Etc/Unknown"] {
            let error = check(&format!(r#"{{"time_zone":"{zone}"}}"#));
            assert!(error.starts_with("time_zone: is no time zone of the IANA"), "{zone}: {error}");
            assert!(error.ends_with("use a name such as Europe/Berlin or UTC"), "{error}");
        }
    }

    #[test]
    fn text_and_back() {
        let json = r#"{"time_zone":"Asia/Kathmandu","weekly":[{"days":["fri"],"from":"22:00","until":"06:00"}],"special_days":[{"date":"2026-12-24","open":[{"from":"08:00","until":"12:00"}]}]}"#;
        let definition: ScheduleDefinition = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&definition).unwrap(), json);
    }
}
