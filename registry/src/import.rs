//! Access import: brings schedules, zones, terminals and cards to what a file says, all of it or
//! nothing.
//!
//! Only rows that differ are written, so a file that is imported twice changes nothing the second
//! time and the permission clock stands still. What the file does not name stays as it is. Versions
//! are counted by the tables themselves: whoever edits one of these rows meanwhile meets a conflict.

mod check;
mod csv;
mod file;
mod place;

use std::fmt;
use std::num::NonZeroU32;

use thiserror::Error;
use tokio_postgres::types::Json;
use tokio_postgres::{Client, Row, Transaction};
use versioned::Tries;

use crate::Timestamptz;
use crate::edit::Tally;

pub use check::{Known, check_name};
pub use file::{AccessFile, Antipassback, Card, Lockout, Schedule, Terminal, Zone};
pub use place::Problem;

/// Whether what was found is also written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// Write and commit.
    Apply,
    /// Write, count and roll back.
    Dry,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    /// Schedules of the file.
    pub schedules: Counts,
    /// Zones of the file.
    pub zones: Counts,
    /// Terminals of the file.
    pub terminals: Counts,
    /// Cards of the file; one counts as changed if itself or its zones changed.
    pub cards: Counts,
    /// Cards that keep another `in_force_from` than the file's: it counts at a card's first
    /// registration only, because what was in force is history.
    pub in_force_from_kept: u64,
}

/// What became of one kind of rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counts {
    /// Were not there.
    pub added: u64,
    /// Differed.
    pub changed: u64,
    /// Were as the file says.
    pub unchanged: u64,
}

impl Report {
    /// Whether nothing had to be written.
    pub fn is_unchanged(&self) -> bool {
        [self.schedules, self.zones, self.terminals, self.cards]
            .iter()
            .all(|counts| counts.added == 0 && counts.changed == 0)
    }
}

