//! What operators do to the log's progress: reading again changes no row, and what Kafka has lost is
//! counted, never skipped in silence.

mod loss;

use anyhow::{Context, Result, ensure};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use serde_json::{Value, json};
use support::{Event, World, eventually, swipe};

const CARDS: [&str; 3] = ["c1", "c2", "c3"];

/// Every table of outcomes, the seals, and what consumer_offset says besides who owns it.
const EVERYTHING: &str = "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM (
    SELECT a::text AS line FROM access_log a UNION ALL SELECT c::text FROM collision c
    UNION ALL SELECT d::text FROM duplicate_event d UNION ALL SELECT l::text FROM dead_letter l
    UNION ALL SELECT g::text FROM offset_gap g UNION ALL SELECT i::text FROM identity_conflict i
    UNION ALL SELECT (s.log_partition, s.bucket, s.events, s.digest, s.chain)::text FROM log_seal s
    UNION ALL SELECT (o.log_partition, o.first_offset, o.next_offset, o.rows, o.collisions, o.duplicates,
                      o.dead, o.gaps, o.lost, o.occurred_at_max, o.open_events, o.open_digest,
                      o.open_occurred_min, o.open_occurred_max, o.chain, o.applied_to)::text
    FROM consumer_offset o) t";

async fn everything(world: &World) -> Result<String> {
    Ok(world.db.query_one(EVERYTHING, &[]).await?.get(0))
}

/// Rows, and now and then a collision, a duplicate, an unknown terminal or rubbish.
fn events(from: i64, count: i64) -> Vec<Event> {
    let mut events = Vec::new();
    for i in from..from + count {
        let card = CARDS[(i % 3) as usize];
        events.push(Event::from(&swipe(card, "t-hall", i)));
        match i % 500 {
            7 => events.push(Event::from(&swipe(card, "t-hall-2", i))),
            11 => events.push(Event::from(&swipe(card, "t-hall", i))),
            13 => events.push(Event::from(&swipe(card, "t-nowhere", i))),
            17 => {
                let mut rubbish = Event::from(&swipe(card, "t-hall", i));
                rubbish.value = Some(b"rubbish".to_vec());
                events.push(rubbish);
            }
            _ => {}
        }
    }
    events
}

/// Waits until every partition is at the end of the log.
async fn at_the_end(world: &World, places: &[(i32, i64)]) -> Result<()> {
    eventually("every partition is at the end of the log", async || {
        let sql = "SELECT log_partition, next_offset FROM consumer_offset";
        let next = world.db.query(sql, &[]).await?;
        let is_past = |(partition, offset): &(i32, i64)| {
            next.iter()
                .any(|row| row.get::<_, i32>(0) == *partition && row.get::<_, i64>(1) > *offset)
        };
        Ok(places.iter().all(is_past).then_some(()))
    })
    .await
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

#[tokio::test]
async fn reset_reads_again_and_changes_no_row() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&CARDS).await?;
    // A third of it twice: to go back there is to go back into runs of duplicates.
    let mut places = world.log.publish(events(0, 8_000)).await?;
    places.extend(world.log.publish(events(0, 16_000)).await?);
    let mut consumer = world.consumer()?;
    at_the_end(&world, &places).await?;
    assert!(consumer.terminate().await?.success());
    let before = everything(&world).await?;
    let within = "SELECT count(*) FROM duplicate_event WHERE log_offset < 10000 AND log_offset + run > 10000";
    let within: i64 = world.db.query_one(within, &[]).await?.get(0);
    assert!(within > 0, "no run reaches over offset 10,000: this shows less than it is to");
    let seals: i64 = world.db.query_one("SELECT count(*) FROM log_seal", &[]).await?.get(0);
    assert!(seals >= 1, "no bucket is complete: this shows nothing");

    // While no consumer runs.
    let dry = done(&world, &["offsets", "reset", "--to", "start", "--all"]).await?;
    assert_eq!(dry["dry_run"], json!(true));
    assert_eq!(everything(&world).await?, before, "a dry run changed something");
    let reason = "restored from Monday";
    let back = ["offsets", "reset", "--to", "start", "--all", "--apply", "--reason", reason];
    done(&world, &back).await?;
    assert_eq!(world.totals().await?.all(), 0, "it reads from the start");
    let mut consumer =
        world.consumer_with(&[("GATELOG_CONSUMER_GROUP__RECLAIM_AFTER_MS", "1000")])?;
    at_the_end(&world, &places).await?;
    assert_eq!(everything(&world).await?, before, "reading again changed a table");

    // While one runs, and no event comes that would tell it.
    let sql = "SELECT log_partition FROM log_seal ORDER BY bucket DESC, log_partition LIMIT 1";
    let partition: i32 = world.db.query_one(sql, &[]).await?.get(0);
    let partition = partition.to_string();
    let to = ["offsets", "reset", "--to", "10500", "--partition", &partition];
    let change = ["--apply", "--reason", "once more"];
    let report = done(&world, &[&to[..], &change].concat()).await?;
    assert_eq!(report["partitions"][0]["goes_back_to"], json!(10_000), "{report:#}");
    at_the_end(&world, &places).await?;
    assert_eq!(everything(&world).await?, before, "reading again changed a table");
    consumer.says("claiming again").await?;
    assert!(consumer.runs(), "{}", consumer.said());
    world.each_has_one_outcome(&places).await?;

    let sql = "SELECT action, reason, actor, detail FROM operator_action ORDER BY id";
    let actions = world.db.query(sql, &[]).await?;
    let of = |at: usize| (actions[at].get::<_, &str>(0), actions[at].get::<_, &str>(1));
    assert_eq!((actions.len(), of(0), of(1)), (2, ("reset", reason), ("reset", "once more")));
    assert!(actions[0].get::<_, &str>(2).contains(" as "), "the user and the role");
    world.verify_clean().await
}

