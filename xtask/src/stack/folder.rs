//! A stack's folder under `target/stacks`, and the lock that says somebody looks after it.
//!
//! The kernel drops the lock with the process that holds it, however that ends. The lock of the
//! whole registry is held only while a folder is made or looked through, so that nobody takes a
//! folder that is just being made for one that was left.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::interrupt;
use crate::paths::Paths;

use super::id::StackId;
use super::state::State;

/// The lock file in a stack's folder.
const LOCK: &str = "lock";

/// How long a folder may fill again while it is deleted.
const DELETE_WITHIN: Duration = Duration::from_secs(5);

/// How often a lock that another run holds, or a deletion, is tried.
const RETRY: Duration = Duration::from_millis(50);

/// A stack's folder, locked.
pub(crate) struct Folder {
    id: StackId,
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Makes the folder of a new stack.
    pub(crate) fn create(paths: &Paths, state: &State) -> Result<Self> {
        let _registry = registry(paths)?;
        let id = StackId::random()?;
        let path = paths.stacks().join(id.as_str());
        fs::create_dir(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let lock = try_lock(&path.join(LOCK), true)?.context("a new folder is locked already")?;
        state.save(&path)?;
        Ok(Self { id, path, _lock: lock })
    }

    /// The folders for which `keep` says no and that nobody looks after, locked.
    pub(crate) fn unattended(paths: &Paths, keep: impl Fn(&Path) -> bool) -> Result<Vec<Self>> {
        if !paths.stacks().exists() {
            return Ok(Vec::new());
        }
        let _registry = registry(paths)?;
        let mut found = Vec::new();
        for (id, path) in Self::list(paths)? {
            // Once before the lock, so as not to hold one that is not ours to hold, and once under
            // it: a start may have been completed in between.
            if keep(&path) {
                continue;
            }
            match try_lock(&path.join(LOCK), false)? {
                Some(_) if keep(&path) => {}
                Some(lock) => found.push(Self { id, path, _lock: lock }),
                // Held, or the last moment of a deletion: then the empty folder may have stayed.
                None => drop(fs::remove_dir(&path)),
            }
        }
        Ok(found)
    }

    /// All stacks that there are.
    pub(crate) fn list(paths: &Paths) -> Result<Vec<(StackId, PathBuf)>> {
        if !paths.stacks().exists() {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for entry in fs::read_dir(paths.stacks()).context("cannot list the stacks")? {
            let entry = entry.context("cannot list the stacks")?;
            if let Some(id) = entry.file_name().to_str().and_then(StackId::parse) {
                found.push((id, entry.path()));
            }
        }
        Ok(found)
    }

    /// Takes over a folder, unless somebody looks after it.
    pub(crate) fn claim(id: StackId, path: PathBuf) -> Result<Option<Self>> {
        let lock = try_lock(&path.join(LOCK), false)?;
        Ok(lock.map(|lock| Self { id, path, _lock: lock }))
    }

    /// The stack's name.
    pub(crate) fn id(&self) -> &StackId {
        &self.id
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the start is complete.
    pub(crate) fn mark_ready(&self) -> Result<()> {
        let mut state = State::load(&self.path)?.context("the stack has lost its state file")?;
        state.ready = true;
        state.save(&self.path)
    }

    /// Empties the folder but for its lock, for another try at a start.
    pub(crate) fn empty(&self) -> Result<()> {
        let entries = fs::read_dir(&self.path).context("cannot list a stack's folder")?;
        for entry in entries {
            let entry = entry.context("cannot list a stack's folder")?;
            if entry.file_name() == LOCK {
                continue;
            }
            let path = entry.path();
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                delete_tree(&path)?;
            } else {
                fs::remove_file(&path)
                    .with_context(|| format!("cannot delete {}", path.display()))?;
            }
        }
        Ok(())
    }

    /// Deletes the folder, its lock last. Its servers must have been stopped.
    pub(crate) fn delete(&self) -> Result<()> {
        self.empty()?;
        delete_tree(&self.path)
    }
}

/// Deletes a folder with all that is in it, if it is there. A child of a process that was just
/// stopped may still write its last file, so a folder that fills again is tried again.
pub(crate) fn delete_tree(path: &Path) -> Result<()> {
    let until = Instant::now() + DELETE_WITHIN;
    loop {
        match fs::remove_dir_all(path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound && !path.exists() => return Ok(()),
            Err(error) if Instant::now() > until => {
                return Err(error).with_context(|| format!("cannot delete {}", path.display()));
            }
            Err(_) => std::thread::sleep(RETRY),
        }
    }
}

/// Waits for a lock file of the registry; the lock goes with the value.
pub(crate) fn wait_for_lock(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    }
    loop {
        if let Some(lock) = try_lock(path, true)? {
            return Ok(lock);
        }
        interrupt::sleep(RETRY)?;
    }
}

fn registry(paths: &Paths) -> Result<File> {
    wait_for_lock(&paths.stacks().join("registry.lock"))
}

/// The lock, unless another process holds it or there is no such file and none is to be made.
fn try_lock(path: &Path, create: bool) -> Result<Option<File>> {
    let file = match OpenOptions::new().read(true).append(true).create(create).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(|| format!("cannot open {}", path.display())),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}
