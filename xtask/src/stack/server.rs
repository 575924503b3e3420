//! Server processes: started so that they outlive us, found again and stopped by pid.
//!
//! A server writes its own pid file before it becomes the server (`echo $$`, then `exec`), so there
//! is no moment at which it runs unrecorded. A pid counts as ours only while its command line names
//! the stack.

use std::fs::{self, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::command::tail;

use super::id::StackId;

/// How long a server may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// The same for one that is stopped in good order, to be started again.
const STOP_ONE_WITHIN: Duration = Duration::from_secs(30);

/// How long a new process may take to write its pid file: one `echo` of a shell.
const RECORD_WITHIN: Duration = Duration::from_secs(10);

/// How long a killed process may take to be gone.
const KILL_WITHIN: Duration = Duration::from_secs(5);

const GLANCE: Duration = Duration::from_millis(5);

/// A server that we started.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

/// A server ended before it was ready.
#[derive(Debug)]
pub(crate) struct Ended(String);

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Ended {}

impl Server {
    /// Starts `command` (program, arguments, environment and working directory) as the server
    /// `name` of the stack in `folder`. Only with the stack's id in its arguments is it found again. Output goes to `NAME.log`, the pid to `NAME.pid`.
    pub(crate) fn spawn(folder: &Path, name: &str, command: &Command) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        // What it said before it was restarted stays.
        let out = OpenOptions::new().append(true).create(true).open(&log);
        let out = out.with_context(|| format!("cannot write {}", log.display()))?;
        // The pid of an earlier start would be taken for this one's.
        let recorded_before = pid_file(folder, name);
        if recorded_before.exists() {
            fs::remove_file(recorded_before).context("cannot delete a pid file")?;
        }
        let err = out.try_clone().context("cannot share a log file")?;
        let mut child = recorded(folder, name, command)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        // Until it has, a stop would miss it.
        let until = Instant::now() + RECORD_WITHIN;
        while read_pid(&pid_file(folder, name)).is_none() && matches!(child.try_wait(), Ok(None)) {
            if Instant::now() > until {
                // Nobody else can stop it.
                let _ = child.kill();
                bail!("{name} does not write its pid file");
            }
            std::thread::sleep(GLANCE);
        }
        Ok(Self { child, log })
    }

    /// [`Ended`] once the server has.
    pub(crate) fn check(&mut self) -> Result<()> {
        match self.child.try_wait().context("cannot wait for a server")? {
            None => Ok(()),
            Some(status) => {
                Err(Ended(format!("the server ended with {status}\n{}", tail(&self.log))).into())
            }
        }
    }

    /// SIGKILL: it is gone when this returns.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.child.kill().context("cannot kill a server")?;
        self.child.wait().context("cannot wait for a server")?;
        Ok(())
    }

    /// Asks it to end (SIGTERM).
    pub(crate) fn terminate(&self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // An error means that it has ended.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits for the end of a server that was asked to; one that doesn't in time is killed.
    pub(crate) fn wait_until_ended(&mut self) -> Result<ExitStatus> {
        let until = Instant::now() + STOP_WITHIN;
        while Instant::now() < until {
            if let Some(status) = self.child.try_wait().context("cannot wait for a server")? {
                return Ok(status);
            }
            std::thread::sleep(GLANCE);
        }
        // It may have ended just now.
        let _ = self.child.kill();
        self.child.wait().context("cannot wait for a server")
    }

    /// The end of its log, for an error.
    pub(crate) fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

/// The same program, arguments, environment and working directory, with the pid in the file `NAME.pid` of the
/// stack's folder. Also for helpers that end by themselves: a killed run may leave one at work.
pub(crate) fn recorded(folder: &Path, name: &str, command: &Command) -> Command {
    let mut recorded = Command::new("/bin/sh");
    recorded
        .args(["-c", r#"echo $$ > "$0" && exec "$@""#])
        .arg(pid_file(folder, name))
        .arg(command.get_program())
        .args(command.get_args())
        .current_dir(command.get_current_dir().unwrap_or(folder));
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => recorded.env(name, value),
            None => recorded.env_remove(name),
        };
    }
    recorded
}

fn pid_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.pid"))
}

fn read_pid(file: &Path) -> Option<Pid> {
    fs::read_to_string(file).ok()?.trim().parse().ok().and_then(Pid::from_raw)
}

/// The servers and helpers of the stack in `folder` that run.
fn running(folder: &Path, id: &StackId) -> Result<Vec<(Pid, Signal)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).context("cannot list a stack's folder"),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.context("cannot list a stack's folder")?.path();
        if path.extension().is_none_or(|extension| extension != "pid") {
            continue;
        }
        let Some(pid) = read_pid(&path) else {
            continue;
        };
        if is_ours(pid, id) {
            // Postgres: SIGINT disconnects its clients, SIGTERM would wait for them.
            let postgres = path.file_stem().is_some_and(|stem| stem == super::postgres::NAME);
            found.push((pid, if postgres { Signal::INT } else { Signal::TERM }));
        }
    }
    Ok(found)
}

