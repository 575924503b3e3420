//! A schedule agrees with the plainest reading of its definition: a calendar painted minute by
//! minute, asked with the civil time that jiff gives.

#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use std::collections::HashMap;

use access::{Period, Schedule, ScheduleDefinition, SpecialDay, Weekday, WeeklyWindow};
use jiff::civil::{Date, DateTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, ToSpan};
use proptest::prelude::*;
use schemas::Millis;

const WEEK: [Weekday; 7] = [
    Weekday::Mon,
    Weekday::Tue,
    Weekday::Wed,
    Weekday::Thu,
    Weekday::Fri,
    Weekday::Sat,
    Weekday::Sun,
];

/// The definition, read day by day.
struct Model<'a> {
    definition: &'a ScheduleDefinition,
    painted: HashMap<Date, Vec<bool>>,
}

impl<'a> Model<'a> {
    fn new(definition: &'a ScheduleDefinition) -> Self {
        Self { definition, painted: HashMap::new() }
    }

    fn is_open(&mut self, at: DateTime) -> bool {
        self.day(at.date())[minute_of(at)]
    }

    /// Which minutes of `date` are open.
    fn day(&mut self, date: Date) -> &[bool] {
        let definition = self.definition;
        self.painted.entry(date).or_insert_with(|| {
            let eve = date.yesterday().unwrap();
            let mut minutes = vec![false; 1440];
            for (from, until) in windows_on(definition, date) {
                minutes[from..until.min(1440)].fill(true);
            }
            if !is_special(definition, date) {
                for (_, until) in windows_on(definition, eve) {
                    minutes[..until.saturating_sub(1440)].fill(true);
                }
            }
            minutes
        })
    }
}

fn minute_of(at: DateTime) -> usize {
    at.hour() as usize * 60 + at.minute() as usize
}

fn is_special(definition: &ScheduleDefinition, date: Date) -> bool {
    definition.special_days.iter().any(|special| special.date == date.to_string())
}

/// The windows that start on `date`, in minutes from its midnight.
fn windows_on(definition: &ScheduleDefinition, date: Date) -> Vec<(usize, usize)> {
    let special = definition.special_days.iter().find(|special| special.date == date.to_string());
    let day = WEEK[date.weekday().to_monday_zero_offset() as usize];
    let written: Vec<(&str, &str)> = match special {
        Some(special) => special.open.iter().map(|p| (&*p.from, &*p.until)).collect(),
        None => {
            let starting = definition.weekly.iter().filter(|window| window.days.contains(&day));
            starting.map(|window| (&*window.from, &*window.until)).collect()
        }
    };
    let minutes = |text: &str| {
        let (hour, minute) = text.split_once(':').unwrap();
        hour.parse::<usize>().unwrap() * 60 + minute.parse::<usize>().unwrap()
    };
    let on_two_days = |(from, until)| {
        let (from, until) = (minutes(from), minutes(until));
        (from, if until <= from { until + 1440 } else { until })
    };
    written.into_iter().map(on_two_days).collect()
}

fn zone(name: &str) -> TimeZone {
    TimeZoneDatabase::bundled().get(name).unwrap()
}

fn civil(zone: &TimeZone, at_s: i64) -> DateTime {
    zone.to_datetime(Timestamp::from_second(at_s).unwrap())
}

fn allows(schedule: &Schedule, at_s: i64) -> bool {
    schedule.allows(Millis::from_unix_ms(at_s * 1000))
}

fn weekly(days: &[Weekday], from: &str, until: &str) -> WeeklyWindow {
    WeeklyWindow { days: days.to_vec(), from: from.into(), until: until.into() }
}

fn special(date: &str, open: &[(&str, &str)]) -> SpecialDay {
    let period =
        |(from, until): &(&str, &str)| Period { from: (*from).into(), until: (*until).into() };
    SpecialDay { date: date.into(), open: open.iter().map(period).collect() }
}