/// The file cannot be imported; nothing was changed.
#[derive(Debug, Error)]
pub enum Error {
    /// It is not JSON or CSV, lacks a field, has one too many or one of the wrong kind.
    #[error("{0}")]
    Unreadable(Problem),
    /// It contradicts itself or names a zone that does not exist.
    #[error("{}", Problems(.0))]
    Refused(Vec<Problem>),
    /// Somebody kept editing what the import was to write.
    #[error("others keep editing what the file names; nothing was imported: try again")]
    Overtaken,
    /// Postgres' own.
    #[error("importing access: {0}")]
    Postgres(#[from] tokio_postgres::Error),
}

/// Advisory lock that lets one import run at a time, so that two cannot deadlock.
const LOCK: i64 = 7_310_306_019;
/// Problems that an error message lists.
const PROBLEMS_SHOWN_MAX: usize = 20;
/// Tries in all of an import whose rows others edit meanwhile.
const TRIES_MAX: NonZeroU32 = NonZeroU32::MIN.saturating_add(4);

/// Checks `file` against itself and the database, then writes what differs, in one transaction.
///
/// # Errors
/// See [`Error`]; the database is as it was before.
pub async fn apply(client: &mut Client, file: &AccessFile, run: Run) -> Result<Report, Error> {
    apply_counted(client, file, run, &mut Tally::default()).await
}

/// The same; `tally` counts, whatever comes of it.
///
/// # Errors
/// See [`Error`]; the database is as it was before.
pub async fn apply_counted(
    client: &mut Client,
    file: &AccessFile,
    run: Run,
    tally: &mut Tally,
) -> Result<Report, Error> {
    let mut tries = Tries::at_most(TRIES_MAX);
    loop {
        let end = attempt(client, file, run).await;
        if !matches!(end, Err(Error::Overtaken)) {
            return end;
        }
        tally.failures += 1;
        if !tries.again() {
            return end;
        }
        tally.retries += 1;
    }
}

async fn attempt(client: &mut Client, file: &AccessFile, run: Run) -> Result<Report, Error> {
    let transaction = client.transaction().await?;
    // Better an error than a command that hangs behind somebody's forgotten session.
    transaction.batch_execute("SET LOCAL lock_timeout = '30s'").await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    let problems = file.check(&known(&transaction).await?);
    if !problems.is_empty() {
        return Err(Error::Refused(problems));
    }
    let schedules = write_schedules(&transaction, &file.schedules).await?;
    let zones = write_zones(&transaction, &file.zones).await?;
    let terminals = write_terminals(&transaction, &file.terminals).await?;
    let (cards, in_force_from_kept) = write_cards(&transaction, file).await?;
    match run {
        Run::Apply => transaction.commit().await?,
        Run::Dry => transaction.rollback().await?,
    }
    Ok(Report { schedules, zones, terminals, cards, in_force_from_kept })
}

async fn known(transaction: &Transaction<'_>) -> Result<Known, Error> {
    let zones = transaction.query("SELECT zone_id FROM zone", &[]).await?;
    let schedules = transaction.query("SELECT schedule_id FROM schedule", &[]).await?;
    Ok(Known {
        zones: zones.iter().map(|row| row.get(0)).collect(),
        schedules: schedules.iter().map(|row| row.get(0)).collect(),
    })
}

async fn write_schedules(
    transaction: &Transaction<'_>,
    schedules: &[Schedule],
) -> Result<Counts, Error> {
    let ids: Vec<_> = schedules.iter().map(|schedule| schedule.schedule_id.as_str()).collect();
    let definitions: Vec<_> = schedules.iter().map(|schedule| Json(&schedule.definition)).collect();
    let statement = include_str!("sql/import_schedules.sql");
    let row = transaction.query_one(statement, &[&ids, &definitions]).await?;
    Ok(Counts::read(&row, schedules.len()))
}

async fn write_zones(transaction: &Transaction<'_>, zones: &[Zone]) -> Result<Counts, Error> {
    let ids: Vec<_> = zones.iter().map(|zone| zone.zone_id.as_str()).collect();
    let names: Vec<_> = zones.iter().map(|zone| zone.name.as_str()).collect();
    let modes: Vec<_> = zones.iter().map(|zone| zone.mode.as_deref()).collect();
    let rules = zones.iter().map(|zone| zone.antipassback.as_ref());
    let antipassback: Vec<_> =
        rules.clone().map(|rule| rule.map(|rule| rule.enforcement.as_str())).collect();
    let two_way: Vec<_> = rules.clone().map(|rule| rule.map(|rule| rule.two_way)).collect();
    let timed_ms: Vec<_> = rules.map(|rule| rule.and_then(|rule| rule.timed_ms)).collect();
    let says_lockout: Vec<_> = zones.iter().map(|zone| zone.lockout.is_some()).collect();
    let lockouts = zones.iter().map(|zone| zone.lockout.as_ref().and_then(Option::as_ref));
    let denials: Vec<_> = lockouts.clone().map(|lockout| lockout.map(|l| l.denials)).collect();
    let within_ms: Vec<_> = lockouts.clone().map(|lockout| lockout.map(|l| l.within_ms)).collect();
    let for_ms: Vec<_> = lockouts.map(|lockout| lockout.map(|l| l.for_ms)).collect();
    let row = transaction
        .query_one(
            include_str!("sql/import_zones.sql"),
            &[
                &ids,
                &names,
                &modes,
                &antipassback,
                &two_way,
                &timed_ms,
                &says_lockout,
                &denials,
                &within_ms,
                &for_ms,
            ],
        )
        .await?;
    not_overtaken(&row)?;
    Ok(Counts::read(&row, zones.len()))
}

async fn write_terminals(
    transaction: &Transaction<'_>,
    terminals: &[Terminal],
) -> Result<Counts, Error> {
    let ids: Vec<_> = terminals.iter().map(|terminal| terminal.terminal_id.as_str()).collect();
    let zones: Vec<_> = terminals.iter().map(|terminal| terminal.zone_id.as_str()).collect();
    let directions: Vec<_> = terminals.iter().map(|terminal| terminal.direction.as_str()).collect();
    let statement = include_str!("sql/import_terminals.sql");
    let row = transaction.query_one(statement, &[&ids, &zones, &directions]).await?;
    Ok(Counts::read(&row, terminals.len()))
}

async fn write_cards(
    transaction: &Transaction<'_>,
    file: &AccessFile,
) -> Result<(Counts, u64), Error> {
    let cards = &file.cards;
    let ids: Vec<_> = cards.iter().map(|card| card.card_id.as_str()).collect();
    let states: Vec<_> = cards.iter().map(|card| card.state.as_deref()).collect();
    let valid_from: Vec<_> = cards.iter().map(|card| card.valid_from.map(Timestamptz)).collect();
    let valid_until: Vec<_> = cards.iter().map(|card| card.valid_until.map(Timestamptz)).collect();
    let zones: Vec<_> = cards.iter().map(Card::zones_in_order).collect();
    let in_force_from: Vec<_> = cards
        .iter()
        .map(|card| card.in_force_from.or(file.in_force_from).map(Timestamptz))
        .collect();
    let says_schedule: Vec<_> = cards.iter().map(|card| card.schedule_id.is_some()).collect();
    let schedules: Vec<_> = cards.iter().map(|card| card.schedule_id.clone().flatten()).collect();
    let row = transaction
        .query_one(
            include_str!("sql/import_cards.sql"),
            &[
                &ids,
                &states,
                &valid_from,
                &valid_until,
                &zones,
                &in_force_from,
                &says_schedule,
                &schedules,
            ],
        )
        .await?;
    not_overtaken(&row)?;
    Ok((Counts::read(&row, cards.len()), row.get::<_, i64>("in_force_from_kept") as u64))
}

/// What was left alone because somebody had just edited it is read again.
fn not_overtaken(row: &Row) -> Result<(), Error> {
    if row.get("overtaken") { Err(Error::Overtaken) } else { Ok(()) }
}

impl Counts {
    fn read(row: &Row, total: usize) -> Self {
        let added = row.get::<_, i64>("added") as u64;
        let changed = row.get::<_, i64>("changed") as u64;
        Self { added, changed, unchanged: (total as u64).saturating_sub(added + changed) }
    }
}

/// Lists the first few problems, a line each.
struct Problems<'a>(&'a [Problem]);

impl fmt::Display for Problems<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [problem] = self.0 {
            return problem.fmt(f);
        }
        write!(f, "{} problems, nothing was imported:", self.0.len())?;
        for problem in self.0.iter().take(PROBLEMS_SHOWN_MAX) {
            write!(f, "\n{problem}")?;
        }
        match self.0.len().saturating_sub(PROBLEMS_SHOWN_MAX) {
            0 => Ok(()),
            more => write!(f, "\n… and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_list_of_mistakes_is_cut_off() {
        let problem = |n| Problem { path: format!("cards[{n}]"), problem: "is wrong".to_owned() };
        let error = Error::Refused((0..25).map(problem).collect()).to_string();
        assert_eq!(error.lines().count(), 22);
        assert!(error.ends_with("… and 5 more"));
    }
}
