//! While permissions change as fast as they can, no live decision is committed with a clock that
//! had been replaced.

use anyhow::Result;
use schemas::{Millis, Mode};
use support::{World, swipe};

const CARDS: [&str; 4] = ["c1", "c2", "c3", "c4"];

#[tokio::test]
async fn a_decision_on_a_replaced_version_is_made_again() -> Result<()> {
    let mut world = World::new(4).await?;
    world.open_the_hall(&CARDS).await?;
    let mut consumer = world.consumer()?;
    consumer.ready().await?;
    let administrator = world.another_session().await?;
    let (published, changed) = tokio::join!(
        async {
            let mut places = Vec::new();
            for round in 0..150_i64 {
                let live = CARDS.map(|card| {
                    let mut swipe = swipe(card, "t-hall", round);
                    (swipe.mode, swipe.age_ms, swipe.received_at) =
                        (Mode::Online, Some(0), Millis::now());
                    swipe
                });
                places.extend(world.log.publish_swipes(&live).await?);
            }
            anyhow::Ok(places)
        },
        async {
            for i in 0..600_i32 {
                let zones = if i % 2 == 0 { "'{}'" } else { "'{hall}'" };
                let sql = format!(
                    "UPDATE user_access SET zones = {zones}, version = version + 1 WHERE card_id = 'c1'"
                );
                administrator.batch_execute(&sql).await?;
            }
            anyhow::Ok(())
        }
    );
    changed?;
    let places = published?;
    world.caught_up().await?;
    world.each_has_one_outcome(&places).await?;
    // A change commits when its row of permission_change does; nothing but Postgres' own commit
    // timestamps is trusted here.
    let sql = "SELECT count(*) FROM access_log a \
               JOIN permission_change n ON n.clock = a.permission_clock + 1 \
               WHERE a.live AND pg_xact_commit_timestamp(n.xmin) < pg_xact_commit_timestamp(a.xmin)";
    let stale: i64 = world.db.query_one(sql, &[]).await?.get(0);
    assert_eq!(stale, 0, "live rows committed with a clock that had been replaced before");
    let wrong = "SELECT count(*) FROM access_log a JOIN user_access_history h \
                 ON h.card_id = a.card_id AND h.clock <= a.permission_clock \
                 AND NOT EXISTS (SELECT FROM user_access_history l WHERE l.card_id = h.card_id \
                                 AND l.clock > h.clock AND l.clock <= a.permission_clock) \
                 WHERE a.live AND a.granted <> ('hall' = ANY (h.zones))";
    let wrong: i64 = world.db.query_one(wrong, &[]).await?.get(0);
    assert_eq!(wrong, 0, "live rows that say something else than the permissions they name");
    let again = "optimistic_lock_failure_total{operation=\"decide\",reason=\"stale_data\"}";
    let again = consumer.metric(again).await?;
    assert!(again >= 1.0, "no batch met a moved clock: this has shown nothing");
    Ok(())
}
