//! What the commands print.

use jiff::civil::Date;
use serde::Serialize;
use tokio_postgres::Client;

use super::days::{Day, Retention, State, days};
use super::plan::{Goal, Plan};
use crate::Error;
use crate::operator::Run;
use crate::output::Table;

/// The days of `access_log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct List {
    /// Swipes of days before this one are dead-lettered.
    pub oldest_day: Date,
    /// Days before this one were given up for good; none where none ever was.
    pub gone_before: Option<Date>,
    /// The days, the earliest first.
    pub days: Vec<ListedDay>,
}

/// A day, and whether it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedDay {
    /// The day.
    #[serde(flatten)]
    pub day: Day,
    /// Whether it lies before the oldest day that is kept.
    pub before_oldest_day: bool,
}

/// What is given up, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Days before this one go.
    pub before: Date,
    /// The oldest day that was kept.
    pub oldest_day_was: Date,
    /// The oldest day that is kept then.
    pub oldest_day: Date,
    /// The days that go, as they stood.
    pub days: Vec<Day>,
    /// What goes with them from other tables, as it was counted at first.
    pub sides: Vec<Side>,
    /// The days that were dropped.
    pub dropped: Vec<Dropped>,
    /// Seals that became a part of their partition's base.
    pub seals_folded: i64,
    #[serde(skip)]
    goal: Goal,
}

/// Rows of another table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Side {
    /// The table.
    pub table: &'static str,
    /// How many.
    pub rows: i64,
}

/// A day that was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The day.
    pub day: Date,
    /// Its rows, counted.
    pub rows: i64,
}

impl List {
    pub(super) async fn read(client: &Client) -> Result<Self, Error> {
        let retention = Retention::read(client).await?;
        let listed =
            |day: Day| ListedDay { before_oldest_day: day.day < retention.oldest_day, day };
        let days = days(client).await?.into_iter().map(listed).collect();
        Ok(Self { oldest_day: retention.oldest_day, gone_before: retention.gone_before, days })
    }

    pub(super) fn render(&self) -> String {
        let mut text = format!("{}, kept from {} on", how_many(self.days.len()), self.oldest_day);
        if let Some(gone) = self.gone_before {
            text += &format!("; those before {gone} were given up");
        }
        let mut table = Table::new(["day", "rows, about", "size", "state", "kept"], &[0, 3, 4]);
        for ListedDay { day, before_oldest_day } in &self.days {
            let kept = if *before_oldest_day { "no, older" } else { "yes" };
            table.row([
                day.day.to_string(),
                day.rows.to_string(),
                size(day.bytes),
                day.state.as_str().to_owned(),
                kept.to_owned(),
            ]);
        }
        format!("{text}\n{}", table.render())
    }
}

impl Report {
    pub(super) fn new(plan: &Plan, run: &Run) -> Self {
        Self {
            dry_run: run.is_dry(),
            before: plan.before,
            oldest_day_was: plan.oldest_day,
            oldest_day: plan.oldest_day_then(),
            days: plan.days.clone(),
            sides: Vec::new(),
            dropped: Vec::new(),
            seals_folded: 0,
            goal: plan.goal,
        }
    }

    pub(super) fn render(&self) -> String {
        let what = match (self.goal, self.dry_run) {
            (Goal::Detach, true) => "to be detached",
            (Goal::Detach, false) => "detached",
            (Goal::Drop, true) => "to be dropped",
            (Goal::Drop, false) => "dropped",
        };
        let days = how_many(self.days.len());
        let mut text = format!("{days} before {} {what}\n", self.before);
        let mut table = Table::new(["day", "rows", "size", "was"], &[0, 3]);
        for day in &self.days {
            let counted = self.dropped.iter().find(|dropped| dropped.day == day.day);
            let rows =
                counted.map_or_else(|| format!("about {}", day.rows), |d| d.rows.to_string());
            let state = day.state.as_str().to_owned();
            table.row([day.day.to_string(), rows, size(day.bytes), state]);
        }
        if !self.days.is_empty() {
            text += &table.render();
        }
        for Side { table, rows } in self.sides.iter().filter(|side| side.rows > 0) {
            let s = if *rows == 1 { "" } else { "s" };
            text += &format!("with them {rows} row{s} of {table}\n");
        }
        if self.seals_folded > 0 {
            text += &format!("{} seals became part of the base (log_base)\n", self.seals_folded);
        }
        if self.oldest_day != self.oldest_day_was {
            text += &format!(
                "days are kept from {} on, not from {}: later swipes of days before are dead-lettered\n",
                self.oldest_day, self.oldest_day_was
            );
        }
        if self.dry_run {
            text += "dry run: nothing was changed; --apply --reason \"…\" does it, for good\n";
        } else if self.goal == Goal::Detach && self.days.iter().any(|d| d.state != State::Detached)
        {
            text += "their tables stand as they are; `gatelog partitions drop` takes them away\n";
        }
        text
    }
}

pub(super) fn how_many(days: usize) -> String {
    let s = if days == 1 { "" } else { "s" };
    format!("{days} day{s}")
}

/// Bytes for people.
pub(super) fn size(bytes: i64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    let (mut count, mut unit) = (bytes, 0);
    while count >= 1_024 && unit + 1 < UNITS.len() {
        count /= 1_024;
        unit += 1;
    }
    format!("{count} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_for_people() {
        let sizes = [0, 1_023, 1_024, 5 << 20, 3 << 40].map(size);
        assert_eq!(sizes, ["0 B", "1023 B", "1 kB", "5 MB", "3072 GB"]);
    }
}