/// Office hours, a night shift, and windows about the hours that clocks are changed at.
fn shifts(time_zone: &str) -> ScheduleDefinition {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let mut special_days = vec![
        special("2011-12-29", &[("20:00", "06:00")]),
        special("2011-12-30", &[("00:00", "24:00")]),
    ];
    for year in 2010..2027 {
        special_days.extend([
            special(&format!("{year}-03-28"), &[("02:15", "03:10"), ("22:00", "04:00")]),
            special(&format!("{year}-12-24"), &[("06:00", "12:00")]),
            special(&format!("{year}-12-25"), &[]),
            special(&format!("{year}-12-31"), &[("18:00", "18:00")]),
        ]);
    }
    ScheduleDefinition {
        time_zone: time_zone.into(),
        weekly: vec![
            weekly(&[Mon, Tue, Wed, Thu], "06:30", "18:00"),
            weekly(&[Fri, Sat], "22:00", "02:30"),
            weekly(&[Sun], "00:01", "01:59"),
            weekly(&[Sun], "02:10", "02:50"),
            weekly(&[Sun, Wed], "23:30", "00:00"),
            weekly(&[Thu], "23:59", "00:01"),
        ],
        special_days,
    }
}

/// Sweeps every minute of two years. jiff is asked every quarter of an hour, and every minute where
/// the clocks are changed in between.
fn sweep_two_years(name: &str, first_year: i16) {
    const QUARTER_S: i64 = 15 * 60;
    let definition = shifts(name);
    let schedule = Schedule::new(&definition).unwrap();
    let mut model = Model::new(&definition);
    let zone = zone(name);
    let start = Timestamp::from_second(0).unwrap().to_zoned(TimeZone::UTC);
    let start = start.with().year(first_year).build().unwrap().timestamp().as_second();
    let mut before = civil(&zone, start);
    for quarter in 0..2 * 365 * 96 {
        let from = start + quarter * QUARTER_S;
        let after = civil(&zone, from + QUARTER_S);
        let changed = after != before + 15.minutes();
        let minutes = (0..15).map(|minute| from + minute * 60);
        let expected: Vec<bool> = if changed {
            minutes.clone().map(|at| model.is_open(civil(&zone, at))).collect()
        } else {
            // Clocks are whole quarters away from UTC, so these minutes lie in one hour.
            model.day(before.date())[minute_of(before)..][..15].to_vec()
        };
        for (at, expected) in minutes.zip(expected) {
            assert_eq!(allows(&schedule, at), expected, "{name} at {at} s");
        }
        before = after;
    }
}