#[tokio::test]
async fn reset_while_swipes_come() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&CARDS).await?;
    let again = ("GATELOG_CONSUMER_GROUP__RECLAIM_AFTER_MS", "1000");
    let mut consumers = [world.consumer_with(&[again])?, world.consumer_with(&[again])?];
    for consumer in &mut consumers {
        consumer.ready().await?;
    }
    let (published, reset) = tokio::join!(
        async {
            let mut places = Vec::new();
            for round in 0..60 {
                places.extend(world.log.publish(events(round * 250, 250)).await?);
            }
            anyhow::Ok(places)
        },
        async {
            for _ in 0..3 {
                eventually("some of it is applied", async || {
                    Ok((world.totals().await?.all() > 1_500).then_some(()))
                })
                .await?;
                let change = ["--apply", "--reason", "under load"];
                let reset = ["offsets", "reset", "--to", "start", "--all"];
                done(&world, &[&reset[..], &change].concat()).await?;
            }
            anyhow::Ok(())
        }
    );
    reset?;
    let places = published?;
    at_the_end(&world, &places).await?;
    assert_eq!(world.totals().await?.all(), places.len() as i64);
    world.each_has_one_outcome(&places).await?;
    for consumer in &mut consumers {
        assert!(consumer.runs(), "{}", consumer.said());
    }
    world.verify_clean().await
}

#[tokio::test]
async fn reset_never_goes_forward_and_waits_for_no_batch_for_ever() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    let places = world.log.publish(events(0, 30)).await?;
    let nothing = done(&world, &["offsets", "reset", "--to", "start", "--all"]).await?;
    assert_eq!(nothing["partitions"], json!([]), "nothing was read yet");
    let _consumer = world.consumer()?;
    at_the_end(&world, &places).await?;
    let reset = |to: &'static str, partition: &'static str| {
        ["offsets", "reset", "--to", to, "--partition", partition, "--apply", "--reason", "x"]
    };
    let said = refused(&world, &reset("5000", "0"), 2).await?;
    assert!(said.contains("yet to come"), "{said}");
    let said = refused(&world, &reset("0", "7"), 2).await?;
    assert!(said.contains("never read"), "{said}");
    refused(&world, &["offsets", "reset", "--to", "0"], 2).await?;
    refused(&world, &["offsets", "reset", "--to", "0", "--all", "--apply"], 2).await?;
    refused(&world, &["offsets", "reset", "--to", "0", "--all", "--reason", "x"], 2).await?;

    // As a batch does that hangs.
    world.db.batch_execute("BEGIN; SELECT FROM consumer_offset FOR UPDATE").await?;
    let said = refused(&world, &reset("0", "0"), 3).await?;
    assert!(said.contains("try again"), "{said}");
    world.db.batch_execute("COMMIT").await?;
    done(&world, &reset("0", "0")).await?;
    let actions: i64 =
        world.db.query_one("SELECT count(*) FROM operator_action", &[]).await?.get(0);
    assert_eq!(actions, 1, "what was refused is not written down as done");
    Ok(())
}

/// Publishes records and takes them back: offsets that hold no event.
async fn publish_aborted(world: &World, count: i64) -> Result<()> {
    let topic = topic(world)?;
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", world.kafka_address())
        .set("transactional.id", &topic)
        .create()?;
    tokio::task::spawn_blocking(move || {
        producer.init_transactions(support::PATIENCE)?;
        producer.begin_transaction()?;
        for _ in 0..count {
            let record = BaseRecord::<[u8], [u8]>::to(&topic).partition(0).payload(b"taken back");
            producer.send(record).map_err(|(error, _)| error)?;
        }
        producer.flush(support::PATIENCE)?;
        anyhow::Ok(producer.abort_transaction(support::PATIENCE)?)
    })
    .await?
}

fn topic(world: &World) -> Result<String> {
    let environment = world.environment();
    let topic = environment.into_iter().find(|(name, _)| name == "GATELOG_OPS_TOPIC__SWIPES");
    topic.map(|(_, topic)| topic).context("no topic")
}

#[tokio::test]
async fn a_gap_that_lies_across_the_place_is_counted_once() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&CARDS).await?;
    let swipes = |from: i64, count: i64| -> Vec<_> {
        (from..from + count).map(|i| swipe(CARDS[(i % 3) as usize], "t-hall", i)).collect()
    };
    let mut places = world.log.publish_swipes(&swipes(0, 9_990)).await?;
    publish_aborted(&world, 20).await?;
    places.extend(world.log.publish_swipes(&swipes(20_000, 100)).await?);
    let _consumer = world.consumer_with(&[("GATELOG_CONSUMER_GROUP__RECLAIM_AFTER_MS", "1000")])?;
    at_the_end(&world, &places).await?;
    let before = world.totals().await?;
    let end = 9_990 + before.gaps;
    assert!(before.rows == 10_090 && end > 10_000, "{before:?}");
    let reset = ["offsets", "reset", "--to", "10000", "--all", "--apply", "--reason", "x"];
    done(&world, &reset).await?;
    assert_eq!(world.totals().await?.gaps, 10, "as much of it as lies before");
    at_the_end(&world, &places).await?;
    assert_eq!(world.totals().await?, before);
    let sql =
        "SELECT array_agg((first_offset, end_offset)::text ORDER BY first_offset) FROM offset_gap";
    let gaps: Vec<String> = world.db.query_one(sql, &[]).await?.get(0);
    assert_eq!(gaps, ["(9990,10000)".to_owned(), format!("(10000,{end})")]);
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}
