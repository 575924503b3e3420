//! Which events have a number that another has.

use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::Transaction;

use crate::{Error, Reused};

/// Numbers of which new events of a day have one that others of one and the same day have.
#[derive(Debug, Default)]
pub(crate) struct Wanted<'g> {
    terminal_ids: Vec<&'g str>,
    epochs: Vec<i32>,
    seqs: Vec<i64>,
    /// When the new events were, and perhaps others between them.
    span: Option<(Millis, Millis)>,
}

impl<'g> Wanted<'g> {
    pub(crate) fn add(
        &mut self,
        (terminal_id, epoch): (&'g str, i32),
        (from, to): (Millis, Millis),
        seqs: impl Iterator<Item = i64>,
    ) {
        let (earliest, latest) = self.span.unwrap_or((from, to));
        self.span = Some((earliest.min(from), latest.max(to)));
        for seq in seqs {
            self.terminal_ids.push(terminal_id);
            self.epochs.push(epoch);
            self.seqs.push(seq);
        }
    }

    /// Looks those events up and writes a conflict for each: a look at all rows of the other day, and
    /// at those of the span. Rows are looked for in the tables of the days alone: a lock on the whole
    /// `access_log` would stand in the way of whoever takes a day out of it.
    pub(crate) async fn name(
        &self,
        transaction: &Transaction<'_>,
        day: i32,
        other_day: i32,
    ) -> Result<Vec<Reused>, Error> {
        let Some((from, to)) = self.span else { return Ok(Vec::new()) };
        let tables = transaction
            .query_one(include_str!("sql/tables_of_days.sql"), &[&day, &other_day])
            .await?;
        let (Some(own), Some(other)): (Option<&str>, Option<&str>) = (tables.get(0), tables.get(1))
        else {
            // What was there is gone with its day.
            return Ok(Vec::new());
        };
        let sql =
            include_str!("sql/name_conflicts.sql").replace("{own}", own).replace("{other}", other);
        let (from, to) = (Timestamptz(from), Timestamptz(to));
        let rows = transaction
            .query(&sql, &[&self.terminal_ids, &self.epochs, &self.seqs, &from, &to, &other_day])
            .await?;
        let reused = rows.iter().map(|row| Reused { terminal_id: row.get(0), events: row.get(1) });
        Ok(reused.collect())
    }
}
