//! A part of it all, and the identities, which need all of it.

use anyhow::Result;
use schemas::Swipe;
use serde_json::json;
use support::{World, swipe};

use super::{applied, named, says, three_buckets};

#[tokio::test]
async fn since_reads_only_the_buckets_that_reach_so_far() -> Result<()> {
    let (world, _) = three_buckets().await?;
    let events = async |since: &str| -> Result<i64> {
        let (code, report) = world.verify_only(&["--since", since]).await?;
        assert_eq!((code, &report["ok"]), (0, &json!(true)), "{since}: {report:#}");
        assert!(says(&report, "(--since)") && report["seals"] == json!(2), "{report:#}");
        Ok(report["events"].as_i64().unwrap_or_default())
    };
    assert_eq!(events("2016-06-01").await?, 25_003);
    assert_eq!(events("2016-06-03").await?, 15_003);
    assert_eq!(events("2016-06-03T12:00:00Z").await?, 5_003);
    assert_eq!(events("2016-06-04").await?, 0);
    // The open bucket holds a duplicate of the first day: a row of that day is read, but not asked for.
    let delete = "DELETE FROM access_log WHERE log_offset IN (9000, 24000)";
    world.db.batch_execute(delete).await?;
    let (code, report) = world.verify_only(&["--since", "2016-06-03T12:00:00Z"]).await?;
    assert_eq!((code, named(&report)), (1, vec![("missing", 24_000)]), "{report:#}");
    let (_, report) = world.verify().await?;
    let expected = vec![("missing", 9_000), ("missing", 24_000), ("totals", -1)];
    assert_eq!(named(&report), expected, "{report:#}");
    Ok(())
}

#[tokio::test]
async fn only_the_partitions_that_were_asked_for() -> Result<()> {
    let world = applied().await?;
    let sql = "DELETE FROM access_log WHERE (log_partition, log_offset) IN \
               (SELECT log_partition, log_offset FROM access_log LIMIT 1) RETURNING log_partition";
    let partition: i32 = world.db.query_one(sql, &[]).await?.get(0);
    let others: Vec<String> = (0..3).filter(|p| *p != partition).map(|p| p.to_string()).collect();
    let (code, report) = world.verify_only(&["--partition", &others.join(",")]).await?;
    assert_eq!((code, report["partitions"].as_array().map(Vec::len)), (0, Some(2)), "{report:#}");
    assert!(says(&report, "1 other partitions"), "{report:#}");
    let (code, report) = world.verify_only(&["--partition", &partition.to_string()]).await?;
    let wrong = (&report["missing"], &report["totals_wrong"]);
    assert_eq!((code, wrong), (1, (&json!(1), &json!(1))), "{report:#}");
    let (code, _, err) = world.gatelog(&["verify", "--partition", "7"]).await?;
    assert!(code == 2 && err.contains("--partition 7"), "{err}");
    Ok(())
}

/// With a counter of its terminal.
fn counted(swipe: Swipe<'static>, seq: u64) -> Swipe<'static> {
    Swipe { terminal_epoch: Some(1), terminal_seq: Some(seq), ..swipe }
}

#[tokio::test]
async fn one_identity_is_one_event_wherever_it_stands() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1", "c2"]).await?;
    let first = counted(swipe("c1", "t-hall", 0), 7);
    // Three days later: never in one batch with it, and in another table.
    let day = 86_400_000;
    let reused = Swipe { event_id: first.event_id, ..swipe("c2", "t-lab", 3 * day) };
    let counter = counted(swipe("c2", "t-hall", 2 * day), 7);
    let another = counted(swipe("c2", "t-lab", 2 * day + 1), 7);
    let _consumer = world.consumer()?;
    for one in [&first, &first, &reused, &counter, &another] {
        world.log.publish_swipes(std::slice::from_ref(one)).await?;
        world.caught_up().await?;
    }
    world.verify_clean().await?;
    let (code, report) = world.verify_only(&["--identities"]).await?;
    assert_eq!((code, &report["identities"]), (1, &json!(2)), "{report:#}");
    let finding = |kind: &str, offset: i64| {
        json!({"kind": kind, "partition": 0, "offset": offset, "tables": [],
               "other": {"partition": 0, "offset": 0}})
    };
    let expected = json!([finding("counter_reused", 3), finding("event_id_reused", 2)]);
    assert_eq!(report["findings"], expected, "{report:#}");
    let (_, out, err) = world.gatelog(&["verify", "--identities"]).await?;
    assert!(!out.contains("c1") && !out.contains("c2") && !err.contains("c2"), "{out}{err}");
    // A part that holds one of the two only says nothing.
    let (code, report) = world.verify_only(&["--identities", "--since", "2016-06-02"]).await?;
    assert_eq!((code, &report["identities"]), (0, &json!(0)), "{report:#}");
    let not = "identities that an event which is left out has, too (--identities)";
    let said = report["not_checked"].as_array().is_some_and(|all| all.contains(&json!(not)));
    assert!(said, "that it does not see the other: {report:#}");
    Ok(())
}
