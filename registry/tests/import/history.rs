//! What was in force when: `user_access_history`.

use crate::{apply, history, number};
use test_database::Database;

const A: &str = r#"{ "card_id": "a", "zones": ["hall"] }"#;
const A_LAB: &str = r#"{ "card_id": "a", "zones": ["hall", "lab"] }"#;

/// Spans of one card that overlap, or leave a gap that no deletion explains.
const BROKEN: &str = "SELECT count(*) FROM (
        SELECT until, lead(since) OVER (PARTITION BY card_id ORDER BY since) AS next
        FROM user_access_history
    ) t WHERE next <> until";

#[tokio::test]
async fn a_change_closes_a_span_and_opens_the_next() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, A).await;
        assert_eq!(history(&client, "a").await, ["2016 open enabled v1 hall"]);
        apply(&mut client, A_LAB).await;
        apply(&mut client, A_LAB).await;
        let spans = ["2016 closed enabled v1 hall", "stamped open enabled v2 hall+lab"];
        assert_eq!(history(&client, "a").await, spans);
        assert_eq!(number(&client, BROKEN).await, 0);
        let same = "SELECT count(*) FROM user_access_history h, permission_clock c
                    WHERE h.since = c.changed_at AND h.clock = c.version";
        assert_eq!(number(&client, same).await, 1, "since and clock are those of the change");
    })
    .await;
}

#[tokio::test]
async fn a_deleted_card_has_an_end_and_a_new_one_starts_at_its_registration() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, A).await;
        client.execute("DELETE FROM card WHERE card_id = 'a'", &[]).await.unwrap();
        assert_eq!(history(&client, "a").await, ["2016 closed enabled v1 hall"]);
        apply(&mut client, A_LAB).await;
        let spans = ["2016 closed enabled v1 hall", "stamped open enabled v1 hall+lab"];
        assert_eq!(history(&client, "a").await, spans);
    })
    .await;
}

#[tokio::test]
async fn what_anyone_writes_by_hand_is_history_too() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, A).await;
        for statement in [
            "UPDATE card SET state = 'lost'",
            "UPDATE user_access SET zones = zones", // nothing changes
            "UPDATE user_access SET zones = '{lab}', version = version + 1",
            "TRUNCATE card CASCADE",
        ] {
            client.batch_execute(statement).await.unwrap();
        }
        let spans = [
            "2016 closed enabled v1 hall",
            "stamped closed lost v1 hall",
            "stamped closed lost v2 lab",
        ];
        assert_eq!(history(&client, "a").await, spans);
        assert_eq!(number(&client, BROKEN).await, 0);
    })
    .await;
}

#[tokio::test]
async fn several_statements_of_one_transaction_are_one_span() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, A).await;
        let transaction = client.transaction().await.unwrap();
        for statement in [
            "UPDATE card SET state = 'lost'",
            "SAVEPOINT s; DELETE FROM user_access; ROLLBACK TO s",
            "UPDATE card SET state = 'stolen'",
            "UPDATE user_access SET zones = '{lab}', version = version + 1",
        ] {
            transaction.batch_execute(statement).await.unwrap();
        }
        transaction.commit().await.unwrap();
        let spans = ["2016 closed enabled v1 hall", "stamped open stolen v2 lab"];
        assert_eq!(history(&client, "a").await, spans);
    })
    .await;
}

#[tokio::test]
async fn two_halves_of_a_card_changed_at_once_are_both_in_the_history() {
    Database::with(async |database| {
        let mut one = database.connect().await;
        apply(&mut one, A).await;
        let mut two = database.connect().await;
        let first = one.transaction().await.unwrap();
        let second = two.transaction().await.unwrap();
        first.batch_execute("UPDATE card SET state = 'lost'").await.unwrap();
        second
            .batch_execute("UPDATE user_access SET zones = '{lab}', version = version + 1")
            .await
            .unwrap();
        second.commit().await.unwrap();
        first.commit().await.unwrap();
        let spans = [
            "2016 closed enabled v1 hall",
            "stamped closed enabled v2 lab",
            "stamped open lost v2 lab",
        ];
        assert_eq!(history(&one, "a").await, spans);
        assert_eq!(number(&one, BROKEN).await, 0);
    })
    .await;
}
