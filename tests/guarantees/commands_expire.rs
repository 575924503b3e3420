//! A door command that was not published in its time is never published: not when it has waited in
//! the producer, not when it lay in the table after a crash. Its decision is.

use std::os::unix::process::ExitStatusExt;

use anyhow::Result;
use schemas::Outcome;
use support::{Process, World, eventually, live};

/// Live for as long as a test takes; a command for half a second.
const SHORT: [(&str, &str); 2] = [
    ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000"),
    ("GATELOG_CONSUMER_DECISION__COMMAND_TTL_MS", "500"),
];
const EXPIRED: &str = "gatelog_consumer_commands_expired_total";

async fn world() -> Result<World> {
    let world = World::new(1).await?;
    world.open_the_hall(&["c"]).await?;
    Ok(world)
}

/// One decision was published, granted and without a command; and that is counted.
async fn dropped_and_counted(
    world: &World,
    topic: &support::Log,
    consumer: &mut Process,
) -> Result<()> {
    world.outbox_is_empty().await?;
    let published = World::published_on(topic).await?;
    let said: Vec<_> =
        published.iter().map(|p| (p.decision.decision, p.decision.command.clone())).collect();
    assert_eq!(said, [(Outcome::Granted, None)], "{}", consumer.said());
    assert_eq!(consumer.metric(EXPIRED).await?, 1.0, "{}", consumer.said());
    Ok(())
}

#[tokio::test]
async fn an_expired_command_is_not_sent_and_its_decision_is() -> Result<()> {
    let mut world = world().await?;
    let mut consumer = world.consumer_with(&SHORT)?;
    let mut slow = live("c", "t-hall", 0);
    slow.age_ms = Some(2_000);
    world.log.publish_swipes(&[slow]).await?;
    world.caught_up().await?;
    dropped_and_counted(&world, &world.decisions, &mut consumer).await
}

#[tokio::test]
async fn a_command_that_waits_in_the_producer_until_it_expires_is_not_sent() -> Result<()> {
    let mut world = world().await?;
    let name = format!("{}.decisions-later", world.group);
    let mut consumer =
        world.consumer_with(&[SHORT[0], SHORT[1], ("GATELOG_CONSUMER_TOPIC__DECISIONS", &name)])?;
    consumer.ready().await?;
    world.log.publish_swipes(&[live("c", "t-hall", 0)]).await?;
    // The producer had it, for as long as the command lives, and gave it back.
    eventually("the message comes back", async || {
        let failures = consumer.metric("gatelog_consumer_outbox_failures_total").await?;
        Ok((failures >= 1.0).then_some(()))
    })
    .await?;
    has_expired(&world).await?;
    let later = world.make_topic(&name).await?;
    dropped_and_counted(&world, &later, &mut consumer).await
}

#[tokio::test]
async fn a_command_that_expires_after_a_crash_is_not_sent_by_whoever_sweeps() -> Result<()> {
    let mut world = world().await?;
    world.log.publish_swipes(&[live("c", "t-hall", 0)]).await?;
    // Committed, and handed over to nobody.
    let points = "noted=return(kill)";
    let more = [SHORT[0], ("GATELOG_CONSUMER_DECISION__COMMAND_TTL_MS", "60000")];
    let mut victim = world.faulty_consumer_with(points, &more)?;
    assert_eq!(victim.ended().await?.signal(), Some(9), "{}", victim.said());
    let opens = "SELECT convert_from(value, 'UTF8')::jsonb -> 'command' IS NOT NULL FROM outbox";
    assert!(world.db.query_one(opens, &[]).await?.get::<_, bool>(0), "it is there to be sent");
    // A minute later, without the wait: only then does anybody come to sweep.
    let later = "UPDATE outbox SET expires_at = expires_at - interval '1 minute'";
    world.db.execute(later, &[]).await?;
    has_expired(&world).await?;
    let mut successor = world.consumer_with(&SHORT)?;
    dropped_and_counted(&world, &world.decisions, &mut successor).await
}

async fn has_expired(world: &World) -> Result<()> {
    let sql = "SELECT count(*) FROM outbox WHERE expires_at > clock_timestamp()";
    eventually("the command has expired", async || {
        Ok((world.db.query_one(sql, &[]).await?.get::<_, i64>(0) == 0).then_some(()))
    })
    .await
}
