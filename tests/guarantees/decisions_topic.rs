//! Every live decision is published, with its door command when a new row was granted; nothing else
//! ever is, whatever the consumer is killed at, and none is lost while Kafka takes none.

use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use anyhow::Result;
use schemas::{DenialReason, Outcome, command_id, headers};
use support::{Event, Process, Proxy, Published, World, eventually, live, swipe};

/// Live for as long as a test takes, so that no slow machine makes a swipe late.
const LIVE: [(&str, &str); 2] = [
    ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"),
    ("GATELOG_CONSUMER_DECISION__COMMAND_TTL_MS", "60000"),
];
const CARD: &str = "card-nobody-may-see";

fn with(event: &schemas::Swipe<'_>, header: &str, value: &str) -> Event {
    let mut event = Event::from(event);
    event.headers.push((header.to_owned(), value.as_bytes().to_vec()));
    event
}

#[tokio::test]
async fn each_live_swipe_has_one_and_nothing_else_has() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&[CARD]).await?;
    let mut consumer = world.consumer_with(&LIVE)?;
    let granted = live(CARD, "t-hall", 0);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let wrong = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
    world
        .log
        .publish([
            with(&granted, headers::TRACEPARENT, trace),
            with(&live("stranger", "t-lab", 1), headers::TRACEPARENT, wrong),
            // None of these opens a door: a collision, a duplicate, a late one, a replayed one, one
            // that nobody can apply.
            Event::from(&live(CARD, "t-hall-2", 0)),
            Event::from(&granted),
            Event::from(&swipe(CARD, "t-hall", 2)),
            with(&live(CARD, "t-hall", 3), headers::REPLAY, "1"),
            Event::from(&live(CARD, "t-nowhere", 4)),
        ])
        .await?;
    world.caught_up().await?;
    let published = world.decisions_are_whole().await?;
    assert_eq!(published.len(), 3, "the granted one, the denied one and the collision");
    let of = |terminal: &str| {
        published.iter().find(|p| p.record.key.as_deref() == Some(terminal.as_bytes())).unwrap()
    };

    let Published { record, decision, .. } = of("t-hall");
    assert_eq!((decision.event_id, decision.decision), (granted.event_id, Outcome::Granted));
    let command = decision.command.as_ref().unwrap();
    assert_eq!(command.command_id, command_id(granted.event_id));
    let lives_ms = command.expires_at.unix_ms() - granted.received_at.unix_ms();
    assert_eq!(lives_ms, 60_000, "from the moment at the door");
    for (header, value) in [
        (headers::SPEC_VERSION, "1.0"),
        (headers::SOURCE, "t-hall"),
        (headers::TYPE, headers::TYPE_DECISION_V1),
        (headers::TIME, &decision.decided_at.to_string()),
        (headers::CONTENT_TYPE, headers::CONTENT_TYPE_JSON),
        (headers::TRACEPARENT, trace),
    ] {
        assert_eq!(record.header(header), Some(value), "{header}");
    }
    let denied = of("t-lab");
    assert_eq!(denied.decision.reasons, [DenialReason::CredentialNotFound]);
    assert_eq!(
        (&denied.decision.command, denied.record.header(headers::TRACEPARENT)),
        (&None, None)
    );
    assert_eq!(of("t-hall-2").decision.command, None, "a collision");

    for Published { record, .. } in &published {
        let value = String::from_utf8_lossy(record.value.as_deref().unwrap()).into_owned();
        assert!(!value.contains(CARD) && !format!("{:?}", record.headers).contains(CARD));
    }
    assert!(!consumer.said().contains(CARD), "{}", consumer.said());
    let count = "gatelog_consumer_outbox_published_total{kind=\"decision\"}";
    assert_eq!(consumer.metric(count).await?, 3.0);
    assert_eq!(consumer.metric("gatelog_consumer_door_to_decision_seconds_count").await?, 3.0);
    Ok(())
}

#[tokio::test]
async fn in_the_order_of_the_log_and_finished_before_the_process_ends() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&[CARD]).await?;
    let mut consumer = world.consumer_with(&LIVE)?;
    let swipes: Vec<_> = (0..2_000).map(|ms| live(CARD, "t-hall", ms)).collect();
    world.log.publish_swipes(&swipes).await?;
    world.caught_up().await?;
    assert!(consumer.terminate().await?.success(), "{}", consumer.said());
    assert_eq!(world.outbox_rows().await?, 0, "left behind: {}", consumer.said());
    let published = world.decisions_are_whole().await?;
    let ids: Vec<_> = published.iter().map(|p| p.decision.event_id).collect();
    assert_eq!(ids, swipes.iter().map(|s| s.event_id).collect::<Vec<_>>());
    Ok(())
}

/// A consumer that is killed at a fail point, having been sent one granted live swipe.
async fn killed_at(world: &mut World, step: &str) -> Result<Process> {
    world.open_the_hall(&[CARD]).await?;
    world.log.publish_swipes(&[live(CARD, "t-hall", 0)]).await?;
    let mut victim = world.faulty_consumer_with(&format!("{step}=return(kill)"), &LIVE)?;
    assert_eq!(victim.ended().await?.signal(), Some(9), "{}", victim.said());
    Ok(victim)
}

#[tokio::test]
async fn killed_before_it_is_published_the_next_owner_publishes_it() -> Result<()> {
    let mut world = World::new(1).await?;
    killed_at(&mut world, "noted").await?;
    assert_eq!((world.outbox_rows().await?, world.decisions.len().await?), (1, 0));
    let _successor = world.consumer_with(&LIVE)?;
    let published = world.decisions_are_whole().await?;
    assert_eq!(published.len(), 1);
    Ok(())
}

