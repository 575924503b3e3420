//! Where things are.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The folders of one checkout.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: PathBuf,
    target: PathBuf,
}

impl Paths {
    /// The checkout that this program was built from, and the target folder that it runs from
    /// (so that `CARGO_TARGET_DIR` and its like are honoured).
    pub(crate) fn discover() -> Result<Self> {
        let manifest_dir = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest_dir.parent().context("xtask lies in no workspace")?.to_path_buf();
        let program = std::env::current_exe().context("cannot tell where this program lies")?;
        let target = program
            .ancestors()
            .nth(2)
            .filter(|dir| dir.join("CACHEDIR.TAG").exists())
            .map_or_else(|| root.join("target"), Path::to_path_buf);
        Ok(Self { root, target })
    }

    /// The root of the checkout.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Where cargo puts the binaries of a profile: `debug` or `release`.
    pub(crate) fn binaries(&self, profile: &str) -> PathBuf {
        self.target.join(profile)
    }

    /// One folder a stack, and the cache of what they are made of.
    pub(crate) fn stacks(&self) -> PathBuf {
        self.target.join("stacks")
    }

    /// The logs of soaks that failed.
    pub(crate) fn soak_logs(&self) -> PathBuf {
        self.target.join("soak")
    }

    /// Unpacked Maven artifacts, kept between stacks.
    pub(crate) fn cache(&self) -> PathBuf {
        self.stacks().join("cache")
    }
}
