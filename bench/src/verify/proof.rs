//! One run of `gatelog verify`.

use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use tokio::process::Command;

use super::Bench;

/// What of the report matters here.
#[derive(Deserialize)]
struct Proof {
    ok: bool,
    events: u64,
    outcomes: u64,
}

impl Bench {
    /// Runs `gatelog verify` to its end, and requires that it has proved everything; in seconds, from
    /// the start of the process to its end.
    pub(super) async fn prove(&self) -> Result<f64> {
        let servers = &self.ground.servers;
        let program = servers.binary("gatelog");
        let started = Instant::now();
        let output = Command::new(&program)
            .args(["verify", "--json"])
            .env("GATELOG_KAFKA", servers.brokers())
            .env("GATELOG_POSTGRES", &self.database.url)
            .env("GATELOG_OPS_TOPIC__SWIPES", &self.log.topic)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .with_context(|| format!("running {}", program.display()))?;
        let seconds = started.elapsed().as_secs_f64();

        let said = String::from_utf8_lossy(&output.stderr);
        let proof: Proof = serde_json::from_slice(&output.stdout).with_context(|| {
            format!("gatelog verify, {}, gave no report: {said}", output.status)
        })?;
        let events = self.workload.len() as u64;
        ensure!(
            proof.ok && output.status.success() && proof.events == events,
            "gatelog verify, {}, proved {} of {events} events: {said}",
            output.status,
            proof.events
        );
        ensure!(proof.outcomes == events, "it found {} of {events} outcomes", proof.outcomes);
        Ok(seconds)
    }
}
