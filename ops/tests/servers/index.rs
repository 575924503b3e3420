//! The index of a card's rows: made when a day is over, by one worker, while others write.

use std::process::Stdio;
use std::time::Duration;

use ops::Error;
use ops::partitions::index::{Round, round};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio_postgres::Client;

use crate::stand::Stand;

const SETTLE: Duration = Duration::from_secs(0);

/// Days before today, today and tomorrow, with rows of each but tomorrow.
const DAYS: &str = "
    SELECT ensure_day(today + i) FROM (SELECT (now() AT TIME ZONE 'UTC')::date AS today) t,
                                      generate_series(-2, 1) i;";

/// The days' offsets from today whose table has a valid index of its own that begins with the card,
/// and those with one that Postgres does not use.
const INDEXED: &str = "
    SELECT array_remove(array_agg(CASE WHEN x.indisvalid THEN d.day - d.today END ORDER BY day), NULL),
           array_remove(array_agg(CASE WHEN NOT x.indisvalid THEN d.day - d.today END ORDER BY day), NULL)
    FROM pg_index x
    JOIN pg_class c ON c.oid = x.indrelid
    CROSS JOIN LATERAL (SELECT to_date(right(relname, 8), 'YYYYMMDD') AS day,
                               (now() AT TIME ZONE 'UTC')::date AS today) d
    WHERE c.relname LIKE 'access\\_log\\_________'
      AND pg_get_indexdef(x.indexrelid) LIKE '%(card_id, occurred_at)'";

async fn indexed(db: &Client) -> (Vec<i32>, Vec<i32>) {
    let row = db.query_one(INDEXED, &[]).await.unwrap();
    let list = |at| row.get::<_, Option<Vec<i32>>>(at).unwrap_or_default();
    (list(0), list(1))
}

/// A row of `card`, so many days before today at a time of its own.
async fn write(db: &Client, card: &str, days_ago: i32) {
    let sql = "
        INSERT INTO access_log (occurred_at, received_at, log_offset, permission_clock, log_partition,
            reasons, granted, live, online, event_id, card_id, terminal_id, zone_id)
        SELECT date_trunc('day', now(), 'UTC') - make_interval(days => $2)
                   + floor(random() * 86400000) * interval '1 millisecond',
               now(), 0, 1, 0, 0, true, false, false, gen_random_uuid(), $1, 't', 'z'";
    db.execute(sql, &[&card, &days_ago]).await.unwrap();
}

async fn stand_with_days(stand: &Stand) -> Client {
    let mut db = stand.connect().await;
    migrations::run(&mut db).await.unwrap();
    db.batch_execute(DAYS).await.unwrap();
    for days_ago in [0, 1, 2] {
        write(&db, "a", days_ago).await;
    }
    db
}

async fn one_round(stand: &Stand) -> Result<Round, Error> {
    round(&stand.settings, SETTLE, false).await
}

/// The command itself, whose end this test does not have to wait for.
fn command(stand: &Stand, arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(["partitions", "index", "--settle-s", "0"])
        .args(arguments)
        .env("GATELOG_POSTGRES", stand.settings.postgres.url.expose())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Asks until the answer is true.
async fn until(db: &Client, sql: &str) {
    let wait = async {
        while !db.query_one(sql, &[]).await.unwrap().get::<_, bool>(0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), wait).await.expect(sql);
}

/// Whether an index is being made that waits for a transaction.
const WAITS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock'
      AND query LIKE 'CREATE INDEX CONCURRENTLY%')";
const NOBODY_IS_AT_IT: &str = "SELECT NOT EXISTS (SELECT FROM pg_locks
    WHERE locktype = 'advisory' AND objid = 7310306031 % 4294967296
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))";

#[tokio::test]
async fn days_that_are_over_are_indexed_once_and_today_is_not() {
    Stand::with(async |stand| {
        let db = stand_with_days(&stand).await;
        let dry = round(&stand.settings, SETTLE, true).await.unwrap();
        assert_eq!((dry.days.len(), dry.indexed_before, dry.not_over), (2, 0, 2));
        assert_eq!(indexed(&db).await, (vec![], vec![]), "a dry run makes nothing");
        let settling = round(&stand.settings, Duration::from_secs(86_400), false).await.unwrap();
        assert_eq!((settling.days.len(), settling.not_over), (1, 3), "yesterday settles still");
        let first = one_round(&stand).await.unwrap();
        assert_eq!((first.days.len(), first.indexed_before, first.not_over), (1, 1, 2));
        assert_eq!(indexed(&db).await, (vec![-2, -1], vec![]));
        let again = one_round(&stand).await.unwrap();
        assert_eq!((again.days.len(), again.indexed_before), (0, 2));
        // One that somebody made under another name will do.
        db.batch_execute(
            "DO $$ DECLARE leaf text := 'access_log_' || to_char(now() AT TIME ZONE 'UTC' - interval '1 day', 'YYYYMMDD');
             BEGIN EXECUTE format('ALTER INDEX %I RENAME TO by_hand', leaf || '_card'); END $$",
        )
        .await
        .unwrap();
        assert_eq!(one_round(&stand).await.unwrap().days, []);
    })
    .await;
}

