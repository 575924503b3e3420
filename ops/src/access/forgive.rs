//! `gatelog access forgive`: what a card did counts against it no longer.

use schemas::partition_of;
use serde::Serialize;
use serde_json::json;

use super::whereabouts::Whereabouts;
use crate::operator::{self, busy};
use crate::pinned::Pinned;
use crate::settings::Settings;
use crate::{Error, Verdict, output};

#[derive(Serialize)]
struct Answer {
    card_id: String,
    /// What was known of the card until now; null where that was nothing.
    forgotten: Option<Whereabouts>,
}

/// Who holds the card's partition for too long.
const HELD: &str = "a consumer's batch holds the card's partition: try again in a moment";

/// Forgets where the card is, its denials and its lockout, and writes down who wanted that and why.
///
/// # Errors
/// Postgres' own.
pub async fn run(
    settings: &Settings,
    card_id: &str,
    reason: &str,
    json: bool,
) -> Result<Verdict, Error> {
    let mut client = operator::session(&settings.postgres).await?;
    let partitions = Pinned::read(&client).await?.map(|log| log.partitions());
    let transaction = client.transaction().await?;
    if let Some(partitions) = partitions {
        // Whoever owns the partition reads what a card did and writes what it does behind this row:
        // in between nobody may forget it, or it is written again.
        let sql = "SELECT FROM consumer_offset WHERE log_partition = $1 FOR UPDATE";
        let partition = partition_of(card_id.as_bytes(), partitions);
        transaction.execute(sql, &[&partition]).await.map_err(busy(HELD))?;
    }
    let forgotten = Whereabouts::load(&transaction, card_id).await?;
    if let Some(before) = &forgotten {
        transaction.execute("DELETE FROM card_state WHERE card_id = $1", &[&card_id]).await?;
        let detail = json!({ "card_id": card_id, "forgotten": before });
        operator::record(&transaction, "forgive", reason, &detail).await?;
    }
    transaction.commit().await?;
    if json {
        output::print_json(&Answer { card_id: card_id.to_owned(), forgotten })?;
    } else {
        output::print(match forgotten {
            Some(_) => "forgiven: it counts as a card that has not been anywhere",
            None => "there is nothing to forgive: nothing that it did counts",
        })?;
    }
    Ok(Verdict::Fine)
}
