//! What became of the log: totals, outcomes, and what `gatelog verify` says of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::{Commands, World};
use crate::database::{Outcomes, Totals};
use crate::{eventually, variable};

impl World {
    /// Runs `gatelog` with `arguments` to its end: exit code, standard output, standard error.
    ///
    /// # Errors
    /// It can't be started.
    pub async fn gatelog(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        self.commands()?.run(arguments).await
    }

    /// `gatelog` in this world, for who has nothing else of it.
    ///
    /// # Errors
    /// `GATELOG_BIN_DIR` is not set.
    pub fn commands(&self) -> Result<Commands> {
        let path = PathBuf::from(variable("GATELOG_BIN_DIR")?).join("gatelog");
        Ok(Commands { path, environment: self.environment() })
    }

    /// Runs `gatelog verify --json`; its exit code and report.
    ///
    /// # Errors
    /// It printed no report.
    pub async fn verify(&self) -> Result<(i32, Value)> {
        self.verify_only(&[]).await
    }

    /// The same with further arguments.
    ///
    /// # Errors
    /// It printed no report.
    pub async fn verify_only(&self, arguments: &[&str]) -> Result<(i32, Value)> {
        let arguments = [&["verify", "--json"], arguments].concat();
        let (code, out, err) = self.gatelog(&arguments).await?;
        let report = serde_json::from_str(&out).with_context(|| format!("verify: {out}{err}"))?;
        Ok((code, report))
    }

    /// Requires that `gatelog verify` finds nothing wrong.
    ///
    /// # Errors
    /// It did.
    pub async fn verify_clean(&self) -> Result<()> {
        let (code, report) = self.verify().await?;
        if code != 0 || report["ok"] != Value::Bool(true) {
            bail!("gatelog verify found something (exit code {code}): {report:#}");
        }
        Ok(())
    }

    /// The totals now.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn totals(&self) -> Result<Totals> {
        let sql = "SELECT coalesce(sum(rows), 0)::bigint, coalesce(sum(collisions), 0)::bigint, \
                   coalesce(sum(duplicates), 0)::bigint, coalesce(sum(dead), 0)::bigint, \
                   coalesce(sum(gaps), 0)::bigint FROM consumer_offset";
        let row = self.db.query_one(sql, &[]).await?;
        Ok(Totals {
            rows: row.get(0),
            collisions: row.get(1),
            duplicates: row.get(2),
            dead: row.get(3),
            gaps: row.get(4),
        })
    }

    /// Waits until every record of the log has its outcome; the totals then.
    ///
    /// # Errors
    /// It never has.
    pub async fn caught_up(&self) -> Result<Totals> {
        let length = self.log.len().await?;
        let what = format!("all {length} events have their outcome");
        let reached = eventually(&what, async || {
            let totals = self.totals().await?;
            Ok((totals.all() >= length).then_some(totals))
        });
        match reached.await {
            Ok(totals) => Ok(totals),
            Err(error) => bail!("{error:#}; the totals are {:?}", self.totals().await?),
        }
    }

    /// Waits until the terminals' ledger has what batches left for it, and requires that it says what
    /// rows and collisions say; how many of those share their counter with another.
    ///
    /// # Errors
    /// It does not, or conflicts do not name those that do.
    pub async fn ledger_is_whole(&self) -> Result<i64> {
        let row = eventually("all counters are in the terminals' ledger", async || {
            let row = self.db.query_one(include_str!("ledger.sql"), &[]).await?;
            Ok((row.get::<_, i64>(0) == 0).then_some(row))
        });
        let row = row.await?;
        let (differ, not_named, shared): (i64, i64, i64) = (row.get(1), row.get(2), row.get(3));
        if differ + not_named > 0 {
            bail!(
                "{differ} entries of terminal_ledger are not what the rows say, and of {shared} \
                 events that share their counter {not_named} are named wrongly"
            );
        }
        Ok(shared)
    }

    /// Rows that were committed before a row of the same card that stands earlier in the log.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn disordered(&self) -> Result<i64> {
        let sql = "SELECT count(*) FROM (
            SELECT pg_xact_commit_timestamp(xmin) AS committed,
                   lag(pg_xact_commit_timestamp(xmin))
                       OVER (PARTITION BY card_id ORDER BY log_offset) AS before
            FROM access_log) AS row WHERE committed < before";
        Ok(self.db.query_one(sql, &[]).await?.get(0))
    }

    /// Every (partition, offset) that stands in a table of outcomes, and how often.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn outcomes(&self) -> Result<Outcomes> {
        let sql = "SELECT log_partition, log_offset FROM access_log \
                   UNION ALL SELECT log_partition, log_offset FROM collision \
                   UNION ALL SELECT log_partition, log_offset FROM duplicate_event \
                   UNION ALL SELECT log_partition, log_offset FROM dead_letter";
        let mut outcomes = BTreeMap::new();
        for row in self.db.query(sql, &[]).await? {
            *outcomes.entry((row.get(0), row.get(1))).or_default() += 1;
        }
        Ok(outcomes)
    }

    /// Requires that each of these places in the log has exactly one outcome, and nothing else
    /// has one.
    ///
    /// # Errors
    /// Names the first place where that is not so.
    pub async fn each_has_one_outcome(&self, places: &[(i32, i64)]) -> Result<()> {
        let mut outcomes = self.outcomes().await?;
        for place in places {
            match outcomes.remove(place) {
                Some(1) => {}
                found => bail!("offset {place:?} has {found:?} outcomes, must have one"),
            }
        }
        match outcomes.first_key_value() {
            None => Ok(()),
            Some((place, _)) => bail!("offset {place:?} has an outcome, but was never published"),
        }
    }
}
