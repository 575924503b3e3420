//! After everything is healed: the terminals' own record against the tables.

use std::collections::{BTreeMap, HashMap, HashSet};

use anyhow::Result;
use schemas::Millis;
use support::{Published, World};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::ledger::{Acknowledged, Poison};

/// What was found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Rows of `access_log`.
    pub(crate) rows: usize,
    /// Collisions.
    pub(crate) collisions: usize,
    /// Duplicates.
    pub(crate) duplicates: usize,
    /// Acknowledged, and neither a row nor a collision.
    pub(crate) lost: usize,
    /// Events with two outcomes of row and collision.
    pub(crate) doubled: usize,
    /// Rows and collisions that stand or were committed before one of the same card that came
    /// earlier.
    pub(crate) out_of_order: usize,
    /// Rows and collisions that no terminal knows of.
    pub(crate) unknown: usize,
    /// Duplicates that don't name their event.
    pub(crate) unnamed: usize,
    /// Decisions on the topic.
    pub(crate) decisions: usize,
    /// Live rows and collisions without a decision on the topic.
    pub(crate) untold: usize,
    /// Door commands for what is no granted row, or under another id than its event's.
    pub(crate) wrong_commands: usize,
    /// Granted live rows that no door command was sent for, though it had not expired.
    pub(crate) missing_commands: usize,
    /// Door commands for what a replay has applied.
    pub(crate) replays_opening: usize,
}

/// How long after a swipe its door command expires, in ms: the consumer's `decision.command_ttl_ms`.
const COMMAND_TTL_MS: i64 = 5_000;
/// By how much that may be off, in ms.
const EARLY_MS: i64 = 200;

/// Wrong commands that are shown.
const SHOWN_MAX: usize = 5;

/// Holds the topic of the decisions against the tables. A row need not be live any more: where a
/// database was put back, the log made it again, later. Then it may be decided otherwise than it was
/// in its `former_life`, from the copy to when that was put back, and than what was told of it: that
/// is what a database that is put back costs.
pub(crate) async fn audit_decisions(
    client: &Client,
    world: &World,
    former_life: Option<(Millis, Millis)>,
) -> Result<Findings> {
    let sql = "SELECT event_id, live, granted, \
                      (extract(epoch FROM occurred_at) * 1000)::bigint, \
                      (extract(epoch FROM pg_xact_commit_timestamp(xmin)) * 1000)::bigint \
               FROM access_log \
               UNION ALL SELECT event_id, live, false, 0, 0 FROM collision";
    let rows = client.query(sql, &[]).await?;
    let published = world.published().await?;
    let told: HashSet<Uuid> = published.iter().map(|one| one.decision.event_id).collect();
    let mut due: HashMap<Uuid, i64> =
        rows.iter().filter(|r| r.get(1) && r.get(2)).map(|r| (r.get(0), r.get(3))).collect();
    for Published { record, decision, .. } in &published {
        let expired = |occurred_ms: &i64| {
            let expires_ms = occurred_ms + COMMAND_TTL_MS - EARLY_MS;
            record.timestamp_ms.is_some_and(|sent_ms| sent_ms >= expires_ms)
        };
        let id = &decision.event_id;
        if decision.command.is_some() || due.get(id).is_some_and(expired) {
            due.remove(id);
        }
    }
    let sql = "SELECT event_id FROM dead_letter \
               WHERE state = 'resolved' AND amended_value IS NULL AND event_id IS NOT NULL";
    let replayed: HashSet<Uuid> =
        client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect();
    let live = rows.iter().filter(|row| row.get(1)).map(|row| row.get::<_, Uuid>(0));
    let opened: HashSet<Uuid> = rows.iter().filter(|r| r.get(2)).map(|row| row.get(0)).collect();
    let committed: HashMap<Uuid, i64> = rows.iter().map(|r| (r.get(0), r.get(4))).collect();
    let commands = published.iter().filter_map(|one| {
        one.decision
            .command
            .as_ref()
            .map(|command| (one.decision.event_id, command.command_id, one.record.timestamp_ms))
    });
    let wrong = |(event, command, sent_ms): &(Uuid, Uuid, Option<i64>)| {
        let ends = committed.get(event).copied().zip(*sent_ms);
        let of_former_life = former_life.zip(ends).is_some_and(|((copied, back), (made, sent))| {
            (copied.unix_ms()..=back.unix_ms()).contains(&sent) && back.unix_ms() <= made
        });
        !(opened.contains(event) || of_former_life) || *command != schemas::command_id(*event)
    };
    for (event, command, sent_ms) in commands.clone().filter(wrong).take(SHOWN_MAX) {
        let row = rows.iter().find(|row| row.get::<_, Uuid>(0) == event);
        let row = row.map(|row| {
            let (live, granted, made_ms): (bool, bool, i64) = (row.get(1), row.get(2), row.get(4));
            format!("live {live}, granted {granted}, committed {made_ms}")
        });
        eprintln!("  ✘ command {command} of {event}, sent {sent_ms:?}; its row: {row:?}");
    }
    Ok(Findings {
        decisions: published.len(),
        untold: live.filter(|id| !told.contains(id)).count(),
        replays_opening: commands.clone().filter(|(id, ..)| replayed.contains(id)).count(),
        wrong_commands: commands.filter(wrong).count(),
        // Those without any decision are counted apart.
        missing_commands: due.keys().filter(|id| told.contains(id)).count(),
        ..Findings::default()
    })
}

/// A row or a collision.
#[derive(Debug, Clone)]
struct Outcome {
    event_id: Uuid,
    card_id: String,
    at: (i32, i64),
    committed_us: i64,
    is_row: bool,
}

