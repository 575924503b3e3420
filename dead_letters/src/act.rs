use std::time::Duration;

use schemas::headers;
use tokio_postgres::{GenericClient, Row};
use uuid::Uuid;

use crate::{Action, Error};

/// Who does something, and why: what stands in `dead_letter_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By<'a> {
    /// User of the system and role of the database, or the program that does it by itself.
    pub actor: &'a str,
    /// What is done.
    pub action: Action,
    /// Why, in 1 to 500 characters; a program may have none.
    pub reason: Option<&'a str>,
}

/// Bytes of key, value and headers that a replay may have: half of what a topic takes unless it is
/// told otherwise (`message.max.bytes` of Kafka: 1,048,588). No event is anywhere near it.
pub const REPLAY_BYTES_MAX: i64 = 512 * 1024;

/// Puts letters under way again: each becomes `replaying` for `lease`, and its event is left in
/// `outbox`, to be published by the owner of its partition. `wanted` are letters with the version
/// that the caller has seen. Returns those that were put under way, in no order: one that has
/// another version by now, is settled, whose lease still runs, or which is larger than
/// [`REPLAY_BYTES_MAX`] is left as it is.
///
/// The event is the amended one where there is one. Its headers lose what an earlier replay left
/// and gain `gatelog-replay`, `gatelog-dlq-id` and `gatelog-dlq-version`, so that it never opens a
/// door and settles this letter, as long as nothing else was done to it. It is one statement, and so one transaction by itself.
///
/// # Errors
/// Postgres' own; then nothing was done.
pub async fn replay(
    client: &impl GenericClient,
    wanted: &[(Uuid, i64)],
    by: &By<'_>,
    lease: Duration,
) -> Result<Vec<Uuid>, Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, versions): (Vec<Uuid>, Vec<i64>) = wanted.iter().copied().unzip();
    let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let (nth, of) = (headers::REPLAY.as_bytes(), headers::dlq::ID.as_bytes());
    let version = headers::dlq::VERSION.as_bytes();
    let action = by.action.as_str();
    let sql = include_str!("sql/replay.sql");
    let rows = client
        .query(
            sql,
            &[
                &ids,
                &versions,
                &lease_ms,
                &nth,
                &of,
                &by.actor,
                &action,
                &by.reason,
                &version,
                &REPLAY_BYTES_MAX,
            ],
        )
        .await?;
    Ok(ids_of(&rows))
}

/// Gives letters up: each becomes `discarded`. One that is under way is left as it is until what
/// becomes of it is known; unless its lease ran out and no consumer has read its replay yet, which is
/// taken back then. Takes and returns the same as [`replay`].
///
/// # Errors
/// Postgres' own; then nothing was done.
pub async fn discard(
    client: &impl GenericClient,
    wanted: &[(Uuid, i64)],
    by: &By<'_>,
) -> Result<Vec<Uuid>, Error> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let (ids, versions): (Vec<Uuid>, Vec<i64>) = wanted.iter().copied().unzip();
    let action = by.action.as_str();
    let sql = include_str!("sql/discard.sql");
    let rows = client.query(sql, &[&ids, &versions, &by.actor, &action, &by.reason]).await?;
    Ok(ids_of(&rows))
}

/// An event that an operator made of a letter: what replays send from then on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amended {
    /// The record's key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// Its headers, in order.
    pub headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Stores what an operator made of a letter, beside the original, which stays. The letter is open
/// then, and no longer one for the compensator. Returns the version that it has, or none where it
/// has another one by now, is settled, or is under way (as for [`discard`]). `detail` is for the
/// record; no card in it.
///
/// # Errors
/// Postgres' own; then nothing was done.
pub async fn amend(
    client: &impl GenericClient,
    (id, version): (Uuid, i64),
    amended: &Amended,
    by: &By<'_>,
    detail: &serde_json::Value,
) -> Result<Option<i64>, Error> {
    let Amended { key, value, headers } = amended;
    let (names, values): (Vec<&[u8]>, Vec<Option<&[u8]>>) =
        headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref())).unzip();
    let action = by.action.as_str();
    let sql = include_str!("sql/amend.sql");
    let row = client
        .query_opt(
            sql,
            &[&id, &version, key, value, &names, &values, &by.actor, &action, &by.reason, detail],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

fn ids_of(rows: &[Row]) -> Vec<Uuid> {
    rows.iter().map(|row| row.get(0)).collect()
}
