//! DuckDB, from PyPI, reads the files; Postgres says what must be in them.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{Bench, VIEW};

/// What pip installs; the version is fixed, so that a figure is of it.
const PACKAGE: &str = "duckdb==2.0.1";
const READ: &str = include_str!("read.py");
const WANTED: &str = include_str!("../sql/lake_days.sql");

impl Bench<'_> {
    /// DuckDB's version, once it has found what Postgres has.
    pub(super) async fn read_with_duckdb(&self) -> Result<String> {
        let python = python(&self.ground.servers.binary("").join("../duckdb"))?;
        let files = self.folder.join(VIEW).join("*/*.parquet");
        let read = said(Command::new(python).args(["-c", READ]).arg(&files))?;
        let (version, days) = read.split_once('\n').context("DuckDB said nothing")?;
        let rows = self.database.client.query(WANTED, &[]).await.context("counting the view")?;
        let wanted: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        ensure!(
            days.lines().eq(wanted.iter().map(String::as_str)),
            "DuckDB reads\n{days}Postgres has\n{}",
            wanted.join("\n")
        );
        Ok(version.to_owned())
    }
}

/// A Python of our own that has DuckDB; pip fetches it the first time.
fn python(folder: &Path) -> Result<PathBuf> {
    let python = folder.join("bin/python");
    let has_it = || said(Command::new(&python).args(["-c", "import duckdb; print('yes')"])).is_ok();
    if !has_it() {
        said(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
            .context("python3 with venv is needed to read files with DuckDB")?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE];
        said(Command::new(&python).args(pip)).context("pip could not fetch DuckDB")?;
    }
    Ok(python)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    if !output.status.success() {
        let error = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {error}", output.status);
    }
    String::from_utf8(output.stdout).context("what is no text")
}
