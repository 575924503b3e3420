//! The oldest days can be given up: what they held stays as sums, nothing is lost or counted twice,
//! whatever is killed on the way, and consumers go on meanwhile.

mod again;
mod detached;
mod killed;
mod under_load;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use schemas::{Direction, Swipe, digest_of_swipe};
use serde_json::{Value, json};
use support::{World, eventually, swipe};

const CARDS: [&str; 3] = ["c1", "c2", "c3"];
const DAY_MS: i64 = 86_400_000;
/// The days of the tests begin on 2016-06-01; those before this one are dropped.
const BEFORE: &str = "2016-06-03";
const APPLY: [&str; 3] = ["--apply", "--reason", "kept for a year"];

/// A log of `days` days, applied; and every event of it that is a swipe, by its place.
async fn applied(
    world: &mut World,
    days: i64,
    a_day: i64,
) -> Result<BTreeMap<(i32, i64), Swipe<'static>>> {
    world.open_the_hall(&CARDS).await?;
    let counted = |card, i: i64| Swipe {
        terminal_epoch: Some(0),
        terminal_seq: Some(i as u64),
        ..swipe(card, "t-hall", i / a_day * DAY_MS + i % a_day)
    };
    let mut swipes = Vec::new();
    for i in 0..days * a_day {
        let (card, at) = (CARDS[(i % 3) as usize], i / a_day * DAY_MS + i % a_day);
        swipes.push(counted(card, i));
        match i % 300 {
            7 => swipes.push(swipe(card, "t-hall-2", at)),
            11 => swipes.push(counted(card, i)),
            // The same identity that says something else: recorded as a conflict.
            13 => {
                swipes.push(Swipe { direction: Some(Direction::In), ..counted(card, i) });
            }
            17 => swipes.push(swipe(card, "t-nowhere", at)),
            _ => {}
        }
    }
    // A third of all once more, one behind the other: runs that reach over days, and so many that they
    // are given up in more than one transaction.
    let again = (0..days * a_day).step_by(3).filter(|i| i % 300 != 0);
    swipes.extend(again.map(|i| counted(CARDS[0], i)));
    apply(world, swipes).await
}

/// Publishes swipes and has them applied; each by its place.
async fn apply(
    world: &mut World,
    swipes: Vec<Swipe<'static>>,
) -> Result<BTreeMap<(i32, i64), Swipe<'static>>> {
    let places = world.log.publish_swipes(&swipes).await?;
    let mut consumer = world.consumer_with(&[("GATELOG_CONSUMER_LEDGER__INTERVAL_MS", "200")])?;
    caught_up(world, places.len()).await?;
    world.ledger_is_whole().await?;
    assert!(consumer.terminate().await?.success());
    world.verify_clean().await?;
    Ok(places.into_iter().zip(swipes).collect())
}

/// Waits until so many offsets have their outcome.
async fn caught_up(world: &World, offsets: usize) -> Result<()> {
    eventually("the log is applied", async || {
        Ok((world.totals().await?.all() >= offsets as i64).then_some(()))
    })
    .await
}

/// What goes with the days before [`BEFORE`], by partition and bucket: rows, collisions, duplicates and
/// the sum of their digests. Which events those are is read from the tables; what they said is known
/// from what was published.
type Gone = BTreeMap<(i32, i64), ([i64; 3], u128)>;

async fn gone(world: &World, log: &BTreeMap<(i32, i64), Swipe<'static>>) -> Result<Gone> {
    let mut gone = Gone::new();
    for (kind, table) in ["access_log", "collision", "duplicate_event"].into_iter().enumerate() {
        let sql = format!(
            "SELECT log_partition, log_offset FROM {table} WHERE occurred_at < '{BEFORE}T00:00:00Z'"
        );
        for row in world.db.query(&sql, &[]).await? {
            let (partition, offset): (i32, i64) = (row.get(0), row.get(1));
            let (counts, digest) = gone.entry((partition, offset / 10_000)).or_default();
            counts[kind] += 1;
            let swipe = log.get(&(partition, offset)).context("an offset that nobody published")?;
            *digest = digest.wrapping_add(digest_of_swipe(offset, swipe).0);
        }
    }
    Ok(gone)
}

/// What stays is as it was, to the letter.
async fn staying(world: &World) -> Result<String> {
    let sql = format!(
        "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
         SELECT a::text AS line FROM access_log a WHERE occurred_at >= '{BEFORE}T00:00:00Z'
         UNION ALL SELECT c::text FROM collision c WHERE occurred_at >= '{BEFORE}T00:00:00Z'
         UNION ALL SELECT d::text FROM duplicate_event d WHERE occurred_at >= '{BEFORE}T00:00:00Z'
         UNION ALL SELECT l::text FROM dead_letter l
         UNION ALL SELECT o::text FROM consumer_offset o) t"
    );
    Ok(world.db.query_one(&sql, &[]).await?.get(0))
}