#[tokio::test]
async fn writing_goes_on_meanwhile_and_a_second_worker_leaves() {
    Stand::with(async |stand| {
        let db = stand_with_days(&stand).await;
        // A batch that is open keeps the index from being finished, and so everything in the middle.
        let open = stand.connect().await;
        open.batch_execute("BEGIN").await.unwrap();
        write(&open, "open", 1).await;
        let settings = stand.settings.clone();
        let worker = tokio::spawn(async move { round(&settings, SETTLE, false).await });
        until(&db, WAITS).await;
        let other = stand.connect().await;
        other
            .batch_execute("SET statement_timeout = '10s'; SET lock_timeout = '2s'")
            .await
            .unwrap();
        for days_ago in [0, 1, 2] {
            write(&other, "meanwhile", days_ago).await;
        }
        let second = one_round(&stand).await.unwrap_err();
        assert!(matches!(second, Error::Busy(_)) && second.exit_code() == 3, "{second}");
        open.batch_execute("COMMIT").await.unwrap();
        let done = worker.await.unwrap().unwrap();
        assert_eq!(done.days.len(), 2);
        assert_eq!(indexed(&db).await, (vec![-2, -1], vec![]));
        db.batch_execute("SET enable_seqscan = off; SET enable_bitmapscan = off").await.unwrap();
        let sql = "SELECT count(*) FROM access_log WHERE card_id = ANY ('{open,meanwhile}')";
        assert_eq!(db.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 4, "all are in it");
    })
    .await;
}

#[tokio::test]
async fn what_a_killed_worker_leaves_is_made_again() {
    Stand::with(async |stand| {
        let db = stand_with_days(&stand).await;
        let open = stand.connect().await;
        open.batch_execute("BEGIN").await.unwrap();
        write(&open, "open", 1).await;
        let mut worker = command(&stand, &[]);
        until(&db, WAITS).await;
        worker.kill().await.unwrap();
        // Its session ends when Postgres notices; the open batch keeps it waiting until then.
        until(&db, NOBODY_IS_AT_IT).await;
        assert_eq!(indexed(&db).await, (vec![], vec![-1]), "left unfinished");
        open.batch_execute("COMMIT").await.unwrap();
        let dry = round(&stand.settings, SETTLE, true).await.unwrap();
        assert_eq!(dry.days.iter().map(|made| made.repaired).collect::<Vec<_>>(), [true, false]);
        let done = one_round(&stand).await.unwrap();
        assert_eq!(done.days.iter().map(|made| made.repaired).collect::<Vec<_>>(), [true, false]);
        assert_eq!(indexed(&db).await, (vec![-2, -1], vec![]));
    })
    .await;
}

#[tokio::test]
async fn who_watches_stays_stands_by_for_another_and_stops_when_told() {
    Stand::with(async |stand| {
        let db = stand_with_days(&stand).await;
        let first = stand.connect().await;
        first.batch_execute("SELECT pg_advisory_lock(7310306031)").await.unwrap();
        let mut watching = command(&stand, &["--watch", "--json"]);
        let mut said = BufReader::new(watching.stderr.take().unwrap()).lines();
        let line = said.next_line().await.unwrap().unwrap();
        assert!(line.contains("another `gatelog partitions index`"), "{line}");
        assert_eq!(indexed(&db).await, (vec![], vec![]), "it stands by");
        drop(first);
        until(
            &db,
            "SELECT count(*) = 2 FROM pg_indexes
            WHERE indexname LIKE 'access\\_log\\_%\\_card'",
        )
        .await;
        until(&db, NOBODY_IS_AT_IT).await;
        let pid = watching.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let output = watching.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{}", output.status);
        let mut last = String::new();
        while let Some(line) = said.next_line().await.unwrap() {
            last = line;
        }
        assert_eq!(last, "gatelog: stopped");
        let round: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(round["days"].as_array().map(Vec::len), Some(2), "{round}");
        assert_eq!(indexed(&db).await, (vec![-2, -1], vec![]));
    })
    .await;
}
