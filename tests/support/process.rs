use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{PATIENCE, eventually, variable};

/// One of the product's programs, running. Killed when it is dropped.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    port_file: PathBuf,
}

impl Process {
    /// Starts `program` with `environment`; its log goes to a file in `folder`.
    ///
    /// # Errors
    /// The program is not there: `cargo xtask test` builds it.
    pub fn start(
        program: &str,
        name: &str,
        folder: &Path,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let path = PathBuf::from(variable("GATELOG_BIN_DIR")?).join(program);
        let log = folder.join(format!("{name}.log"));
        let port_file = folder.join(format!("{name}.port"));
        drop(std::fs::remove_file(&port_file));
        let child = Command::new(&path)
            .arg("--port-file")
            .arg(&port_file)
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("starting {}", path.display()))?;
        // In the folder of one of xtask's stacks it ends with the stack at the latest.
        std::fs::write(folder.join(format!("{name}.pid")), child.id().to_string())?;
        Ok(Self { name: name.to_owned(), child, log, port_file })
    }

    /// Address the process listens on, once it does.
    ///
    /// # Errors
    /// It ended, or never listened.
    pub async fn address(&mut self) -> Result<String> {
        let what = format!("{} listens", self.name);
        let found = eventually(&what, async || {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended with {status}");
            }
            let text = std::fs::read_to_string(&self.port_file).unwrap_or_default();
            Ok((!text.is_empty()).then(|| text.trim().to_owned()))
        });
        found.await.with_context(|| self.said())
    }

    /// Text of one of the pages `/healthz`, `/readyz`, `/metrics`, with its status.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn page(&mut self, path: &str) -> Result<(u16, String)> {
        let url = format!("http://{}{path}", self.address().await?);
        let answer = reqwest::get(&url).await.with_context(|| url.clone())?;
        let status = answer.status().as_u16();
        Ok((status, answer.text().await?))
    }

    /// Value of one metric, labels included in `name`; 0 where it has not been counted yet.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn metric(&mut self, name: &str) -> Result<f64> {
        let (_, text) = self.page("/metrics").await?;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.map(str::parse).transpose()?.unwrap_or_default())
    }

    /// Waits until `/readyz` is 200.
    ///
    /// # Errors
    /// It never is.
    pub async fn ready(&mut self) -> Result<()> {
        self.address().await?;
        let what = format!("{} is ready", self.name);
        let started = Instant::now();
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            let (status, why) = self.page("/readyz").await.unwrap_or_default();
            if status == 200 {
                return Ok(());
            }
            if started.elapsed() > PATIENCE {
                bail!("waited in vain until {what}: {why}; it said:\n{}", self.said());
            }
        }
    }

    /// SIGKILL.
    ///
    /// # Errors
    /// It was gone already.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().with_context(|| format!("killing {}", self.name))?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends a signal by its name, as `STOP`, `CONT` or `TERM`. After `STOP` all of it stands still.
    ///
    /// # Errors
    /// It is gone, or goes on.
    pub fn signal(&self, signal: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", signal, &pid]).status()?;
        if !status.success() {
            bail!("SIG{signal} to {}: {status}", self.name);
        }
        // One thread takes the signal; until it comes to run, the others may commit a batch.
        let deadline = Instant::now() + PATIENCE;
        while signal == "STOP" && !self.stands_still()? {
            if Instant::now() > deadline {
                bail!("{} was sent SIGSTOP and goes on", self.name);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Whether each thread is stopped, where the system says so (proc(5), `task/[tid]/stat`).
    fn stands_still(&self) -> Result<bool> {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.child.id())) else {
            return Ok(true);
        };
        for thread in threads {
            // One that has ended meanwhile does nothing more.
            let Ok(stat) = std::fs::read_to_string(thread?.path().join("stat")) else { continue };
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            if !matches!(state, Some('T' | 't' | 'Z' | 'X')) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits for the process to end.
    ///
    /// # Errors
    /// It doesn't.
    pub async fn ended(&mut self) -> Result<ExitStatus> {
        let what = format!("{} ends", self.name);
        eventually(&what, async || Ok(self.child.try_wait()?)).await.with_context(|| self.said())
    }

    /// SIGTERM, and what it ended with.
    ///
    /// # Errors
    /// It doesn't end.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        self.ended().await
    }

    /// Whether it is still running.
    pub fn runs(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// All that it has logged.
    pub fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// How often its log holds `text`.
    pub fn said_times(&self, text: &str) -> usize {
        self.said().matches(text).count()
    }

    /// Waits until its log holds `text`.
    ///
    /// # Errors
    /// It never does.
    pub async fn says(&self, text: &str) -> Result<()> {
        let what = format!("{} says {text:?}", self.name);
        eventually(&what, async || Ok(self.said().contains(text).then_some(())))
            .await
            .with_context(|| self.said())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Gone already is as good.
        drop(self.child.kill());
        drop(self.child.wait());
        if std::thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.said());
        }
    }
}
