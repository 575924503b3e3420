//! What one update writes, and what it leaves alone.

use std::time::{Duration, SystemTime};

use tokio_postgres::Client;
use versioned::{Conflict, Error, Outcome, Versioned};

use crate::pass::{Pass, TABLES, conflict};
use test_database::Database;

const NOW_UNIX_MS: i64 = 1_750_000_000_123;

#[tokio::test]
async fn a_change_moves_version_and_time_and_no_other_column() {
    Database::with_tables(TABLES, async |_, client| {
        let mut pass = Pass::read(&client).await.unwrap().and("lab");
        pass.label = Some("guest".to_owned());
        pass.in_force_from = None;
        assert_eq!(pass.update(&client, NOW_UNIX_MS).await.unwrap(), Outcome::Changed(2));
        let now = SystemTime::UNIX_EPOCH + Duration::from_millis(NOW_UNIX_MS as u64);
        assert_eq!((pass.version, pass.changed_at), (2, Some(now)));
        let stored = Pass::read(&client).await.unwrap();
        assert_eq!(stored, Pass { in_force_from: Some(7), ..pass.clone() });

        // The value goes on from there, without being read again.
        pass.label = None;
        assert_eq!(pass.update(&client, NOW_UNIX_MS + 1).await.unwrap(), Outcome::Changed(3));
        assert_eq!(Pass::read(&client).await.unwrap().label, None);
    })
    .await;
}

#[tokio::test]
async fn without_a_change_nothing_is_written() {
    Database::with_tables(TABLES, async |_, client| {
        let before = place(&client).await;
        let mut pass = Pass::read(&client).await.unwrap();
        pass.in_force_from = Some(8);
        let unchanged = pass.clone();
        assert_eq!(pass.update(&client, NOW_UNIX_MS).await.unwrap(), Outcome::Unchanged(1));
        assert_eq!(pass, unchanged);
        assert_eq!(place(&client).await, before);
        let rows = client.query_one("SELECT sum(rows)::bigint FROM trigger_log", &[]).await;
        assert_eq!(rows.unwrap().get::<_, i64>(0), 0);
    })
    .await;
}

/// Where the row lies, who wrote it and who locked it: an update or a lock changes at least one.
async fn place(client: &Client) -> String {
    let place = "SELECT concat_ws(' ', ctid, xmin, xmax) FROM pass";
    client.query_one(place, &[]).await.unwrap().get(0)
}

#[tokio::test]
async fn an_old_version_conflicts_even_with_the_same_values() {
    Database::with_tables(TABLES, async |_, client| {
        let mut old = Pass::read(&client).await.unwrap();
        let mut new = old.clone().and("lab");
        new.update(&client, NOW_UNIX_MS).await.unwrap();
        old.zones.clone_from(&new.zones);
        let conflict = conflict(old.update(&client, NOW_UNIX_MS).await);
        assert_eq!(conflict, Conflict { table: "pass", expected: 1, current: Some(2) });
        assert_eq!(conflict.to_string(), "pass: version 1 expected, 2 found");
    })
    .await;
}

#[tokio::test]
async fn a_row_that_is_gone_conflicts() {
    Database::with_tables(TABLES, async |_, client| {
        let mut pass = Pass::read(&client).await.unwrap().and("lab");
        client.batch_execute("DELETE FROM pass").await.unwrap();
        let conflict = conflict(pass.update(&client, NOW_UNIX_MS).await);
        assert_eq!(conflict, Conflict { table: "pass", expected: 1, current: None });
        assert_eq!(conflict.to_string(), "pass: version 1 expected, but the row is gone");
        assert_eq!(pass.version, 1);
    })
    .await;
}

#[tokio::test]
async fn what_postgres_refuses_is_told_without_the_row() {
    Database::with_tables(TABLES, async |_, client| {
        let pass = Pass::read(&client).await.unwrap();
        let mut pass = pass.and("lab").and("roof").and("gate");
        let error = pass.update(&client, NOW_UNIX_MS).await.unwrap_err();
        assert!(matches!(error, Error::Postgres { table: "pass", .. }));
        assert_eq!(error.to_string(), "pass: the update failed (SQLSTATE 23514)");
        assert_eq!(pass.version, 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_rolled_back_was_never_written() {
    Database::with_tables(TABLES, async |_, mut client| {
        let mut pass = Pass::read(&client).await.unwrap().and("lab");
        let transaction = client.transaction().await.unwrap();
        assert_eq!(pass.update(&transaction, NOW_UNIX_MS).await.unwrap(), Outcome::Changed(2));
        transaction.rollback().await.unwrap();
        let conflict = conflict(pass.and("roof").update(&client, NOW_UNIX_MS).await);
        assert_eq!((conflict.expected, conflict.current), (2, Some(1)));
    })
    .await;
}
