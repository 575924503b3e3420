//! Stopping stacks: our own, that of `up`, and those that killed runs have left.

use anyhow::{Context, Result};

use crate::paths::Paths;
use crate::ui;

use super::compose;
use super::folder::{Folder, delete_tree};
use super::launch::Addresses;
use super::ports;
use super::server;
use super::state::State;

/// Cleans up after runs that were killed. Trouble with one stack is told and stops nothing else.
pub(crate) fn sweep(paths: &Paths) -> Result<()> {
    let left = Folder::unattended(paths, |path| {
        State::load(path).is_ok_and(|state| state.is_some_and(|state| state.is_kept()))
    })?;
    for folder in left {
        match remove(paths, &folder) {
            Ok(()) => ui::note(&format!("cleaned up stack {}, left by a killed run", folder.id())),
            Err(error) => ui::warn(&format!("stack {} stays: {error:#}", folder.id())),
        }
    }
    Ok(())
}

/// Stops a stack's servers and deletes all that it has, but for its folder.
pub(crate) fn stop(paths: &Paths, folder: &Folder) -> Result<()> {
    server::stop_all(folder.path(), folder.id())?;
    let Some(state) = State::load(folder.path()).unwrap_or_default() else {
        return Ok(());
    };
    if state.compose {
        compose::down(paths, folder)?;
    }
    state.outside.iter().try_for_each(|path| delete_tree(path))
}

/// Stops a stack's servers and deletes all that it has.
pub(crate) fn remove(paths: &Paths, folder: &Folder) -> Result<()> {
    stop(paths, folder)?;
    folder.delete()
}

/// The stack that `up` has started, if it runs. One whose servers are gone is cleaned up.
pub(crate) fn find_up(paths: &Paths) -> Result<Option<Addresses>> {
    for (id, path) in Folder::list(paths)? {
        let Some(state) = State::load(&path).unwrap_or_default() else {
            continue;
        };
        if !state.is_kept() {
            continue;
        }
        let parts = state.kafka.iter().chain(&state.postgres);
        let runs = if state.compose {
            parts.copied().all(ports::answers)
        } else {
            server::count_running(&path, &id)? == parts.count()
        };
        if runs {
            return Ok(Some(Addresses::of(&state)));
        }
        let folder = Folder::claim(id, path)?.context("another run holds the stack of `up`")?;
        remove(paths, &folder)?;
        ui::note("the stack of an earlier `up` no longer ran, and was cleaned up");
    }
    Ok(None)
}

/// Stops what `up` has started; `false` if there was nothing.
pub(crate) fn down(paths: &Paths) -> Result<bool> {
    let mut found = false;
    for (id, path) in Folder::list(paths)? {
        if State::load(&path).unwrap_or_default().is_some_and(|state| state.is_kept()) {
            let folder = Folder::claim(id, path)?.context("another run holds the stack of `up`")?;
            let _spinner = ui::spinner("stopping Kafka and Postgres");
            remove(paths, &folder)?;
            found = true;
        }
    }
    Ok(found)
}
