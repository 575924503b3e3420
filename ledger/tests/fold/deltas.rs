//! What becomes of deltas.

use std::time::Duration;

use ledger::{Error, Folded, Round, fold};
use test_database::Database;

use crate::world::{DAY, KEEP, RESTLESS, add, batch, conflicts, ledger, round};

#[tokio::test]
async fn rounds_at_once_take_each_once() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        for nth in 0..200 {
            // Each number in two of them.
            let two = [("t", 0, nth as u64 / 2, nth), ("t", 0, 1_000 + nth as u64, DAY + nth)];
            batch(&mut client, 2 * nth, &two).await;
        }
        let mut rounds = Vec::new();
        for _ in 0..4 {
            let mut client = database.connect().await;
            rounds.push(tokio::spawn(async move {
                let round = Round { events_max: 15, ..RESTLESS };
                let mut events = 0;
                loop {
                    let folded = fold(&mut client, &round).await.unwrap();
                    assert!(folded.events <= 16, "a round took {}", folded.events);
                    events += folded.events;
                    if folded.waiting == 0 {
                        return events;
                    }
                }
            }));
        }
        let mut events = 0;
        for round in rounds {
            events += round.await.unwrap();
        }
        assert_eq!(events, 400);
        let all: Vec<(i64, i64)> = (0..100).map(|nth| (4 * nth + 2, 4 * nth)).collect();
        assert_eq!(conflicts(&client).await, all);
        assert_eq!(ledger(&client).await, ["t 0 1 {[0,100)} 200", "t 0 2 {[1000,1200)} 200"]);
        assert_eq!(round(&mut client).await, Folded::default());
    })
    .await;
}

#[tokio::test]
async fn a_round_that_fails_has_done_nothing() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        batch(&mut client, 0, &[("t", 0, 5, 0)]).await;
        round(&mut client).await;
        batch(&mut client, 1, &[("t", 0, 5, 1), ("t", 0, 6, 2)]).await;
        let refuse = "ALTER TABLE terminal_ledger ADD CONSTRAINT no CHECK (events < 2) NOT VALID";
        client.batch_execute(refuse).await.unwrap();
        let failed = fold(&mut client, &RESTLESS).await;
        assert!(matches!(failed, Err(Error::Postgres(_))), "{failed:?}");
        assert_eq!(conflicts(&client).await, []);
        let rest = Round { rest: 1_000_000, ..RESTLESS };
        assert!(fold(&mut client, &rest).await.is_err());
        let waits = "SELECT next_at > now() + interval '1 minute' FROM ledger_fold";
        assert!(client.query_one(waits, &[]).await.unwrap().get::<_, bool>(0), "no rest");
        client.batch_execute("UPDATE ledger_fold SET next_at = now()").await.unwrap();
        client.batch_execute("ALTER TABLE terminal_ledger DROP CONSTRAINT no").await.unwrap();
        let folded = round(&mut client).await;
        assert_eq!((folded.events, folded.waiting), (2, 0));
        assert_eq!(conflicts(&client).await, [(1, 0)]);
    })
    .await;
}

#[tokio::test]
async fn the_last_number_there_is_and_days_that_are_gone() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        let last = i64::MAX as u64;
        add(&client, &[("t", 0, last, 0), ("t", 0, last - 1, 0), ("gone", 0, 1, -365 * DAY)]).await;
        add(&client, &[("only", i32::MAX as u32, last, 0)]).await;
        let folded = round(&mut client).await;
        assert_eq!((folded.events, folded.waiting), (3, 0));
        let most = format!("t 0 1 {{[{},{})}} 2", last - 1, last);
        assert_eq!(ledger(&client).await, [format!("only {} 1 {{}} 1", i32::MAX), most]);
    })
    .await;
}

#[tokio::test]
async fn a_counter_that_jumps_about_makes_small_rows_of_many() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        for nth in 0..4_u64 {
            let jumps: Vec<_> =
                (0..10_000).map(|i| ("t", 0, 2 * (nth * 10_000 + i), i as i64)).collect();
            add(&client, &jumps).await;
            round(&mut client).await;
        }
        let sql =
            "SELECT count(*), sum(events)::bigint, max(cardinality(ARRAY(SELECT unnest(seen)))),
                          sum(cardinality(ARRAY(SELECT unnest(seen))))
                   FROM terminal_ledger";
        let row = client.query_one(sql, &[]).await.unwrap();
        let found: (i64, i64, i32, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
        assert_eq!(found, (80, 40_000, 500, 40_000), "rows, events, ranges of one, ranges");
    })
    .await;
}

