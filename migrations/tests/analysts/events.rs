use crate::building::{Building, Swipe};

#[tokio::test]
async fn reasons_are_words_in_their_precedence() {
    Building::with(async |mut building| {
        building
            .swipes(&[
                Swipe::new("2016-03-01 08:00", "a", "h-in").denied(1 | 2 | 4 | 8 | 16),
                Swipe::new("2016-03-01 08:01", "a", "h-in").denied(32 | 64 | 128 | 256 | 512),
                // A reason of tomorrow.
                Swipe::new("2016-03-01 08:02", "a", "h-in").denied(1024 | 16),
                Swipe { notes: 1 | 2, ..Swipe::new("2016-03-01 08:03", "a", "h-in") },
                Swipe { notes: 4, ..Swipe::new("2016-03-01 08:04", "a", "l") },
            ])
            .await;
        let sql = "SELECT reasons, primary_reason, notes, zone_name, direction, granted
                   FROM analyst.access_event ORDER BY occurred_at";
        assert_eq!(
            building.ask(sql).await,
            [
                "{credential_not_found,credential_not_enabled,credential_not_active,\
                 credential_expired,unauthorized} credential_not_found {} Hall in f",
                "{not_permitted_at_this_time,antipassback,lockout,deny_all,other} \
                 not_permitted_at_this_time {} Hall in f",
                "{unauthorized,other} unauthorized {} Hall in f",
                "{} - {zone_released,antipassback_violated} Hall in t",
                "{} - {other} Laboratory - t",
            ]
        );
        let sql = "SELECT reason, count(*), count(*) FILTER (WHERE is_primary)
                   FROM analyst.denial WHERE occurred_at < '2016-03-02' GROUP BY reason
                   HAVING count(*) > 1 OR reason = 'deny_all' ORDER BY reason";
        let wanted = ["deny_all 1 0", "other 2 0", "unauthorized 2 1"];
        assert_eq!(building.ask(sql).await, wanted);
        let sql = "SELECT count(*) FILTER (WHERE is_primary), count(DISTINCT event_id) FROM analyst.denial";
        assert_eq!(building.ask(sql).await, ["3 3"], "no granted one");
    })
    .await;
}

#[tokio::test]
async fn a_row_says_when_it_was_committed_and_outlives_its_zone() {
    Building::with(async |mut building| {
        building.swipes(&[Swipe::new("2016-03-01 08:00", "a", "h-in")]).await;
        building
            .db
            .batch_execute("DELETE FROM terminal WHERE zone_id = 'hall'; DELETE FROM zone WHERE zone_id = 'hall'")
            .await
            .unwrap();
        let sql = "SELECT zone_name, committed_at BETWEEN now() - interval '1 minute' AND now()
                   FROM analyst.access_event";
        assert_eq!(building.ask(sql).await, ["hall t"]);
    })
    .await;
}

#[tokio::test]
async fn what_a_terminal_decided_otherwise_is_listed() {
    Building::with(async |mut building| {
        let locally = |at, reasons, locally_granted| Swipe {
            locally_granted,
            ..Swipe::new(at, "a", "h-in").denied(reasons)
        };
        building
            .swipes(&[
                locally("2016-03-01 08:00", 0, None),
                locally("2016-03-01 08:01", 16, None),
                locally("2016-03-01 08:02", 0, Some(true)),
                locally("2016-03-01 08:03", 16, Some(false)),
                locally("2016-03-01 08:04", 8 | 16, Some(true)),
                locally("2016-03-01 08:05", 0, Some(false)),
            ])
            .await;
        let sql = "SELECT to_char(occurred_at, 'HH24:MI'), kind, reasons
                   FROM analyst.decision_disagreement ORDER BY occurred_at";
        assert_eq!(
            building.ask(sql).await,
            [
                "08:04 granted_locally_denied_here {credential_expired,unauthorized}",
                "08:05 denied_locally_granted_here {}",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn a_collision_stands_beside_its_row() {
    Building::with(async |mut building| {
        let first = Swipe::new("2016-03-01 08:00", "a", "h-in");
        building.swipes(&[first]).await;
        building.collision(&Swipe::new("2016-03-01 08:00", "a", "b").denied(16), 0).await;
        // Its row went with its day, say.
        building.collision(&Swipe::new("2016-03-01 09:00", "a", "l"), 7).await;
        let sql = "SELECT to_char(occurred_at, 'HH24:MI'), terminal_id, zone_name, reasons, \
                          row_terminal_id, row_zone_id, row_granted, row_offset
                   FROM analyst.collision_event ORDER BY occurred_at";
        assert_eq!(
            building.ask(sql).await,
            ["08:00 b Bar {unauthorized} h-in hall t 0", "09:00 l Laboratory {} - - - 7"]
        );
    })
    .await;
}
