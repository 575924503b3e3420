//! An editor for a text, as the environment names it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use uuid::Uuid;

use crate::{Error, output};

/// A text in a file of its own, in a directory that nobody else may enter: editors write copies beside
/// it. Dropped, it goes if it is what it was at first; else it stays, and where it is is said.
#[derive(Debug)]
pub(super) struct Draft {
    directory: PathBuf,
    file: PathBuf,
    /// What it was at first.
    before: String,
    fate: Fate,
}

/// What becomes of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It holds what was written, and nothing else does.
    Tell,
    /// The same, and somebody says so.
    Leave,
    /// Nobody needs it any more.
    Forget,
}

impl Draft {
    /// Writes the file.
    ///
    /// # Errors
    /// The file's own.
    pub(super) fn new(text: &str) -> Result<Self, Error> {
        let name = format!("gatelog-dlq-{}", Uuid::new_v4().simple());
        let directory = std::env::temp_dir().join(name);
        let file = directory.join("event.json");
        let made = DirBuilder::new().mode(0o700).create(&directory);
        made.map_err(|source| Error::File { path: directory.clone(), source })?;
        let draft = Self { directory, file, before: text.to_owned(), fate: Fate::Tell };
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft.file);
        let written = made.and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => Ok(draft),
            Err(source) => {
                let path = draft.file.clone();
                draft.forget();
                Err(Error::File { path, source })
            }
        }
    }

    /// Opens the editor and waits until it is closed; returns the text then.
    ///
    /// # Errors
    /// No editor, one that ended with an error, or a text that is not UTF-8.
    pub(super) fn edit(&self) -> Result<String, Error> {
        open(&self.file)?;
        let unreadable = |source| Error::File { path: self.file.clone(), source };
        let text = String::from_utf8(std::fs::read(&self.file).map_err(unreadable)?);
        text.map_err(|_| Error::Usage("what was written is not UTF-8".to_owned()))
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// Takes the file away.
    pub(super) fn forget(mut self) {
        self.fate = Fate::Forget;
    }

    /// Lets the file be where the caller says where it is.
    pub(super) fn leave(mut self) -> PathBuf {
        self.fate = Fate::Leave;
        self.file.clone()
    }

    fn is_untouched(&self) -> bool {
        std::fs::read(&self.file).is_ok_and(|now| now == self.before.as_bytes())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        match self.fate {
            Fate::Leave => {}
            Fate::Tell if !self.is_untouched() => output::note(&format!(
                "what you wrote is in {0}: put it right there and say --file {0}",
                self.file.display()
            )),
            Fate::Tell | Fate::Forget => {
                // A temporary file that cannot be deleted is the system's to clear.
                let _ = std::fs::remove_dir_all(&self.directory);
            }
        }
    }
}

/// By the shell, since the variable may hold arguments, as `code --wait`.
fn open(path: &Path) -> Result<(), Error> {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| std::env::var(name).ok());
    let editor = named.into_iter().find(|editor| !editor.trim().is_empty());
    let editor = editor.unwrap_or_else(|| "vi".to_owned());
    let mut command = Command::new("sh");
    command.arg("-c").arg(format!("{editor} \"$1\"")).arg("sh").arg(path);
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(Error::Usage(format!(
            "the editor ({editor}) ended with {status}; nothing was changed. EDITOR names another, \
             --set FIELD=VALUE needs none"
        ))),
        Err(error) => Err(Error::Other(format!("sh cannot be started: {error}"))),
    }
}
