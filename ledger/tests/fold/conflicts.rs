//! Which events are told to have a number that another has.

use ledger::{Reused, Round, fold};
use test_database::Database;
use uuid::Uuid;

use crate::world::{DAY, KEEP, RESTLESS, batch, batch_of, conflicts, ledger, round};

#[tokio::test]
async fn a_number_that_comes_again_in_another_batch_the_same_and_another_day() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        batch(&mut client, 0, &[("t1", 0, 1, 0), ("t1", 0, 2, 10), ("t2", 0, 1, 20)]).await;
        assert_eq!(round(&mut client).await.reused, []);
        assert_eq!(ledger(&client).await, ["t1 0 1 {[1,3)} 2", "t2 0 1 {[1,2)} 1"]);

        // Once more on the same day; on the next; in another epoch; and twice in one batch.
        batch(&mut client, 10, &[("t1", 0, 2, 5_000)]).await;
        batch(&mut client, 20, &[("t1", 0, 1, DAY), ("t1", 1, 1, DAY + 1)]).await;
        batch(&mut client, 30, &[("t2", 0, 7, 30), ("t2", 0, 8, 31), ("t2", 0, 7, 32)]).await;
        let folded = round(&mut client).await;
        let reused =
            |terminal: &str, conflicts| Reused { terminal_id: terminal.to_owned(), conflicts };
        assert_eq!(folded.reused, [reused("t1", 2), reused("t2", 1)]);
        assert_eq!((folded.events, folded.waiting), (6, 0));
        assert_eq!(conflicts(&client).await, [(10, 1), (20, 0), (32, 30)]);
        assert_eq!(
            ledger(&client).await,
            ["t1 0 1 {[1,3)} 3", "t1 0 2 {[1,2)} 1", "t1 1 2 {[1,2)} 1", "t2 0 1 {[1,2),[7,9)} 4"]
        );
        // Nothing is told twice.
        assert_eq!(round(&mut client).await, ledger::Folded::default());
    })
    .await;
}

#[tokio::test]
async fn in_one_round_between_days_and_batches() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        batch(&mut client, 0, &[("t", 0, 5, DAY), ("t", 0, 6, DAY + 1)]).await;
        batch(&mut client, 10, &[("t", 0, 5, 3 * DAY), ("t", 0, 6, 0)]).await;
        assert_eq!(round(&mut client).await.events, 4);
        // 6 came on the first day, and was received then.
        assert_eq!(conflicts(&client).await, [(1, 11), (10, 0)]);
    })
    .await;
}

#[tokio::test]
async fn what_was_received_earlier_and_is_known_later() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        let id = Uuid::new_v4;
        batch_of(&mut client, 0, &[(("t", 0, 5, 0), id(), 9_000)]).await;
        round(&mut client).await;
        // From a gateway's disk: later in the log, of another moment, and received before.
        batch_of(&mut client, 1, &[(("t", 0, 5, 60_000), id(), 1_000)]).await;
        round(&mut client).await;
        assert_eq!(conflicts(&client).await, [(0, 1)]);
        // Two at once: the one that was the first is named, if it had not been.
        batch_of(&mut client, 2, &[(("t", 0, 6, 0), id(), 9_000)]).await;
        round(&mut client).await;
        let both = [(("t", 0, 6, 61_000), id(), 3_000), (("t", 0, 6, 62_000), id(), 2_000)];
        batch_of(&mut client, 3, &both).await;
        round(&mut client).await;
        assert_eq!(conflicts(&client).await, [(0, 1), (2, 4), (3, 4)]);
    })
    .await;
}

/// Whatever comes in whichever order: an event is named where another has its number, and only there.
#[tokio::test]
async fn all_that_share_a_number_are_named_and_no_others() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        let mut random = 12_345_u64;
        let mut below = |limit: u64| {
            // A linear congruential generator (Knuth's MMIX): the same each time.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (random >> 33) % limit
        };
        for nth in 0..60_i64 {
            let rows: Vec<_> = (0..8)
                .map(|at| {
                    // Moments of their own, as no card is twice.
                    let ms = below(3) as i64 * DAY + below(100_000) as i64 * 100 + at;
                    let terminal = ["t1", "t2"][below(2) as usize];
                    let swipe = (terminal, below(2) as u32, below(90), ms);
                    (swipe, Uuid::new_v4(), below(1_000_000) as i64)
                })
                .collect();
            batch_of(&mut client, nth * 8, &rows).await;
            if below(3) == 0 {
                let events_max = below(20) as u32;
                let few = Round { events_max, lookups_max: below(3) as u32, ..RESTLESS };
                fold(&mut client, &few).await.unwrap();
            }
        }
        while round(&mut client).await.waiting > 0 {}
        let wrong = "
            WITH shared AS (
                SELECT log_offset, count(*) OVER (PARTITION BY terminal_id, terminal_epoch, terminal_seq) > 1 AS is_shared
                FROM access_log
            ), named AS (
                SELECT log_offset FROM identity_conflict UNION SELECT other_offset FROM identity_conflict
            )
            SELECT count(*) FILTER (WHERE is_shared AND n.log_offset IS NULL),
                   count(*) FILTER (WHERE NOT is_shared AND n.log_offset IS NOT NULL),
                   count(*) FILTER (WHERE is_shared)
            FROM shared LEFT JOIN named n USING (log_offset)";
        let row = client.query_one(wrong, &[]).await.unwrap();
        let (missing, wrong, shared): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
        assert_eq!((missing, wrong), (0, 0), "of {shared} that share a number");
        assert!(shared > 100, "{shared}");
        let other = "SELECT count(*) FROM identity_conflict i
            JOIN access_log a ON a.log_offset = i.log_offset
            JOIN access_log b ON b.log_offset = i.other_offset
            WHERE (a.terminal_id, a.terminal_epoch, a.terminal_seq)
               <> (b.terminal_id, b.terminal_epoch, b.terminal_seq) OR a.log_offset = b.log_offset";
        assert_eq!(client.query_one(other, &[]).await.unwrap().get::<_, i64>(0), 0);
    })
    .await;
}

