//! What becomes of deltas.

use ledger::{Error, Round, fold};
use test_database::Database;

use crate::world::{DAY, KEEP, add, batch, conflicts, ledger, round};

#[tokio::test]
async fn rounds_at_once_take_each_once() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        for nth in 0..200_u64 {
            // Each number in two of them.
            add(&client, &[("t", 0, nth / 2, nth as i64), ("t", 0, 1_000 + nth, DAY)]).await;
        }
        let mut rounds = Vec::new();
        for _ in 0..4 {
            let mut client = database.connect().await;
            rounds.push(tokio::spawn(async move {
                let round = Round { events_max: 15, ..Round::default() };
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
        assert_eq!(ledger(&client).await, ["t 0 1 {[0,100)} 200", "t 0 2 {[1000,1200)} 200"]);
        assert_eq!(round(&mut client).await, ledger::Folded::default());
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
        let failed = fold(&mut client, &Round::default()).await;
        assert!(matches!(failed, Err(Error::Postgres(_))), "{failed:?}");
        assert_eq!(conflicts(&client).await, []);
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
async fn a_counter_that_jumps_about_is_not_remembered_without_end() {
    Database::with(|database| async move {
        let mut client = database.connect().await;
        client.batch_execute(KEEP).await.unwrap();
        for nth in 0..8_u64 {
            let jumps: Vec<_> =
                (0..10_000).map(|i| ("t", 0, 2 * (nth * 10_000 + i), i as i64)).collect();
            add(&client, &jumps).await;
            round(&mut client).await;
        }
        let sql = "SELECT events, (SELECT count(*) FROM unnest(seen)) FROM terminal_ledger";
        let row = client.query_one(sql, &[]).await.unwrap();
        let (events, ranges): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!(events, 80_000);
        assert!((40_000..60_000).contains(&ranges), "{ranges} ranges of one day");
    })
    .await;
}
