//! Which days are to go, and the step that makes sure that they do not come back.

use jiff::Span;
use jiff::civil::Date;
use serde_json::json;
use tokio_postgres::{Client, GenericClient};

use super::Until;
use super::days::{Day, Retention, State, days};
use crate::Error;
use crate::operator::{self, busy};

/// What is to become of the days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goal {
    Detach,
    Drop,
}

/// Days that are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) goal: Goal,
    /// Days before this one go.
    pub(super) before: Date,
    pub(super) oldest_day: Date,
    /// Whether those days were given up before, and this only completes it.
    pub(super) is_given_up: bool,
    /// The earliest first; for a detach only those that are not detached.
    pub(super) days: Vec<Day>,
}

/// The lock under which `ensure_day` makes days.
const DAYS_LOCK: i64 = 7_310_306_018;

impl Plan {
    pub(super) async fn make(client: &Client, until: Until, goal: Goal) -> Result<Self, Error> {
        let retention = Retention::read(client).await?;
        let before = cut(until, &retention)?;
        let mut days = days(client).await?;
        days.retain(|day| day.day < before && (goal == Goal::Drop || day.state != State::Detached));
        let is_given_up = retention.gone_before.is_some_and(|gone| gone >= before);
        Ok(Self { goal, before, oldest_day: retention.oldest_day, is_given_up, days })
    }

    /// Moves the oldest day: from its commit on nobody makes such a day, and consumers that come
    /// upon one look again and dead-letter its events.
    pub(super) async fn give_up(&self, client: &mut Client, reason: &str) -> Result<(), Error> {
        if self.is_given_up && self.days.is_empty() {
            return Ok(());
        }
        let transaction = client.transaction().await?;
        // Whoever is making a day is through with it.
        let locked = transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&DAYS_LOCK]).await;
        locked.map_err(busy("days of access_log are being made: try again"))?;
        let sql = include_str!("sql/give_up.sql");
        transaction.execute(sql, &[&self.before.to_string()]).await?;
        let action = match self.goal {
            Goal::Detach => "detach_days",
            Goal::Drop => "drop_days",
        };
        let days: Vec<String> = self.days.iter().map(|day| day.day.to_string()).collect();
        let detail = json!({
            "before": self.before.to_string(),
            "oldest_day_was": self.oldest_day.to_string(),
            "days": days,
        });
        operator::record(&transaction, action, reason, &detail).await?;
        Ok(transaction.commit().await?)
    }

    /// The oldest day once this is done.
    pub(super) fn oldest_day_then(&self) -> Date {
        self.oldest_day.max(self.before)
    }
}

/// The first day that stays.
fn cut(until: Until, retention: &Retention) -> Result<Date, Error> {
    let before = match until {
        Until::Before(day) => day,
        Until::OlderThan(days) => {
            Span::new().try_days(days).and_then(|days| retention.today.checked_sub(days)).map_err(
                |_| Error::Usage(format!("--older-than {days}: so many days ago is no day")),
            )?
        }
    };
    if before > retention.today {
        return Err(Error::Usage(format!(
            "days before {before}: today is {} (UTC), and swipes of today must have a place to go to; \
             name today or a day before",
            retention.today
        )));
    }
    Ok(before)
}

/// What becomes of an offset that is read again is told by what stands: that must not go meanwhile.
pub(super) async fn nothing_is_read_again(client: &impl GenericClient) -> Result<(), Error> {
    let sql = "SELECT log_partition FROM consumer_offset WHERE next_offset < applied_to ORDER BY 1";
    let rows = client.query(sql, &[]).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let partitions: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    Err(Error::Usage(format!(
        "partitions {partitions:?} are being read again, which needs the rows of every day: drop days \
         when they are through (consumer_offset.next_offset has come to applied_to)"
    )))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn today_stays() {
        let today = date(2026, 3, 1);
        let retention = Retention { oldest_day: date(2025, 1, 1), gone_before: None, today };
        assert_eq!(cut(Until::OlderThan(1), &retention).unwrap(), date(2026, 2, 28));
        assert_eq!(cut(Until::Before(today), &retention).unwrap(), today);
        assert!(cut(Until::Before(date(2026, 3, 2)), &retention).is_err());
        assert!(cut(Until::OlderThan(u32::MAX), &retention).is_err());
    }
}