#[tokio::test]
async fn what_a_round_may_not_look_for_any_more_is_left_to_the_next() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        let days: Vec<_> = (0..12).map(|day| ("t", 0, day as u64, day * DAY)).collect();
        batch(&mut client, 0, &days).await;
        round(&mut client).await;
        // All of them on one later day, one of them twice there, and a number that is new.
        let mut again: Vec<_> = (0..12).map(|i| ("t", 0, i as u64, 20 * DAY + i)).collect();
        again.extend([("t", 0, 3, 20 * DAY + 50), ("t", 0, 900, 20 * DAY + 60)]);
        batch(&mut client, 100, &again).await;
        let few = Round { lookups_max: 2, ..RESTLESS };
        let mut waiting = Vec::new();
        while waiting.last() != Some(&0) {
            waiting.push(fold(&mut client, &few).await.unwrap().waiting);
            assert!(waiting.len() <= 8, "rounds that get nowhere: {waiting:?}");
        }
        assert!(waiting.len() >= 6, "a round looked through more than two days: {waiting:?}");
        let mut all: Vec<(i64, i64)> = (0..12).map(|i| (100 + i, i)).collect();
        all.push((112, 3));
        assert_eq!(conflicts(&client).await, all);
        let day = ledger(&client).await.pop().unwrap();
        assert_eq!(day, "t 0 21 {[0,12),[900,901)} 14");
    })
    .await;
}

#[tokio::test]
async fn a_look_that_takes_too_long_holds_up_nothing_else() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        batch(&mut client, 0, &[("t", 0, 1, 0), ("u", 0, 1, DAY)]).await;
        round(&mut client).await;
        batch(&mut client, 10, &[("t", 0, 1, 2 * DAY), ("t", 0, 2, 2 * DAY + 1)]).await;
        // Whoever reads that day waits.
        let other = database.connect().await;
        other.batch_execute("BEGIN; LOCK TABLE access_log_20160601").await.unwrap();
        let short = Round { timeout: Duration::from_millis(300), ..RESTLESS };
        let folded = fold(&mut client, &short).await.unwrap();
        assert_eq!((folded.is_slow, folded.events, folded.waiting), (true, 1, 1));
        assert_eq!(ledger(&client).await.pop().unwrap(), "u 0 2 {[1,2)} 1");
        assert_eq!(conflicts(&client).await, []);
        other.batch_execute("COMMIT").await.unwrap();
        let folded = round(&mut client).await;
        assert_eq!((folded.is_slow, folded.events, folded.waiting), (false, 1, 0));
        assert_eq!(conflicts(&client).await, [(10, 0)]);
    })
    .await;
}

#[tokio::test]
async fn after_a_round_there_is_none_for_a_while() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        add(&client, &[("t", 0, 1, 0)]).await;
        let rest = Round { rest: 1_000_000, ..RESTLESS };
        assert_eq!(fold(&mut client, &rest).await.unwrap().events, 1);
        add(&client, &[("t", 0, 2, 0)]).await;
        let mut other = database.connect().await;
        let none = Folded { waiting: 1, ..Folded::default() };
        assert_eq!(fold(&mut other, &rest).await.unwrap(), none);
        client.batch_execute("UPDATE ledger_fold SET next_at = now()").await.unwrap();
        assert_eq!(fold(&mut other, &rest).await.unwrap().events, 1);
        // From a clock that was wrong.
        add(&client, &[("t", 0, 3, 0)]).await;
        client.batch_execute("UPDATE ledger_fold SET next_at = 'infinity'").await.unwrap();
        assert_eq!(fold(&mut other, &rest).await.unwrap().events, 1);
        client.batch_execute("DELETE FROM ledger_fold").await.unwrap();
        let failed = fold(&mut other, &rest).await;
        assert!(matches!(failed, Err(Error::NoTurn)), "{failed:?}");
    })
    .await;
}

#[tokio::test]
async fn a_row_that_no_consumer_wrote_is_named() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        // A number that does not end, more of them than are told, a group without its times, and none.
        for (ends, to, seqs, has_cause) in [
            ("{2}", "{2016-06-01Z}", "\\x05ff", false),
            ("{1}", "{2016-06-01Z}", "\\x0505", false),
            ("{1}", "{}", "\\x05", false),
            ("{NULL}", "{2016-06-01Z}", "\\x05", true),
        ] {
            let forged = format!(
                "INSERT INTO ledger_delta
                 (events, terminal_ids, terminal_epochs, occurred_from, occurred_to, ends, seqs)
                 VALUES (1, '{{t}}', '{{1}}', '{{2016-06-01Z}}', '{to}', '{ends}', '{seqs}')
                 RETURNING id"
            );
            let row: i64 = client.query_one(&forged, &[]).await.unwrap().get(0);
            match fold(&mut client, &RESTLESS).await {
                Err(Error::Unreadable { id, source }) => {
                    assert_eq!((id, source.is_some()), (row, has_cause), "{ends} {seqs}");
                }
                other => panic!("{ends} {seqs}: {other:?}"),
            }
            client.execute("DELETE FROM ledger_delta", &[]).await.unwrap();
        }
    })
    .await;
}
