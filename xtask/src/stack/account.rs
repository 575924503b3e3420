//! Whom Postgres runs as: it refuses root.

use std::os::unix::fs::chown;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::command::succeeds;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// A user of this machine.
pub(crate) enum Account {
    /// Whoever runs xtask.
    Own,
    /// `nobody`, because xtask is run by root.
    Nobody {
        /// Numeric user id.
        uid: u32,
        /// Numeric group id.
        gid: u32,
    },
}

impl Account {
    /// The account for a server that must not be root.
    pub(crate) fn choose() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Own);
        }
        let account = Self::Nobody { uid: nobody("-u")?, gid: nobody("-g")? };
        if !succeeds(&mut account.command("true"), ANSWER_WITHIN)? {
            bail!(
                "Postgres does not run as root, and `setpriv` (of util-linux) cannot change to the \
                 user nobody: run this as another user"
            );
        }
        Ok(account)
    }

    /// A command that this account runs.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        match self {
            Self::Own => Command::new(program),
            Self::Nobody { uid, gid } => {
                let mut command = Command::new("setpriv");
                command
                    .arg(format!("--reuid={uid}"))
                    .arg(format!("--regid={gid}"))
                    .arg("--clear-groups")
                    .arg(program);
                command.current_dir("/");
                command
            }
        }
    }

    /// Whether this account may enter a folder, or execute a program.
    pub(crate) fn reaches(&self, path: &Path) -> Result<bool> {
        match self {
            Self::Own => Ok(true),
            Self::Nobody { .. } => {
                succeeds(self.command("test").arg("-x").arg(path), ANSWER_WITHIN)
            }
        }
    }

    /// Makes this account the owner of a folder.
    pub(crate) fn take(&self, path: &Path) -> Result<()> {
        match *self {
            Self::Own => Ok(()),
            Self::Nobody { uid, gid } => chown(path, Some(uid), Some(gid))
                .with_context(|| format!("cannot give {} to nobody", path.display())),
        }
    }
}

/// `id -u nobody` or `id -g nobody`.
fn nobody(which: &str) -> Result<u32> {
    let output = Command::new("id").args([which, "nobody"]).output().context("cannot run `id`")?;
    String::from_utf8_lossy(&output.stdout).trim().parse().context("there is no user nobody")
}
