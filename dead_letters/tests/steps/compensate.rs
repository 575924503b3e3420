//! Rounds of the compensator.

use std::collections::BTreeSet;
use std::time::Duration;

use dead_letters::{Round, compensate};
use resilience::Backoff;

use crate::letters::{FAIL_AGAIN, HEALED, number, unknown_terminal};
use test_database::Database;

#[tokio::test]
async fn rounds_at_once_never_take_the_same_letter() {
    Database::with(|database| async move {
        let client = database.connect().await;
        unknown_terminal(&client, 1_000).await;
        client.batch_execute(HEALED).await.unwrap();
        let mut rounds = Vec::new();
        for _ in 0..4 {
            let mut client = database.connect().await;
            rounds.push(tokio::spawn(async move {
                let mut taken = Vec::new();
                let round = Round { limit: 37, ..Round::default() };
                loop {
                    match compensate(&mut client, &round).await.unwrap().replayed {
                        // Nothing is left, or others hold the rest: what they hold, they take.
                        none if none.is_empty() => return taken,
                        some => taken.extend(some),
                    }
                }
            }));
        }
        let mut taken = Vec::new();
        for round in rounds {
            taken.extend(round.await.unwrap());
        }
        assert_eq!(taken.len(), 1_000);
        assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 1_000);
        let once = "SELECT count(*) FROM dead_letter
            WHERE state = 'replaying' AND version = 2 AND compensations = 1";
        assert_eq!(number(&client, once).await, 1_000);
        assert_eq!(number(&client, "SELECT count(*) FROM outbox").await, 1_000);
        let noted = "SELECT count(DISTINCT dead_letter_id) FROM dead_letter_action
            WHERE action = 'compensate' AND actor = 'compensator' AND reason IS NULL";
        assert_eq!(number(&client, noted).await, 1_000);
    })
    .await;
}

#[tokio::test]
async fn eight_tries_with_growing_pauses_and_never_again() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        unknown_terminal(&client, 200).await;
        client.batch_execute(HEALED).await.unwrap();
        let mut means = Vec::new();
        for nth in 1..=8_i64 {
            let done = compensate(&mut client, &Round::default()).await.unwrap();
            assert_eq!(done.replayed.len(), 200, "{nth}");
            let waits =
                "SELECT coalesce(avg(extract(epoch FROM compensate_at - now())), 0)::float8,
                                coalesce(max(extract(epoch FROM compensate_at - now())), 0)::float8
                         FROM dead_letter";
            let row = client.query_one(waits, &[]).await.unwrap();
            let (mean, most): (f64, f64) = (row.get(0), row.get(1));
            let limit = if nth < 8 { 10.0 * 2_f64.powi(nth as i32 - 1) } else { 0.0 };
            assert!(most <= limit && mean >= limit * 0.35, "{nth}: {mean}, {most}");
            means.push(mean);
            client.batch_execute(FAIL_AGAIN).await.unwrap();
            let due =
                "UPDATE dead_letter SET compensate_at = now() WHERE compensate_at IS NOT NULL";
            client.batch_execute(due).await.unwrap();
        }
        assert!(means.windows(2).take(6).all(|two| two[0] < two[1]), "{means:?}");
        let done = compensate(&mut client, &Round::default()).await.unwrap();
        assert_eq!((done.replayed.len(), done.given_up_total, done.waiting_total), (0, 200, 0));
        // Not even if somebody puts the time back.
        client.batch_execute("UPDATE dead_letter SET compensate_at = now()").await.unwrap();
        let done = compensate(&mut client, &Round::default()).await.unwrap();
        assert!(done.replayed.is_empty());
    })
    .await;
}

#[tokio::test]
async fn only_what_has_healed_is_taken_the_longest_due_first() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        let letters = unknown_terminal(&client, 12).await;
        client.batch_execute(HEALED).await.unwrap();
        client
            .batch_execute(
                "UPDATE retention SET oldest_day = '2020-02-02';
                 UPDATE dead_letter SET terminal_id = 'door-8' WHERE log_offset = 0;
                 UPDATE dead_letter SET reason = 'occurred_at_out_of_range'
                     WHERE log_offset BETWEEN 1 AND 4;
                 UPDATE dead_letter SET occurred_at = '2020-02-01T23:59:59.999Z' WHERE log_offset = 1;
                 UPDATE dead_letter SET occurred_at = '2020-02-02T00:00:00Z' WHERE log_offset = 2;
                 UPDATE dead_letter SET occurred_at = now() + interval '25 h' WHERE log_offset = 3;
                 UPDATE dead_letter SET occurred_at = now() + interval '23 h' WHERE log_offset = 4;
                 UPDATE dead_letter SET reason = 'undecodable' WHERE log_offset = 5;
                 UPDATE dead_letter SET reason = 'bad_row' WHERE log_offset = 6;
                 UPDATE dead_letter SET compensate_at = NULL WHERE log_offset = 7;
                 UPDATE dead_letter SET compensate_at = now() + interval '1 min' WHERE log_offset = 8;
                 UPDATE dead_letter SET state = 'discarded', settled_at = now() WHERE log_offset = 9;
                 UPDATE dead_letter SET state = 'replaying', lease_until = now() + interval '1 min'
                     WHERE log_offset = 10;
                 UPDATE dead_letter SET state = 'replaying', lease_until = now() WHERE log_offset = 11",
            )
            .await
            .unwrap();
        let one = Round { limit: 1, lease: Duration::from_secs(5), ..Round::default() };
        let mut taken = Vec::new();
        for _ in 0..4 {
            taken.extend(compensate(&mut client, &one).await.unwrap().replayed);
        }
        assert_eq!(taken, [letters[11].0, letters[4].0, letters[2].0]);
        let lease = "SELECT count(*) FROM dead_letter WHERE log_offset IN (2, 4, 11)
            AND lease_until BETWEEN now() AND now() + interval '5 s'";
        assert_eq!(number(&client, lease).await, 3);
    })
    .await;
}

#[tokio::test]
async fn the_cap_bounds_the_pause() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        unknown_terminal(&client, 100).await;
        client.batch_execute(HEALED).await.unwrap();
        client.batch_execute("UPDATE dead_letter SET compensations = 900").await.unwrap();
        let backoff = Backoff { base_ms: 10_000, cap_ms: 3_600_000 };
        let round = Round { tries_max: u32::MAX, backoff, ..Round::default() };
        assert_eq!(compensate(&mut client, &round).await.unwrap().replayed.len(), 100);
        let most = "SELECT count(*) FROM dead_letter
            WHERE compensate_at BETWEEN now() AND now() + interval '1 h'";
        assert_eq!(number(&client, most).await, 100);
    })
    .await;
}
