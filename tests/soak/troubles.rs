//! What goes wrong without any server's fault, all the time: records that no terminal of ours would
//! send, terminals that are used before anybody has registered them, administrators who change their
//! minds, operators who send dead letters once more.

mod administrator;
mod operator;
mod poison;
mod registrar;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::{Commands, Log};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_postgres::Client;

use crate::ledger::Ledger;
use crate::watch::connect;

/// A terminal whose rows Postgres refuses.
pub(crate) const CURSED: &str = "t-cursed";
/// Header by which a record of poison is known again.
pub(crate) const MARK: &str = "soak-poison";
/// Names of terminals that are registered late.
pub(crate) const STRANGERS: &str = "t-later-";

/// Terminals that are in use and not registered yet, one after the other.
#[derive(Debug, Clone, Default)]
pub(crate) struct Strangers(Arc<AtomicUsize>);

impl Strangers {
    /// The one that is used now and not registered, as far as anybody knows.
    pub(crate) fn latest(&self) -> String {
        Self::name(self.known())
    }

    /// How many are registered.
    pub(crate) fn known(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// The latest one is registered: from now on the next one is used.
    fn next(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn name(number: usize) -> String {
        format!("{STRANGERS}{number}")
    }
}

/// How often each thing was done.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// Changes of what a card may do.
    pub(crate) changes: AtomicU64,
    /// Commands of operators that replayed or discarded something.
    pub(crate) commands: AtomicU64,
}

/// What goes wrong, at work; it stops when this is told to, or dropped.
pub(crate) struct Troubles {
    pub(crate) strangers: Strangers,
    pub(crate) counts: Arc<Counts>,
    at_work: JoinSet<Result<()>>,
    stop: watch::Sender<bool>,
    hold: watch::Sender<bool>,
    postgres: String,
}

/// What each of them knows.
struct Desk {
    random: StdRng,
    stop: watch::Receiver<bool>,
    hold: watch::Receiver<bool>,
    /// Postgres itself, which may be away.
    postgres: String,
    client: Option<Client>,
}

impl Troubles {
    /// Makes what they need, and starts everybody.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn start(
        seed: u64,
        postgres: &str,
        log: Log,
        partitions: u16,
        commands: Commands,
        ledger: &Arc<Ledger>,
    ) -> Result<Self> {
        let client = connect(postgres).await?;
        client.batch_execute(include_str!("sql/troubles.sql")).await.context("making trouble")?;
        let (stop, hold) = (watch::Sender::new(false), watch::Sender::new(false));
        let desk = |number: u64| Desk {
            random: StdRng::seed_from_u64(seed ^ (number << 16)),
            stop: stop.subscribe(),
            hold: hold.subscribe(),
            postgres: postgres.to_owned(),
            client: None,
        };
        let (strangers, counts) = (Strangers::default(), Arc::new(Counts::default()));
        let mut at_work = JoinSet::new();
        at_work.spawn(poison::publish(desk(1), log, partitions, ledger.clone()));
        at_work.spawn(registrar::register(desk(2), strangers.clone()));
        at_work.spawn(administrator::change(desk(3), counts.clone()));
        at_work.spawn(operator::operate(desk(4), commands, counts.clone()));
        let postgres = postgres.to_owned();
        Ok(Self { strangers, counts, at_work, stop, hold, postgres })
    }

    /// Whether nobody is to change who may go where. What was told by a database that is put back
    /// afterwards is not in the log: it would have to be told again.
    pub(crate) fn hold(&self, hold: bool) {
        self.hold.send_replace(hold);
    }

    /// Lets everybody finish what is at hand, and registers every terminal that was used.
    ///
    /// # Errors
    /// Somebody has failed, or does not finish in time.
    pub(crate) async fn stop(&mut self, within: Duration) -> Result<()> {
        self.stop.send_replace(true);
        let all = async {
            while let Some(ended) = self.at_work.join_next().await {
                ended.context("it panicked")??;
            }
            anyhow::Ok(())
        };
        match tokio::time::timeout(within, all).await {
            Ok(ended) => ended?,
            Err(_) => bail!("trouble goes on after {} s", within.as_secs()),
        }
        let client = connect(&self.postgres).await?;
        for number in 0..=self.strangers.known() {
            client.execute(registrar::REGISTER, &[&Strangers::name(number)]).await?;
        }
        Ok(())
    }
}

impl Desk {
    /// Waits for a while of so many ms; false where it is time to stop.
    async fn pause(&mut self, ms: std::ops::RangeInclusive<u64>) -> bool {
        let pause = Duration::from_millis(self.random.random_range(ms));
        let mut stop = self.stop.clone();
        tokio::select! {
            () = tokio::time::sleep(pause) => true,
            _ = stop.wait_for(|stop| *stop) => false,
        }
    }

    /// Does one thing to the database; false where it is away, or nobody may change anything. It may
    /// have been done before, and its reply lost.
    async fn execute(&mut self, sql: &str, what: &str) -> bool {
        if *self.hold.borrow() {
            return false;
        }
        if self.client.as_ref().is_none_or(Client::is_closed) {
            self.client = connect(&self.postgres).await.ok();
        }
        match &self.client {
            Some(client) => client.execute(sql, &[&what]).await.is_ok(),
            None => false,
        }
    }
}
