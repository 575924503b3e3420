//! A consumer with the rights of a writer and no more does all that a consumer does, and an operator
//! without any right on rows and cards does what operators do with dead letters.

use anyhow::{Context, Result, ensure};
use schemas::Swipe;
use serde_json::Value;
use support::{Event, World, eventually, live, swipe};

const PASSWORD: &str = "correct horse battery";
const CARDS: [&str; 4] = ["c1", "c2", "c3", "c4"];
const DAY_MS: i64 = 86_400_000;

/// Logins of a test's own, gone with it.
struct Logins {
    writer: String,
    operator: String,
    writer_url: String,
    operator_url: String,
}

impl Logins {
    async fn make(world: &World) -> Result<Self> {
        done(world, &[], &["roles", "--apply"]).await?;
        let name = |kind: &str| format!("{kind}_{}", world.group.replace('-', "_"));
        let (writer, operator) = (name("w"), name("o"));
        let file = std::env::temp_dir().join(format!("{}.password", world.group));
        std::fs::write(&file, format!("{PASSWORD}\n"))?;
        let path = file.to_str().context("a path that is no text")?;
        for (login, role) in [(&writer, "writer"), (&operator, "operator")] {
            let arguments =
                ["roles", "login", login, "--in", role, "--password-file", path, "--json"];
            done(world, &[], &arguments).await?;
        }
        std::fs::remove_file(&file)?;
        Ok(Self {
            writer_url: world.postgres_as(&writer, PASSWORD),
            operator_url: world.postgres_as(&operator, PASSWORD),
            writer,
            operator,
        })
    }

    async fn drop(self, world: &World) -> Result<()> {
        for login in [&self.writer, &self.operator] {
            world.db.batch_execute(&format!("DROP ROLE {login}")).await?;
        }
        Ok(())
    }
}

async fn done(world: &World, more: &[(&str, &str)], arguments: &[&str]) -> Result<String> {
    let (code, out, err) = world.commands()?.with(more).run(arguments).await?;
    ensure!(code == 0, "{arguments:?}: exit code {code}: {out}{err}");
    Ok(out)
}

async fn count(world: &World, table: &str) -> Result<i64> {
    let sql = format!("SELECT count(*) FROM {table}");
    Ok(world.db.query_one(&sql, &[]).await?.get(0))
}

