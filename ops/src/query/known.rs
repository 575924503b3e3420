//! What is asked about must be there: an empty answer about a misspelt name would be a lie.

use tokio_postgres::Client;

use crate::Error;

/// Names of an error, at most.
const NAMES_MAX: usize = 20;

pub(super) async fn zone(client: &Client, zone_id: &str) -> Result<(), Error> {
    let sql = "SELECT zone_id FROM analyst.zone ORDER BY zone_id";
    let ids: Vec<String> = client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect();
    if ids.iter().any(|id| id == zone_id) {
        return Ok(());
    }
    Err(Error::Usage(format!("there is no zone {zone_id}; {}", those("zones", &ids))))
}

/// For a terminal of which there are no rows.
pub(super) async fn terminal(client: &Client, terminal_id: &str, when: &str) -> Result<(), Error> {
    let sql = "SELECT terminal_id FROM analyst.terminal ORDER BY terminal_id";
    let ids: Vec<String> = client.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect();
    if ids.iter().any(|id| id == terminal_id) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "no terminal {terminal_id} is registered, and nothing was read there {when}; {}",
        those("terminals", &ids)
    )))
}

/// For a card of which there are no rows.
pub(super) async fn card(client: &Client, card_id: &str, when: &str) -> Result<(), Error> {
    let sql = "SELECT EXISTS (SELECT FROM analyst.card WHERE card_id = $1)";
    if client.query_one(sql, &[&card_id]).await?.get(0) {
        return Ok(());
    }
    Err(Error::Usage(format!("no card {card_id} is registered, and none was read {when}")))
}

/// Whether the server says when rows were committed.
pub(super) async fn commit_times(client: &Client) -> Result<(), Error> {
    let sql = "SELECT current_setting('track_commit_timestamp')::boolean";
    match client.query_one(sql, &[]).await?.get(0) {
        true => Ok(()),
        false => Err(Error::Other(
            "this Postgres does not keep when a row was committed: set track_commit_timestamp = on, \
             and it is known of rows from then on"
                .to_owned(),
        )),
    }
}

fn those(what: &str, ids: &[String]) -> String {
    match ids.len() {
        0 => format!("no {what} are registered"),
        count if count > NAMES_MAX => {
            format!("the first of {count} {what} are {}", ids[..NAMES_MAX].join(", "))
        }
        _ => format!("the {what} are {}", ids.join(", ")),
    }
}