#[tokio::test]
async fn a_counter_that_stands_still_is_a_conflict_an_event() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        for nth in 0..20 {
            batch(&mut client, nth, &[("t", 0, 0, nth * 1_000)]).await;
            if nth % 3 == 0 {
                round(&mut client).await;
            }
        }
        round(&mut client).await;
        let all: Vec<(i64, i64)> = (1..20).map(|nth| (nth, 0)).collect();
        assert_eq!(conflicts(&client).await, all);
        assert_eq!(ledger(&client).await, ["t 0 1 {[0,1)} 20"]);
    })
    .await;
}

#[tokio::test]
async fn what_comes_again_and_again_is_told_often_enough() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        for nth in 0..4 {
            let still: Vec<_> = (0..60).map(|at| ("t", 0, 5, nth * 60 + at)).collect();
            batch(&mut client, nth * 60, &still).await;
            batch(&mut client, 1_000 + nth, &[("u", 0, 5, 1_000_000 + nth)]).await;
            assert_eq!(round(&mut client).await.events, 61);
        }
        // Told until more than a hundred had come again, and of no other terminal less.
        let mut all: Vec<(i64, i64)> = (1..120).map(|nth| (nth, 0)).collect();
        all.extend((1..4).map(|nth| (1_000 + nth, 1_000)));
        assert_eq!(conflicts(&client).await, all);
        assert_eq!(ledger(&client).await, ["t 0 1 {[5,6)} 240", "u 0 1 {[5,6)} 4"]);
        // Of another day, it is told again.
        batch(&mut client, 2_000, &[("t", 0, 5, DAY)]).await;
        round(&mut client).await;
        assert!(conflicts(&client).await.contains(&(2_000, 0)));
    })
    .await;
}

#[tokio::test]
async fn whoever_has_the_number_is_no_conflict_when_more_come() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        batch(&mut client, 0, &[("t", 0, 5, 0)]).await;
        round(&mut client).await;
        // Both rows are there, and one delta a round.
        batch(&mut client, 1, &[("t", 0, 5, 1_000)]).await;
        batch(&mut client, 2, &[("t", 0, 5, 2_000)]).await;
        let one = Round { events_max: 1, ..RESTLESS };
        assert_eq!(fold(&mut client, &one).await.unwrap().waiting, 1);
        assert_eq!(fold(&mut client, &one).await.unwrap().waiting, 0);
        assert_eq!(conflicts(&client).await, [(1, 0), (2, 0)]);
    })
    .await;
}

#[tokio::test]
async fn a_counter_that_begins_anew_each_day_is_compared_with_the_day_before() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        for day in 0..5 {
            batch(&mut client, day * 10, &[("t", 0, 0, day * DAY), ("t", 0, 1, day * DAY + 1)])
                .await;
            round(&mut client).await;
        }
        let all: Vec<(i64, i64)> =
            (1..5).flat_map(|day| [0, 1].map(|at| (day * 10 + at, day * 10 - 10 + at))).collect();
        assert_eq!(conflicts(&client).await, all);
    })
    .await;
}

#[tokio::test]
async fn only_rows_and_collisions_make_it_one() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        let id = Uuid::new_v4();
        batch(&mut client, 0, &[("t", 0, 5, 0), ("t", 0, 6, 1), ("t", 0, 7, 2)]).await;
        // One id for two cards is another kind of conflict.
        batch_of(&mut client, 10, &[(("t", 0, 9, 3), id, 3), (("t", 0, 9, 4), id, 4)]).await;
        round(&mut client).await;
        assert_eq!(conflicts(&client).await, []);
        // A row that was taken away, and is made again when the log is read again.
        client.batch_execute("DELETE FROM access_log WHERE log_offset = 1").await.unwrap();
        batch(&mut client, 1, &[("t", 0, 6, 1)]).await;
        round(&mut client).await;
        assert_eq!(conflicts(&client).await, []);
        // A row that lies among the collisions.
        batch(&mut client, 20, &[("t", 0, 7, 50)]).await;
        let moved = "INSERT INTO collision SELECT *, 0 FROM access_log WHERE log_offset = 20;
                     DELETE FROM access_log WHERE log_offset = 20";
        client.batch_execute(moved).await.unwrap();
        round(&mut client).await;
        assert_eq!(conflicts(&client).await, [(20, 2)]);
    })
    .await;
}
