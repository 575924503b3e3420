//! The servers, which belong to `cargo xtask soak`: it is asked over our standard output, a line
//! each way, and answers on our standard input.

use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// How long the parent may take for anything: it has limits of its own, which are shorter.
const ANSWER_WITHIN: Duration = Duration::from_secs(180);

/// The line to the parent.
pub(crate) struct Servers {
    answers: mpsc::UnboundedReceiver<String>,
}

/// Turns true when the parent is gone: whatever was started must end.
pub(crate) type Orphaned = watch::Receiver<bool>;

impl Servers {
    /// Begins to listen.
    pub(crate) fn connect() -> (Self, Orphaned) {
        let (sender, answers) = mpsc::unbounded_channel();
        let (gone, orphaned) = watch::channel(false);
        // A thread of its own: it reads for ever, so that the end of the parent is noticed.
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines() {
                let Ok(line) = line else { break };
                // Nobody waits only where we are about to end.
                drop(sender.send(line));
            }
            gone.send_replace(true);
        });
        (Self { answers }, orphaned)
    }

    /// Asks for something, as `postgres start`, and waits until it is done.
    pub(crate) async fn ask(&mut self, what: &str) -> Result<()> {
        tell(what)?;
        let answer = timeout(ANSWER_WITHIN, self.answers.recv()).await;
        let answer = answer.with_context(|| format!("{what}: no answer from xtask"))?;
        match answer.as_deref() {
            Some("ok") => Ok(()),
            Some(problem) => bail!("{what}: {problem}"),
            None => bail!("{what}: xtask is gone"),
        }
    }
}

/// Tells the parent a line.
pub(crate) fn tell(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("xtask does not listen")
}
