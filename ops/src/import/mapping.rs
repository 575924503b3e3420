//! Which column of a CSV file means what.

use std::borrow::Cow;

use csv::StringRecord;
use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::TimeZone;
use schemas::{Direction, Invalid, Millis, Mode, Submission, check_id};
use serde::Deserialize;

use super::terminal::Template;
use crate::Error;

/// The mapping `vast`, which is also the example to learn from.
pub const VAST: &str = include_str!("vast.toml");
/// The format that stands for RFC 3339 with an offset.
const RFC_3339: &str = "rfc3339";

/// Which column of a CSV file means what; written as TOML. Columns are named by the header line,
/// without the spaces around a name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// Column with the card.
    pub card: String,
    /// Id of the terminal, from columns: `f{floor}-z{zone}`.
    pub terminal: Template,
    /// Way through the door of every line; none where each terminal serves one direction.
    pub direction: Option<Direction>,
    /// How every line was read; `offline` where it is absent.
    #[serde(default = "offline")]
    pub mode: Mode,
    /// What stands between two columns.
    #[serde(default = "comma")]
    pub delimiter: char,
    /// When the card was read.
    pub time: Time,
}

/// When the card was read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Time {
    /// Column with the time.
    pub column: String,
    /// `rfc3339`, or conversions as `%Y-%m-%d %H:%M:%S`.
    #[serde(default = "rfc_3339")]
    pub format: String,
    /// IANA name of the zone that the times are in, where they name no offset themselves.
    #[serde(default = "utc")]
    pub zone: String,
    /// What to do with a time that its zone had twice or never, when clocks were changed.
    #[serde(default)]
    pub ambiguous: Ambiguous,
}

/// What to do with a time that its zone had twice or never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ambiguous {
    /// Report the line as unreadable.
    #[default]
    Refuse,
    /// Take the earlier of the two moments.
    Earlier,
    /// Take the later one.
    Later,
}

impl Mapping {
    /// Reads a mapping: `vast`, or the text of a TOML file.
    ///
    /// # Errors
    /// [`Error::Usage`] with the key that is wrong.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let wrong = |path: &str, problem: &str| Error::Usage(format!("mapping: {path}: {problem}"));
        let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
            Error::Usage(format!("mapping: {e}").trim_end().to_owned())
        })?;
        let mapping: Self = serde_path_to_error::deserialize(toml::Value::Table(table))
            .map_err(|error| wrong(&error.path().to_string(), error.inner().message()))?;
        if !mapping.delimiter.is_ascii() || "\"\r\n".contains(mapping.delimiter) {
            return Err(wrong("delimiter", "must be one ASCII character, and no quote"));
        }
        mapping.time.zone()?;
        Ok(mapping)
    }

    /// The mapping for files with this header line.
    ///
    /// # Errors
    /// [`Error::Usage`] for a column that the header does not have, or has twice.
    pub(super) fn bind(self, header: &StringRecord) -> Result<Reader, Error> {
        let column = |name: &str| {
            let mut places = header.iter().enumerate().filter(|(_, title)| *title == name);
            match (places.next(), places.next()) {
                (Some((index, _)), None) => Ok(index),
                (None, _) => {
                    let titles: Vec<_> = header.iter().collect();
                    let problem = format!(
                        "the file has no column {name:?}; its header line is: {}",
                        titles.join(", ")
                    );
                    Err(Error::Usage(problem))
                }
                _ => Err(Error::Usage(format!("the file has two columns {name:?}"))),
            }
        };
        Ok(Reader {
            card: column(&self.card)?,
            time: column(&self.time.column)?,
            terminal: self.terminal.bind(column)?,
            zone: self.time.zone()?,
            columns: header.len(),
            mapping: self,
        })
    }
}

impl Time {
    fn zone(&self) -> Result<TimeZone, Error> {
        TimeZone::get(&self.zone)
            .map_err(|error| Error::Usage(format!("mapping: time.zone: {error}")))
    }
}

/// A mapping that knows where the columns are.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    mapping: Mapping,
    card: usize,
    time: usize,
    terminal: super::terminal::Bound,
    zone: TimeZone,
    columns: usize,
}

impl Reader {
    /// The swipe of one line.
    ///
    /// # Errors
    /// Names the column that cannot be read; `$` is the line as a whole.
    pub(super) fn submission<'a>(
        &self,
        record: &'a StringRecord,
    ) -> Result<Submission<'a>, Invalid> {
        if record.len() != self.columns {
            let problem = format!("has {} columns, the header has {}", record.len(), self.columns);
            return Err(Invalid::new("$", problem));
        }
        let card = &record[self.card];
        check_id(&self.mapping.card, card)?;
        let terminal = self.terminal.fill(record)?;
        check_id("terminal", &terminal)?;
        Ok(Submission {
            event_id: None,
            card_id: Cow::Borrowed(card),
            terminal_id: Cow::Owned(terminal),
            terminal_epoch: None,
            terminal_seq: None,
            occurred_at: self.time(&record[self.time])?,
            age_ms: None,
            direction: self.mapping.direction,
            mode: self.mapping.mode,
            local_decision: None,
        })
    }

    fn time(&self, text: &str) -> Result<Millis, Invalid> {
        let Time { column, format, ambiguous, .. } = &self.mapping.time;
        if format == RFC_3339 {
            return text.parse().map_err(|problem: &str| Invalid::new(column, problem));
        }
        let other = || Invalid::new(column, format!("is not a time in the format {format}"));
        let parts = BrokenDownTime::parse(format, text).map_err(|_| other())?;
        let timestamp = match parts.offset() {
            Some(_) => parts.to_timestamp().map_err(|_| other())?,
            None => {
                let local = parts.to_datetime().map_err(|_| other())?;
                let moment = self.zone.to_ambiguous_timestamp(local);
                let moment = match ambiguous {
                    Ambiguous::Refuse => moment.unambiguous(),
                    Ambiguous::Earlier => moment.earlier(),
                    Ambiguous::Later => moment.later(),
                };
                let zone = &self.mapping.time.zone;
                moment.map_err(|_| {
                    let problem = format!(
                        "is a time that {zone} had twice or never, because clocks were changed \
                         (see time.ambiguous)"
                    );
                    Invalid::new(column, problem)
                })?
            }
        };
        millis(timestamp).ok_or_else(|| Invalid::new(column, "may have milliseconds at most"))
    }
}

