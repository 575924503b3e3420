//! What a stack's folder says about it, for the runs that find it later.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::options::Purpose;

const FILE: &str = "stack.json";

/// The state file of a stack. The pids of its servers lie beside it, in files of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    /// Whether it outlives the process that started it.
    pub(crate) purpose: Purpose,
    /// Whether its start is complete.
    pub(crate) ready: bool,
    /// The port of its own Kafka on 127.0.0.1, if it has one; 0 until one is chosen.
    pub(crate) kafka: Option<u16>,
    /// The port of its own Postgres, likewise.
    pub(crate) postgres: Option<u16>,
    /// Whether its parts are containers.
    pub(crate) compose: bool,
    /// Folders of its own that lie elsewhere.
    pub(crate) outside: Vec<PathBuf>,
}

impl State {
    /// A stack with nothing started yet, of the parts it is to have.
    pub(crate) fn new(purpose: Purpose, kafka: bool, postgres: bool) -> Self {
        Self {
            purpose,
            ready: false,
            kafka: kafka.then_some(0),
            postgres: postgres.then_some(0),
            compose: false,
            outside: Vec::new(),
        }
    }

    /// Reads the state of a folder; `None` where it has none.
    pub(crate) fn load(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .with_context(|| format!("{} is no state file", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Writes the state as a whole or not at all.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(FILE);
        let draft = folder.join("stack.json.new");
        let bytes = serde_json::to_vec_pretty(self).context("cannot write a state as JSON")?;
        fs::write(&draft, bytes)
            .and_then(|()| fs::rename(&draft, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Whether it is a complete stack of `up`, which stays until `down`.
    pub(crate) fn is_kept(&self) -> bool {
        self.purpose == Purpose::Up && self.ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let folder = std::env::temp_dir().join(format!("gatelog-state-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(State::load(&folder).unwrap(), None);
        let mut state = State::new(Purpose::Up, true, false);
        state.kafka = Some(9092);
        state.save(&folder).unwrap();
        assert_eq!(State::load(&folder).unwrap(), Some(state));
        fs::remove_dir_all(&folder).unwrap();
    }
}
