//! What a report says, read from the views.

use std::pin::pin;

use futures::TryStreamExt;
use jiff::Timestamp;
use tokio_postgres::{Client, Row};

use super::presence::{Counting, Presence};
use super::span::Span;
use crate::Error;

/// All that the page shows. No card is named.
#[derive(Debug, Clone)]
pub struct Data {
    /// What it is about.
    pub span: Span,
    /// When it was read.
    pub made_at: Timestamp,
    /// Whether nothing more happens in the span; late swipes may still come.
    pub is_over: bool,
    /// Swipes by hour.
    pub hours: Vec<Hour>,
    /// Zones, the busiest first.
    pub zones: Vec<Zone>,
    /// Denied swipes by their first reason, the most frequent first.
    pub reasons: Vec<(String, u64)>,
    /// The terminals whose swipes took longest.
    pub terminals: Vec<Lateness>,
    /// How many were inside.
    pub presence: Presence,
    /// Sums over all.
    pub totals: Totals,
}

/// Swipes of one hour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hour {
    /// That were granted.
    pub granted: u64,
    /// That were denied.
    pub denied: u64,
}

/// A zone's swipes by the hour of the day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Swipes of each hour of the day.
    pub by_hour: [u64; 24],
}

/// How late a terminal's swipes came, in ms.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "as in analyst.terminal_lateness")]
pub struct Lateness {
    pub terminal_id: String,
    pub zone_id: String,
    pub swipes: u64,
    pub offline: u64,
    pub late: u64,
    pub p50_ms: i64,
    pub p99_ms: i64,
    pub max_ms: i64,
}

/// Sums over the span.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Different cards.
    pub cards: u64,
    /// Different terminals.
    pub terminals: u64,
    /// Swipes that were not decided while the card was at the door.
    pub late: u64,
    /// Granted by an offline terminal to a card that had no right to.
    pub let_in: u64,
    /// Denied by an offline terminal to a card that had it.
    pub kept_out: u64,
    /// Second swipes of a card in one millisecond.
    pub collisions: u64,
}

/// Terminals that are listed.
const TERMINALS_MAX: i64 = 10;

impl Data {
    /// Reads it, in one snapshot.
    ///
    /// # Errors
    /// Postgres' own.
    pub async fn read(client: &Client, span: Span, now: Timestamp) -> Result<Self, Error> {
        client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
        let (from, until) = (span.from.to_string(), span.until.to_string());
        let days: [&(dyn tokio_postgres::types::ToSql + Sync); 2] = [&from, &until];
        let rows = client.query(include_str!("sql/traffic.sql"), &days).await?;
        let (hours, zones) = traffic(span, &rows);
        let rows = client.query(include_str!("sql/denials.sql"), &days).await?;
        let reasons = rows.iter().map(|row| (row.get("reason"), count(row, "swipes"))).collect();
        let sql = include_str!("sql/lateness.sql");
        let rows = client.query(sql, &[days[0], days[1], &TERMINALS_MAX]).await?;
        let terminals = rows.iter().map(Lateness::of).collect();
        let mut counting = Counting::new(span);
        {
            let steps = client.query_raw(include_str!("sql/presence.sql"), [&from, &until]).await?;
            let mut steps = pin!(steps);
            while let Some(row) = steps.try_next().await? {
                counting.step(row.get("at_ms"), row.get("change"));
            }
        }
        let row = client.query_one(include_str!("sql/totals.sql"), &days).await?;
        client.batch_execute("COMMIT").await?;
        Ok(Self {
            span,
            made_at: now,
            is_over: row.get("is_over"),
            hours,
            zones,
            reasons,
            terminals,
            presence: counting.finish(),
            totals: Totals::of(&row),
        })
    }

    /// Swipes of the span: granted, denied.
    pub(super) fn swipes(&self) -> (u64, u64) {
        let sum = |of: fn(&Hour) -> u64| self.hours.iter().map(of).sum();
        (sum(|hour| hour.granted), sum(|hour| hour.denied))
    }
}

fn traffic(span: Span, rows: &[Row]) -> (Vec<Hour>, Vec<Zone>) {
    let mut hours = vec![Hour::default(); span.hours()];
    let mut zones: Vec<Zone> = Vec::new();
    for row in rows {
        let nth = usize::try_from(row.get::<_, i32>("nth")).unwrap_or(0);
        let (granted, denied) = (count(row, "granted"), count(row, "denied"));
        if let Some(hour) = hours.get_mut(nth) {
            hour.granted += granted;
            hour.denied += denied;
        }
        let id: String = row.get("zone_id");
        let at = zones.iter().position(|zone| zone.id == id).unwrap_or_else(|| {
            zones.push(Zone { id, name: row.get("zone_name"), by_hour: [0; 24] });
            zones.len() - 1
        });
        zones[at].by_hour[nth % 24] += granted + denied;
    }
    zones.sort_by(|one, other| other.swipes().cmp(&one.swipes()).then(one.id.cmp(&other.id)));
    (hours, zones)
}

impl Zone {
    /// Swipes of the span.
    pub(super) fn swipes(&self) -> u64 {
        self.by_hour.iter().sum()
    }
}

impl Lateness {
    fn of(row: &Row) -> Self {
        Self {
            terminal_id: row.get("terminal_id"),
            zone_id: row.get("zone_id"),
            swipes: count(row, "swipes"),
            offline: count(row, "offline"),
            late: count(row, "late"),
            p50_ms: row.get("p50_ms"),
            p99_ms: row.get("p99_ms"),
            max_ms: row.get("max_ms"),
        }
    }
}

impl Totals {
    fn of(row: &Row) -> Self {
        Self {
            cards: count(row, "cards"),
            terminals: count(row, "terminals"),
            late: count(row, "late"),
            let_in: count(row, "let_in"),
            kept_out: count(row, "kept_out"),
            collisions: count(row, "collisions"),
        }
    }
}

fn count(row: &Row, column: &str) -> u64 {
    row.get::<_, i64>(column).unsigned_abs()
}