fn millis(timestamp: Timestamp) -> Option<Millis> {
    let whole = timestamp.subsec_nanosecond() % 1_000_000 == 0;
    whole.then(|| Millis::from_unix_ms(timestamp.as_millisecond()))
}

fn offline() -> Mode {
    Mode::Offline
}

fn comma() -> char {
    ','
}

fn rfc_3339() -> String {
    RFC_3339.to_owned()
}

fn utc() -> String {
    "UTC".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(fields: &[&str]) -> StringRecord {
        fields.iter().copied().collect()
    }

    fn vast() -> Reader {
        let header = record(&["timestamp", "type", "prox-id", "floor", "zone"]);
        Mapping::parse(VAST).unwrap().bind(&header).unwrap()
    }

    fn problem(fields: &[&str]) -> String {
        vast().submission(&record(fields)).unwrap_err().to_string()
    }

    #[test]
    fn a_line_of_vast() {
        let line = record(&["2016-05-31 00:05:00", "fixed-prox", "earpa001", "3", "Server Room"]);
        let swipe = vast().submission(&line).unwrap();
        assert_eq!(
            serde_json::to_value(&swipe).unwrap(),
            serde_json::json!({
                "card_id": "earpa001", "terminal_id": "vast-f3-zserver-room",
                "occurred_at": "2016-05-31T00:05:00.000Z", "direction": "in", "mode": "offline"
            })
        );
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let time = "2016-05-31 00:05:00";
        assert_eq!(
            problem(&["31.05.2016", "", "a", "1", "1"]),
            "timestamp: is not a time in the format %Y-%m-%d %H:%M:%S"
        );
        assert_eq!(problem(&[time, "", "a"]), "$: has 3 columns, the header has 5");
        assert!(problem(&[time, "", "", "1", "1"]).starts_with("prox-id: has 0 bytes"));
        assert_eq!(problem(&[time, "", "a", "1", "-"]), "zone: has no letter or digit");
        assert!(problem(&[time, "", "a", "1", &"x".repeat(60)]).starts_with("terminal: has 69"));
    }

    #[test]
    fn other_formats_and_zones() {
        let read = |time: &str, value: &str| {
            let text = format!("card = 'c'\nterminal = 'door'\n[time]\ncolumn = 't'\n{time}");
            let reader = Mapping::parse(&text).unwrap().bind(&record(&["t", "c"])).unwrap();
            match reader.submission(&record(&[value, "4711"])) {
                Ok(swipe) => swipe.occurred_at.to_string(),
                Err(invalid) => invalid.problem,
            }
        };
        assert_eq!(read("", "2016-05-31T02:00:00+02:00"), "2016-05-31T00:00:00.000Z");
        let berlin = "format = '%d.%m.%Y %H:%M'\nzone = 'Europe/Berlin'";
        assert_eq!(read(berlin, "31.05.2016 02:00"), "2016-05-31T00:00:00.000Z");
        assert!(read(berlin, "30.10.2016 02:30").contains("twice or never"));
        let later = format!("{berlin}\nambiguous = 'later'");
        assert_eq!(read(&later, "30.10.2016 02:30"), "2016-10-30T01:30:00.000Z");
        let offset = "format = '%Y-%m-%d %H:%M:%S%.f %z'";
        assert_eq!(read(offset, "2016-05-31 02:00:00.5 +0200"), "2016-05-31T00:00:00.500Z");
        assert_eq!(read(offset, "2016-05-31 02:00:00.0005 +0200"), "may have milliseconds at most");
    }

    #[test]
    fn mistakes_in_a_mapping_are_named() {
        let good = "card = 'c'\nterminal = 'd{x}'\n[time]\ncolumn = 't'\n";
        for (text, wanted) in [
            ("card = 'c'", "missing field `terminal`"),
            (&good.replace("card", "crad"), "crad"),
            (&good.replace("d{x}", "d{x"), "mapping: terminal:"),
            (&good.replace("d{x}", ""), "mapping: terminal:"),
            (&format!("{good}zone = 'Mars'"), "mapping: time.zone:"),
            (&format!("delimiter = 'ü'\n{good}"), "mapping: delimiter:"),
            ("card = ", "mapping: "),
        ] {
            let error = Mapping::parse(text).unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        let bind = |header: &[&str]| {
            Mapping::parse(good).unwrap().bind(&record(header)).unwrap_err().to_string()
        };
        assert_eq!(bind(&["c", "t"]), r#"the file has no column "x"; its header line is: c, t"#);
        assert_eq!(bind(&["c", "t", "x", "c"]), r#"the file has two columns "c""#);
    }
}
