//! The upload, the kill in the middle of it, and the takeover.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::HumanCount;

use crate::interrupt;
use crate::ui;

use super::database::Database;
use super::programs::{self, Gatelog, Imported};
use super::progress::Bars;
use super::services::{self, Services};
use super::site::Site;
use super::{GLANCE, SWIPES};

/// How long nothing may happen.
const STALLED_AFTER: Duration = Duration::from_secs(60);

/// The upload from its first swipe to its last row. Times are microseconds since 1970 by Postgres's
/// clock, which also stamps claims and commits.
pub(crate) struct Upload {
    /// What `gatelog import` says.
    pub(crate) imported: Imported,
    /// What was done to a consumer.
    pub(crate) kill: Kill,
    /// When the other owned all of its partitions.
    pub(crate) taken_over_us: i64,
    /// From when on nothing waited that had waited for the takeover.
    pub(crate) caught_up_us: i64,
    /// When it began.
    pub(crate) began_us: i64,
    /// When the last swipe was applied.
    pub(crate) ended_us: i64,
}

/// The kill.
pub(crate) struct Kill {
    /// Whom it hit.
    pub(crate) victim: String,
    /// The partitions that it owned.
    pub(crate) partitions: Vec<i32>,
    /// Who lives.
    pub(crate) survivor: String,
    /// How many partitions that one owned.
    pub(crate) survivor_partitions: usize,
    /// When.
    pub(crate) at_us: i64,
    /// How far it was.
    pub(crate) progress: Progress,
}

/// How far it is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// Swipes that Kafka has acknowledged.
    pub(crate) acknowledged: u64,
    /// Swipes that have their outcome.
    pub(crate) applied: u64,
}

/// Uploads, kills a consumer half-way and returns once everything is applied.
pub(crate) fn run(
    site: &Site,
    services: &mut Services,
    database: &Database,
    rate: Option<u32>,
) -> Result<Upload> {
    let (_, began_us) = applied(database)?;
    let mut watch = Watch {
        import: programs::import(site, services.gateway(), rate)?,
        services,
        database,
        bars: Bars::new(SWIPES),
        imported: None,
        kill: None,
        taken_over_us: None,
        caught_up_us: None,
        last: Progress { acknowledged: 0, applied: 0 },
        moved: Instant::now(),
    };
    loop {
        if let Some(ended_us) = watch.look()? {
            return watch.into_upload(began_us, ended_us);
        }
        interrupt::sleep(GLANCE)?;
    }
}

struct Watch<'a> {
    import: Gatelog,
    services: &'a mut Services,
    database: &'a Database,
    bars: Bars,
    imported: Option<Imported>,
    kill: Option<Kill>,
    taken_over_us: Option<i64>,
    caught_up_us: Option<i64>,
    last: Progress,
    moved: Instant,
}

impl Watch<'_> {
    /// One look at everything, and what is to be done about it. When it ended, once it has.
    fn look(&mut self) -> Result<Option<i64>> {
        self.services.check()?;
        if self.imported.is_none() {
            self.imported = self.import.poll_answer()?;
        }
        // A gateway that is too busy to say it is asked again.
        let acknowledged = self.services.acknowledged();
        let acknowledged = acknowledged.unwrap_or(self.last.acknowledged);
        let (applied, now_us) = applied(self.database)?;
        self.bars.set(acknowledged, applied);
        let progress = Progress { acknowledged, applied };
        if progress != self.last {
            (self.last, self.moved) = (progress, Instant::now());
        } else if self.moved.elapsed() > STALLED_AFTER {
            let seconds = STALLED_AFTER.as_secs();
            bail!(
                "nothing has moved for {seconds} s: {acknowledged} acknowledged, {applied} applied"
            );
        }

        if self.kill.is_none() && applied >= SWIPES / 2 {
            self.kill(progress)?;
        } else if self.taken_over_us.is_none() {
            self.look_for_takeover()?;
        } else if self.caught_up_us.is_none() && applied >= acknowledged {
            self.caught_up_us = Some(now_us);
        }
        let done = self
            .imported
            .as_ref()
            .is_some_and(|imported| self.caught_up_us.is_some() && applied >= imported.logged);
        Ok(done.then_some(now_us))
    }

    /// Kills the consumer that owns the most.
    fn kill(&mut self, progress: Progress) -> Result<()> {
        let [victim, survivor] = <[_; 2]>::try_from(services::owners(self.database)?)
            .ok()
            .context("the partitions belong to others than the two consumers")?;
        let (_, at_us) = applied(self.database)?;
        self.services.kill(&victim.name)?;
        if progress.applied >= SWIPES {
            bail!("everything was applied before the kill");
        }
        self.bars.print(|| {
            ui::warn(&format!(
                "{} killed (SIGKILL) with {} swipes applied; its {} partitions wait",
                victim.name,
                HumanCount(progress.applied),
                victim.partitions.len()
            ));
        });
        self.kill = Some(Kill {
            victim: victim.name,
            partitions: victim.partitions,
            survivor: survivor.name,
            survivor_partitions: survivor.partitions.len(),
            at_us,
            progress,
        });
        Ok(())
    }

    fn look_for_takeover(&mut self) -> Result<()> {
        let Some(kill) = &self.kill else {
            return Ok(());
        };
        let sql = include_str!("sql/takeover.sql");
        let rows = self.database.query(sql, &[&kill.partitions, &kill.victim])?;
        let Some(row) = rows.first() else {
            return Ok(());
        };
        let taken_over_us: i64 = row.get(0);
        let seconds = (taken_over_us - kill.at_us) as f64 / 1e6;
        let survivor = &kill.survivor;
        self.bars.print(|| {
            ui::done(&format!("{survivor} has taken them over after {seconds:.1} s"));
        });
        self.taken_over_us = Some(taken_over_us);
        Ok(())
    }

    fn into_upload(self, began_us: i64, ended_us: i64) -> Result<Upload> {
        let missing = "the upload ended before its time";
        Ok(Upload {
            imported: self.imported.context(missing)?,
            kill: self.kill.context(missing)?,
            taken_over_us: self.taken_over_us.context(missing)?,
            caught_up_us: self.caught_up_us.context(missing)?,
            began_us,
            ended_us,
        })
    }
}

/// Swipes that have their outcome, and the time by Postgres's clock.
fn applied(database: &Database) -> Result<(u64, i64)> {
    let row = database.query_one(include_str!("sql/progress.sql"), &[])?;
    let applied: i64 = row.get(0);
    Ok((applied.unsigned_abs(), row.get(1)))
}