/// One test a zone, so that they run beside one another.
macro_rules! two_years {
    ($($test:ident: $zone:literal from $year:literal;)*) => {
        $(#[test] fn $test() { sweep_two_years($zone, $year); })*
    };
}

two_years! {
    utc: "UTC" from 2024;
    kathmandu: "Asia/Kathmandu" from 2024;
    half_an_hour_of_daylight_saving: "Australia/Lord_Howe" from 2024;
    changes_a_minute_after_midnight: "America/St_Johns" from 2010;
    a_day_left_out: "Pacific/Apia" from 2011;
    daylight_saving_but_in_ramadan: "Africa/Casablanca" from 2024;
    quarter_past_two: "Pacific/Chatham" from 2024;
    winter_time_is_the_exception: "Europe/Dublin" from 2024;
    midnight_left_out: "Asia/Beirut" from 2024;
    two_hours_of_daylight_saving: "Antarctica/Troll" from 2024;
}

const ZONES: [&str; 9] = [
    "America/St_Johns",
    "Africa/Monrovia",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "Pacific/Kwajalein",
    "Africa/Casablanca",
    "Europe/Berlin",
];

fn any_time() -> impl Strategy<Value = (String, String)> {
    let text = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    (0_u16..1440, 0_u16..=1440).prop_map(move |(from, until)| (text(from), text(until)))
}

fn any_definition() -> impl Strategy<Value = ScheduleDefinition> {
    let days = prop::sample::subsequence(WEEK.to_vec(), 1..=7);
    let window =
        (days, any_time()).prop_map(|(days, (from, until))| WeeklyWindow { days, from, until });
    let period = any_time().prop_map(|(from, until)| Period { from, until });
    let open = prop::collection::vec(period, 0..3);
    // Days in a row, so that special ones follow one another.
    let special_days = prop::collection::btree_map(0_i64..20, open, 0..12);
    (
        prop::sample::select(&ZONES[..]),
        prop::collection::vec(window, 0..5),
        prop::sample::select(&[1918_i16, 1999, 2011, 2026, 2099, 2150][..]),
        special_days,
    )
        .prop_map(|(time_zone, weekly, year, special_days)| {
            let first = Date::new(year, 12, 20).unwrap();
            let special_days = special_days
                .into_iter()
                .map(|(day, open)| SpecialDay { date: (first + day.days()).to_string(), open })
                .collect();
            ScheduleDefinition { time_zone: time_zone.into(), weekly, special_days }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Of any definition, in and beyond the years of its table, about the days that are special.
    #[test]
    fn any_schedule_agrees_with_the_model(
        definition in any_definition(), seconds in prop::collection::vec(0_i64..30 * 86_400, 40)
    ) {
        let schedule = Schedule::new(&definition).unwrap();
        let mut model = Model::new(&definition);
        let zone = zone(&definition.time_zone);
        for year in [1918_i16, 1999, 2011, 2026, 2099, 2150] {
            let first = Date::new(year, 12, 15).unwrap().to_zoned(TimeZone::UTC).unwrap();
            for second in &seconds {
                let at = first.timestamp().as_second() + second;
                let local = civil(&zone, at);
                prop_assert_eq!(allows(&schedule, at), model.is_open(local), "at {}", local);
            }
        }
    }
}

/// Moments as people say them, without a model.
#[test]
fn what_people_expect() {
    let berlin = |weekly, special_days| {
        let time_zone = "Europe/Berlin".to_owned();
        Schedule::new(&ScheduleDefinition { time_zone, weekly, special_days }).unwrap()
    };
    let allowed = |schedule: &Schedule, at: &str| schedule.allows(at.parse().unwrap());

    let night = berlin(
        vec![weekly(&WEEK, "22:00", "06:00")],
        vec![special("2026-12-24", &[]), special("2026-12-26", &[("23:00", "01:00")])],
    );
    for (at, expected) in [
        ("2026-12-22T21:59:59.999+01:00", false),
        ("2026-12-22T22:00:00.000+01:00", true),
        ("2026-12-23T05:59:59.999+01:00", true),
        ("2026-12-23T06:00:00.000+01:00", false),
        ("2026-12-23T23:59:59.999+01:00", true),
        ("2026-12-24T00:00:00.000+01:00", false), // the special day cuts the evening before
        ("2026-12-24T23:00:00.000+01:00", false), // and has no evening of its own
        ("2026-12-25T05:00:00.000+01:00", false), // nor what would have been left of it
        ("2026-12-25T22:00:00.000+01:00", true),
        ("2026-12-26T00:30:00.000+01:00", false),
        ("2026-12-27T00:30:00.000+01:00", true), // the special day's own period goes on
        ("2026-12-27T01:00:00.000+01:00", false),
    ] {
        assert_eq!(allowed(&night, at), expected, "{at}");
    }

    let small_hours = berlin(vec![weekly(&[Weekday::Sun], "02:00", "03:00")], vec![]);
    for (at, expected) in [
        ("2026-10-25T02:30:00+02:00", true), // the hour that comes twice
        ("2026-10-25T02:30:00+01:00", true),
        ("2026-10-25T03:00:00+01:00", false),
        ("2026-03-29T01:59:59+01:00", false), // the hour that is left out
        ("2026-03-29T03:00:00+02:00", false),
    ] {
        assert_eq!(allowed(&small_hours, at), expected, "{at}");
    }

    let whole_day = berlin(vec![weekly(&[Weekday::Mon], "08:00", "08:00")], vec![]);
    assert!(allowed(&whole_day, "2026-06-02T07:59:59+02:00"));
    assert!(!allowed(&whole_day, "2026-06-02T08:00:00+02:00"));
    assert!(!berlin(vec![], vec![]).allows(Millis::from_unix_ms(0)));
    assert!(!whole_day.allows(Millis::from_unix_ms(i64::MAX)));
    assert!(!whole_day.allows(Millis::from_unix_ms(i64::MIN)));
}