/// Runs `gatelog` and reads its JSON.
async fn done(world: &World, arguments: &[&str]) -> Result<Value> {
    let (code, out, err) = world.gatelog(&[arguments, &["--json"]].concat()).await?;
    ensure!(code == 0, "{arguments:?}: exit code {code}: {out}{err}");
    serde_json::from_str(&out).context(out)
}

/// Runs `gatelog`, which must refuse; what it says.
async fn refused(world: &World, arguments: &[&str], code: i32) -> Result<String> {
    let (found, out, err) = world.gatelog(arguments).await?;
    ensure!(found == code, "{arguments:?}: exit code {found}, not {code}: {out}{err}");
    Ok(err)
}

/// The sums are what went, and the base is what was summed up and folded.
async fn sums_are(
    world: &World,
    gone: &Gone,
    chains: &BTreeMap<(i32, i64), Vec<u8>>,
) -> Result<()> {
    let mut expected = gone.clone();
    for base in world.db.query("SELECT * FROM log_base", &[]).await? {
        let (partition, first): (i32, i64) = (base.get("log_partition"), base.get("first_bucket"));
        let folded: Vec<_> =
            expected.extract_if(.., |(p, bucket), _| *p == partition && *bucket < first).collect();
        let sum = |kind: usize| folded.iter().map(|(_, (counts, _))| counts[kind]).sum::<i64>();
        let found: [i64; 3] = [base.get("rows"), base.get("collisions"), base.get("duplicates")];
        ensure!(found == [sum(0), sum(1), sum(2)], "log_base of {partition}: {found:?}");
        let dead = "SELECT count(*) FROM dead_letter WHERE log_partition = $1 AND log_offset < $2::bigint * 10000";
        let dead: i64 = world.db.query_one(dead, &[&partition, &first]).await?.get(0);
        ensure!(
            base.get::<_, i64>("dead") == dead
                && found.iter().sum::<i64>() + dead == first * 10_000
        );
        ensure!(chains.get(&(partition, first - 1)) == Some(&base.get("chain")), "another chain");
        let left = "SELECT (SELECT count(*) FROM log_seal WHERE log_partition = $1 AND bucket < $2) \
                    + (SELECT count(*) FROM dropped_sum WHERE log_partition = $1 AND bucket < $2)";
        let left: i64 = world.db.query_one(left, &[&partition, &first]).await?.get(0);
        ensure!(left == 0, "{left} seals and sums before the base");
    }
    let mut found = Gone::new();
    for row in world.db.query("SELECT * FROM dropped_sum", &[]).await? {
        let digest = u128::from_be_bytes(row.get::<_, &[u8]>("digest").try_into()?);
        let counts = [row.get("rows"), row.get("collisions"), row.get("duplicates")];
        found.insert((row.get("log_partition"), row.get("bucket")), (counts, digest));
    }
    ensure!(found == expected, "dropped_sum holds {found:?}, must hold {expected:?}");
    Ok(())
}

async fn chains(world: &World) -> Result<BTreeMap<(i32, i64), Vec<u8>>> {
    let rows = world.db.query("SELECT log_partition, bucket, chain FROM log_seal", &[]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect())
}

async fn count(world: &World, from: &str) -> Result<i64> {
    Ok(world.db.query_one(&format!("SELECT count(*) FROM {from}"), &[]).await?.get(0))
}

