//! The permission clock: what moves it, and whom that holds up.

use tokio_postgres::Client;

use crate::{apply, clock, file, number};
use test_database::Database;

use registry::import::{self, Run};

const A: &str = r#"{ "card_id": "a", "zones": ["hall"] }"#;

/// What `seal_batch` answers, with little patience for whoever holds the lock.
async fn seal(client: &Client) -> Result<i64, tokio_postgres::Error> {
    client.batch_execute("SET lock_timeout = '200ms'").await?;
    Ok(client.query_one("SELECT seal_batch()", &[]).await?.get(0))
}

#[tokio::test]
async fn a_transaction_moves_it_once_however_much_it_changes() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        let before = clock(&client).await;
        apply(&mut client, A).await; // zones, terminals, card and user_access
        assert_eq!(clock(&client).await, before + 1);
        let open = "SELECT count(*) FROM permission_change WHERE clock IS NULL";
        assert_eq!(number(&client, open).await, 0);
    })
    .await;
}

#[tokio::test]
async fn any_statement_on_a_permission_table_moves_it() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, A).await;
        for statement in [
            "INSERT INTO zone VALUES ('yard', 'Yard')",
            "UPDATE zone SET name = 'Court' WHERE zone_id = 'yard'",
            "INSERT INTO zone VALUES ('yard', '?') ON CONFLICT (zone_id) DO UPDATE SET name = 'Y'",
            "DELETE FROM zone WHERE zone_id = 'yard'",
            "UPDATE terminal SET direction = 'out'",
            "UPDATE card SET state = 'blocked'",
            "UPDATE user_access SET zones = '{}'",
            "SET session_replication_role = replica; UPDATE card SET state = 'lost'; \
             RESET session_replication_role",
            "DELETE FROM card",
            "TRUNCATE user_access",
        ] {
            let before = clock(&client).await;
            client.batch_execute(statement).await.unwrap();
            assert_eq!(clock(&client).await, before + 1, "{statement}");
        }
        let before = clock(&client).await;
        client.batch_execute("UPDATE card SET state = 'lost' WHERE false").await.unwrap();
        assert_eq!(clock(&client).await, before, "a statement that touched no row");
    })
    .await;
}

#[tokio::test]
async fn it_says_which_keys_moved_it_up_to_a_thousand() {
    Database::with(async |database| {
        let client = database.connect().await;
        for (cards, named) in [(1_000, true), (1_001, false)] {
            let insert = format!(
                "INSERT INTO card (card_id) SELECT 'c' || n FROM generate_series(1, {cards}) n;"
            );
            client.batch_execute(&insert).await.unwrap();
            let query = "SELECT keys IS NOT NULL FROM permission_change ORDER BY id DESC LIMIT 1";
            let row = client.query_one(query, &[]).await.unwrap();
            assert_eq!(row.get::<_, bool>(0), named, "{cards}");
            let spans = "SELECT count(*) FROM user_access_history WHERE until = 'infinity'";
            assert_eq!(number(&client, spans).await, cards);
            client.batch_execute("DELETE FROM card").await.unwrap();
            assert_eq!(number(&client, spans).await, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn an_open_transaction_holds_up_no_batch_and_a_batch_only_its_commit() {
    Database::with(async |database| {
        let mut admin = database.connect().await;
        let mut batch = database.connect().await;
        apply(&mut admin, A).await;
        let before = clock(&admin).await;

        let change = admin.transaction().await.unwrap();
        change.batch_execute("UPDATE card SET state = 'lost'").await.unwrap();
        assert_eq!(seal(&batch).await.unwrap(), before, "not while the change is open");

        let sealed = batch.transaction().await.unwrap();
        let clock_of_batch: i64 =
            sealed.query_one("SELECT seal_batch()", &[]).await.unwrap().get(0);
        assert_eq!(clock_of_batch, before);
        change.batch_execute("SET LOCAL lock_timeout = '200ms'").await.unwrap();
        let refused = change.commit().await.unwrap_err();
        assert_eq!(refused.code().unwrap().code(), "55P03", "not while a batch is sealed");
        sealed.commit().await.unwrap();
        assert_eq!(clock(&batch).await, before, "the change is gone, and its stamp with it");
    })
    .await;
}

#[tokio::test]
async fn an_import_that_is_open_blocks_no_batch() {
    Database::with(async |database| {
        let mut admin = database.connect().await;
        let batch = database.connect().await;
        // What a dry run does before it rolls back is what an import does before it commits.
        let file = file(A);
        let import = import::apply(&mut admin, &file, Run::Dry);
        let (report, sealed) = tokio::join!(import, seal(&batch));
        assert_eq!(report.unwrap().cards.added, 1);
        assert_eq!(sealed.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_temporary_table_stands_in_for_none_of_ours() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, A).await;
        let before = clock(&client).await;
        client
            .batch_execute(
                "BEGIN;
                 CREATE TEMP TABLE permission_change (kind text, keys text[]);
                 UPDATE card SET state = 'lost';
                 DROP TABLE permission_change;
                 COMMIT",
            )
            .await
            .unwrap();
        assert_eq!(clock(&client).await, before + 1);
    })
    .await;
}