/// Everything that a consumer writes: rows of several days, live decisions, collisions, duplicates,
/// conflicts, gaps, seals, tracks, lanes, letters; a successor after SIGKILL; and reading it all again.
#[tokio::test]
async fn a_writer_does_all_that_a_consumer_does() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    world.db.execute("UPDATE zone SET antipassback = 'soft'", &[]).await?;
    let logins = Logins::make(&world).await?;
    let settings = [
        ("GATELOG_POSTGRES", logins.writer_url.as_str()),
        ("GATELOG_CONSUMER_COMPENSATION__INTERVAL_MS", "300"),
        ("GATELOG_CONSUMER_LEDGER__INTERVAL_MS", "200"),
    ];
    let mut first = world.consumer_with(&settings)?;
    first.ready().await?;
    let who = "SELECT DISTINCT usename::text FROM pg_stat_activity
        WHERE datname = current_database() AND application_name LIKE 'gatelog-consumer%'";
    let who: Vec<String> = world.db.query(who, &[]).await?.iter().map(|row| row.get(0)).collect();
    assert_eq!(who, [logins.writer.as_str()], "whom the consumer's sessions belong to");

    // Two days that nobody has made, enough of one for a seal, and a live swipe; a counter that begins
    // anew on the second.
    let rows: Vec<_> = (0..11_000)
        .map(|i| Swipe {
            terminal_epoch: Some(0),
            terminal_seq: Some(i as u64 % 10_000),
            ..swipe(CARDS[i % 4], "t-hall", i as i64 + if i >= 10_000 { DAY_MS } else { 0 })
        })
        .collect();
    // The first one leaves a transaction's marker behind it, which is a gap.
    world.log.publish_in_transactions(vec![(vec![Event::from(&rows[0])], true)]).await?;
    world.log.publish_swipes(&rows).await?;
    let now = schemas::Millis::now().unix_ms() - swipe("c1", "t-hall", 0).occurred_at.unix_ms();
    world.log.publish_swipes(&[live("c1", "t-hall", now)]).await?;
    // A collision, a duplicate, and one identity that says something else.
    let mut other = rows[1].clone();
    other.direction = Some(schemas::Direction::Out);
    world.log.publish_swipes(&[swipe("c1", "t-hall-2", 0), rows[0].clone(), other]).await?;
    let rubbish = Event { value: Some(b"{}".to_vec()), ..Event::from(&swipe("c2", "t-hall", 1)) };
    world.log.publish([rubbish, Event::from(&swipe("c3", "t-new", 50_000))]).await?;
    let totals = world.caught_up().await.with_context(|| first.said())?;
    ensure!(totals.rows == 11_001 && totals.collisions == 1 && totals.dead == 2, "{totals:?}");
    for table in ["log_seal", "offset_gap", "identity_conflict", "card_state", "duplicate_event"] {
        ensure!(count(&world, table).await? > 0, "nothing in {table}");
    }
    ensure!(world.ledger_is_whole().await? == 2_000, "events that share their counter");
    world.outbox_is_empty().await?;
    ensure!(world.decisions.len().await? > 0, "no decision was published");

    // It heals, and a consumer's own compensator replays it; meanwhile its successor takes over.
    first.kill()?;
    let mut second = world.consumer_with(&settings)?;
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;
    world.log.publish_swipes(&[swipe("c4", "t-hall", 2 * DAY_MS)]).await?;
    eventually("the letter is resolved", async || {
        let sql = "SELECT count(*) FROM dead_letter WHERE state = 'resolved'";
        let resolved: i64 = world.db.query_one(sql, &[]).await?.get(0);
        Ok((resolved == 1).then_some(()))
    })
    .await
    .with_context(|| second.said())?;
    let totals = world.caught_up().await?;
    assert_eq!(totals.rows, 11_003, "{totals:?}");
    second.terminate().await?;

    // Duplicates that stand are looked for.
    let back = ["offsets", "reset", "--to", "start", "--all", "--apply", "--reason", "to be sure"];
    done(&world, &[], &back).await?;
    let mut third = world.consumer_with(&settings)?;
    let again = world.caught_up().await.with_context(|| third.said())?;
    assert_eq!(again, totals, "read again, the same offsets became something else");
    for consumer in [&first, &second, &third] {
        ensure!(!consumer.said().contains("42501"), "{}", consumer.said());
    }
    world.verify_clean().await?;
    third.terminate().await?;
    logins.drop(&world).await
}

/// As `crash` has it, for a login that is no superuser: it may end a session of its own kind.
#[tokio::test]
async fn a_stopped_predecessor_of_the_same_login_is_ended() -> Result<()> {
    taken_over_from_a_sleeper(true).await
}

/// One that it may not end, it waits for.
#[tokio::test]
async fn a_stopped_predecessor_of_the_owners_is_waited_for() -> Result<()> {
    taken_over_from_a_sleeper(false).await
}

async fn taken_over_from_a_sleeper(of_the_same_login: bool) -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    let logins = Logins::make(&world).await?;
    let settings = [("GATELOG_POSTGRES", logins.writer_url.as_str())];
    let mut sleeper = world.consumer_with(if of_the_same_login { &settings } else { &[] })?;
    sleeper.ready().await?;
    let mut places = world.log.publish_swipes(&[swipe("c1", "t-hall", 0)]).await?;
    world.caught_up().await?;

    world.db.batch_execute("BEGIN; LOCK TABLE access_log IN SHARE MODE").await?;
    places.extend(world.log.publish_swipes(&[swipe("c1", "t-hall", 1)]).await?);
    let watch = world.another_session().await?;
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                   AND wait_event_type = 'Lock' AND query LIKE 'COPY access_log%'";
    eventually("a batch waits in mid-transaction", async || {
        let waiting: i64 = watch.query_one(waiting, &[]).await?.get(0);
        Ok((waiting > 0).then_some(()))
    })
    .await?;
    sleeper.signal("STOP")?;
    world.db.batch_execute("COMMIT").await?;

    let mut successor = world.consumer_with(&settings)?;
    if of_the_same_login {
        successor.says("held a claimed partition for too long; ended it").await?;
    } else {
        successor.says("waiting for another session to let go").await?;
        ensure!(successor.runs() && world.totals().await?.rows == 1, "{}", successor.said());
        sleeper.signal("CONT")?;
    }
    let totals = world.caught_up().await.with_context(|| successor.said())?;
    assert_eq!(totals.rows, 2, "{totals:?}");
    world.each_has_one_outcome(&places).await?;
    successor.terminate().await?;
    sleeper.kill()?;
    logins.drop(&world).await
}

