//! Giving days up, and reading again: what stands is found where it stands, and what is gone is no news.

use std::time::Instant;

use anyhow::Result;
use serde_json::json;
use support::{World, eventually, swipe};

use super::{APPLY, BEFORE, DAY_MS, applied, caught_up, count, done, refused, staying};

/// Rows of all days, wherever their tables stand.
async fn all_rows(world: &World, tables: &[&str]) -> Result<String> {
    let all: Vec<String> =
        tables.iter().map(|t| format!("SELECT t::text AS line FROM {t} t")).collect();
    let sql = format!(
        "SELECT md5(string_agg(line, ',' ORDER BY line)) FROM ({}) t",
        all.join(" UNION ALL ")
    );
    Ok(world.db.query_one(&sql, &[]).await?.get(0))
}

#[tokio::test]
async fn what_stands_in_a_detached_day_keeps_its_outcome() -> Result<()> {
    let mut world = World::new(1).await?;
    let log = applied(&mut world, 4, 6_000).await?;
    let detach = [&["partitions", "detach", "--before", BEFORE][..], &APPLY].concat();
    done(&world, &detach).await?;
    let list = done(&world, &["partitions", "list"]).await?;
    let first = &list["days"][0];
    assert_eq!(
        (&first["state"], &first["before_oldest_day"]),
        (&json!("detached"), &json!(true)),
        "{list:#}"
    );
    let tables = [
        "access_log",
        "access_log_20160601",
        "access_log_20160602",
        "collision",
        "duplicate_event",
        "dead_letter",
    ];
    let before = (all_rows(&world, &tables).await?, world.totals().await?);

    let reset = |to: &'static str| {
        ["offsets", "reset", "--to", to, "--all", "--apply", "--reason", "look again"]
    };
    world.verify_clean().await?;
    done(&world, &reset("start")).await?;
    let drop = [&["partitions", "drop", "--before", BEFORE][..], &APPLY].concat();
    let said = refused(&world, &drop, 2).await?;
    assert!(said.contains("read again"), "{said}");
    let mut consumer = world.consumer()?;
    caught_up(&world, log.len()).await?;
    assert_eq!((all_rows(&world, &tables).await?, world.totals().await?), before);

    // Dropped, they are gone for whoever would read them again.
    assert!(consumer.terminate().await?.success());
    world.verify_clean().await?;
    done(&world, &drop).await?;
    world.verify_clean().await?;
    let said = refused(&world, &reset("start"), 2).await?;
    assert!(said.contains("lowest that it can go back to is 30000"), "{said}");
    let stays = staying_rows(&world).await?;
    done(&world, &reset("30000")).await?;
    let _consumer = world.consumer()?;
    caught_up(&world, log.len()).await?;
    assert_eq!((staying_rows(&world).await?, world.totals().await?), (stays, before.1));
    world.verify_clean().await?;
    Ok(())
}

async fn staying_rows(world: &World) -> Result<String> {
    all_rows(world, &["access_log", "collision", "duplicate_event", "dead_letter"]).await
}

#[tokio::test]
async fn an_event_that_went_with_its_day_is_no_dead_letter() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let mut swipes: Vec<_> = (0..200).map(|i| swipe("c1", "t-hall", i * 2_000_000)).collect();
    swipes.push(swipe("c1", "t-nowhere", 1));
    world.log.publish_swipes(&swipes).await?;
    let mut consumer = world.consumer()?;
    caught_up(&world, swipes.len()).await?;
    assert!(consumer.terminate().await?.success());
    done(&world, &[&["partitions", "drop", "--before", BEFORE][..], &APPLY].concat()).await?;
    assert_eq!(count(&world, "access_log").await?, 200 - 87);
    let before = world.totals().await?;

    // An operator goes back by hand, behind what `offsets reset` would allow.
    let sql = "UPDATE consumer_offset SET next_offset = 0, rows = 0, dead = 0, open_events = 0, \
               open_digest = decode(repeat('00', 16), 'hex'), open_occurred_min = NULL, open_occurred_max = NULL";
    world.db.batch_execute(sql).await?;
    let mut consumer = world.consumer()?;
    caught_up(&world, swipes.len()).await?;
    assert_eq!(world.totals().await?, before, "what was a row counts as one");
    assert_eq!(count(&world, "dead_letter").await?, 1, "and what was a dead letter as that");
    world.verify_clean().await?;
    // The same event sent anew is news, and its day is not kept.
    world.log.publish_swipes(&swipes[..1]).await?;
    caught_up(&world, swipes.len() + 1).await?;
    assert_eq!((world.totals().await?.dead, count(&world, "dead_letter").await?), (2, 2));
    assert!(consumer.terminate().await?.success());

    // With the row itself lost, nothing says any more what was applied.
    world.db.batch_execute("DELETE FROM consumer_offset").await?;
    let mut consumer = world.consumer()?;
    assert_eq!(consumer.ended().await?.code(), Some(1), "{}", consumer.said());
    assert!(
        consumer.said().contains("put these rows of consumer_offset back"),
        "{}",
        consumer.said()
    );
    Ok(())
}

#[tokio::test]
async fn an_interrupted_detach_is_finished() -> Result<()> {
    let mut world = World::new(1).await?;
    applied(&mut world, 3, 100).await?;
    let detach = [&["partitions", "detach", "--before", BEFORE][..], &APPLY].concat();
    // A backup that reads all day. Whoever writes does not wait behind those who wait for it.
    world.db.batch_execute("BEGIN; SELECT FROM access_log LIMIT 1").await?;
    let mut consumer = world.consumer()?;
    let (refused, applied) = tokio::join!(
        async {
            let said = refused(&world, &detach, 3).await?;
            anyhow::Ok((said, Instant::now()))
        },
        async {
            eventually("a detach is under way", async || {
                let pending = count(&world, "pg_inherits WHERE inhdetachpending").await?;
                Ok((pending > 0).then_some(()))
            })
            .await?;
            let more: Vec<_> =
                (0..50).map(|i| swipe("c1", "t-hall", 2 * DAY_MS + 5_000 + i)).collect();
            let all = world.log.len().await? + world.log.publish_swipes(&more).await?.len() as i64;
            caught_up(&world, usize::try_from(all)?).await?;
            anyhow::Ok(Instant::now())
        }
    );
    let ((said, given_up), applied) = (refused?, applied?);
    assert!(said.contains("the same command"), "{said}");
    assert!(applied < given_up, "a COPY waited behind the detach");
    assert!(consumer.terminate().await?.success());
    let before = staying(&world).await?;
    let list = done(&world, &["partitions", "list"]).await?;
    assert_eq!(list["days"][0]["state"], json!("pending"), "{list:#}");
    world.verify_clean().await?;
    world.db.batch_execute("COMMIT").await?;
    done(&world, &detach).await?;
    let list = done(&world, &["partitions", "list"]).await?;
    let states: Vec<_> = (0..3).map(|day| list["days"][day]["state"].as_str()).collect();
    assert_eq!(states, [Some("detached"), Some("detached"), Some("attached")]);
    assert_eq!(staying(&world).await?, before, "something of a day that is kept");
    let error = world.db.execute("SELECT ensure_day('2016-06-02')", &[]).await.err();
    let state = error.as_ref().and_then(|error| error.code()).map(|code| code.code().to_owned());
    assert_eq!(state.as_deref(), Some("GL001"), "a day that was given up is not made again");
    Ok(())
}
