//! Days that are set apart count as standing; of days that were dropped, what was kept of them does.

use anyhow::Result;
use schemas::{Digest, Swipe, digest_of_swipe};
use serde_json::json;
use support::World;

use super::{named, three_buckets};

/// The second and the third day begin at these offsets.
const DAYS: [usize; 2] = [8_640, 17_280];

#[tokio::test]
async fn a_detached_day_stands_until_it_is_dropped() -> Result<()> {
    let (world, _) = three_buckets().await?;
    world.db.batch_execute("ALTER TABLE access_log DETACH PARTITION access_log_20160601").await?;
    world
        .db
        .batch_execute("UPDATE retention SET oldest_day = '2016-06-02', gone_before = '2016-06-02'")
        .await?;
    world.verify_clean().await?;
    world.db.batch_execute("DELETE FROM access_log_20160601 WHERE log_offset = 77").await?;
    let (code, report) = world.verify().await?;
    assert_eq!((code, named(&report)), (1, vec![("missing", 77), ("totals", -1)]), "{report:#}");
    world.db.batch_execute("DROP TABLE access_log_20160601").await?;
    let (_, report) = world.verify().await?;
    assert_eq!(report["missing"], json!(8_640), "nothing was kept of it: {report:#}");
    Ok(())
}

/// The digest of the outcomes at these offsets.
fn digest(swipes: &[Swipe<'_>], offsets: impl IntoIterator<Item = usize>) -> Digest {
    let mut digest = Digest::default();
    for offset in offsets {
        digest += digest_of_swipe(offset as i64, &swipes[offset]);
    }
    digest
}

/// Drops the first day, as `gatelog` does it: the duplicate and the collision at the end of the log
/// go with it.
async fn drop_the_first_day(world: &World, swipes: &[Swipe<'_>]) -> Result<()> {
    let sql = format!(
        "BEGIN; \
         DROP TABLE access_log_20160601; \
         DELETE FROM collision; \
         DELETE FROM duplicate_event; \
         INSERT INTO dropped_sum VALUES (0, 0, 8640, 0, 0, '\\x{}'), (0, 2, 0, 1, 1, '\\x{}'); \
         UPDATE retention SET oldest_day = '2016-06-02', gone_before = '2016-06-02'; \
         COMMIT",
        digest(swipes, 0..DAYS[0]),
        digest(swipes, [25_000, 25_001]),
    );
    Ok(world.db.batch_execute(&sql).await?)
}

#[tokio::test]
async fn what_was_kept_of_a_dropped_day_stands_for_it() -> Result<()> {
    let (world, swipes) = three_buckets().await?;
    drop_the_first_day(&world, &swipes).await?;
    let (code, report) = world.verify().await?;
    assert_eq!(
        (code, &report["events"], &report["outcomes"]),
        (0, &json!(25_003), &json!(25_003 - 8_642)),
        "{report:#}"
    );
    // Of a bucket with such a sum, what can be named is named, and nothing else.
    let change = "DELETE FROM access_log WHERE log_offset = 9000; \
                  UPDATE access_log SET received_at = received_at + interval '1 s' WHERE log_offset = 9001";
    world.db.batch_execute(change).await?;
    let (code, report) = world.verify().await?;
    let expected = vec![("altered", 9_001), ("missing", 9_000), ("totals", -1)];
    assert_eq!((code, named(&report)), (1, expected), "{report:#}");
    world
        .db
        .batch_execute(
            "UPDATE dropped_sum SET digest = decode(repeat('00', 16), 'hex') WHERE bucket = 0",
        )
        .await?;
    let (_, report) = world.verify().await?;
    let expected = vec![("altered", 9_001), ("dropped", 0), ("missing", 9_000), ("totals", -1)];
    assert_eq!(named(&report), expected, "{report:#}");
    Ok(())
}

#[tokio::test]
async fn seals_and_sums_begin_where_all_days_before_are_gone() -> Result<()> {
    let (world, swipes) = three_buckets().await?;
    drop_the_first_day(&world, &swipes).await?;
    let sql = format!(
        "BEGIN; \
         DROP TABLE access_log_20160602; \
         UPDATE retention SET oldest_day = '2016-06-03', gone_before = '2016-06-03'; \
         INSERT INTO log_base SELECT 0, 1, chain, 10000, 0, 0, 0, 0, 0 FROM log_seal WHERE bucket = 0; \
         DELETE FROM log_seal WHERE bucket = 0; \
         DELETE FROM dropped_sum WHERE bucket = 0; \
         INSERT INTO dropped_sum VALUES (0, 1, 7280, 0, 0, '\\x{}'); \
         COMMIT",
        digest(&swipes, 10_000..DAYS[1]),
    );
    world.db.batch_execute(&sql).await?;
    let (code, report) = world.verify().await?;
    assert_eq!(
        (code, &report["events"], &report["unproved"], &report["seals"]),
        (0, &json!(15_003), &json!(10_000), &json!(1)),
        "{report:#}"
    );
    // Beyond Kafka's retention too.
    world.log.forget_before(0, 15_000).await?;
    let (code, report) = world.verify().await?;
    assert_eq!((code, &report["proved_by_seals"]), (0, &json!(5_000)), "{report:#}");
    for (change, undo, expected) in [
        ("log_base SET rows = rows + 1", "log_base SET rows = rows - 1", ("totals", -1)),
        (
            "dropped_sum SET rows = rows + 1 WHERE bucket = 1",
            "dropped_sum SET rows = rows - 1 WHERE bucket = 1",
            ("seal", 10_000),
        ),
        (
            "log_base SET chain = decode(repeat('00', 32), 'hex')",
            "log_base SET chain = chain",
            ("chain", 10_000),
        ),
    ] {
        world.db.batch_execute(&format!("UPDATE {change}")).await?;
        let (code, report) = world.verify().await?;
        assert!(code == 1 && named(&report).contains(&expected), "{change}: {report:#}");
        world.db.batch_execute(&format!("UPDATE {undo}")).await?;
    }
    Ok(())
}
