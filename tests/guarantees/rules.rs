//! What a zone's rules and a card's schedule say counts for live and late swipes, in the order of the
//! log, whatever is sent twice and whoever is killed in between.

use anyhow::{Context, Result, ensure};
use schemas::{DenialReason, Direction, Millis, Mode, Reasons, Swipe};
use support::{World, eventually, swipe};

/// A late swipe at the hall's door in that direction, `ms` after 2016-06-01T00:00:00Z.
fn passing(card_id: &str, direction: Direction, ms: i64) -> Swipe<'static> {
    let mut swipe = swipe(card_id, "t-hall", ms);
    swipe.direction = Some(direction);
    swipe
}

/// A swipe that is at the door right now.
fn live(card_id: &str, ms: i64) -> Swipe<'static> {
    let mut swipe = swipe(card_id, "t-hall", ms);
    (swipe.mode, swipe.age_ms, swipe.received_at) = (Mode::Online, Some(0), Millis::now());
    swipe
}

fn why(reasons: &[DenialReason]) -> Reasons {
    reasons.iter().copied().collect()
}

/// Now, and so many ms after it, in ms after 2016-06-01T00:00:00Z: a late swipe of then is judged by
/// what holds now.
fn soon(ms: i64) -> i64 {
    Millis::now().unix_ms() - 1_464_739_200_000 + ms
}

/// Reasons and notes of all rows, in the order of the log.
async fn decided(world: &World) -> Result<Vec<(Reasons, i16)>> {
    let sql = "SELECT reasons, notes FROM access_log ORDER BY log_partition, log_offset";
    let rows = world.db.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| (Reasons::from_bits(row.get(0)), row.get(1))).collect())
}

#[tokio::test]
async fn a_card_that_is_inside_cannot_enter_and_what_was_sent_twice_does_not_count() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1", "c2"]).await?;
    world
        .db
        .batch_execute(
            "UPDATE terminal SET direction = 'both' WHERE terminal_id = 't-hall'; \
             UPDATE zone SET antipassback = 'hard' WHERE zone_id = 'hall'",
        )
        .await?;
    let _consumer = world.consumer()?;
    // The rules came today; what follows is judged by them only where it is of today.
    let today = Millis::now().unix_ms() - 1_464_739_200_000 - 600_000;
    let [first, second, third] = [0, 1_000, 2_000].map(|ms| today + ms);
    world
        .log
        .publish_swipes(&[
            passing("c1", Direction::In, first),
            passing("c1", Direction::In, first),
            passing("c1", Direction::In, second),
            passing("c1", Direction::Out, third),
            passing("c2", Direction::Out, first),
            passing("c2", Direction::Out, second),
        ])
        .await?;
    world.caught_up().await?;
    // Ten minutes ago the rules did not hold yet.
    let free = (Reasons::NONE, 0);
    assert_eq!(decided(&world).await?, [free; 5], "late swipes are judged by the rules of then");

    let base = soon(0);
    let at = |n: i64| base + n;
    world
        .log
        .publish_swipes(&[
            passing("c1", Direction::In, at(0)),
            passing("c1", Direction::In, at(0)),
            passing("c1", Direction::In, at(1)),
            passing("c1", Direction::Out, at(2)),
            passing("c1", Direction::In, at(3)),
        ])
        .await?;
    world.caught_up().await?;
    let denied = (why(&[DenialReason::Antipassback]), 0);
    assert_eq!(
        decided(&world).await?[5..],
        [free, denied, free, free],
        "in, (once more the same), in again, out, in"
    );
    // The next batch goes on from what is stored, whoever reads it.
    world.log.publish_swipes(&[passing("c1", Direction::In, at(4))]).await?;
    world.caught_up().await?;
    assert_eq!(decided(&world).await?[9..], [denied], "in, after in of the batch before");
    world.db.batch_execute("UPDATE zone SET antipassback = 'soft'").await?;
    world.log.publish_swipes(&[passing("c1", Direction::In, soon(0))]).await?;
    world.caught_up().await?;
    assert_eq!(decided(&world).await?[10..], [(Reasons::NONE, 2)], "in again, only recorded");
    Ok(())
}

