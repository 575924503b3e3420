//! The days of `access_log`: a table each, attached or set apart.

use jiff::civil::Date;
use serde::Serialize;
use tokio_postgres::{GenericClient, Row};

use crate::Error;

/// One day's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Day {
    /// The day, in UTC.
    pub day: Date,
    /// Its table.
    pub table: String,
    /// Rows, as Postgres estimates them.
    pub rows: i64,
    /// Bytes of the table and its indexes.
    pub bytes: i64,
    /// Where it stands.
    pub state: State,
}

/// How a day's table stands to `access_log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// A part of it.
    Attached,
    /// On its way out: a detach was interrupted.
    Pending,
    /// A table of its own.
    Detached,
}

/// Which days are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retention {
    pub(super) oldest_day: Date,
    pub(super) gone_before: Option<Date>,
    /// Today in UTC, by the database's clock.
    pub(super) today: Date,
}

/// All days, the earliest first.
pub(crate) async fn days(client: &impl GenericClient) -> Result<Vec<Day>, Error> {
    let rows = client.query(include_str!("sql/days.sql"), &[]).await?;
    Ok(rows.iter().filter_map(Day::read).collect())
}

impl State {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Attached => "attached",
            Self::Pending => "pending",
            Self::Detached => "detached",
        }
    }
}

impl Day {
    /// None where the digits of the name are no day: somebody else's table.
    fn read(row: &Row) -> Option<Self> {
        let table: String = row.get("name");
        let day = day_of(&table)?;
        let state = match (row.get("is_partition"), row.get("is_pending")) {
            (false, _) => State::Detached,
            (true, true) => State::Pending,
            (true, false) => State::Attached,
        };
        Some(Self { day, table, rows: row.get("rows"), bytes: row.get("bytes"), state })
    }
}

impl Retention {
    pub(super) async fn read(client: &impl GenericClient) -> Result<Self, Error> {
        let row = client.query_one(include_str!("sql/retention.sql"), &[]).await?;
        let gone_before = row.get::<_, Option<&str>>(1).map(parse).transpose()?;
        Ok(Self { oldest_day: parse(row.get(0))?, gone_before, today: parse(row.get(2))? })
    }
}

fn parse(day: &str) -> Result<Date, Error> {
    day.parse().map_err(|_| Error::Other(format!("the database names a day {day:?}")))
}

/// The day that a table of `access_log` is named for.
pub(super) fn day_of(table: &str) -> Option<Date> {
    let digits = table.strip_prefix("access_log_").filter(|digits| digits.len() == 8)?;
    let year = digits.get(0..4)?.parse().ok()?;
    let month = digits.get(4..6)?.parse().ok()?;
    let day = digits.get(6..8)?.parse().ok()?;
    Date::new(year, month, day).ok()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn tables_are_named_for_days() {
        assert_eq!(day_of("access_log_20160531"), Some(date(2016, 5, 31)));
        for name in ["access_log_20160231", "access_log_2016053", "access_log_2016é31", "collision"]
        {
            assert_eq!(day_of(name), None, "{name}");
        }
    }
}
