//! What the demo has measured.

use anyhow::{Context, Result, bail};
use serde::Serialize;
use serde_json::{Map, Value};

use super::database::Database;
use super::http;
use super::programs::Verified;
use super::services::Services;
use super::upload::{Kill, Upload};
use super::{ROWS, SWIPES};

/// The summary, as `--json` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Figures {
    /// Swipes that stand in the log.
    pub(crate) events: u64,
    /// Swipes that became a row.
    pub(crate) rows: u64,
    /// Swipes that were in the log before.
    pub(crate) duplicates: u64,
    /// Second swipes of a card in one millisecond.
    pub(crate) collisions: u64,
    /// Swipes that could not be applied.
    pub(crate) dead_letters: u64,
    /// Rows by decision, denied ones by their primary reason.
    pub(crate) decisions: Map<String, Value>,
    /// Swipes in a second from the first one's upload to the last one's row, the takeover included.
    pub(crate) swipes_per_s: u64,
    /// Swipes in a second that the gateway and Kafka acknowledged.
    pub(crate) uploaded_per_s: u64,
    /// From a swipe's arrival at the gateway to its row's commit; null where Postgres does not keep
    /// the time of commits.
    pub(crate) publish_to_row_ms: Option<PublishToRow>,
    /// Which consumer was killed, and when.
    pub(crate) killed: Killed,
    /// From SIGKILL until the other consumer owned all partitions.
    pub(crate) takeover_ms: i64,
    /// From SIGKILL until nothing waited any more.
    pub(crate) caught_up_ms: i64,
    /// What each consumer did.
    pub(crate) consumers: Vec<Consumer>,
    /// What `gatelog verify` says.
    pub(crate) verify: Verify,
}

/// Times of rows that waited for no takeover, and of those that did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct PublishToRow {
    /// The usual ones.
    #[serde(flatten)]
    pub(crate) usual: Quantiles,
    /// Rows of the killed consumer's partitions that waited for the other one.
    pub(crate) waited_for_takeover: Option<Quantiles>,
}

/// Times of some rows, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    /// Half of them took no longer.
    pub(crate) p50: i64,
    /// 99 % of them took no longer.
    pub(crate) p99: i64,
    /// How many they are.
    pub(crate) rows: u64,
}

/// The kill, by the progress at that moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Killed {
    /// Whom it hit.
    pub(crate) name: String,
    /// Swipes that Kafka had acknowledged.
    pub(crate) acknowledged: u64,
    /// Swipes that had their outcome.
    pub(crate) applied: u64,
}

/// What one consumer did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Consumer {
    /// Its name in the group.
    pub(crate) name: String,
    /// Partitions that it owned when the one was killed.
    pub(crate) partitions: usize,
    /// Partitions that it owned at the end.
    pub(crate) partitions_at_end: usize,
    /// Swipes that it applied.
    pub(crate) events: u64,
    /// Its transactions; not known of a killed one.
    pub(crate) batches: Option<u64>,
}

/// What `gatelog verify` says.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verify {
    /// Whether the tables are what the log says.
    pub(crate) ok: bool,
    /// Events that were held against the tables.
    pub(crate) events: u64,
    /// Events without an outcome.
    pub(crate) missing: u64,
    /// Events with more than one.
    pub(crate) doubled: u64,
    /// Events whose outcome says something else.
    pub(crate) altered: u64,
}