#[tokio::test]
async fn a_wall_clock_that_is_fast_locks_nobody_out() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    world
        .db
        .batch_execute(
            "UPDATE zone SET antipassback = 'hard', antipassback_timed_ms = 60000, \
             lockout_denials = 2, lockout_within_ms = 60000, lockout_for_ms = 60000",
        )
        .await?;
    let _consumer = world.consumer()?;
    let hours_ms = 20 * 3_600_000;
    let mut ahead: Vec<_> =
        (0..3).map(|n| passing("c1", Direction::In, soon(hours_ms + n))).collect();
    ahead.iter_mut().for_each(|swipe| swipe.terminal_id = "t-lab".into());
    ahead.push(passing("c1", Direction::In, soon(hours_ms + 10)));
    world.log.publish_swipes(&ahead).await?;
    world.caught_up().await?;
    let mut now = live("c1", 1);
    now.direction = Some(Direction::In);
    world.log.publish_swipes(&[now]).await?;
    world.caught_up().await?;
    let denied = (why(&[DenialReason::Unauthorized]), 0);
    let free = (Reasons::NONE, 0);
    assert_eq!(decided(&world).await?, [denied, denied, denied, free, free]);
    Ok(())
}

#[tokio::test]
async fn denials_lock_a_card_out() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    world
        .db
        .batch_execute(
            "UPDATE zone SET lockout_denials = 3, lockout_within_ms = 60000, lockout_for_ms = 30000; \
             UPDATE user_access SET zones = '{}'",
        )
        .await?;
    let _consumer = world.consumer()?;
    world.log.publish_swipes(&(0..3).map(|ms| live("c1", ms)).collect::<Vec<_>>()).await?;
    world.caught_up().await?;
    world.db.batch_execute("UPDATE user_access SET zones = '{hall}'").await?;
    world.log.publish_swipes(&[live("c1", 3)]).await?;
    world.caught_up().await?;
    let denied = (why(&[DenialReason::Unauthorized]), 0);
    let locked = (why(&[DenialReason::Lockout]), 0);
    assert_eq!(decided(&world).await?, [denied, denied, denied, locked]);
    Ok(())
}

#[tokio::test]
async fn lockdown_release_and_schedules_take_effect_with_the_next_batch() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let _consumer = world.consumer()?;
    let mut expected = Vec::new();
    let steps: [(&str, &[DenialReason], i16); 6] = [
        ("UPDATE zone SET mode = 'deny_all'", &[DenialReason::DenyAll], 0),
        ("UPDATE zone SET mode = 'released'; UPDATE card SET state = 'stolen'", &[], 1),
        ("UPDATE zone SET mode = 'normal'", &[DenialReason::CredentialNotEnabled], 0),
        (
            "UPDATE card SET state = 'enabled'; \
             INSERT INTO schedule (schedule_id, definition) VALUES ('never', \
             '{\"time_zone\": \"Europe/Berlin\", \"weekly\": [], \"special_days\": []}'); \
             UPDATE user_access SET schedule_id = 'never'",
            &[DenialReason::NotPermittedAtThisTime],
            0,
        ),
        (
            "UPDATE schedule SET definition = '{\"time_zone\": \"Europe/Berlin\", \"weekly\": [{\
             \"days\": [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"], \
             \"from\": \"00:00\", \"until\": \"24:00\"}], \"special_days\": []}'",
            &[],
            0,
        ),
        (
            "UPDATE schedule SET definition = '{\"time_zone\": \"Nowhere/Land\"}'",
            &[DenialReason::NotPermittedAtThisTime],
            0,
        ),
    ];
    for (ms, (sql, reasons, notes)) in (0..).zip(steps) {
        world.db.batch_execute(sql).await.context(sql)?;
        world.log.publish_swipes(&[live("c1", ms)]).await?;
        world.caught_up().await?;
        expected.push((why(reasons), notes));
        assert_eq!(decided(&world).await?, expected, "after {sql}");
    }
    // And a late swipe of before all that is judged by what held then.
    world.log.publish_swipes(&[swipe("c1", "t-hall", 100)]).await?;
    world.caught_up().await?;
    expected.push((Reasons::NONE, 0));
    assert_eq!(decided(&world).await?, expected, "a late swipe of 2016");
    Ok(())
}

