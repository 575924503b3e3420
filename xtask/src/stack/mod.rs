//! A running Kafka and Postgres for one purpose, with data of its own.
//!
//! Each part comes from the first of these that there is: a server named by `GATELOG_KAFKA` or
//! `GATELOG_POSTGRES` (used as it is, never stopped); Docker compose, where an engine answers; the
//! same versions as Maven artifacts, run as plain processes.
//!
//! A [`Stack`] stops with the value, also after an error or Ctrl-C. If this process is killed, the
//! next run of xtask finds the stack's folder with nobody holding its lock, and [`sweep`]s it.

mod account;
mod artifacts;
mod compose;
mod folder;
mod id;
mod kafka;
mod kafka_probe;
mod kafka_topics;
mod kafka_wire;
mod launch;
mod named;
mod options;
mod ports;
mod postgres;
mod postgres_probe;
mod server;
mod state;
mod sweep;

use std::time::Instant;

use anyhow::{Context, Result};

use crate::paths::Paths;
use crate::ui;

use self::kafka::{Broker, Proxied};
use self::launch::{Addresses, Servers};
use self::named::Named;
use self::options::Purpose;
use self::postgres::Cluster;
use self::state::State;

pub(crate) use self::folder::{Folder, wait_for_lock};
pub(crate) use self::kafka_topics::delete_topics;
pub(crate) use self::named::first_named;
pub(crate) use self::options::{Size, StackOptions};
pub(crate) use self::postgres_probe::Answer;
pub(crate) use self::server::{Server, recorded};
pub(crate) use self::sweep::{down, find_up, sweep};

/// Where a proxy before Kafka finds it, for tests.
const KAFKA_BEHIND_PROXY: &str = "GATELOG_TEST_KAFKA_BEHIND_PROXY";

/// Where that proxy must listen: the broker tells clients that come by it so.
const KAFKA_PROXY: &str = "GATELOG_TEST_KAFKA_PROXY";

/// Kafka and Postgres, ready for use.
pub(crate) struct Stack {
    kafka: Part,
    postgres: Part,
    /// What ends with this value; nothing for servers that stay.
    own: Option<Own>,
    servers: Servers,
}

/// Where one of the two is, and whether it was there before us.
struct Part {
    address: String,
    is_named: bool,
}

/// A folder, and the servers in it that are ours to stop.
struct Own {
    paths: Paths,
    folder: Folder,
    /// Whether the servers stay when this value goes.
    stays: bool,
}

impl Stack {
    /// Starts what is not named by the environment and waits until it answers.
    pub(crate) fn start(paths: &Paths, options: StackOptions) -> Result<Self> {
        let named = Named::from_environment()?;
        named.announce();
        let all_named = named.kafka.is_some() && named.postgres.is_some();
        if all_named && options.purpose == Purpose::Up {
            return Self::of(named, Addresses::default(), None, "was started");
        }

        let started = Instant::now();
        let state = State::new(options.purpose, named.kafka.is_none(), named.postgres.is_none());
        let folder = Folder::create(paths, &state)?;
        let own = Own { paths: paths.clone(), folder, stays: false };
        if all_named {
            return Self::of(named, Addresses::default(), Some(own), "was started");
        }
        let launched = launch::launch(paths, &own.folder, state, options)?;
        let mut stack = Self::of(named, launched.addresses, Some(own), "was started")?;
        stack.servers = launched.servers;
        let took = ui::duration(started.elapsed());
        ui::done(&format!("Kafka and Postgres are ready ({took})"));
        Ok(stack)
    }

    /// The stack of an earlier `up`, with named servers before its own.
    pub(crate) fn running(addresses: Addresses) -> Result<Self> {
        let named = Named::from_environment()?;
        named.announce();
        let missing = "is part of the running stack: `cargo xtask down` first";
        Self::of(named, addresses, None, missing)
    }

    /// Named servers before our own; `missing` says of which there is neither.
    fn of(named: Named, own: Addresses, folder: Option<Own>, missing: &str) -> Result<Self> {
        let part = |name: &str, named: Option<String>, own: Option<String>| {
            let is_named = named.is_some();
            let address = named.or(own).with_context(|| format!("no {name} {missing}"))?;
            anyhow::Ok(Part { address, is_named })
        };
        Ok(Self {
            kafka: part("Kafka", named.kafka, own.kafka)?,
            postgres: part("Postgres", named.postgres, own.postgres)?,
            own: folder,
            servers: Servers::default(),
        })
    }

    /// Kafka, where it is a process of ours that may be stopped and started.
    pub(crate) fn broker(&self) -> Option<&Broker> {
        self.servers.kafka.as_ref()
    }

    /// Postgres, likewise.
    pub(crate) fn cluster(&self) -> Option<&Cluster> {
        self.servers.postgres.as_ref()
    }

    /// What a test needs to put a proxy before Kafka; nothing where the broker is not ours.
    pub(crate) fn proxied_environment(&self) -> Vec<(&'static str, String)> {
        let proxied = self.broker().map(Broker::proxied);
        proxied.map_or_else(Vec::new, |Proxied { behind, proxy }| {
            vec![(KAFKA_BEHIND_PROXY, behind), (KAFKA_PROXY, proxy)]
        })
    }

    /// Kafka's bootstrap servers: `host:port`, separated by commas.
    pub(crate) fn kafka(&self) -> &str {
        &self.kafka.address
    }

    /// Postgres as a URL with user, password and database.
    pub(crate) fn postgres(&self) -> &str {
        &self.postgres.address
    }

    /// What a program needs to find the stack.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 2] {
        [(named::KAFKA, self.kafka()), (named::POSTGRES, self.postgres())]
    }

    /// Whether Kafka was named by the environment: then what we put there stays.
    pub(crate) fn kafka_is_named(&self) -> bool {
        self.kafka.is_named
    }

    /// Whether Postgres was named by the environment.
    pub(crate) fn postgres_is_named(&self) -> bool {
        self.postgres.is_named
    }

    /// The folder of a private stack, where programs that run on it may keep their files. What is
    /// started there as a [`Server`] ends with the stack at the latest.
    pub(crate) fn folder(&self) -> Result<&Folder> {
        let own = self.own.as_ref().context("only a private stack has a folder")?;
        Ok(&own.folder)
    }

    /// Lets the servers go on when this value goes; `down` stops them.
    pub(crate) fn keep(mut self) -> Result<()> {
        if let Some(own) = &mut self.own {
            own.folder.mark_ready()?;
            own.stays = true;
        }
        Ok(())
    }

    /// Stops the servers that we started and deletes their data.
    pub(crate) fn stop(mut self) -> Result<()> {
        self.own.take().map_or(Ok(()), |mut own| own.stop())
    }
}

impl Own {
    fn stop(&mut self) -> Result<()> {
        if std::mem::replace(&mut self.stays, true) {
            return Ok(());
        }
        let _spinner = ui::spinner("stopping the stack");
        sweep::remove(&self.paths, &self.folder)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            ui::warn(&format!("the stack could not be stopped: {error:#}"));
        }
    }
}
