//! Waits for a Postgres that is really ours, and makes its database at the first start.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tokio_postgres::{Config, NoTls};

use crate::interrupt;

use super::postgres::NAME_IN_POSTGRES;
use super::server::Server;

const READY_WITHIN: Duration = Duration::from_secs(60);
const CONNECT_WITHIN: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It answers, and the database is made: its first start.
    AndHasDatabase,
    /// It answers.
    Only,
}

/// Connects until the server answers. Another stack's Postgres at the same port is told by its data
/// folder.
pub(crate) fn wait(server: &mut Server, port: u16, data: &Path, answer: Answer) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot make a runtime")?;
    let until = Instant::now() + READY_WITHIN;
    let mut pause = FIRST_PAUSE;
    loop {
        server.check()?;
        match runtime.block_on(attempt(port, data, answer)) {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > until => {
                bail!("{error:#}, for {} s\n{}", READY_WITHIN.as_secs(), server.log_tail())
            }
            Err(_) => interrupt::sleep(pause)?,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn attempt(port: u16, data: &Path, answer: Answer) -> Result<()> {
    let mut config = Config::new();
    config.host("127.0.0.1").port(port).user(NAME_IN_POSTGRES).dbname("postgres");
    let (client, connection) = tokio::time::timeout(CONNECT_WITHIN, config.connect(NoTls))
        .await
        .context("it does not answer")?
        .context("it refuses a connection")?;
    let connection = tokio::spawn(connection);
    let row = client.query_one("SHOW data_directory", &[]).await.context("it does not answer")?;
    let found: String = row.try_get(0).context("it has no data folder")?;
    if !same_folder(Path::new(&found), data) {
        bail!("another Postgres listens at its port");
    }
    if answer == Answer::AndHasDatabase {
        client
            .batch_execute(&format!("CREATE DATABASE {NAME_IN_POSTGRES}"))
            .await
            .context("its database cannot be made")?;
    }
    drop(client);
    connection.await.context("its connection broke off")?.context("its connection broke off")
}

/// The same path, or two paths to one folder (a link, a `..`).
fn same_folder(one: &Path, other: &Path) -> bool {
    one == other
        || matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_told_apart() {
        let here = std::env::temp_dir();
        assert!(same_folder(&here, &here.join(".")));
        assert!(!same_folder(&here, Path::new("/")));
        assert!(!same_folder(Path::new("/no/such/a"), Path::new("/no/such/b")));
    }
}