/// How many servers of the stack in `folder` run.
pub(crate) fn count_running(folder: &Path, id: &StackId) -> Result<usize> {
    Ok(running(folder, id)?.len())
}

/// Sends the server `name` a signal that ends it, and waits until it is gone. One that doesn't end
/// in time is killed, which is an error: data that was to be in order may not be.
pub(crate) fn stop_one(folder: &Path, id: &StackId, name: &str, signal: Signal) -> Result<()> {
    let Some(pid) = read_pid(&pid_file(folder, name)).filter(|pid| is_ours(*pid, id)) else {
        bail!("{name} does not run");
    };
    // An error means that it has ended.
    let _ = kill_process(pid, signal);
    let server = [(pid, signal)];
    if wait_until_gone(&server, id, STOP_ONE_WITHIN).is_empty() {
        return Ok(());
    }
    let _ = kill_process(pid, Signal::KILL);
    wait_until_gone(&server, id, KILL_WITHIN);
    bail!("{name} did not end in {} s, and was killed", STOP_ONE_WITHIN.as_secs());
}

/// Stops the servers of the stack in `folder`, all at once; those that don't stop are killed.
pub(crate) fn stop_all(folder: &Path, id: &StackId) -> Result<()> {
    let servers = running(folder, id)?;
    for &(pid, signal) in &servers {
        // An error means that it has ended.
        let _ = kill_process(pid, signal);
    }
    let left = wait_until_gone(&servers, id, STOP_WITHIN);
    for &(pid, _) in &left {
        let _ = kill_process(pid, Signal::KILL);
    }
    let left = wait_until_gone(&left, id, KILL_WITHIN);
    if let Some((pid, _)) = left.first() {
        bail!("process {} does not end, even killed", pid.as_raw_nonzero());
    }
    Ok(())
}

fn wait_until_gone(
    servers: &[(Pid, Signal)],
    id: &StackId,
    within: Duration,
) -> Vec<(Pid, Signal)> {
    let until = Instant::now() + within;
    loop {
        let left: Vec<_> = servers.iter().copied().filter(|(pid, _)| is_ours(*pid, id)).collect();
        if left.is_empty() || Instant::now() > until {
            return left;
        }
        std::thread::sleep(GLANCE);
    }
}

/// Whether a process runs whose command line names the stack.
fn is_ours(pid: Pid, id: &StackId) -> bool {
    command_line(pid).is_some_and(|line| line.contains(id.as_str()))
}

/// The command line is empty for a zombie, and for a moment while a process becomes another
/// program: then a second look tells the two apart.
#[cfg(target_os = "linux")]
fn command_line(pid: Pid) -> Option<String> {
    let file = format!("/proc/{}/cmdline", pid.as_raw_nonzero());
    for _ in 0..5 {
        let bytes = fs::read(&file).ok()?;
        if !bytes.is_empty() {
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

#[cfg(not(target_os = "linux"))]
fn command_line(pid: Pid) -> Option<String> {
    let pid = pid.as_raw_nonzero().to_string();
    let output = Command::new("ps").args(["-ww", "-o", "args=", "-p", &pid]).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(id: &StackId) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("gatelog-server-{id}"));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn sleeper(id: &StackId, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, id.as_str()]);
        command
    }

    #[test]
    fn a_server_is_found_by_its_pid_file_and_stopped() {
        let id = StackId::random().unwrap();
        let folder = folder(&id);
        let command = sleeper(&id, "while :; do sleep 0.1; done");
        let mut server = Server::spawn(&folder, "sleeper", &command).unwrap();
        while count_running(&folder, &id).unwrap() == 0 {
            std::thread::sleep(GLANCE);
        }
        server.check().unwrap();
        stop_all(&folder, &id).unwrap();
        assert_eq!(count_running(&folder, &id).unwrap(), 0);
        assert!(server.check().unwrap_err().is::<Ended>());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_pid_of_another_program_is_left_alone() {
        let id = StackId::random().unwrap();
        let folder = folder(&id);
        fs::write(folder.join("other.pid"), std::process::id().to_string()).unwrap();
        assert_eq!(count_running(&folder, &id).unwrap(), 0);
        stop_all(&folder, &id).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn the_end_of_a_server_quotes_its_log() {
        let id = StackId::random().unwrap();
        let folder = folder(&id);
        let mut server =
            Server::spawn(&folder, "short", &sleeper(&id, "echo no room; exit 1")).unwrap();
        let error = loop {
            if let Err(error) = server.check() {
                break error;
            }
            std::thread::sleep(GLANCE);
        };
        assert!(error.to_string().contains("no room"), "{error}");
        fs::remove_dir_all(folder).unwrap();
    }
}
