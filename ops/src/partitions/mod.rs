//! `gatelog partitions`: the days of `access_log`, indexing those that are over, and giving the oldest up.
//!
//! ```text
//! oldest day moves ─▶ days: detached, concurrently ─▶ duplicates and collisions: summed, deleted
//!   ─▶ each day: summed and dropped in one ─▶ permissions and counters of that age: deleted
//!   ─▶ seals that nothing stands behind: folded into the base
//! ```
//!
//! Each step is a transaction of its own, or what Postgres finishes by itself; whatever is cut off
//! is completed by the same command again, and nothing is summed up twice.

pub(crate) mod days;
mod detach;
mod fold;
pub mod index;
mod plan;
mod report;
mod sums;
mod sweep;

use jiff::civil::Date;

pub use days::{Day, State};
pub use report::{Dropped, List, ListedDay, Report, Side};

use crate::operator::{self, Run};
use crate::settings::Settings;
use crate::{Error, Verdict, output};
use plan::{Goal, Plan};

/// Which days are given up: those before one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Before this day.
    Before(Date),
    /// More than so many days before today, in UTC.
    OlderThan(u32),
}

/// Lists the days.
///
/// # Errors
/// Postgres' own.
pub async fn list(settings: &Settings, json: bool) -> Result<Verdict, Error> {
    let client = crate::connect::postgres(&settings.postgres).await?;
    let list = List::read(&client).await?;
    print(&list, &list.render(), json)
}

/// Takes days out of `access_log`; their tables stay as they are.
///
/// # Errors
/// [`Error::Usage`] for a day that cannot be given up; [`Error::Busy`] where a session stands in the
/// way for too long.
pub async fn detach(
    settings: &Settings,
    until: Until,
    run: &Run,
    json: bool,
) -> Result<Verdict, Error> {
    let mut client = operator::session(&settings.postgres).await?;
    if !run.is_dry() {
        operator::be_alone(&client).await?;
    }
    let plan = Plan::make(&client, until, Goal::Detach).await?;
    if let Run::Apply { reason } = run {
        plan.give_up(&mut client, reason).await?;
        for day in &plan.days {
            detach::detach(&client, day).await?;
        }
    }
    let report = Report::new(&plan, run);
    print(&report, &report.render(), json)
}

/// Drops days, and what stands beside them of the same age; what they held stays as sums.
///
/// # Errors
/// As [`detach`]; and [`Error::Usage`] while a partition is read again: what becomes of its offsets
/// is told by the rows that would go.
pub async fn drop(
    settings: &Settings,
    until: Until,
    run: &Run,
    json: bool,
) -> Result<Verdict, Error> {
    let mut client = operator::session(&settings.postgres).await?;
    if !run.is_dry() {
        operator::be_alone(&client).await?;
    }
    plan::nothing_is_read_again(&client).await?;
    let plan = Plan::make(&client, until, Goal::Drop).await?;
    let mut report = Report::new(&plan, run);
    report.sides = sweep::count(&client, plan.before).await?;
    if let Run::Apply { reason } = run {
        plan.give_up(&mut client, reason).await?;
        for day in &plan.days {
            detach::detach(&client, day).await?;
        }
        sweep::end_of_round(&client).await?;
        // What names a row goes before the row: nothing ever names what is not there.
        sweep::duplicates(&mut client, plan.before).await?;
        sweep::collisions(&mut client, plan.before).await?;
        for day in &plan.days {
            let rows = sums::drop_day(&mut client, day, reason).await?;
            report.dropped.push(Dropped { day: day.day, rows });
        }
        // A consumer that had not looked again may have come upon a row while it was there.
        sweep::duplicates(&mut client, plan.before).await?;
        sweep::collisions(&mut client, plan.before).await?;
        sweep::permissions(&client, plan.before).await?;
        sweep::ledger(&client, plan.before).await?;
        report.seals_folded = fold::fold(&mut client).await?;
    }
    print(&report, &report.render(), json)
}

fn print(value: &impl serde::Serialize, text: &str, json: bool) -> Result<Verdict, Error> {
    if json {
        output::print_json(value)?;
    } else {
        output::print(text)?;
    }
    Ok(Verdict::Fine)
}