#[tokio::test]
async fn an_operator_lists_replays_edits_and_discards() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let logins = Logins::make(&world).await?;
    let idle = [
        ("GATELOG_POSTGRES", logins.writer_url.as_str()),
        ("GATELOG_CONSUMER_COMPENSATION__INTERVAL_MS", "3600000"),
    ];
    let mut consumer = world.consumer_with(&idle)?;
    let rubbish = Event { value: Some(b"{}".to_vec()), ..Event::from(&swipe("c1", "t-hall", 0)) };
    let stranger = Event::from(&swipe("c1", "t-new", 1));
    let misspelt = Event::from(&swipe("c1", "t-hal", 2));
    world.log.publish([rubbish, stranger, misspelt]).await?;
    assert_eq!(world.caught_up().await?.dead, 3);
    world.db.execute("INSERT INTO terminal VALUES ('t-new', 'hall', 'in')", &[]).await?;

    let operator = [("GATELOG_POSTGRES", logins.operator_url.as_str())];
    let run = async |arguments: &[&str]| done(&world, &operator, arguments).await;
    run(&["dlq", "summary"]).await?;
    let list: Value = serde_json::from_str(&run(&["dlq", "list", "--json"]).await?)?;
    let letters = list["letters"].as_array().context("a list of letters")?;
    ensure!(letters.len() == 3, "{list:#}");
    let apply = ["--apply", "--reason", "put right"];
    let replay = ["dlq", "replay", "--terminal", "t-new"];
    run(&[&replay[..], &apply].concat()).await?;
    let sql = "SELECT dead_letter_id::text FROM dead_letter WHERE terminal_id = 't-hal'";
    let id: String = world.db.query_one(sql, &[]).await?.get(0);
    run(&["dlq", "show", &id]).await?;
    let edit = ["dlq", "edit", &id, "--set", "terminal_id=t-hall", "--replay"];
    run(&[&edit[..], &apply].concat()).await?;
    run(&[&["dlq", "discard", "--cause", "undecodable"], &apply[..]].concat()).await?;
    run(&["offsets", "show"]).await?;
    // Written down as the operator's own.
    let actors = "SELECT count(*) FROM dead_letter_action WHERE actor LIKE '%' || $1";
    let noted: i64 = world.db.query_one(actors, &[&logins.operator]).await?.get(0);
    ensure!(noted >= 4, "{noted} actions");
    let states = "SELECT state FROM dead_letter ORDER BY log_offset";
    let states: Vec<String> =
        world.db.query(states, &[]).await?.iter().map(|row| row.get(0)).collect();
    assert_eq!(states, ["discarded", "resolved", "resolved"]);

    // A letter that was lost comes back from a file, and from the topic.
    let file = std::env::temp_dir().join(format!("{}.ndjson", world.group));
    let path = file.to_str().context("a path that is no text")?;
    run(&["dlq", "export", path, "--state", "all"]).await?;
    let lose = "DELETE FROM dead_letter_action; DELETE FROM dead_letter WHERE state = 'discarded'";
    world.db.batch_execute(lose).await?;
    run(&[&["dlq", "import", path], &apply[..]].concat()).await?;
    world.db.batch_execute("DELETE FROM dead_letter_action; DELETE FROM dead_letter").await?;
    run(&[&["dlq", "rebuild"], &apply[..]].concat()).await?;
    assert_eq!(count(&world, "dead_letter").await?, 3);
    std::fs::remove_file(file)?;

    // What is not theirs.
    for arguments in [
        &["access", "block", "c1"][..],
        &["access", "zone", "set", "hall", "--mode", "released"],
        &["offsets", "reset", "--to", "start", "--all", "--apply", "--reason", "why not"],
        &["partitions", "drop", "--before", "2016-06-02", "--apply", "--reason", "why not"],
    ] {
        let (code, out, err) = world.commands()?.with(&operator).run(arguments).await?;
        ensure!(code == 3 && err.contains("42501"), "{arguments:?}: {code}: {out}{err}");
    }
    consumer.terminate().await?;
    logins.drop(&world).await
}
