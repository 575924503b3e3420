//! Reaching the servers, and waiting until they can be reached.

use std::time::Duration;

use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;
use settings::{Kafka, Postgres};
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, Config, NoTls, config::Host};

use crate::{Error, explain, output};

/// Name under which we show in the servers' lists.
const NAME: &str = "gatelog";
/// Between two tries while a server is waited for.
const PAUSE: Duration = Duration::from_millis(500);
/// How long Kafka may take to answer while it is waited for.
const HELLO_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it may take for any other answer.
pub(crate) const KAFKA_TIMEOUT: Duration = Duration::from_secs(5);

/// A session.
///
/// # Errors
/// Postgres' own.
pub async fn postgres(settings: &Postgres) -> Result<Client, Error> {
    let (client, connection) = settings.connect_config(NAME)?.connect(NoTls).await?;
    // If the connection breaks, the client's next statement says so.
    tokio::spawn(connection);
    Ok(client)
}

/// A session, as soon as there can be one.
///
/// # Errors
/// [`Error::Waited`] after `patience`; at once what waiting does not heal, such as a wrong password
/// or a database that does not exist.
pub async fn wait_for_postgres(settings: &Postgres, patience: Duration) -> Result<Client, Error> {
    let address = address(&settings.connect_config(NAME)?);
    let mut waiting = Waiting::new("Postgres", address, patience);
    loop {
        match postgres(settings).await {
            Ok(client) => return Ok(client),
            Err(Error::Postgres(error)) if is_passing(&error) => {
                waiting.go_on(explain(&error)).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Returns as soon as Kafka answers.
///
/// # Errors
/// [`Error::Waited`] after `patience`.
pub async fn wait_for_kafka(settings: &Kafka, patience: Duration) -> Result<(), Error> {
    let mut waiting = Waiting::new("Kafka", settings.brokers.clone(), patience);
    let admin = std::sync::Arc::new(admin(settings)?);
    loop {
        let asked = std::sync::Arc::clone(&admin);
        let answer = tokio::task::spawn_blocking(move || {
            asked.inner().fetch_metadata(None, HELLO_TIMEOUT).map(drop)
        });
        match answer.await? {
            Ok(()) => return Ok(()),
            Err(error) => waiting.go_on(Error::from(error).to_string()).await?,
        }
    }
}

/// A client for Kafka's administration.
pub(crate) fn admin(settings: &Kafka) -> Result<AdminClient<DefaultClientContext>, Error> {
    Ok(settings.client_config(NAME).create()?)
}

/// Says once that it waits, and gives up in time.
struct Waiting {
    server: &'static str,
    address: String,
    patience: Duration,
    until: Instant,
    has_said_so: bool,
}

impl Waiting {
    fn new(server: &'static str, address: String, patience: Duration) -> Self {
        Self { server, address, patience, until: Instant::now() + patience, has_said_so: false }
    }

    async fn go_on(&mut self, last: String) -> Result<(), Error> {
        let (server, address, seconds) = (self.server, &self.address, self.patience.as_secs());
        if Instant::now() + PAUSE >= self.until {
            let address = address.clone();
            return Err(Error::Waited { server, address, seconds, last });
        }
        if !self.has_said_so {
            self.has_said_so = true;
            output::note(&format!("waiting up to {seconds} s for {server} at {address}"));
        }
        sleep(PAUSE).await;
        Ok(())
    }
}

/// Whether a server that starts up may answer so: no connection yet, or class 57 (it is starting).
fn is_passing(error: &tokio_postgres::Error) -> bool {
    match error.code() {
        Some(code) => code.code().starts_with("57") || code.code().starts_with("53"),
        None => true,
    }
}

/// `host:port/database`, without user and password.
fn address(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(index, host)| {
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        match host {
            Host::Tcp(name) => format!("{name}:{port}"),
            Host::Unix(path) => format!("{}:{port}", path.display()),
        }
    });
    let hosts: Vec<String> = hosts.collect();
    let database = config.get_dbname().or(config.get_user());
    format!("{}/{}", hosts.join(","), database.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_no_password() {
        let config = "postgres://me:hunter2@a:1,b:2/gatelog".parse().unwrap();
        assert_eq!(address(&config), "a:1,b:2/gatelog");
    }
}