/// A recorded duplicate.
#[derive(Debug, Clone)]
struct Duplicate {
    event_id: Uuid,
    first_at: (i32, i64),
}

/// Reads the tables and holds them against what was acknowledged.
pub(crate) async fn audit(
    client: &Client,
    acknowledged: &[Acknowledged],
    poison: &[Poison],
) -> Result<Findings> {
    let outcomes = outcomes(client).await?;
    let sql = "SELECT event_id, log_partition, first_offset FROM duplicate_event";
    let duplicates: Vec<Duplicate> = client
        .query(sql, &[])
        .await?
        .iter()
        .map(|row| Duplicate { event_id: row.get(0), first_at: (row.get(1), row.get(2)) })
        .collect();
    // What lay in a wrong partition is put right by a replay, and perhaps by another one again.
    let poison: HashSet<Uuid> = poison.iter().map(|one| one.event_id).collect();
    let (outcomes, cured): (Vec<_>, Vec<_>) =
        outcomes.into_iter().partition(|outcome| !poison.contains(&outcome.event_id));
    let duplicates: Vec<Duplicate> =
        duplicates.into_iter().filter(|one| !poison.contains(&one.event_id)).collect();
    let found = compare(&outcomes, &duplicates, acknowledged);
    Ok(Findings { rows: found.rows + cured.len(), ..found })
}

/// In the order of the log.
async fn outcomes(client: &Client) -> Result<Vec<Outcome>> {
    let rows = client.query(include_str!("sql/outcomes.sql"), &[]).await?;
    let outcome = |row: &tokio_postgres::Row| Outcome {
        event_id: row.get(0),
        card_id: row.get(1),
        at: (row.get(2), row.get(3)),
        committed_us: row.get(4),
        is_row: row.get(5),
    };
    Ok(rows.iter().map(outcome).collect())
}

fn compare(
    outcomes: &[Outcome],
    duplicates: &[Duplicate],
    acknowledged: &[Acknowledged],
) -> Findings {
    let known: HashMap<Uuid, &Acknowledged> =
        acknowledged.iter().map(|entry| (entry.event_id, entry)).collect();
    let mut times: HashMap<Uuid, usize> = HashMap::new();
    for outcome in outcomes {
        *times.entry(outcome.event_id).or_default() += 1;
    }
    let stands: HashSet<(Uuid, (i32, i64))> =
        outcomes.iter().map(|outcome| (outcome.event_id, outcome.at)).collect();
    let names = |duplicate: &&Duplicate| stands.contains(&(duplicate.event_id, duplicate.first_at));
    let rows = outcomes.iter().filter(|outcome| outcome.is_row).count();
    Findings {
        rows,
        collisions: outcomes.len() - rows,
        duplicates: duplicates.len(),
        lost: known.keys().filter(|id| !times.contains_key(id)).count(),
        doubled: times.values().filter(|times| **times > 1).count(),
        out_of_order: out_of_order(outcomes, &known),
        unknown: times.keys().filter(|id| !known.contains_key(id)).count(),
        unnamed: duplicates.len() - duplicates.iter().filter(names).count(),
        ..Findings::default()
    }
}

/// Each card has one partition, so the order of its offsets is the order of the log.
fn out_of_order(outcomes: &[Outcome], known: &HashMap<Uuid, &Acknowledged>) -> usize {
    let mut latest: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    let mut count = 0;
    for outcome in outcomes {
        let (place, committed_us) = latest.entry(&outcome.card_id).or_default();
        let own = known.get(&outcome.event_id).and_then(|entry| entry.place);
        if own.is_some_and(|own| own < *place) || outcome.committed_us < *committed_us {
            count += 1;
        }
        *place = own.unwrap_or_default().max(*place);
        *committed_us = outcome.committed_us.max(*committed_us);
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(id: u128, offset: i64, committed_us: i64) -> Outcome {
        Outcome {
            event_id: Uuid::from_u128(id),
            card_id: "c".to_owned(),
            at: (0, offset),
            committed_us,
            is_row: true,
        }
    }

    fn told(id: u128, place: u64) -> Acknowledged {
        Acknowledged { event_id: Uuid::from_u128(id), place: Some(place) }
    }

    #[test]
    fn what_is_whole_has_no_findings() {
        let outcomes = [outcome(1, 0, 10), outcome(2, 1, 10), outcome(3, 2, 11)];
        // Two under way together may stand either way round.
        let acknowledged = [told(1, 1), told(2, 0), told(3, 2)];
        let acknowledged = [told(1, 0), told(2, 0), acknowledged[2].clone()];
        let duplicates = [Duplicate { event_id: Uuid::from_u128(1), first_at: (0, 0) }];
        let expected = Findings { rows: 3, duplicates: 1, ..Findings::default() };
        assert_eq!(compare(&outcomes, &duplicates, &acknowledged), expected);
    }

    #[test]
    fn each_thing_that_is_wrong_is_counted() {
        let outcomes = [
            outcome(1, 0, 10),
            outcome(1, 1, 10), // doubled
            outcome(3, 2, 12),
            outcome(2, 3, 12), // sent before 3
            outcome(4, 4, 11), // committed before 3
            outcome(9, 5, 13), // nobody sent it
        ];
        let acknowledged = [told(1, 0), told(2, 1), told(3, 2), told(4, 3), told(5, 4)];
        let duplicates = [Duplicate { event_id: Uuid::from_u128(2), first_at: (0, 0) }];
        let found = compare(&outcomes, &duplicates, &acknowledged);
        let expected = Findings {
            rows: 6,
            duplicates: 1,
            lost: 1,
            doubled: 1,
            out_of_order: 2,
            unknown: 1,
            unnamed: 1,
            ..Findings::default()
        };
        assert_eq!(found, expected);
    }
}
