//! Seals are a third telling: a forged one is found by the chain, by the log, or by the tables.

use anyhow::Result;
use schemas::{Digest, Millis};
use seal::{Chain, Sum};
use serde_json::json;
use support::{World, swipe};

use super::{named, says, three_buckets};

/// Does `change`, looks what verify names, and puts `tables` back to what they were.
async fn found_after(world: &World, change: &str) -> Result<Vec<(String, i64)>> {
    let keep = "CREATE TABLE kept_seals AS TABLE log_seal; \
                CREATE TABLE kept_offsets AS TABLE consumer_offset;";
    let restore = "TRUNCATE log_seal, consumer_offset; \
                   INSERT INTO log_seal TABLE kept_seals; \
                   INSERT INTO consumer_offset TABLE kept_offsets; \
                   DROP TABLE kept_seals, kept_offsets";
    world.db.batch_execute(&format!("{keep} {change}")).await?;
    let (code, report) = world.verify().await?;
    assert_eq!(code, 1, "{change}: {report:#}");
    world.db.batch_execute(restore).await?;
    Ok(named(&report).into_iter().map(|(kind, offset)| (kind.to_owned(), offset)).collect())
}

fn expected(findings: &[(&str, i64)]) -> Vec<(String, i64)> {
    findings.iter().map(|(kind, offset)| ((*kind).to_owned(), *offset)).collect()
}

#[tokio::test]
async fn an_altered_or_removed_seal_is_found() -> Result<()> {
    let (world, _) = three_buckets().await?;
    let (_, report) = world.verify().await?;
    assert_eq!((&report["seals"], &report["events"]), (&json!(2), &json!(25_003)), "{report:#}");
    let zeros = "decode(repeat('00', 16), 'hex')";
    for (change, findings) in [
        ("UPDATE log_seal SET events = 9999 WHERE bucket = 0", &[("chain", 0), ("seal", 0)][..]),
        (
            "UPDATE log_seal SET occurred_min = occurred_min - interval '1 ms' WHERE bucket = 1",
            &[("chain", 10_000), ("seal", 10_000)],
        ),
        ("DELETE FROM log_seal WHERE bucket = 0", &[("chain", 0)]),
        ("DELETE FROM log_seal WHERE bucket = 1", &[("chain", 10_000)]),
        (&format!("UPDATE consumer_offset SET open_digest = {zeros}"), &[("seal", 20_000)]),
        (
            "UPDATE consumer_offset SET chain = decode(repeat('00', 32), 'hex')",
            &[("chain", 20_000)],
        ),
        (
            "INSERT INTO log_seal SELECT log_partition, 2, events, digest, occurred_min, occurred_max, chain \
             FROM log_seal WHERE bucket = 1",
            &[("seal", 20_000)],
        ),
    ] {
        assert_eq!(found_after(&world, change).await?, expected(findings), "{change}");
    }
    world.verify_clean().await
}

#[tokio::test]
async fn seals_that_were_forged_with_their_chain_are_found_by_the_log() -> Result<()> {
    let (world, _) = three_buckets().await?;
    let mut chain = Chain::START;
    let mut change = String::new();
    let sql = "SELECT events, digest, (extract(epoch FROM occurred_min) * 1000)::bigint, \
               (extract(epoch FROM occurred_max) * 1000)::bigint FROM log_seal ORDER BY bucket";
    for (bucket, row) in world.db.query(sql, &[]).await?.iter().enumerate() {
        let at = |column| Millis::from_unix_ms(row.get(column));
        let digest = u128::from_be_bytes(row.get::<_, &[u8]>(1).try_into()?);
        let sum = Sum {
            events: row.get::<_, i64>(0).unsigned_abs(),
            digest: Digest(digest + u128::from(bucket == 0)),
            occurred: Some((at(2), at(3))),
        };
        chain = chain.next(0, bucket as i64, &sum);
        let hex: String = chain.0.iter().map(|byte| format!("{byte:02x}")).collect();
        change += &format!(
            "UPDATE log_seal SET digest = '\\x{}', chain = '\\x{hex}' WHERE bucket = {bucket}; \
             UPDATE consumer_offset SET chain = '\\x{hex}'; ",
            sum.digest
        );
    }
    assert_eq!(found_after(&world, &change).await?, expected(&[("seal", 0)]));
    world.verify_clean().await
}

