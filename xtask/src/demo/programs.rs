//! The commands of `gatelog` that the demo runs, and their answers.

use std::fs;
use std::path::PathBuf;
use std::process::ExitStatus;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::command::{Running, tail};
use crate::interrupt;

use super::GLANCE;
use super::site::Site;

/// What `gatelog setup` has done.
#[derive(Deserialize)]
pub(crate) struct Setup {
    /// Migrations that were missing.
    pub(crate) migrations_applied: u64,
    /// The topics.
    pub(crate) topics: Vec<Topic>,
}

/// One topic.
#[derive(Deserialize)]
pub(crate) struct Topic {
    /// Its partitions.
    pub(crate) partitions: u64,
}

/// What `gatelog access import` has done.
#[derive(Deserialize)]
pub(crate) struct Registered {
    /// Zones.
    pub(crate) zones: Changes,
    /// Terminals.
    pub(crate) terminals: Changes,
    /// Cards.
    pub(crate) cards: Changes,
}

/// What changed of one kind.
#[derive(Deserialize)]
pub(crate) struct Changes {
    /// New ones.
    pub(crate) added: u64,
}

/// What `gatelog import` has done.
#[derive(Deserialize)]
pub(crate) struct Imported {
    /// Lines that stand in the log.
    pub(crate) logged: u64,
    /// How long the upload took.
    pub(crate) seconds: f64,
    /// Lines logged in a second.
    pub(crate) per_second: f64,
}

/// What `gatelog verify` has found.
#[derive(Deserialize)]
pub(crate) struct Verified {
    /// Whether the tables are what the log says.
    pub(crate) ok: bool,
    /// Events that were compared.
    pub(crate) events: u64,
    /// Events without an outcome.
    pub(crate) missing: u64,
    /// Events with more than one.
    pub(crate) doubled: u64,
    /// Events whose outcome says something else.
    pub(crate) altered: u64,
    /// The first of what is wrong, one by one.
    pub(crate) findings: Vec<serde_json::Value>,
}

/// A command under way.
pub(crate) struct Gatelog {
    running: Running,
    name: &'static str,
    out: PathBuf,
    err: PathBuf,
}

/// `gatelog setup`: schema and topics.
pub(crate) fn setup(site: &Site) -> Result<Setup> {
    Gatelog::start(site, "setup", &["--keep-from", "2016-01-01"])?.answer()
}

/// `gatelog access import`: cards, zones and terminals of the data.
pub(crate) fn register(site: &Site) -> Result<Registered> {
    let file = site.file("demo/access.json");
    Gatelog::start(site, "access", &["import", &file.to_string_lossy()])?.answer()
}

/// `gatelog import`: the upload, under way.
pub(crate) fn import(site: &Site, gateway: &str, rate: Option<u32>) -> Result<Gatelog> {
    let (file, url) = (site.file("demo/prox-fixed.csv"), format!("http://{gateway}"));
    let file = file.to_string_lossy();
    let mut arguments = vec![&*file, "--mapping", "vast", "--gateway", &url];
    let rate = rate.map(|rate| rate.to_string());
    if let Some(rate) = &rate {
        arguments.extend(["--rate", rate]);
    }
    Gatelog::start(site, "import", &arguments)
}

/// `gatelog verify`: the tables against the log. What it finds wrong is in the answer.
pub(crate) fn verify(site: &Site) -> Result<Verified> {
    let mut verify = Gatelog::start(site, "verify", &[])?;
    let status = verify.wait()?;
    match status.code() {
        Some(0 | 1) => verify.read(),
        _ => Err(verify.failed(status)),
    }
}

impl Gatelog {
    fn start(site: &Site, name: &'static str, arguments: &[&str]) -> Result<Self> {
        let out = site.folder().join(format!("gatelog-{name}.json"));
        let err = site.folder().join(format!("gatelog-{name}.log"));
        let mut command = site.command("gatelog");
        command.arg("--json").arg(name).args(arguments);
        let running = Running::start(&mut command, &out, &err)?;
        Ok(Self { running, name, out, err })
    }

    /// What it answered, once it has; that it failed is an error.
    pub(crate) fn poll_answer<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        match self.running.poll()? {
            None => Ok(None),
            Some(status) if status.success() => self.read().map(Some),
            Some(status) => Err(self.failed(status)),
        }
    }

    fn answer<T: DeserializeOwned>(mut self) -> Result<T> {
        let status = self.wait()?;
        if status.success() { self.read() } else { Err(self.failed(status)) }
    }

    fn wait(&mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.running.poll()? {
                return Ok(status);
            }
            interrupt::sleep(GLANCE)?;
        }
    }

    fn read<T: DeserializeOwned>(&self) -> Result<T> {
        let name = self.name;
        let text = fs::read_to_string(&self.out)
            .with_context(|| format!("cannot read what `gatelog {name}` said"))?;
        match serde_json::from_str(&text) {
            Ok(answer) => Ok(answer),
            Err(error) => bail!("`gatelog {name}` answers otherwise ({error}): {text}"),
        }
    }

    fn failed(&self, status: ExitStatus) -> anyhow::Error {
        let (out, err) = (tail(&self.out), tail(&self.err));
        anyhow::anyhow!("`gatelog {}` ended with {status}\n{err}\n{out}", self.name)
    }
}
