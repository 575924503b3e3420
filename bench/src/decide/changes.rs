//! Changes of permissions on a schedule, each a transaction of its own.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::{join, try_join_all};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use serde::Serialize;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::sleep_until;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use crate::open_loop::{Percentiles, Times, on_own_thread, runtime};
use crate::servers::connect;
use crate::site::Site;

/// Blocks of stolen cards among the changes, a second: few enough that one session makes each when
/// it is due, as whoever blocks a card waits for nobody else's changes but Postgres'.
const BLOCKS_PER_S: u32 = 2;

/// What was changed while a drain went on.
#[derive(Debug, Clone, Serialize)]
pub struct ChangesMade {
    /// Changes a second that were due, blocks included.
    pub due_per_s: u32,
    /// Changes a second that were committed, blocks included.
    pub made_per_s: f64,
    /// Other zones for a random card.
    pub zones: Pace,
    /// A card is stolen.
    pub blocks: Pace,
}

/// How long changes of one kind took.
#[derive(Debug, Clone, Serialize)]
pub struct Pace {
    /// From the moment at which a change was due to the answer to its commit.
    pub from_due: Percentiles,
    /// From its start to that answer; the rest is waiting for a free session.
    pub from_start: Percentiles,
}

/// Sessions that wait to start, or that make changes, on a thread of their own.
pub(super) struct Changes {
    begin: Option<oneshot::Sender<()>>,
    stop: watch::Sender<bool>,
    thread: JoinHandle<Result<ChangesMade>>,
}

/// What to change.
struct Orders {
    due_per_s: u32,
    sessions: u16,
    /// Ids, in random order: the last ones are blocked one after another.
    cards: Vec<String>,
    zones: Vec<String>,
    seed: u64,
}

impl Changes {
    /// Connects, and waits for [`Self::begin`].
    ///
    /// # Errors
    /// Postgres' own.
    pub(super) async fn prepare(
        url: &str,
        site: &Site,
        due_per_s: u32,
        sessions: u16,
        seed: u64,
    ) -> Result<Self> {
        let mut cards: Vec<String> = site.cards.iter().map(|card| card.id.clone()).collect();
        cards.shuffle(&mut StdRng::seed_from_u64(seed));
        let orders = Orders { due_per_s, sessions, cards, zones: site.zones.clone(), seed };
        let (begin, begins) = oneshot::channel();
        let (stop, stops) = watch::channel(false);
        let (ready, is_ready) = oneshot::channel();
        let url = url.to_owned();
        let thread = tokio::spawn(on_own_thread("changes", move || {
            runtime()?.block_on(orders.carry_out(&url, ready, begins, stops))
        }));
        if is_ready.await.is_err() {
            let ended = thread.await.context("the changes have panicked")?;
            return ended.and(Err(anyhow::anyhow!("the changes have ended by themselves")));
        }
        Ok(Self { begin: Some(begin), stop, thread })
    }

    /// Starts the schedule.
    pub(super) fn begin(&mut self) {
        if let Some(begin) = self.begin.take() {
            // Whoever has ended says why at the end.
            let _ = begin.send(());
        }
    }

    /// Ends it: what is under way is finished.
    ///
    /// # Errors
    /// Postgres' own.
    pub(super) async fn end(self) -> Result<ChangesMade> {
        self.stop.send_replace(true);
        self.thread.await.context("the changes have panicked")?
    }
}

