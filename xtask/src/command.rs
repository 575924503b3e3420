//! Running other programs so that a signal ends them too.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::interrupt::{self, Interrupted};

/// How long an interrupted program may take to end by itself.
const GRACE: Duration = Duration::from_secs(10);

/// How often a running program is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Lines of a log that an error quotes.
const TAIL_LINES: usize = 15;

/// Runs a program to its end, in a process group of its own: a Ctrl-C reaches xtask alone, which
/// passes it on to the whole group and waits for it.
pub(crate) fn run(command: &mut Command) -> Result<ExitStatus> {
    let mut child = spawn(command)?;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for a program")? {
            return Ok(status);
        }
        if interrupt::requested() {
            end_group(&mut child);
            return Err(Interrupted.into());
        }
        std::thread::sleep(GLANCE);
    }
}

/// Like [`run`], and any exit status but 0 is an error.
pub(crate) fn run_ok(command: &mut Command) -> Result<()> {
    let status = run(command)?;
    if !status.success() {
        bail!("{} ended with {status}", name(command));
    }
    Ok(())
}

/// Like [`run_ok`], with all output in a file, whose end an error quotes.
pub(crate) fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    let out = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let err = out.try_clone().context("cannot share a log file")?;
    let status = run(command.stdout(out).stderr(err))?;
    if !status.success() {
        bail!("{} ended with {status}\n{}", name(command), tail(log));
    }
    Ok(())
}

/// A program under way; its whole group ends with this value.
pub(crate) struct Running {
    child: Child,
    ended: Option<ExitStatus>,
}

impl Running {
    /// Starts it in a group of its own, with standard output and standard error in two files.
    pub(crate) fn start(command: &mut Command, out: &Path, err: &Path) -> Result<Self> {
        let create = |path: &Path| {
            File::create(path).with_context(|| format!("cannot write {}", path.display()))
        };
        let child = spawn(command.stdout(create(out)?).stderr(create(err)?))?;
        Ok(Self { child, ended: None })
    }

    /// How it ended, once it has.
    pub(crate) fn poll(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().context("cannot wait for a program")?;
        }
        Ok(self.ended)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.ended.is_none() {
            end_group(&mut self.child);
        }
    }
}

/// Whether a program exists, ends in time and says 0. Its output is dropped.
pub(crate) fn succeeds(command: &mut Command, within: Duration) -> Result<bool> {
    let mut child = match command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
    {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error).with_context(|| format!("cannot run {}", name(command))),
    };
    let until = Instant::now() + within;
    while Instant::now() < until && !interrupt::requested() {
        if let Some(status) = child.try_wait().context("cannot wait for a program")? {
            return Ok(status.success());
        }
        std::thread::sleep(GLANCE);
    }
    end_group(&mut child);
    interrupt::check()?;
    Ok(false)
}

/// The last lines of a log, indented, under its path.
pub(crate) fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    format!("{} ends with:\n    {}", log.display(), last.join("\n    "))
}

/// The program's name, for messages.
fn name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

fn spawn(command: &mut Command) -> Result<Child> {
    let name = name(command);
    command
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run `{name}`"))
}

/// A program under way that is talked with, a line each way; its whole group ends with this value.
pub(crate) struct Talk {
    child: Child,
    answers: ChildStdin,
    questions: Receiver<String>,
}

/// What came of listening.
pub(crate) enum Heard {
    /// A line.
    Line(String),
    /// The program has ended.
    End(ExitStatus),
}

impl Talk {
    /// Starts it in a group of its own, with standard output and standard input as the line.
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let name = name(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot run `{name}`"))?;
        let answers = child.stdin.take().context("a program without standard input")?;
        let out = child.stdout.take().context("a program without standard output")?;
        let (sender, questions) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, answers, questions })
    }

    /// Waits for the next line, or the end.
    pub(crate) fn listen(&mut self) -> Result<Heard> {
        loop {
            interrupt::check()?;
            match self.questions.recv_timeout(GLANCE) {
                Ok(line) => return Ok(Heard::Line(line)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    let status = self.child.try_wait().context("cannot wait for a program")?;
                    match status {
                        Some(status) => return Ok(Heard::End(status)),
                        None => std::thread::sleep(GLANCE),
                    }
                }
            }
        }
    }

    /// Says a line. A program that no longer listens is about to end, which is heard of next.
    pub(crate) fn say(&mut self, line: &str) {
        let _ = writeln!(self.answers, "{}", line.replace('\n', " | "));
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        end_group(&mut self.child);
    }
}

/// SIGINT to the whole group, then SIGKILL to what is left of it.
fn end_group(child: &mut Child) {
    let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else {
        return;
    };
    // An error means that the group has ended.
    let _ = kill_process_group(group, Signal::INT);
    let until = Instant::now() + GRACE;
    while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
        std::thread::sleep(GLANCE);
    }
    let _ = kill_process_group(group, Signal::KILL);
    let _ = child.wait();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_does_not_succeed() {
        let mut command = Command::new("gatelog-no-such-program");
        assert!(!succeeds(&mut command, Duration::from_secs(5)).unwrap());
    }

    #[test]
    fn a_program_that_hangs_does_not_succeed() {
        let mut command = Command::new("sleep");
        assert!(!succeeds(command.arg("60"), Duration::from_millis(50)).unwrap());
    }

    #[test]
    fn an_exit_status_is_an_error() {
        let error = run_ok(Command::new("sh").args(["-c", "exit 3"])).unwrap_err();
        assert!(error.to_string().contains("exit status: 3"), "{error}");
    }
}