impl Figures {
    /// Reads the tables and the metrics. Everything is applied by now.
    pub(crate) fn collect(
        database: &Database,
        services: &Services,
        upload: &Upload,
        verified: &Verified,
    ) -> Result<Self> {
        let row = database.query_one(include_str!("sql/totals.sql"), &[])?;
        let total = |column: usize| row.get::<_, i64>(column).unsigned_abs();
        let (rows, duplicates, collisions, dead_letters) = (total(0), total(1), total(2), total(3));
        let kill = &upload.kill;
        let took_s = (upload.ended_us - upload.began_us) as f64 / 1e6;
        Ok(Self {
            events: upload.imported.logged,
            rows,
            duplicates,
            collisions,
            dead_letters,
            decisions: decisions(database)?,
            swipes_per_s: (upload.imported.logged as f64 / took_s).round() as u64,
            uploaded_per_s: upload.imported.per_second.round() as u64,
            publish_to_row_ms: publish_to_row(database, upload)?,
            killed: Killed {
                name: kill.victim.clone(),
                acknowledged: kill.progress.acknowledged,
                applied: kill.progress.applied,
            },
            takeover_ms: ms(upload.taken_over_us - kill.at_us),
            caught_up_ms: ms(upload.caught_up_us - kill.at_us),
            consumers: consumers(services, kill, rows + duplicates + collisions + dead_letters)?,
            verify: Verify {
                ok: verified.ok,
                events: verified.events,
                missing: verified.missing,
                doubled: verified.doubled,
                altered: verified.altered,
            },
        })
    }

    /// Whether they are what the data must give; if not, with the first of `findings`.
    pub(crate) fn check(&self, findings: &[Value]) -> Result<()> {
        for (what, found, expected) in [
            ("events", self.events, SWIPES),
            ("rows", self.rows, ROWS),
            ("duplicates", self.duplicates, SWIPES - ROWS),
            ("collisions", self.collisions, 0),
            ("dead letters", self.dead_letters, 0),
        ] {
            if found != expected {
                bail!("the demo has {found} {what}, must have {expected}");
            }
        }
        if !self.verify.ok {
            let first: Vec<String> = findings.iter().take(5).map(Value::to_string).collect();
            let first = first.join("\n");
            bail!("`gatelog verify` finds the tables to be other than the log:\n{first}");
        }
        Ok(())
    }
}

fn decisions(database: &Database) -> Result<Map<String, Value>> {
    let rows = database.query(include_str!("sql/decisions.sql"), &[])?;
    let pairs = rows.iter().map(|row| (row.get::<_, String>(0), row.get::<_, i64>(1).into()));
    Ok(pairs.collect())
}

fn publish_to_row(database: &Database, upload: &Upload) -> Result<Option<PublishToRow>> {
    let sql = "SELECT current_setting('track_commit_timestamp')::boolean";
    if !database.query_one(sql, &[])?.get::<_, bool>(0) {
        return Ok(None);
    }
    let rows = database.query(
        include_str!("sql/latency.sql"),
        &[&upload.kill.partitions, &upload.kill.at_us, &upload.taken_over_us],
    )?;
    let quantiles = |waited: bool| {
        let row = rows.iter().find(|row| row.get::<_, bool>(0) == waited)?;
        Some(Quantiles {
            p50: row.get::<_, f64>(2).round() as i64,
            p99: row.get::<_, f64>(3).round() as i64,
            rows: row.get::<_, i64>(1).unsigned_abs(),
        })
    };
    Ok(Some(PublishToRow {
        usual: quantiles(false).context("no row was written but during the takeover")?,
        waited_for_takeover: quantiles(true),
    }))
}

/// The survivor counts what it did; the rest was the other one's.
fn consumers(services: &Services, kill: &Kill, applied: u64) -> Result<Vec<Consumer>> {
    let metrics = services.survivor_metrics()?;
    let metric = |name: &str| http::metric(&metrics, &format!("gatelog_consumer_{name}")) as u64;
    let events = metric("events_total");
    let all = kill.partitions.len() + kill.survivor_partitions;
    let mut consumers = vec![
        Consumer {
            name: kill.victim.clone(),
            partitions: kill.partitions.len(),
            partitions_at_end: 0,
            events: applied.saturating_sub(events),
            batches: None,
        },
        Consumer {
            name: kill.survivor.clone(),
            partitions: kill.survivor_partitions,
            partitions_at_end: all,
            events,
            batches: Some(metric("batch_events_count")),
        },
    ];
    consumers.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(consumers)
}

fn ms(us: i64) -> i64 {
    (us + 500) / 1_000
}
