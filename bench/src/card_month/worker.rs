//! The worker: `gatelog partitions index`, as operators run it.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::{Child, Command};

use super::{Bench, DAYS};

/// The live day was yesterday: for it not to be over yet, days settle for as long as a day takes.
const SETTLE_S: &str = "86400";

impl Bench {
    pub(super) fn start_worker(&self) -> Result<Child> {
        let program = self.ground.servers.binary("gatelog");
        Command::new(&program)
            .args(["partitions", "index", "--json", "--settle-s", SETTLE_S])
            .env("GATELOG_POSTGRES", &self.database.url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("running {}", program.display()))
    }

    /// Waits for its end, and requires that each day of the month has its index.
    pub(super) async fn finish_worker(&self, worker: Child) -> Result<()> {
        let output = worker.wait_with_output().await?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "gatelog partitions index: {}: {said}", output.status);
        let round: Value = serde_json::from_slice(&output.stdout)?;
        let days = round["days"].as_array().map_or(0, Vec::len);
        ensure!(days == DAYS as usize, "{days} days of {DAYS} were indexed: {round}");
        Ok(())
    }

    pub(super) async fn drop_indexes(&self) -> Result<()> {
        let sql = include_str!("../sql/card_indexes.sql");
        for row in self.client().query(sql, &[]).await? {
            let name: String = row.get(0);
            self.client().batch_execute(&format!("DROP INDEX {name}")).await?;
        }
        Ok(())
    }
}
