//! Metrics of a program that is gone before anybody could ask it for them: a file in Prometheus' text
//! format, for the textfile collector of node_exporter.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use prometheus::{Registry, TextEncoder};

/// Longest time to wait for others that write into the same folder.
const PATIENCE: Duration = Duration::from_secs(2);

/// Adds what `registry` has counted to the file: a counter that began anew with each run would say
/// nothing. A gauge says what it says now; of what this run knows nothing of, it says nothing.
///
/// Whoever reads the file sees it as it was or as it is: it is written beside and renamed.
///
/// # Errors
/// The file cannot be read or written, or holds something else; it is as it was then.
pub fn add(path: &Path, registry: &Registry) -> io::Result<()> {
    let new = TextEncoder::new().encode_to_string(&registry.gather()).map_err(io::Error::other)?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Held until it is dropped: between reading and renaming nobody else writes.
    let _lock = lock(folder)?;
    let before = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let mut families = parse(&before).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "it holds something else than metrics")
    })?;
    families.retain(|family| family.kind != Kind::Gauge);
    // What the encoder writes can be read.
    for family in parse(&new).unwrap_or_default() {
        merge(&mut families, family);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = folder.join(format!(".{name}.{}", std::process::id()));
    let written = fs::write(&beside, render(&families)).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // It may not have come to be.
        drop(fs::remove_file(&beside));
    }
    written
}

fn lock(folder: &Path) -> io::Result<File> {
    let folder = File::open(folder)?;
    let started = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) => return Ok(folder),
            Err(TryLockError::WouldBlock) if started.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// All samples of one name.
#[derive(Debug)]
struct Family<'t> {
    name: &'t str,
    kind: Kind,
    /// Its lines of HELP and TYPE.
    head: Vec<&'t str>,
    /// Name and labels, and the value.
    samples: Vec<(&'t str, f64)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Only ever grows, as all series of a histogram do.
    Count,
    Gauge,
}

/// Reads what [`render`] or Prometheus' encoder wrote; none if it is not that.
fn parse(text: &str) -> Option<Vec<Family<'_>>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name, rest) = (words.next()?, words.next()?, words.next()?);
            if families.last().is_none_or(|family| family.name != name) {
                let (head, samples) = (Vec::new(), Vec::new());
                families.push(Family { name, kind: Kind::Count, head, samples });
            }
            let family = families.last_mut()?;
            family.head.push(line);
            match (what, rest) {
                ("TYPE", "counter" | "histogram") => family.kind = Kind::Count,
                ("TYPE", "gauge") => family.kind = Kind::Gauge,
                ("HELP", _) => {}
                _ => return None,
            }
        } else {
            let (series, value) = line.rsplit_once(' ')?;
            families.last_mut()?.samples.push((series, value.parse().ok()?));
        }
    }
    Some(families)
}

fn merge<'t>(families: &mut Vec<Family<'t>>, new: Family<'t>) {
    let Some(family) = families.iter_mut().find(|family| family.name == new.name) else {
        families.push(new);
        return;
    };
    family.head = new.head;
    for (series, more) in new.samples {
        match family.samples.iter_mut().find(|(known, _)| *known == series) {
            Some((_, value)) => *value += more,
            None => family.samples.push((series, more)),
        }
    }
}

fn render(families: &[Family<'_>]) -> String {
    let mut text = String::new();
    for family in families {
        family.head.iter().for_each(|line| text += &format!("{line}\n"));
        family.samples.iter().for_each(|(series, value)| text += &format!("{series} {value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimistic_lock::{FailureReason, OptimisticLock};

    /// A folder of the test's own, which goes with it.
    struct Folder(std::path::PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = format!("gatelog-textfile-{name}-{}", std::process::id());
            let folder = std::env::temp_dir().join(folder);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn run(path: &Path, operation: &'static str, retries: u32) {
        let registry = Registry::new();
        let lock = OptimisticLock::register(&registry).unwrap();
        (0..retries).for_each(|_| lock.failed(operation, FailureReason::VersionMismatch));
        lock.done(operation, retries);
        add(path, &registry).unwrap();
    }

    #[test]
    fn runs_add_up_and_each_name_stands_once() {
        let folder = Folder::new("runs");
        let path = folder.0.join("gatelog.prom");
        run(&path, "grant", 2);
        run(&path, "revoke", 0);
        run(&path, "grant", 1);
        let text = fs::read_to_string(&path).unwrap();
        for line in [
            "optimistic_lock_failure_total{operation=\"grant\",reason=\"version_mismatch\"} 3",
            "optimistic_lock_failure_rate{operation=\"grant\"} 1",
            "optimistic_lock_retry_count_bucket{operation=\"grant\",le=\"0\"} 0",
            "optimistic_lock_retry_count_bucket{operation=\"grant\",le=\"1\"} 1",
            "optimistic_lock_retry_count_bucket{operation=\"grant\",le=\"+Inf\"} 2",
            "optimistic_lock_retry_count_sum{operation=\"grant\"} 3",
            "optimistic_lock_retry_count_count{operation=\"revoke\"} 1",
        ] {
            assert_eq!(text.lines().filter(|found| *found == line).count(), 1, "{line}:\n{text}");
        }
        assert!(!text.contains("rate{operation=\"revoke\"}"), "nobody knows it now:\n{text}");
        let types = text.lines().filter(|line| line.starts_with("# TYPE")).count();
        assert_eq!(types, 3, "{text}");
        assert_eq!(fs::read_dir(&folder.0).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn runs_at_once_lose_nothing() {
        let folder = Folder::new("at-once");
        let path = folder.0.join("gatelog.prom");
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| run(&path, "grant", 1));
            }
        });
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("retry_count_count{operation=\"grant\"} 16\n"), "{text}");
    }

    #[test]
    fn what_is_no_file_of_metrics_stays_as_it_is() {
        let folder = Folder::new("other");
        let path = folder.0.join("notes.txt");
        for text in ["to do\n", "# buy milk today\n", "a 1\n"] {
            fs::write(&path, text).unwrap();
            let registry = Registry::new();
            OptimisticLock::register(&registry).unwrap().done("grant", 0);
            let error = add(&path, &registry).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
