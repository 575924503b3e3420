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

use self::folder::Folder;
use self::launch::Addresses;
use self::named::Named;
use self::state::State;

pub(crate) use self::folder::wait_for_lock;
pub(crate) use self::options::{Size, StackOptions};
pub(crate) use self::sweep::{down, find_up, sweep};

/// Kafka and Postgres, ready for use.
pub(crate) struct Stack {
    kafka: String,
    postgres: String,
    /// What we started ourselves; nothing when both servers were named.
    own: Option<Own>,
}

/// Servers that are ours to stop.
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
        let (kafka, postgres) = match named {
            Named {
                kafka: Some(kafka),
                postgres: Some(postgres),
            } => {
                return Ok(Self {
                    kafka,
                    postgres,
                    own: None,
                });
            }
            Named { kafka, postgres } => (kafka, postgres),
        };

        let started = Instant::now();
        let state = State::new(options.purpose, kafka.is_none(), postgres.is_none());
        let folder = Folder::create(paths, &state)?;
        let own = Own {
            paths: paths.clone(),
            folder,
            stays: false,
        };
        let addresses = launch::launch(paths, &own.folder, state, options)?;
        let stack = Self {
            kafka: kafka.or(addresses.kafka).context("no Kafka was started")?,
            postgres: postgres
                .or(addresses.postgres)
                .context("no Postgres was started")?,
            own: Some(own),
        };
        let took = ui::duration(started.elapsed());
        ui::done(&format!("Kafka and Postgres are ready ({took})"));
        Ok(stack)
    }

    /// The stack of an earlier `up`, with named servers before its own.
    pub(crate) fn running(addresses: Addresses) -> Result<Self> {
        let named = Named::from_environment()?;
        named.announce();
        let missing = "is not part of the running stack: `cargo xtask down` first";
        Ok(Self {
            kafka: named
                .kafka
                .or(addresses.kafka)
                .with_context(|| format!("Kafka {missing}"))?,
            postgres: named
                .postgres
                .or(addresses.postgres)
                .with_context(|| format!("Postgres {missing}"))?,
            own: None,
        })
    }

    /// Kafka's bootstrap servers: `host:port`, separated by commas.
    pub(crate) fn kafka(&self) -> &str {
        &self.kafka
    }

    /// Postgres as a URL with user, password and database.
    pub(crate) fn postgres(&self) -> &str {
        &self.postgres
    }

    /// What a program needs to find the stack.
    pub(crate) fn environment(&self) -> [(&'static str, &str); 2] {
        [
            (named::KAFKA, &self.kafka),
            (named::POSTGRES, &self.postgres),
        ]
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
