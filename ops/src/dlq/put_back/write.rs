//! The rows of a letter that is put back.

use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use super::super::letter::{Letter, Record};
use crate::Error;

/// Writes the letter and what was done; or says why Postgres refuses it, and leaves the transaction as
/// it was.
pub(super) async fn letter(
    transaction: &mut Transaction<'_>,
    letter: &Letter,
    (actor, action, reason): (&str, &str, &str),
) -> Result<Option<String>, Error> {
    let savepoint = transaction.transaction().await?;
    match insert(&savepoint, letter).await {
        Ok(_) => {}
        // The row itself: what was read may say anything.
        Err(error) if error.code().is_some_and(is_of_the_row) => {
            let code = error.code().map_or("", SqlState::code);
            return Ok(Some(format!("Postgres refuses it (SQLSTATE {code})")));
        }
        Err(error) => return Err(error.into()),
    }
    let sql = "INSERT INTO dead_letter_action (dead_letter_id, actor, action, reason, version) \
               VALUES ($1, $2, $3, $4, $5)";
    let id = &letter.dead_letter_id;
    savepoint.execute(sql, &[id, &actor, &action, &reason, &letter.version]).await?;
    if let Some(first) = &letter.merged_into {
        savepoint.execute(include_str!("../sql/count_merged.sql"), &[first]).await?;
    }
    savepoint.commit().await?;
    Ok(None)
}

async fn insert(
    transaction: &Transaction<'_>,
    letter: &Letter,
) -> Result<u64, tokio_postgres::Error> {
    let moment = |at: Option<Millis>| at.map(Timestamptz);
    let (names, values) = letter.original.columns();
    let amended = letter.amended.as_ref().map(Record::columns);
    let (amended_names, amended_values) = amended.unzip();
    let amended_key = letter.amended.as_ref().and_then(Record::key);
    let amended_value = letter.amended.as_ref().and_then(Record::value);
    let says = letter.says.as_ref();
    transaction
        .execute(
            include_str!("../sql/put_back.sql"),
            &[
                &letter.dead_letter_id,
                &letter.log_partition,
                &letter.log_offset,
                &letter.stage,
                &letter.reason,
                &letter.message,
                &letter.sqlstate,
                &letter.tries,
                &letter.original.key(),
                &letter.original.value(),
                &names,
                &values,
                &moment(letter.published_at),
                &Timestamptz(letter.created_at),
                &letter.state,
                &letter.version,
                &says.map(|says| says.event_id),
                &says.map(|says| says.card_id.as_str()),
                &says.map(|says| says.terminal_id.as_str()),
                &says.map(|says| Timestamptz(says.occurred_at)),
                &letter.replay_count,
                &letter.merged_into,
                &moment(letter.settled_at),
                &letter.compensations,
                &moment(letter.compensate_at),
                &amended_key,
                &amended_value,
                &amended_names,
                &amended_values,
            ],
        )
        .await
}

fn is_of_the_row(code: &SqlState) -> bool {
    ["22", "23"].iter().any(|class| code.code().starts_with(class))
}