#[tokio::test]
async fn killed_before_its_row_is_deleted_it_is_published_twice_with_the_same_command() -> Result<()>
{
    let mut world = World::new(1).await?;
    killed_at(&mut world, "published").await?;
    assert_eq!((world.outbox_rows().await?, world.decisions.len().await?), (1, 1));
    let _successor = world.consumer_with(&LIVE)?;
    let published = world.decisions_are_whole().await?;
    assert_eq!(published.len(), 2);
    assert_eq!(published[0].record.value, published[1].record.value);
    Ok(())
}

#[tokio::test]
async fn committed_and_never_told_so_it_is_found_in_the_table() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&[CARD]).await?;
    let proxy = Proxy::before_postgres(&world.postgres_address()?).await?;
    let postgres = world.postgres_at(proxy.address());
    let mut consumer = world.consumer_with(&[LIVE[0], LIVE[1], ("GATELOG_POSTGRES", &postgres)])?;
    consumer.ready().await?;
    let swipes = [live(CARD, "t-hall", 0)];
    let sent = world.log.publish_swipes(&swipes);
    let (lost, sent) = tokio::join!(proxy.lose_a_commit_reply(), sent);
    lost?;
    sent?;
    consumer.says("a commit whose reply was lost had landed").await?;
    assert_eq!(world.decisions_are_whole().await?.len(), 1, "{}", consumer.said());
    Ok(())
}

#[tokio::test]
async fn reading_the_log_again_sends_nothing() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&[CARD]).await?;
    let mut consumer = world.consumer_with(&LIVE)?;
    let mut events: Vec<_> = (0..50).map(|ms| Event::from(&live(CARD, "t-hall", ms))).collect();
    events.push(Event::from(&live(CARD, "t-hall-2", 0)));
    world.log.publish(events).await?;
    let before = world.caught_up().await?;
    assert_eq!(world.decisions_are_whole().await?.len(), 51);
    assert!(consumer.terminate().await?.success());

    // All that says how far the log has been read is gone, and every swipe would still be live.
    world.db.execute("DELETE FROM consumer_offset", &[]).await?;
    let mut consumer = world.consumer_with(&LIVE)?;
    assert_eq!(world.caught_up().await?, before);
    assert!(consumer.terminate().await?.success(), "{}", consumer.said());
    assert_eq!((world.outbox_rows().await?, world.decisions.len().await?), (0, 51));
    Ok(())
}

#[tokio::test]
async fn while_kafka_has_no_such_topic_the_writers_wait_and_nothing_is_lost() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&[CARD]).await?;
    let topic = format!("{}.decisions-later", world.group);
    let mut consumer = world.consumer_with(&[
        LIVE[0],
        LIVE[1],
        ("GATELOG_CONSUMER_TOPIC__DECISIONS", &topic),
        ("GATELOG_CONSUMER_OUTBOX__WAITING_MAX", "100"),
        ("GATELOG_CONSUMER_BATCH__WRITERS", "1"),
    ])?;
    consumer.ready().await?;
    let swipes: Vec<_> = (0..150).map(|ms| live(CARD, "t-hall", ms)).collect();
    // As many as may wait; then one that the channel holds, and one that the writer holds.
    for some in [&swipes[..100], &swipes[100..101], &swipes[101..102]] {
        world.log.publish_swipes(some).await?;
        world.caught_up().await?;
    }
    consumer.says("Kafka has no such topic").await?;
    world.log.publish_swipes(&swipes[102..]).await?;
    eventually("the rest waits in Kafka", async || {
        let lag = consumer.metric("gatelog_consumer_lag_events{partition=\"0\"}").await?;
        Ok((lag == 48.0).then_some(()))
    })
    .await?;
    assert_eq!((world.totals().await?.rows, world.outbox_rows().await?), (102, 102));
    assert_eq!(consumer.metric("gatelog_consumer_outbox_waiting").await?, 100.0);

    let later = world.make_topic(&topic).await?;
    world.caught_up().await?;
    world.outbox_is_empty().await?;
    let mut ids: Vec<_> =
        World::published_on(&later).await?.iter().map(|p| p.decision.event_id).collect();
    let mut expected: Vec<_> = swipes.iter().map(|swipe| swipe.event_id).collect();
    ids.sort_unstable();
    expected.sort_unstable();
    assert_eq!(ids, expected);
    Ok(())
}

#[tokio::test]
async fn a_process_that_stops_waits_for_no_topic_and_leaves_its_messages() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&[CARD]).await?;
    let nowhere = format!("{}.decisions-nowhere", world.group);
    let mut consumer = world.consumer_with(&[
        LIVE[0],
        LIVE[1],
        ("GATELOG_CONSUMER_TOPIC__DECISIONS", &nowhere),
        ("GATELOG_CONSUMER_OUTBOX__WAITING_MAX", "1"),
        ("GATELOG_CONSUMER_BATCH__WRITERS", "1"),
    ])?;
    // One is with the worker, one in the channel, and with the third the writer waits for room.
    for ms in 0..3 {
        world.log.publish_swipes(&[live(CARD, "t-hall", ms)]).await?;
        world.caught_up().await?;
    }
    consumer.says("Kafka has no such topic").await?;
    let began = Instant::now();
    assert!(consumer.terminate().await?.success(), "{}", consumer.said());
    assert!(began.elapsed() < Duration::from_secs(10), "it waited: {}", consumer.said());
    assert_eq!(world.outbox_rows().await?, 3);

    let _successor = world.consumer_with(&LIVE)?;
    assert_eq!(world.decisions_are_whole().await?.len(), 3);
    Ok(())
}
