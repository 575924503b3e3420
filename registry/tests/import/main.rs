//! Access import and what permission changes do to clock and history, on a real Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod clock;
mod history;
mod outcome;

use registry::import::{self, AccessFile, Report, Run};
use tokio_postgres::Client;

/// An access file from its cards; it brings the zones `hall` and `lab` and a terminal each.
fn file(cards: &str) -> AccessFile {
    let text = format!(
        r#"{{
            "in_force_from": "2016-01-01T00:00:00Z",
            "zones": [
                {{ "zone_id": "hall", "name": "Hall" }},
                {{ "zone_id": "lab", "name": "Laboratory" }}
            ],
            "terminals": [
                {{ "terminal_id": "door-1", "zone_id": "hall", "direction": "in" }},
                {{ "terminal_id": "door-2", "zone_id": "lab", "direction": "both" }}
            ],
            "cards": [{cards}]
        }}"#
    );
    AccessFile::parse(text.as_bytes()).unwrap()
}

async fn apply(client: &mut Client, cards: &str) -> Report {
    import::apply(client, &file(cards), Run::Apply).await.unwrap()
}

async fn clock(client: &Client) -> i64 {
    number(client, "SELECT version FROM permission_clock").await
}

async fn number(client: &Client, query: &str) -> i64 {
    client.query_one(query, &[]).await.unwrap().get(0)
}

/// The history of a card: spans that have an end before now are `closed`, with their zones.
async fn history(client: &Client, card: &str) -> Vec<String> {
    let query =
        "SELECT concat_ws(' ', CASE WHEN since = '2016-01-01Z' THEN '2016' ELSE 'stamped' END,
               CASE WHEN until = 'infinity' THEN 'open' ELSE 'closed' END,
               state, 'v' || access_version, array_to_string(zones, '+'))
        FROM user_access_history WHERE card_id = $1 ORDER BY since";
    let rows = client.query(query, &[&card]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}
