//! The command `gatelog`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

/// `gatelog` in one world.
#[derive(Debug, Clone)]
pub struct Commands {
    pub(super) path: PathBuf,
    pub(super) environment: Vec<(String, String)>,
}

impl Commands {
    /// Runs it with `arguments` to its end: exit code, standard output, standard error.
    ///
    /// # Errors
    /// It can't be started.
    pub async fn run(&self, arguments: &[&str]) -> Result<(i32, String, String)> {
        let mut command = Command::new(&self.path);
        command.args(arguments).envs(self.environment.iter().cloned());
        let output = tokio::task::spawn_blocking(move || command.output())
            .await?
            .with_context(|| format!("running {}", self.path.display()))?;
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        Ok((output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr)))
    }
}