impl Orders {
    async fn carry_out(
        &self,
        url: &str,
        ready: oneshot::Sender<()>,
        begins: oneshot::Receiver<()>,
        stops: watch::Receiver<bool>,
    ) -> Result<ChangesMade> {
        let doing = "preparing changes";
        let blocks_per_s = BLOCKS_PER_S.min(self.due_per_s);
        let mut sessions = Vec::new();
        for _ in 0..self.sessions {
            sessions.push(Session::open(url, include_str!("../sql/change.sql")).await?);
        }
        let blocking = Session::open(url, include_str!("../sql/block.sql")).await?;
        // Whoever waited may have gone.
        let _ = ready.send(());
        begins.await.context(doing)?;

        let started = Instant::now();
        let zones = Schedule::new(self.due_per_s - blocks_per_s, started, &stops);
        let blocks = Schedule::new(blocks_per_s, started, &stops);
        let random = RefCell::new(StdRng::seed_from_u64(self.seed));
        let change = || {
            let mut random = random.borrow_mut();
            let card = &self.cards[random.random_range(0..self.cards.len())];
            let first = random.random_range(0..self.zones.len());
            let list: Vec<&str> =
                self.zones.iter().cycle().skip(first).take(4).map(|z| &**z).collect();
            (card, list)
        };
        let changing = try_join_all(sessions.iter().map(|session| async {
            while let Some(due_at) = zones.next().await {
                let (card, list) = change();
                session.make(&zones, due_at, &[card, &list]).await?;
            }
            anyhow::Ok(())
        }));
        let blocked = async {
            for card in self.cards.iter().rev().cycle() {
                let Some(due_at) = blocks.next().await else { break };
                blocking.make(&blocks, due_at, &[card]).await?;
            }
            anyhow::Ok(())
        };
        let (changed, blocked) = join(changing, blocked).await;
        changed.and(blocked)?;
        let made = zones.made() + blocks.made();
        Ok(ChangesMade {
            due_per_s: self.due_per_s,
            made_per_s: (made as f64 / started.elapsed().as_secs_f64() * 10.0).round() / 10.0,
            zones: zones.pace(),
            blocks: blocks.pace(),
        })
    }
}

struct Session {
    client: Client,
    statement: Statement,
}

impl Session {
    async fn open(url: &str, sql: &str) -> Result<Self> {
        let client = connect(url).await?;
        let doing = "preparing changes";
        client.batch_execute("SET synchronous_commit = on").await.context(doing)?;
        let statement = client.prepare(sql).await.context(doing)?;
        Ok(Self { client, statement })
    }

    async fn make(
        &self,
        schedule: &Schedule,
        due_at: Instant,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<()> {
        let started = Instant::now();
        let changed = self.client.execute(&self.statement, parameters).await;
        ensure!(changed.context("changing permissions")? == 1, "no such card");
        schedule.from_due.borrow_mut().add(due_at.elapsed());
        schedule.from_start.borrow_mut().add(started.elapsed());
        Ok(())
    }
}

/// When changes of one kind are due, and how long they took.
struct Schedule {
    rate: u32,
    started: Instant,
    stops: watch::Receiver<bool>,
    next: Cell<u32>,
    from_due: RefCell<Times>,
    from_start: RefCell<Times>,
}

impl Schedule {
    fn new(rate: u32, started: Instant, stops: &watch::Receiver<bool>) -> Self {
        let (from_due, from_start) = Default::default();
        Self { rate, started, stops: stops.clone(), next: Cell::new(0), from_due, from_start }
    }

    /// Waits until the next change is due; none once the schedule has ended.
    async fn next(&self) -> Option<Instant> {
        if self.rate == 0 || *self.stops.borrow() {
            return None;
        }
        let index = self.next.replace(self.next.get() + 1);
        let due_at = self.started + Duration::from_secs(1) * index / self.rate;
        let mut stops = self.stops.clone();
        tokio::select! {
            biased;
            _ = stops.wait_for(|stop| *stop) => None,
            () = sleep_until(due_at.into()) => Some(due_at),
        }
    }

    fn made(&self) -> u64 {
        self.from_due.borrow().len()
    }

    fn pace(&self) -> Pace {
        let percentiles = |times: &RefCell<Times>| times.borrow().percentiles();
        Pace { from_due: percentiles(&self.from_due), from_start: percentiles(&self.from_start) }
    }
}
