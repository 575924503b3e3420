//! What a round has done.

use std::time::Duration;

use jiff::civil::Date;
use serde::Serialize;

use super::{Day, Standing};
use crate::Error;
use crate::output::{self, Table};
use crate::partitions::report::{how_many, size};

/// What one round has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Round {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// The days whose index was made, or would be, the newest first.
    pub days: Vec<Made>,
    /// Days that had theirs.
    pub indexed_before: usize,
    /// Days that are not over yet.
    pub not_over: usize,
}

/// A day whose index was made, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Made {
    /// The day.
    pub day: Date,
    /// Whether what a killed worker had left was in the way.
    pub repaired: bool,
    /// How long it took; none if it was not made.
    pub took_ms: Option<u64>,
    /// Its size; none if it was not made.
    pub bytes: Option<i64>,
}

impl Round {
    pub(super) fn new(dry_run: bool, days: &[Day]) -> Self {
        let count = |standing| days.iter().filter(|day| day.standing == standing).count();
        Self {
            dry_run,
            days: Vec::new(),
            indexed_before: count(Standing::Indexed),
            not_over: count(Standing::Early),
        }
    }

    pub(super) fn print(&self, json: bool) -> Result<(), Error> {
        if json { output::print_json(self) } else { output::print(&self.render()) }
    }

    fn render(&self) -> String {
        let what = if self.dry_run { "to be indexed" } else { "indexed" };
        let mut text = format!(
            "{} {what}, {} before, {} not over yet\n",
            how_many(self.days.len()),
            self.indexed_before,
            self.not_over
        );
        let mut table = Table::new(["day", "size", "took", ""], &[0, 3]);
        for made in &self.days {
            let took =
                made.took_ms.map(|ms| format!("{:.1} s", Duration::from_millis(ms).as_secs_f64()));
            let note = if made.repaired { "left unfinished by an earlier worker" } else { "" };
            table.row([
                made.day.to_string(),
                made.bytes.map(size).unwrap_or_default(),
                took.unwrap_or_default(),
                note.to_owned(),
            ]);
        }
        if !self.days.is_empty() {
            text += &table.render();
        }
        if self.dry_run {
            text += "dry run: nothing was changed\n";
        }
        text
    }
}

impl Made {
    pub(super) fn to_come(day: Date, standing: Standing) -> Self {
        Self { day, repaired: standing == Standing::Broken, took_ms: None, bytes: None }
    }

    pub(super) fn now(day: Date, standing: Standing, took: Duration, bytes: i64) -> Self {
        let took_ms = u64::try_from(took.as_millis()).ok();
        Self { day, repaired: standing == Standing::Broken, took_ms, bytes: Some(bytes) }
    }
}