#[tokio::test]
async fn a_takeover_goes_on_from_the_state_that_was_committed() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    world
        .db
        .batch_execute(
            "UPDATE terminal SET direction = 'in' WHERE terminal_id = 't-hall'; \
             UPDATE zone SET antipassback = 'hard' WHERE zone_id = 'hall'",
        )
        .await?;
    // Killed with the state written and not committed, it has not moved the card.
    let mut victim = world.faulty_consumer("card-states=1*return(kill)")?;
    world.log.publish_swipes(&[passing("c1", Direction::In, soon(0))]).await?;
    victim.ended().await?;
    let _heir = world.consumer()?;
    world.caught_up().await?;
    let free = (Reasons::NONE, 0);
    assert_eq!(decided(&world).await?, [free], "the first in is no violation, tried twice");
    let state = "SELECT zones, inside FROM card_state WHERE card_id = 'c1'";
    let row = world.db.query_one(state, &[]).await?;
    assert_eq!(row.get::<_, Vec<&str>>(0), ["hall"]);
    assert_eq!(row.get::<_, Vec<bool>>(1), [true]);
    world.log.publish_swipes(&[passing("c1", Direction::In, soon(1))]).await?;
    world.caught_up().await?;
    assert_eq!(decided(&world).await?[1..], [(why(&[DenialReason::Antipassback]), 0)]);
    Ok(())
}

#[tokio::test]
async fn a_card_that_is_forgiven_may_enter_again_also_if_it_enters_just_then() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&["c1"]).await?;
    world.db.batch_execute("UPDATE zone SET antipassback = 'hard'").await?;
    let window = ("GATELOG_CONSUMER_DECISION__LIVE_WINDOW_MS", "3600000");
    // Where it went in is written, and not committed.
    let consumer = world.faulty_consumer_with("totals=1*return(stop)", &[window])?;
    world.log.publish_swipes(&[live("c1", 0)]).await?;
    consumer.says("a fail point").await?;
    let commands = world.commands()?;
    let forgive = ["access", "forgive", "c1", "--reason", "a visitor held the door", "--json"];
    let forgiven = tokio::spawn(async move { commands.run(&forgive).await });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock' AND application_name = 'gatelog'";
    eventually("the command waits for the batch", async || {
        ensure!(!forgiven.is_finished(), "it has not waited");
        Ok((world.db.query_one(waits, &[]).await?.get::<_, i64>(0) > 0).then_some(()))
    })
    .await?;
    consumer.signal("CONT")?;
    let (code, out, said) = forgiven.await??;
    ensure!(code == 0, "{said}");
    let answer: serde_json::Value = serde_json::from_str(&out)?;
    assert_eq!(answer["forgotten"]["zones"][0]["inside"], true, "{answer}");

    world.log.publish_swipes(&[live("c1", 1), live("c1", 2)]).await?;
    world.caught_up().await?;
    let (free, denied) = ((Reasons::NONE, 0), (why(&[DenialReason::Antipassback]), 0));
    assert_eq!(decided(&world).await?, [free, free, denied], "in, forgiven, in, in again");
    let sql = "SELECT action, reason, detail ->> 'card_id' FROM operator_action";
    let acts = world.db.query(sql, &[]).await?;
    let acts: Vec<[&str; 3]> = acts.iter().map(|act| [0, 1, 2].map(|n| act.get(n))).collect();
    assert_eq!(acts, [["forgive", "a visitor held the door", "c1"]]);
    Ok(())
}