#[tokio::test]
async fn what_is_dropped_stays_as_sums() -> Result<()> {
    let mut world = World::new(2).await?;
    let log = applied(&mut world, 3, 10_000).await?;
    let (gone, staying_before, chains) =
        (gone(&world, &log).await?, staying(&world).await?, chains(&world).await?);
    assert!(gone.values().any(|(n, _)| n.iter().all(|n| *n > 0)), "each kind is there");
    assert!(count(&world, "identity_conflict").await? > 0, "conflicts are there");
    world
        .db
        .batch_execute(
            "INSERT INTO user_access_history VALUES \
             ('c9', '2016-01-01Z', '2016-06-03Z', 'enabled', NULL, NULL, '{}', 1, 1), \
             ('c9', '2016-06-03Z', '2016-06-03T00:00:01Z', 'lost', NULL, NULL, '{}', 2, 1); \
             INSERT INTO shared_history VALUES \
             ('zone', 'shed', '2016-01-01Z', '2016-06-03Z', '{}', 1), \
             ('zone', 'shed', '2016-06-03Z', '2016-06-03T00:00:01Z', '{}', 1); \
             INSERT INTO card_state (card_id, zones, inside, since, entered_at) VALUES \
             ('c9', '{shed}', '{f}', '{2016-06-02Z}', '{2016-06-01Z}'), \
             ('c8', '{shed}', '{t}', '{2016-06-02Z}', '{2016-06-02Z}'), \
             ('c7', '{shed}', '{f}', '{2016-06-03Z}', '{NULL}'); \
             UPDATE permission_change SET noted_at = '2016-06-02Z'",
        )
        .await?;
    let clock: i64 = world.db.query_one("SELECT version FROM permission_clock", &[]).await?.get(0);

    let drop = ["partitions", "drop", "--before", BEFORE];
    let dry = done(&world, &drop).await?;
    let days: Vec<&str> =
        dry["days"].as_array().context("days")?.iter().filter_map(|d| d["day"].as_str()).collect();
    assert_eq!(days, ["2016-06-01", "2016-06-02"], "{dry:#}");
    assert_eq!(dry["oldest_day"], json!(BEFORE));
    assert_eq!(count(&world, "dropped_sum").await? + count(&world, "operator_action").await?, 0);
    let report = done(&world, &[&drop[..], &APPLY].concat()).await?;
    assert_eq!(report["dropped"][0], json!({"day": "2016-06-01", "rows": 10_000}), "{report:#}");
    assert!(report["seals_folded"].as_i64() >= Some(1), "{report:#}");

    sums_are(&world, &gone, &chains).await?;
    assert_eq!(staying(&world).await?, staying_before, "something of a day that is kept");
    for (table, older) in [
        ("collision", "occurred_at < '2016-06-03Z'"),
        ("duplicate_event", "occurred_at < '2016-06-03Z'"),
        ("user_access_history", "until <= '2016-06-03Z'"),
        ("terminal_ledger", "day < '2016-06-03'"),
        ("shared_history", "until <= '2016-06-03Z'"),
        ("pg_class", "relname IN ('access_log_20160601', 'access_log_20160602')"),
        (
            "identity_conflict i",
            "NOT EXISTS (SELECT FROM duplicate_event d WHERE d.log_offset = i.log_offset AND d.log_partition = i.log_partition)",
        ),
    ] {
        assert_eq!(count(&world, &format!("{table} WHERE {older}")).await?, 0, "{table}");
    }
    assert_eq!(count(&world, "user_access_history WHERE card_id = 'c9'").await?, 1);
    assert_eq!(count(&world, "user_access_history WHERE until = 'infinity'").await?, 3);
    assert_eq!(count(&world, "shared_history WHERE key = 'shed'").await?, 1);
    assert_eq!(count(&world, "card_state WHERE card_id = 'c9'").await?, 0, "gone from everywhere");
    assert!(count(&world, "terminal_ledger").await? > 0, "days that are kept");
    assert_eq!(count(&world, "card_state").await?, 2, "one is inside, one has moved since");
    assert_eq!(
        count(&world, "permission_change").await?,
        count(&world, &format!("permission_change WHERE clock = {clock}")).await?
    );
    let actions = "operator_action WHERE action = 'drop_days' AND reason = 'kept for a year'";
    assert_eq!(count(&world, actions).await?, 3, "the decision, and each day");

    // Again is nothing, and the days do not come back.
    let again = done(&world, &[&drop[..], &APPLY].concat()).await?;
    assert_eq!((&again["days"], &again["seals_folded"]), (&json!([]), &json!(0)));
    sums_are(&world, &gone, &chains).await?;
    let (code, said) = keep_from(&world, "2016-06-02").await?;
    assert!(code == Some(2) && said.contains("can name is 2016-06-03"), "{said}");
    let (code, said) = keep_from(&world, BEFORE).await?;
    assert_eq!(code, Some(0), "{said}");
    let list = done(&world, &["partitions", "list"]).await?;
    assert_eq!(
        (&list["gone_before"], &list["days"][0]["state"]),
        (&json!(BEFORE), &json!("attached"))
    );
    world.verify_clean().await?;
    let not_checked = world.verify().await?.1["not_checked"].to_string();
    assert!(not_checked.contains("outcomes of dropped days one by one"), "{not_checked}");
    let said = refused(&world, &["partitions", "drop", "--before", "2999-01-01"], 2).await?;
    assert!(said.contains("today"), "{said}");
    Ok(())
}

/// Runs `gatelog setup --keep-from` with topics of this world; exit code and standard error.
async fn keep_from(world: &World, day: &str) -> Result<(Option<i32>, String)> {
    let mut environment = world.environment();
    let mut set = |name: &str, value: String| environment.push((name.to_owned(), value));
    set("GATELOG_OPS_TOPIC__PARTITIONS", world.partitions.to_string());
    set("GATELOG_OPS_TOPIC__DECISIONS", format!("{}.decisions", world.group));
    set("GATELOG_OPS_TOPIC__DLQ", format!("{}.dlq", world.group));
    let mut command = Command::new(gatelog()?);
    command.args(["setup", "--keep-from", day]).envs(environment);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    Ok((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

fn gatelog() -> Result<PathBuf> {
    Ok(PathBuf::from(support::variable("GATELOG_BIN_DIR")?).join("gatelog"))
}
