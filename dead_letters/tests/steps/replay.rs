//! Replaying and giving up.

use std::time::Duration;

use dead_letters::{Action, Amended, By, LEASE, amend, discard, replay};
use tokio_postgres::Row;

use crate::letters::{FAIL_AGAIN, number, unknown_terminal};
use test_database::Database;

const BY: By<'static> = By { actor: "kim", action: Action::Replay, reason: Some("registered") };
const GIVE_UP: By<'static> = By { actor: "kim", action: Action::Discard, reason: Some("a test") };

fn headers(row: &Row) -> Vec<(String, Option<String>)> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let names: Vec<Vec<u8>> = row.get("header_names");
    let values: Vec<Option<Vec<u8>>> = row.get("header_values");
    names.into_iter().map(text).zip(values.into_iter().map(|v| v.map(text))).collect()
}

#[tokio::test]
async fn the_original_bytes_are_left_to_publish_with_who_and_why() {
    Database::with(|database| async move {
        let client = database.connect().await;
        let letters = unknown_terminal(&client, 2).await;
        let begun = replay(&client, &letters[1..], &BY, LEASE).await.unwrap();
        assert_eq!(begun, [letters[1].0]);

        let sent = client.query_one("SELECT * FROM outbox", &[]).await.unwrap();
        let bytes = |column| sent.get::<_, Option<Vec<u8>>>(column);
        assert_eq!((sent.get::<_, i32>("log_partition"), sent.get::<_, i64>("log_offset")), (1, 1));
        assert_eq!(sent.get::<_, String>("kind"), "replay");
        assert_eq!((bytes("key"), bytes("value")), (Some(b"card-1".into()), Some(b"{}".into())));
        let wanted = [
            ("ce_id", Some("1".to_owned())),
            ("odd", None),
            ("gatelog-replay", Some("1".to_owned())),
            ("gatelog-dlq-id", Some(letters[1].0.to_string())),
            ("gatelog-dlq-version", Some("2".to_owned())),
        ];
        assert_eq!(headers(&sent), wanted.map(|(name, value)| (name.to_owned(), value)));

        let letter = "SELECT count(*) FROM dead_letter WHERE state = 'replaying' AND version = 2
            AND lease_until BETWEEN now() + interval '50 s' AND now() + interval '60 s'";
        assert_eq!(number(&client, letter).await, 1);
        let action = "SELECT count(*) FROM dead_letter_action WHERE actor = 'kim' AND version = 2
            AND action = 'replay' AND reason = 'registered' AND detail = '{\"replay\": 1, \"amended\": false}'";
        assert_eq!(number(&client, action).await, 1);

        // Failed, and once more: with the next number, and no header twice.
        client.batch_execute(FAIL_AGAIN).await.unwrap();
        replay(&client, &[(letters[1].0, 3)], &BY, LEASE).await.unwrap();
        let sent = client.query_one("SELECT * FROM outbox", &[]).await.unwrap();
        assert_eq!(headers(&sent)[2], ("gatelog-replay".to_owned(), Some("2".to_owned())));
        assert_eq!(headers(&sent).len(), 5);
    })
    .await;
}

#[tokio::test]
async fn amended_bytes_are_sent_instead_and_nothing_is_a_value_too() {
    Database::with(|database| async move {
        let client = database.connect().await;
        let letters = unknown_terminal(&client, 2).await;
        let amended = Amended {
            key: b"card-2".into(),
            value: b"[]".into(),
            headers: vec![(b"ce_id".into(), Some(b"2".into()))],
        };
        let by = By { action: Action::Edit, ..BY };
        let detail = serde_json::json!({ "fields": ["card_id"] });
        let edit = async |version| {
            amend(&client, (letters[0].0, version), &amended, &by, &detail).await.unwrap()
        };
        assert_eq!((edit(1).await, edit(1).await), (Some(2), None));
        client
            .batch_execute(
                "UPDATE dead_letter SET key = NULL, value = NULL, header_names = '{}',
                     header_values = '{}' WHERE log_offset = 1",
            )
            .await
            .unwrap();
        let both = [(letters[0].0, 2), letters[1]];
        assert_eq!(replay(&client, &both, &BY, LEASE).await.unwrap().len(), 2);
        // Not while it is under way; after that, and the old one is not sent any more.
        assert_eq!(edit(3).await, None);
        let sent = client.query("SELECT * FROM outbox ORDER BY log_offset", &[]).await.unwrap();
        let bytes = |row: &Row, column| row.get::<_, Option<Vec<u8>>>(column);
        assert_eq!(bytes(&sent[0], "key"), Some(b"card-2".into()));
        assert_eq!(bytes(&sent[0], "value"), Some(b"[]".into()));
        assert_eq!(headers(&sent[0])[0], ("ce_id".to_owned(), Some("2".to_owned())));
        assert_eq!(headers(&sent[0]).len(), 4);
        assert_eq!((bytes(&sent[1], "key"), bytes(&sent[1], "value")), (None, None));
        assert_eq!(headers(&sent[1]).len(), 3);
        client.batch_execute("UPDATE dead_letter SET lease_until = now()").await.unwrap();
        assert_eq!(edit(3).await, Some(4));
        assert_eq!(number(&client, "SELECT count(*) FROM outbox").await, 1);
        let open = "SELECT count(*) FROM dead_letter WHERE state = 'open' AND compensate_at IS NULL
            AND value = '{}' AND amended_value = '[]'";
        assert_eq!(number(&client, open).await, 1);
    })
    .await;
}

