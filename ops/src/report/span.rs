//! The days that a report is about.

use jiff::Timestamp;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;

use crate::Error;

/// How long a time a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Length {
    /// One day
    Day,
    /// Monday to Sunday
    Week,
}

/// From a day to before another, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first day.
    pub from: Date,
    /// The day after the last.
    pub until: Date,
    /// How long that is.
    pub length: Length,
}

impl Span {
    /// The day, or the week that it lies in; of none, the last that is over.
    ///
    /// # Errors
    /// A day at the end of time.
    pub fn new(length: Length, of: Option<Date>, now: Timestamp) -> Result<Self, Error> {
        let days = |day: Date, days: i64| {
            day.checked_add(jiff::Span::new().days(days))
                .map_err(|error| Error::Usage(format!("{day}: {error}")))
        };
        let today = now.to_zoned(TimeZone::UTC).date();
        let (from, until) = match length {
            Length::Day => {
                let day = of.map_or_else(|| days(today, -1), Ok)?;
                (day, days(day, 1)?)
            }
            Length::Week => {
                let day = of.map_or_else(|| days(today, -7), Ok)?;
                let since_monday = i64::from(day.weekday().since(Weekday::Monday));
                let monday = days(day, -since_monday)?;
                (monday, days(monday, 7)?)
            }
        };
        Ok(Self { from, until, length })
    }

    /// How many hours it has.
    pub fn hours(self) -> usize {
        match self.length {
            Length::Day => 24,
            Length::Week => 7 * 24,
        }
    }

    /// Its first moment, in ms since 1970.
    pub fn starts_at_ms(self) -> i64 {
        self.from.to_zoned(TimeZone::UTC).map_or(0, |start| start.timestamp().as_millisecond())
    }

    /// As people say it.
    pub fn name(self) -> String {
        match self.length {
            Length::Day => self.from.strftime("%A, %-d %B %Y").to_string(),
            Length::Week => {
                let last = self.until.yesterday().unwrap_or(self.until);
                let first = if (self.from.year(), self.from.month()) == (last.year(), last.month())
                {
                    self.from.strftime("%-d")
                } else {
                    self.from.strftime("%-d %B %Y")
                };
                let week = self.from.iso_week_date().week();
                format!("Week {week}, {first} to {}", last.strftime("%-d %B %Y"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn a_week_begins_on_monday_and_is_the_last_that_is_over() {
        let now: Timestamp = "2016-06-15T10:00:00Z".parse().unwrap();
        let span = |length, of| Span::new(length, of, now).unwrap();
        let week = span(Length::Week, None);
        assert_eq!((week.from, week.until), (date(2016, 6, 6), date(2016, 6, 13)));
        assert_eq!(span(Length::Week, Some(date(2016, 6, 12))), week);
        assert_eq!(week.name(), "Week 23, 6 to 12 June 2016");
        let day = span(Length::Day, None);
        assert_eq!((day.from, day.until), (date(2016, 6, 14), date(2016, 6, 15)));
        assert_eq!(day.name(), "Tuesday, 14 June 2016");
        let other = span(Length::Week, Some(date(2016, 6, 1)));
        assert_eq!(other.name(), "Week 22, 30 May 2016 to 5 June 2016");
        assert_eq!(other.starts_at_ms(), 1_464_566_400_000);
    }
}
