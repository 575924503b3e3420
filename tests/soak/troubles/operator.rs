//! Sends dead letters once more, most of which fail again, and gives some up: with `gatelog dlq`,
//! which may find Postgres away or a consumer dead.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use rand::RngExt;
use support::Commands;

use super::{Counts, Desk};

const PAUSE_MS: std::ops::RangeInclusive<u64> = 500..=3_000;
/// Those that poison becomes.
const CAUSES: [&str; 6] = [
    "undecodable",
    "unknown_type",
    "wrong_key",
    "wrong_partition",
    "occurred_at_out_of_range",
    "bad_row",
];

pub(super) async fn operate(mut desk: Desk, commands: Commands, counts: Arc<Counts>) -> Result<()> {
    while desk.pause(PAUSE_MS).await {
        let cause = CAUSES[desk.random.random_range(0..CAUSES.len())];
        let few = ["--cause", cause, "--limit", "3", "--apply", "--reason", "soak"];
        let command: &[&str] = match desk.random.random_range(0..10) {
            0..2 => &["dlq", "discard"],
            _ => &["dlq", "replay", "--force", "--wait", "2"],
        };
        // Nothing found, failed again, or nobody there: all of that happens.
        let (code, _, _) = commands.run(&[command, &few].concat()).await?;
        if code == 0 || code == 1 {
            counts.commands.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
