//! One run of `gatelog export`.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{Bench, VIEW};

/// What came of it.
pub(super) struct Exported {
    pub(super) seconds: f64,
    pub(super) bytes: u64,
    /// The most memory that it had; none where /proc does not say it.
    pub(super) peak_kib: Option<u64>,
}

impl Bench<'_> {
    pub(super) async fn export(&self) -> Result<Exported> {
        let program = self.ground.servers.binary("gatelog");
        let started = Instant::now();
        let mut child = tokio::process::Command::new(&program)
            .args([
                "export",
                VIEW,
                "--from",
                "2016-06-01",
                "--to",
                "2016-06-04",
                "--again",
                "--json",
            ])
            .arg("--out")
            .arg(&self.folder)
            .env("GATELOG_POSTGRES", &self.database.url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", program.display()))?;
        let status = child.id().map(|id| format!("/proc/{id}/status"));
        let watch = async {
            let mut peak = None;
            // Grows only: what was read last before the end is what counts.
            while let Some(text) =
                status.as_ref().and_then(|path| std::fs::read_to_string(path).ok())
            {
                let Some(read) = high_water(&text) else { break };
                peak = Some(read);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            peak
        };
        let ended = async {
            use tokio::io::AsyncReadExt;
            let mut printed = String::new();
            let mut out = child.stdout.take().context("no standard output")?;
            out.read_to_string(&mut printed).await?;
            let status = child.wait().await?;
            anyhow::Ok((status, printed, started.elapsed().as_secs_f64()))
        };
        let (peak_kib, ended) = tokio::join!(watch, ended);
        let (status, printed, seconds) = ended?;
        ensure!(status.success(), "gatelog export ended with {status}");
        let report: Value = serde_json::from_str(&printed).context("the report of an export")?;
        let rows = report["rows"].as_u64();
        ensure!(rows == Some(u64::from(self.options.rows)), "{rows:?} rows were exported");
        let bytes = report["bytes"].as_u64().context("no bytes in the report")?;
        Ok(Exported { seconds, bytes, peak_kib })
    }
}

/// `VmHWM` of /proc/PID/status, in KiB; a process that has ended has none.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}
