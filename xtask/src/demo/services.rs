//! The gateway and the two consumers of the demo.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Error, Result, anyhow};

use crate::interrupt;
use crate::stack::Server;
use crate::ui;

use super::database::Database;
use super::http;
use super::site::Site;

const READY_WITHIN: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(20);
const CONSUMERS: [&str; 2] = ["consumer-1", "consumer-2"];

/// All three; they stop with this value.
pub(crate) struct Services {
    gateway: Service,
    consumers: Vec<Service>,
}

/// One process.
pub(crate) struct Service {
    name: &'static str,
    server: Server,
    port_file: PathBuf,
    /// `host:port`, once it listens.
    address: String,
    /// Whether it was killed on purpose.
    is_killed: bool,
}

/// A consumer and the partitions that it owns.
pub(crate) struct Owner {
    /// Its name in the group.
    pub(crate) name: String,
    /// Its partitions, in order.
    pub(crate) partitions: Vec<i32>,
}

impl Services {
    /// Starts all and waits until they are ready and both consumers own partitions.
    pub(crate) fn start(site: &Site, database: &Database) -> Result<Self> {
        let mut services = Self {
            gateway: Service::spawn(site, "gatelog-gateway", "gateway")?,
            consumers: CONSUMERS
                .into_iter()
                .map(|name| Service::spawn(site, "gatelog-consumer", name))
                .collect::<Result<_>>()?,
        };
        let until = Instant::now() + READY_WITHIN;
        while let Some(why) = services.not_ready(database)? {
            if Instant::now() > until {
                let seconds = READY_WITHIN.as_secs();
                let error = anyhow!("after {seconds} s: {why}");
                return Err(services.with_logs(&error));
            }
            interrupt::sleep(GLANCE)?;
        }
        Ok(services)
    }

    /// Why not everything is ready yet.
    fn not_ready(&mut self, database: &Database) -> Result<Option<String>> {
        self.check()?;
        for service in self.all() {
            if let Some(why) = service.not_ready() {
                return Ok(Some(format!("{}: {why}", service.name)));
            }
        }
        let owners = owners(database)?;
        if owners.len() < CONSUMERS.len() {
            return Ok(Some("a consumer owns no partition".to_owned()));
        }
        Ok(None)
    }

    /// An error once one has ended that was not killed on purpose.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.all()
            .filter(|service| !service.is_killed)
            .try_for_each(|service| service.server.check().context(service.name))
    }

    /// SIGKILL to a consumer.
    pub(crate) fn kill(&mut self, name: &str) -> Result<()> {
        let consumer = self
            .consumers
            .iter_mut()
            .find(|consumer| consumer.name == name)
            .with_context(|| format!("no consumer is called {name}"))?;
        consumer.is_killed = true;
        consumer.server.kill()
    }

    /// The gateway's address.
    pub(crate) fn gateway(&self) -> &str {
        &self.gateway.address
    }

    /// Names and addresses of the consumers that run.
    pub(crate) fn consumers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.consumers
            .iter()
            .filter(|consumer| !consumer.is_killed)
            .map(|consumer| (consumer.name, consumer.address.as_str()))
    }

    /// Swipes that Kafka has acknowledged to the gateway.
    pub(crate) fn acknowledged(&self) -> Result<u64> {
        let page = http::get(self.gateway(), "/metrics")?;
        let name = "gatelog_gateway_swipes_total{outcome=\"logged\"";
        Ok(http::metric(&page.body, name) as u64)
    }

    /// What the consumer that runs counts.
    pub(crate) fn survivor_metrics(&self) -> Result<String> {
        let (_, address) = self.consumers().next().context("no consumer runs")?;
        Ok(http::get(address, "/metrics")?.body)
    }

    /// An error with the ends of all logs that it does not quote yet.
    pub(crate) fn with_logs(&mut self, error: &Error) -> Error {
        let mut text = format!("{error:#}");
        for service in self.all() {
            let tail = service.server.log_tail();
            if !text.contains(&tail) {
                text = format!("{text}\n{tail}");
            }
        }
        Error::msg(text)
    }

    fn all(&mut self) -> impl Iterator<Item = &mut Service> {
        std::iter::once(&mut self.gateway).chain(&mut self.consumers)
    }
}

impl Drop for Services {
    /// Asks all at once to finish their work, and waits for it.
    fn drop(&mut self) {
        let _spinner = ui::spinner("stopping the gateway and the consumers");
        for service in self.all().filter(|service| !service.is_killed) {
            service.server.terminate();
        }
        for service in self.all().filter(|service| !service.is_killed) {
            // The stack stops what is left.
            drop(service.server.wait_until_ended());
        }
    }
}

impl Service {
    fn spawn(site: &Site, program: &str, name: &'static str) -> Result<Self> {
        // Its path names the stack, so that the process is found again should we be killed.
        let port_file = site.folder().join(format!("{name}.port"));
        let mut command = site.command(program);
        command
            .arg("--port-file")
            .arg(&port_file)
            .env("GATELOG_GATEWAY_HTTP__LISTEN", "127.0.0.1:0")
            .env("GATELOG_CONSUMER_STATUS__LISTEN", "127.0.0.1:0")
            .env("GATELOG_CONSUMER_GROUP__MEMBER", name);
        Ok(Self {
            name,
            server: Server::spawn(site.folder(), name, &command)?,
            port_file,
            address: String::new(),
            is_killed: false,
        })
    }

    fn not_ready(&mut self) -> Option<String> {
        if self.address.is_empty() {
            let address = fs::read_to_string(&self.port_file).unwrap_or_default();
            address.trim().clone_into(&mut self.address);
        }
        if self.address.is_empty() {
            return Some("it does not listen".to_owned());
        }
        match http::get(&self.address, "/readyz") {
            Ok(page) if page.status == 200 => None,
            Ok(page) => Some(page.body.trim().to_owned()),
            Err(error) => Some(format!("{error:#}")),
        }
    }
}

/// Who owns which partitions, the owner of the most first.
pub(crate) fn owners(database: &Database) -> Result<Vec<Owner>> {
    let rows = database.query(include_str!("sql/owners.sql"), &[])?;
    let owners = rows.iter().map(|row| Owner { name: row.get(0), partitions: row.get(1) });
    Ok(owners.collect())
}
