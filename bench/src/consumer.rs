//! The consumer as a process of its own.

use std::collections::VecDeque;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::log::decisions_of;
use crate::servers::Servers;

/// How long it may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Lines of its log that an error shows.
const LINES_SHOWN_MAX: usize = 30;

/// A running consumer; dropped, it is killed.
pub(crate) struct Consumer {
    child: Child,
    pid: u32,
    log: Arc<Mutex<VecDeque<String>>>,
}

impl Consumer {
    /// Starts `gatelog-consumer` as the only member of `group`. Other settings can be given in the
    /// environment, as ever.
    ///
    /// # Errors
    /// The binary cannot be run.
    pub(crate) fn start(
        servers: &Servers,
        database_url: &str,
        topic: &str,
        group: &str,
    ) -> Result<Self> {
        let binary = servers.binary("gatelog-consumer");
        let mut child = Command::new(&binary)
            .env("GATELOG_KAFKA", servers.brokers())
            .env("GATELOG_POSTGRES", database_url)
            .env("GATELOG_CONSUMER_TOPIC__SWIPES", topic)
            .env("GATELOG_CONSUMER_TOPIC__DECISIONS", decisions_of(topic))
            .env("GATELOG_CONSUMER_GROUP__ID", group)
            .env("GATELOG_CONSUMER_STATUS__LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("running {}", binary.display()))?;
        let pid = child.id().context("the consumer has no pid")?;
        let log = Arc::default();
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(keep_last_lines(stderr, Arc::clone(&log)));
        }
        Ok(Self { child, pid, log })
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Checks that it still runs.
    ///
    /// # Errors
    /// It has ended; with the end of its log.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("looking after the consumer")? {
            None => Ok(()),
            Some(status) => bail!("the consumer ended by itself, {status}:\n{}", self.log()),
        }
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("  {line}\n")).collect()
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// It takes too long or says that something was wrong.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.check()?;
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        kill_process(pid.context("the consumer has no pid")?, Signal::TERM)
            .context("sending SIGTERM")?;
        let Ok(status) = timeout(STOP_TIMEOUT, self.child.wait()).await else {
            bail!("the consumer did not stop within {STOP_TIMEOUT:?} of SIGTERM:\n{}", self.log());
        };
        let status = status.context("waiting for the consumer")?;
        ensure!(status.success(), "the consumer stopped with {status}:\n{}", self.log());
        Ok(())
    }
}

async fn keep_last_lines(from: impl AsyncRead + Unpin, log: Arc<Mutex<VecDeque<String>>>) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LINES_SHOWN_MAX {
            log.pop_front();
        }
        log.push_back(line);
    }
}
