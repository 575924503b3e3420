//! A live swipe is decided by what is in force now, a late one by what was in force then, and each
//! row names the permission clock that it was decided with.

use anyhow::Result;
use schemas::{DenialReason, Reasons};
use support::{World, live, swipe};

#[tokio::test]
async fn by_the_permissions_of_their_moment() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1", "gone"]).await?;
    let _consumer = world.consumer()?;
    // (what it is, reasons, live), in the order of the log.
    let mut expected: Vec<(&str, Reasons, bool)> = Vec::new();
    let none = Reasons::NONE;
    let why = |reason: DenialReason| [reason].into_iter().collect::<Reasons>();

    world.log.publish_swipes(&[live("c1", "t-hall", 0), swipe("gone", "t-hall", 1)]).await?;
    expected.push(("live, permitted", none, true));
    expected.push(("late, permitted", none, false));
    world.caught_up().await?;

    // Now the zone is taken away, and the other card is deleted.
    world.db.batch_execute("UPDATE user_access SET zones = '{}', version = version + 1 WHERE card_id = 'c1'; DELETE FROM card WHERE card_id = 'gone'").await?;
    world
        .log
        .publish_swipes(&[
            live("c1", "t-hall", 2),
            swipe("c1", "t-hall", 3),
            live("gone", "t-hall", 4),
            swipe("gone", "t-hall", 5),
            live("stranger", "t-hall", 6),
            swipe("c1", "t-lab", 7),
        ])
        .await?;
    expected.push(("live, after the zone was taken away", why(DenialReason::Unauthorized), true));
    expected.push(("late, from before", none, false));
    expected.push(("live, card deleted", why(DenialReason::CredentialNotFound), true));
    expected.push(("late, card deleted since", none, false));
    expected.push(("live, unknown card", why(DenialReason::CredentialNotFound), true));
    expected.push(("late, never permitted", why(DenialReason::Unauthorized), false));
    world.caught_up().await?;

    let sql = "SELECT reasons, live, granted, permission_clock FROM access_log ORDER BY log_offset";
    let rows = world.db.query(sql, &[]).await?;
    assert_eq!(rows.len(), expected.len());
    for (row, (what, reasons, live)) in rows.iter().zip(&expected) {
        assert_eq!(Reasons::from_bits(row.get(0)), *reasons, "{what}");
        assert_eq!(row.get::<_, bool>(1), *live, "{what}: live");
        assert_eq!(row.get::<_, bool>(2), reasons.is_empty(), "{what}: granted");
    }
    let clock = "SELECT version FROM permission_clock";
    let now: i64 = world.db.query_one(clock, &[]).await?.get(0);
    let clocks: Vec<i64> = rows.iter().map(|row| row.get(3)).collect();
    assert_eq!(clocks[0] + 1, now, "one transaction moves the clock once: {clocks:?}");
    assert!(clocks[2..].iter().all(|clock| *clock == now), "{clocks:?}, the clock is {now}");
    Ok(())
}