#[tokio::test]
async fn what_kafka_has_no_longer_is_proved_by_seals() -> Result<()> {
    let (world, _) = three_buckets().await?;
    world.log.forget_before(0, 12_345).await?;
    let (code, report) = world.verify().await?;
    assert_eq!(
        (code, &report["proved_by_seals"], &report["unproved"]),
        (0, &json!(12_345), &json!(0)),
        "{report:#}"
    );
    assert_eq!(
        (&report["events"], &report["outcomes"]),
        (&json!(25_003 - 12_345), &json!(25_003)),
        "{report:#}"
    );
    assert!(says(&report, "12345 offsets against Kafka"), "{report:#}");
    // What Kafka has is named; of the rest the bucket is.
    world
        .db
        .batch_execute("DELETE FROM access_log WHERE log_offset IN (7, 12344, 12345, 15000)")
        .await?;
    let (code, report) = world.verify().await?;
    assert_eq!(
        (code, named(&report)),
        (
            1,
            vec![
                ("missing", 12_345),
                ("missing", 15_000),
                ("seal", 0),
                ("seal", 10_000),
                ("totals", -1)
            ]
        ),
        "{report:#}"
    );
    // Without its seal nothing proves the bucket.
    world.db.batch_execute("DELETE FROM log_seal WHERE bucket = 0").await?;
    let (_, report) = world.verify().await?;
    assert_eq!(
        (&report["unproved"], &report["proved_by_seals"]),
        (&json!(10_000), &json!(2_345)),
        "{report:#}"
    );
    Ok(())
}

#[tokio::test]
async fn a_loss_must_be_one() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let swipes = |range: std::ops::Range<i64>| -> Vec<_> {
        range.map(|i| swipe("c1", "t-hall", i)).collect()
    };
    world.log.publish_swipes(&swipes(0..20)).await?;
    let mut consumer = world.consumer()?;
    world.caught_up().await?;
    consumer.terminate().await?;
    // An operator accepts the loss of five events, but they are there.
    world.log.publish_swipes(&swipes(20..30)).await?;
    world
        .db
        .batch_execute(
            "UPDATE consumer_offset SET next_offset = 25, applied_to = 25, lost = 5; \
             INSERT INTO offset_gap (log_partition, first_offset, end_offset, lost) VALUES (0, 20, 25, true)",
        )
        .await?;
    let (code, report) = world.verify().await?;
    assert_eq!(
        (code, &report["invented"], &report["missing"], &report["seals_wrong"]),
        (1, &json!(5), &json!(5), &json!(1)),
        "{report:#}"
    );
    world.log.forget_before(0, 25).await?;
    let (code, report) = world.verify().await?;
    assert_eq!(
        (code, &report["lost"], &report["proved_by_seals"]),
        (0, &json!(5), &json!(20)),
        "{report:#}"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_being_read_again_is_left_alone_until_it_has_been() -> Result<()> {
    let (mut world, _) = three_buckets().await?;
    world
        .db
        .batch_execute(
            "UPDATE consumer_offset SET next_offset = 0, rows = 0, collisions = 0, duplicates = 0, dead = 0, \
             open_events = 0, open_digest = decode(repeat('00', 16), 'hex'), open_occurred_min = NULL, \
             open_occurred_max = NULL, chain = decode(repeat('00', 32), 'hex')",
        )
        .await?;
    let (code, report) = world.verify().await?;
    assert_eq!((code, &report["events"]), (0, &json!(0)), "{report:#}");
    assert!(says(&report, "being read again: partition 0 from 0"), "{report:#}");
    let _consumer = world.consumer()?;
    world.caught_up().await?;
    world.verify_clean().await
}
