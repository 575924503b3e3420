//! Postgres as a plain process.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::command::{run_logged, run_ok};

use super::account::Account;
use super::folder::{Folder, delete_tree};
use super::id::StackId;
use super::options::Size;
use super::postgres_probe::{self, Answer};
use super::server::{self, Server};
use super::state::State;

/// The server's name in the stack's folder.
pub(crate) const NAME: &str = "postgres";

/// User, password (trusted anyway) and database of every stack.
pub(crate) const NAME_IN_POSTGRES: &str = "gatelog";

const SETTINGS: &str = include_str!("../../stack/postgres.conf");

/// A cluster; its server may be started as often as one likes.
pub(crate) struct Cluster {
    folder: PathBuf,
    id: StackId,
    place: Place,
    port: u16,
    size: Size,
}

/// Makes a cluster, starts the server, waits until it answers and makes the database.
pub(crate) fn start(folder: &Folder, binaries: &Path, port: u16, size: Size) -> Result<Cluster> {
    let place = Place::choose(folder, binaries)?;
    let mut initdb = place.program("initdb");
    initdb
        .arg("--pgdata")
        .arg(&place.data)
        .args(["--username", NAME_IN_POSTGRES, "--auth=trust", "--encoding=UTF8"])
        .args(["--locale=C", "--no-sync"]);
    let mut initdb = server::recorded(folder.path(), "initdb", &initdb);
    run_logged(&mut initdb, &folder.path().join("initdb.log")).context("initdb failed")?;
    append(&place.data.join("postgresql.conf"), SETTINGS)?;

    let (folder, id) = (folder.path().to_path_buf(), folder.id().clone());
    let cluster = Cluster { folder, id, place, port, size };
    cluster.serve(Answer::AndHasDatabase)?;
    Ok(cluster)
}

impl Cluster {
    /// Starts the server, on the port and the data that it has, and waits until it answers.
    pub(crate) fn serve(&self, answer: Answer) -> Result<()> {
        let Self { place, port, size, .. } = self;
        let mut serve = place.program("postgres");
        serve.arg("-D").arg(&place.data);
        for setting in [
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            format!("port={port}"),
            format!("shared_buffers={}", size.shared_buffers()),
        ] {
            serve.arg("-c").arg(setting);
        }
        let mut server = Server::spawn(&self.folder, NAME, &serve)?;
        postgres_probe::wait(&mut server, *port, &place.data, answer)
            .context("Postgres did not start")
    }

    /// Sends the server a signal and waits until it is gone. SIGQUIT is `stop -m immediate`.
    pub(crate) fn stop(&self, signal: Signal) -> Result<()> {
        server::stop_one(&self.folder, &self.id, NAME, signal)
    }

    /// Copies the data of a server that is stopped.
    pub(crate) fn copy(&self) -> Result<()> {
        let copy = self.cold_copy();
        delete_tree(&copy)?;
        let mut cp = Command::new("cp");
        cp.arg("-a").arg(&self.place.data).arg(&copy);
        run_ok(&mut server::recorded(&self.folder, "copy", &cp)).context("cannot copy the data")
    }

    /// Puts the copy in the place of the data; the server is stopped. The copy is gone by that.
    pub(crate) fn put_back(&self) -> Result<()> {
        let copy = self.cold_copy();
        if !copy.exists() {
            bail!("no copy of the data was made");
        }
        delete_tree(&self.place.data)?;
        fs::rename(&copy, &self.place.data).context("cannot put the copy back")
    }

    fn cold_copy(&self) -> PathBuf {
        self.place.data.with_extension("copy")
    }
}

/// The URL of a stack's Postgres.
pub(crate) fn url(port: u16) -> String {
    let name = NAME_IN_POSTGRES;
    format!("postgres://{name}:{name}@127.0.0.1:{port}/{name}")
}

/// Where the server's programs and data are, and who runs it.
struct Place {
    account: Account,
    binaries: PathBuf,
    data: PathBuf,
}

impl Place {
    /// The stack's folder; where the server's account cannot reach that (a parent is private to
    /// root), a folder of its own among the temporary files, with a copy of the programs.
    fn choose(folder: &Folder, binaries: &Path) -> Result<Self> {
        let account = Account::choose()?;
        let near =
            account.reaches(&binaries.join("bin/postgres"))? && account.reaches(folder.path())?;
        let (binaries, data) = if near {
            (binaries.to_path_buf(), folder.path().join("pgdata"))
        } else {
            let outside = outside(folder)?;
            let mut copy = Command::new("cp");
            copy.arg("-a").arg(binaries).arg(outside.join(NAME));
            run_ok(&mut server::recorded(folder.path(), "copy", &copy))
                .context("cannot copy Postgres's programs")?;
            (outside.join(NAME), outside.join("pgdata"))
        };
        if !account.reaches(&binaries.join("bin/postgres"))? {
            bail!(
                "the user nobody cannot reach {} to run Postgres there: run this as another user \
                 than root",
                binaries.display()
            );
        }
        fs::create_dir(&data).with_context(|| format!("cannot make {}", data.display()))?;
        account.take(&data)?;
        Ok(Self { account, binaries, data })
    }

    fn program(&self, name: &str) -> Command {
        self.account.command(self.binaries.join("bin").join(name))
    }
}

/// Makes the stack's folder among the temporary files; its state names it before it exists.
fn outside(folder: &Folder) -> Result<PathBuf> {
    let path = std::env::temp_dir().join(format!("gatelog-{}", folder.id()));
    let mut state = State::load(folder.path())?.context("the stack has lost its state file")?;
    state.outside.push(path.clone());
    state.save(folder.path())?;
    fs::create_dir(&path)
        .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o755)))
        .with_context(|| format!("cannot make {}", path.display()))?;
    Ok(path)
}

fn append(path: &Path, text: &str) -> Result<()> {
    OpenOptions::new()
        .append(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))
}
