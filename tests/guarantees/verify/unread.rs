//! What nobody has read: it waits, or it is lost.

use anyhow::Result;
use serde_json::json;
use support::swipe;

use super::{named, says, three_buckets};

#[tokio::test]
async fn what_kafka_deletes_unread_is_lost_and_said() -> Result<()> {
    // 25,003 offsets are applied, and no consumer runs.
    let (world, _) = three_buckets().await?;
    let more: Vec<_> = (0..20).map(|i| swipe("c1", "t-hall", 300_000_000 + i)).collect();
    world.log.publish_swipes(&more).await?;
    let (code, report) = world.verify().await?;
    assert_eq!((code, &report["waiting"]), (0, &json!(20)), "{report:#}");
    assert!(says(&report, "20 offsets that wait in Kafka"), "{report:#}");

    world.log.forget_before(0, 25_005).await?;
    let (code, report) = world.verify().await?;
    let expected = vec![("unread", 25_003), ("unread", 25_004)];
    assert_eq!((code, named(&report)), (1, expected), "{report:#}");
    assert_eq!((&report["unread"], &report["waiting"]), (&json!(2), &json!(18)), "{report:#}");

    let accept = ["offsets", "accept-loss", "--reason", "the disk was full", "--apply"];
    let (code, _, err) = world.gatelog(&accept).await?;
    assert_eq!(code, 0, "{err}");
    let (code, report) = world.verify().await?;
    assert_eq!((code, &report["unread"], &report["lost"]), (0, &json!(0), &json!(2)), "{report:#}");
    Ok(())
}
