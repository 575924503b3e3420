//! From swipe to decision, at fixed rates.

use std::collections::HashMap;
use std::fmt;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use uuid::Uuid;

use super::Options;
use super::decided::{Decided, Reader};
use crate::database::Database;
use crate::ground::Ground;
use crate::log::Log;
use crate::open_loop::{
    self, AtRate, Feed, Kept, OpenLoop, Percentiles, Plan, Times, committed_at,
};
use crate::progress::Progress;
use crate::site::Site;
use crate::stats::ratio;

/// A machine that stalls makes late decisions, and not none: only live swipes get one.
const SETTINGS: [(&str, &str); 1] = [("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "60000")];

/// One rate, and how soon its decisions were on their topic.
#[derive(Debug, Clone, Serialize)]
pub struct DecidedAtRate {
    /// Until the commit, and what comes before.
    #[serde(flatten)]
    pub committed: AtRate,
    /// From the moment at which an event was due until its decision was read from its topic.
    pub decided: Percentiles,
    /// From the commit that was seen until then; 0 where the decision was read first.
    pub committed_to_decided: Percentiles,
    /// p50 of decided by p50 of committed.
    pub ratio_p50: f64,
    /// p99 of decided by p99 of committed.
    pub ratio_p99: f64,
}

/// Keeps up each rate; with how many swipes were not live.
pub(super) async fn measure(
    options: &Options,
    ground: &Ground,
) -> Result<(Vec<DecidedAtRate>, i64)> {
    let site = Site::new(options.rates.iter().map(|rate| options.plan(*rate).events).sum());
    let log = Log::create(&ground.servers, &ground.name, options.partitions).await?;
    let measured = async {
        let days = open_loop::days();
        let database = Database::create(&ground.servers, &ground.name, &site, days).await?;
        let measured = measure_on(options, ground, &log, &database, site).await;
        database.delete().await?;
        measured
    };
    let measured = measured.await;
    log.delete().await;
    measured
}

async fn measure_on(
    options: &Options,
    ground: &Ground,
    log: &Log,
    database: &Database,
    site: Site,
) -> Result<(Vec<DecidedAtRate>, i64)> {
    let feed = Feed::new(site, options.seed);
    let reader = Reader::start(&ground.servers, log).await?;
    let mut running = OpenLoop::start(ground, database, log, feed, &SETTINGS).await?;
    let mut rates = Vec::new();
    for rate in &options.rates {
        let plan = options.plan(*rate);
        let progress = Progress::start(format_args!("{rate}/s"), plan.events as u64);
        let kept;
        (running, kept) = running.keep_up(plan).await?;
        let committed = AtRate::join(plan, &kept.sent, &kept.watched)?;
        progress.done(&committed);
        rates.push((plan, kept, committed));
    }
    let decided = reader.all(running.events()).await?;
    let granted = running.events() as i64 - running.denied();
    let opened = decided.values().filter(|decided| decided.granted).count() as i64;
    ensure!(opened == granted, "{opened} decisions grant, and {granted} should");
    let joined = rates
        .into_iter()
        .map(|(plan, kept, committed)| DecidedAtRate::join(plan, &kept, committed, &decided));
    let rates = joined.collect::<Result<_>>()?;
    Ok((rates, running.finish().await?))
}

impl DecidedAtRate {
    fn join(
        plan: Plan,
        kept: &Kept,
        committed: AtRate,
        decided: &HashMap<Uuid, Decided>,
    ) -> Result<Self> {
        let (mut from_due, mut from_commit) = (Times::default(), Times::default());
        for event in kept.sent.events.iter().skip(plan.counted_from) {
            let decided = decided.get(&event.event_id);
            let at = decided.context("a swipe has no decision on the topic")?.at;
            from_due.add(at.saturating_duration_since(event.due_at));
            let committed_at = committed_at(event, &kept.watched)?;
            from_commit.add(at.saturating_duration_since(committed_at));
        }
        let decided = from_due.percentiles();
        Ok(Self {
            ratio_p50: ratio(decided.p50_ms, committed.committed.p50_ms),
            ratio_p99: ratio(decided.p99_ms, committed.committed.p99_ms),
            committed,
            decided,
            committed_to_decided: from_commit.percentiles(),
        })
    }

    /// Its rows of a table.
    pub(super) fn rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let more =
            [("decided", &self.decided), ("from commit to there", &self.committed_to_decided)];
        self.committed.rows(f, &more)
    }
}