#[tokio::test]
async fn of_two_operators_one_gets_each_letter() {
    Database::with(|database| async move {
        let client = database.connect().await;
        let letters = unknown_terminal(&client, 300).await;
        let other: Vec<_> = letters.iter().rev().copied().collect();
        let (one, two) = (database.connect().await, database.connect().await);
        let (first, second) =
            tokio::join!(replay(&one, &letters, &BY, LEASE), replay(&two, &other, &BY, LEASE));
        assert_eq!(first.unwrap().len() + second.unwrap().len(), 300);
        assert_eq!(number(&client, "SELECT count(*) FROM outbox").await, 300);
        assert_eq!(number(&client, "SELECT count(*) FROM dead_letter_action").await, 300);
        assert_eq!(number(&client, "SELECT max(version) FROM dead_letter").await, 2);

        // Letter by letter, many at once, half of them to give it up.
        client.batch_execute(FAIL_AGAIN).await.unwrap();
        client.batch_execute("TRUNCATE dead_letter_action").await.unwrap();
        let mut racers = Vec::new();
        for racer in 0..6 {
            let (client, letters) = (database.connect().await, letters.clone());
            racers.push(tokio::spawn(async move {
                let mut won = 0;
                for (id, _) in letters {
                    let wanted = [(id, 3)];
                    won += match racer % 2 {
                        0 => replay(&client, &wanted, &BY, LEASE).await,
                        _ => discard(&client, &wanted, &GIVE_UP).await,
                    }
                    .unwrap()
                    .len();
                }
                won
            }));
        }
        let mut won = 0;
        for racer in racers {
            won += racer.await.unwrap();
        }
        assert_eq!(won, 300);
        assert_eq!(number(&client, "SELECT count(*) FROM dead_letter_action").await, 300);
        let both = "SELECT count(*) FROM outbox JOIN dead_letter USING (log_partition, log_offset)
            WHERE state <> 'replaying'";
        assert_eq!(number(&client, both).await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_ran_out_is_started_over_and_one_that_runs_is_not() {
    Database::with(|database| async move {
        let client = database.connect().await;
        let letters = unknown_terminal(&client, 1).await;
        let id = letters[0].0;
        assert_eq!(replay(&client, &letters, &BY, LEASE).await.unwrap(), [id]);
        assert!(replay(&client, &[(id, 2)], &BY, LEASE).await.unwrap().is_empty());
        assert!(discard(&client, &[(id, 2)], &GIVE_UP).await.unwrap().is_empty());

        client
            .batch_execute("UPDATE outbox SET since = '2020-01-01', value = 'old'")
            .await
            .unwrap();
        client.batch_execute("UPDATE dead_letter SET lease_until = now()").await.unwrap();
        assert_eq!(replay(&client, &[(id, 2)], &BY, LEASE).await.unwrap(), [id]);
        let again =
            "SELECT count(*) FROM outbox WHERE value = '{}' AND since > now() - interval '1 h'
            AND header_values[3] = '1'";
        assert_eq!(number(&client, again).await, 1);

        // What a consumer has read will come: the letter waits for it.
        client
            .batch_execute(
                "UPDATE dead_letter SET lease_until = now(); UPDATE outbox SET taken = true",
            )
            .await
            .unwrap();
        assert!(discard(&client, &[(id, 3)], &GIVE_UP).await.unwrap().is_empty());
        let amended = Amended { key: vec![], value: vec![], headers: vec![] };
        let by = By { action: Action::Edit, ..BY };
        let detail = serde_json::json!({});
        let edited = amend(&client, (id, 3), &amended, &by, &detail).await.unwrap();
        assert_eq!(edited, None, "an edit beside what comes");
        // Given up, it takes along what nobody has read yet.
        client.batch_execute("UPDATE outbox SET taken = false").await.unwrap();
        assert_eq!(discard(&client, &[(id, 3)], &GIVE_UP).await.unwrap(), [id]);
        assert_eq!(number(&client, "SELECT count(*) FROM outbox").await, 0);
        for state in ["discarded", "resolved", "superseded"] {
            let settle = format!("UPDATE dead_letter SET state = '{state}', settled_at = now()");
            client.batch_execute(&settle).await.unwrap();
            assert!(replay(&client, &[(id, 4)], &BY, Duration::ZERO).await.unwrap().is_empty());
            assert!(discard(&client, &[(id, 4)], &GIVE_UP).await.unwrap().is_empty());
        }
    })
    .await;
}

#[tokio::test]
async fn what_no_topic_would_take_is_not_put_under_way() {
    Database::with(|database| async move {
        let client = database.connect().await;
        let letters = unknown_terminal(&client, 2).await;
        let large = "UPDATE dead_letter SET value = convert_to(repeat('x', 600 * 1024), 'UTF8')
            WHERE log_offset = 0";
        client.batch_execute(large).await.unwrap();
        assert_eq!(replay(&client, &letters, &BY, LEASE).await.unwrap(), [letters[1].0]);
    })
    .await;
}
