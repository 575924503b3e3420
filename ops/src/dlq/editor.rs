//! An editor for a text, as the environment names it.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use uuid::Uuid;

use crate::Error;

/// Opens `text` and returns what has become of it, and the file that it stands in: nobody but its
/// owner may read it, and whoever calls this takes it away.
///
/// # Errors
/// No editor, or one that ended with an error.
pub(super) fn edit(text: &str) -> Result<(String, PathBuf), Error> {
    let path = std::env::temp_dir().join(format!("gatelog-dlq-{}.json", Uuid::new_v4().simple()));
    let unwritable = |source| Error::File { path: path.clone(), source };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .map_err(unwritable)?;
    file.write_all(text.as_bytes()).map_err(unwritable)?;
    drop(file);
    let edited = open(&path).and_then(|()| std::fs::read_to_string(&path).map_err(unwritable));
    match edited {
        Ok(text) => Ok((text, path)),
        Err(error) => {
            forget(&path);
            Err(error)
        }
    }
}

/// Takes the file away.
pub(super) fn forget(path: &Path) {
    // A temporary file that cannot be deleted is the system's to clear.
    let _ = std::fs::remove_file(path);
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
