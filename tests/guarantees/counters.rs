//! A terminal's counter that is seen twice is an identity conflict, whenever and wherever the two swipes
//! came; and nothing else is.

use anyhow::{Context, Result};
use schemas::{Millis, Swipe};
use support::{World, eventually, swipe};

use crate::read_again::everything;

const DAY_MS: i64 = 86_400_000;
const FOLDING: [(&str, &str); 1] = [("GATELOG_CONSUMER_LEDGER__INTERVAL_MS", "200")];

/// A swipe with its terminal's number, which was received when it happened.
fn counted(card: &str, ms: i64, epoch: u32, seq: u64) -> Swipe<'static> {
    let swipe = swipe(card, "t-hall", ms);
    Swipe {
        terminal_epoch: Some(epoch),
        terminal_seq: Some(seq),
        received_at: Millis::from_unix_ms(swipe.occurred_at.unix_ms() + 1),
        ..swipe
    }
}

/// Conflicts of this kind: the place of each event, and of the other.
async fn conflicts(world: &World) -> Result<Vec<[(i32, i64); 2]>> {
    let sql = "SELECT log_partition, log_offset, other_partition, other_offset
               FROM identity_conflict WHERE kind = 'counter_reused'
               ORDER BY found_at, log_partition, log_offset";
    let rows = world.db.query(sql, &[]).await?;
    Ok(rows.iter().map(|row| [(row.get(0), row.get(1)), (row.get(2), row.get(3))]).collect())
}

#[tokio::test]
async fn between_batches_days_and_partitions() -> Result<()> {
    let mut world = World::new(4).await?;
    let cards = ["c1", "c2", "c3", "c4", "c5", "c6"];
    world.open_the_hall(&cards).await?;
    let numbers = (0..600).map(|i| counted(cards[i % 6], i as i64, 1, i as u64));
    let first: Vec<Swipe<'_>> = numbers.collect();
    let mut places = world.log.publish_swipes(&first).await?;
    let mut consumer = world.consumer_with(&FOLDING)?;
    world.caught_up().await?;
    assert_eq!(world.ledger_is_whole().await?, 0);

    // What was sent twice, another epoch, another terminal, and no counter at all are none.
    let mut harmless = first[..50].to_vec();
    harmless.push(counted("c1", 50_000, 2, 7));
    harmless.push(Swipe { terminal_id: "t-hall-2".into(), ..counted("c1", 50_001, 1, 7) });
    harmless.push(swipe("c1", "t-hall", 50_002));
    places.extend(world.log.publish_swipes(&harmless).await?);
    world.caught_up().await?;
    assert_eq!(world.ledger_is_whole().await?, 0);
    assert!(conflicts(&world).await?.is_empty());

    // Another card, a day later, has the number of the eighth.
    let again = counted("c5", DAY_MS, 1, 7);
    let again = world.log.publish_swipes(&[again]).await?;
    eventually("it is a conflict", async || {
        Ok((conflicts(&world).await? == [[again[0], places[7]]]).then_some(()))
    })
    .await
    .with_context(|| consumer.said())?;
    places.extend(again);
    // Two at once, and one that collides with a row.
    let mut together =
        [counted("c1", 70_000, 1, 9_000), counted("c2", 70_001, 1, 9_000), counted("c3", 2, 1, 8)];
    let received = swipe("c3", "t-hall", 80_000);
    (together[2].event_id, together[2].received_at) = (received.event_id, received.occurred_at);
    let together = world.log.publish_swipes(&together).await?;
    let totals = world.caught_up().await?;
    assert_eq!((totals.rows, totals.collisions, totals.duplicates), (606, 1, 50));
    assert_eq!(world.ledger_is_whole().await?, 6, "events that share a counter");
    let found = conflicts(&world).await?;
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found.contains(&[together[1], together[0]]), "{found:?}");
    assert!(found.contains(&[together[2], places[8]]), "{found:?}");
    places.extend(together);

    // Operators see it, in metrics, in the log, and from the log anew.
    let metric = r#"gatelog_consumer_identity_conflicts_total{kind="counter_reused"}"#;
    eventually("the conflicts are counted", async || {
        Ok((consumer.metric(metric).await? == 3.0).then_some(()))
    })
    .await?;
    consumer.says("gave numbers of their counters twice").await?;
    let (code, report) = world.verify_only(&["--identities"]).await?;
    let named = report["findings"].as_array().context("findings")?;
    assert!(code == 1 && named.len() == 3, "{report:#}");
    assert!(named.iter().all(|one| one["kind"] == "counter_reused"), "{report:#}");

    // Reading the log again changes nothing of it, and finds nothing anew.
    assert!(consumer.terminate().await?.success());
    let (tables, ledger) = (everything(&world).await?, ledger(&world).await?);
    world.db.execute("DELETE FROM consumer_offset", &[]).await?;
    let consumer = world.consumer_with(&FOLDING)?;
    world.caught_up().await?;
    assert_eq!(world.ledger_is_whole().await?, 6, "{}", consumer.said());
    assert_eq!(everything(&world).await?, tables, "reading the log again changed a table");
    assert_eq!(self::ledger(&world).await?, ledger, "reading the log again changed the ledger");
    world.each_has_one_outcome(&places).await?;
    world.verify_clean().await
}

async fn ledger(world: &World) -> Result<String> {
    let sql = "SELECT string_agg(l::text, ',' ORDER BY l::text) FROM terminal_ledger l";
    Ok(world.db.query_one(sql, &[]).await?.get(0))
}
