use crate::building::{Building, Swipe};

#[tokio::test]
async fn traffic_is_by_hour_and_its_ends_belong_to_the_next() {
    Building::with(async |mut building| {
        let live = |at, card| Swipe { online: true, ..Swipe::new(at, card, "h-in") };
        building
            .swipes(&[
                live("2016-03-01 08:00", "a"),
                live("2016-03-01 08:59:59.999", "a"),
                live("2016-03-01 09:00", "b"),
                Swipe::new("2016-03-01 08:30", "b", "h-in").denied(16),
                Swipe::new("2016-03-01 08:30", "c", "l").way("out"),
                Swipe::new("2016-03-02 00:00", "c", "b"),
            ])
            .await;
        let columns =
            "day, to_char(hour, 'HH24:MI'), terminal_id, swipes, granted, denied, late, cards";
        let sql = format!("SELECT {columns} FROM analyst.traffic ORDER BY hour, terminal_id");
        assert_eq!(
            building.ask(&sql).await,
            [
                "2016-03-01 08:00 h-in 3 2 1 1 2",
                "2016-03-01 08:00 l 1 1 0 1 1",
                "2016-03-01 09:00 h-in 1 1 0 0 1",
                "2016-03-02 00:00 b 1 1 0 1 1",
            ]
        );
        let sql = "SELECT zone_name, sum(swipes) FROM analyst.traffic
                   WHERE hour >= '2016-03-01 09:00' AND hour < '2016-03-03' GROUP BY 1 ORDER BY 1";
        assert_eq!(building.ask(sql).await, ["Bar 1", "Hall 1"]);
        let sql = "SELECT terminal_id, swipes, cards FROM
                   analyst.traffic_between('2016-03-01', '2016-03-02') ORDER BY 1";
        assert_eq!(building.ask(sql).await, ["h-in 4 2", "l 1 1"], "cards of a day are no sum");
    })
    .await;
}

#[tokio::test]
async fn lateness_is_what_the_clocks_say() {
    Building::with(async |mut building| {
        let online = |at, received_at, age_ms| Swipe {
            online: true,
            received_at,
            age_ms: Some(age_ms),
            ..Swipe::new(at, "a", "h-in")
        };
        building
            .swipes(&[
                online("2016-03-01 08:00:00", "2016-03-01 08:00:00.200", 100),
                online("2016-03-01 09:00:00", "2016-03-01 09:00:00.400", 300),
                Swipe {
                    received_at: "2016-03-01 12:00",
                    ..Swipe::new("2016-03-01 10:00", "a", "h-in")
                },
                Swipe {
                    received_at: "2016-03-01 09:59",
                    ..Swipe::new("2016-03-01 10:00", "c", "b")
                },
            ])
            .await;
        let sql =
            "SELECT terminal_id, zone_id, swipes, offline, late, delay_p50, delay_p99, delay_max, \
                          clock_behind_p50
                   FROM analyst.terminal_lateness WHERE day = '2016-03-01' ORDER BY terminal_id";
        assert_eq!(
            building.ask(sql).await,
            [
                "b bar 1 1 1 -00:01:00 -00:01:00 -00:01:00 -",
                "h-in hall 3 1 1 00:00:00.4 02:00:00 02:00:00 00:00:00.1",
            ]
        );
    })
    .await;
}

#[tokio::test]
async fn days_are_those_that_there_are() {
    Building::with(async |building| {
        building.db.batch_execute("CREATE TABLE access_log_2016031 ()").await.unwrap();
        let sql =
            "SELECT count(*), min(day), max(day), min(starts_at), max(ends_at) FROM analyst.day";
        assert_eq!(
            building.ask(sql).await,
            ["5 2016-03-01 2016-03-05 2016-03-01 00:00:00+00 2016-03-06 00:00:00+00"]
        );
        building
            .db
            .batch_execute("ALTER TABLE access_log DETACH PARTITION access_log_20160301")
            .await
            .unwrap();
        assert_eq!(building.ask("SELECT count(*) FROM analyst.day").await, ["4"]);
        // Days are days of UTC, whatever the session's time zone.
        building.db.batch_execute("SET timezone = 'Australia/Sydney'").await.unwrap();
        let sql = "SELECT min(starts_at) = '2016-03-02T00:00:00Z' FROM analyst.day";
        assert_eq!(building.ask(sql).await, ["t"]);
    })
    .await;
}
