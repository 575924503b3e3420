//! Which days are read for what is asked.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::building::{Building, Swipe};

/// What analysts ask, and the days of March 2016 that may be read for it. All days of access_log that
/// are not named must be left alone.
const QUESTIONS: [(&str, &[u8]); 16] = [
    ("access_event WHERE occurred_at >= '2016-03-02' AND occurred_at < '2016-03-03'", &[2]),
    (
        "access_event WHERE occurred_at >= '2016-03-02 12:00' AND occurred_at < '2016-03-03 12:00' AND card_id = 'a'",
        &[2, 3],
    ),
    (
        "access_event WHERE occurred_at BETWEEN now() - now() + '2016-03-04'::timestamptz AND '2016-03-04 01:00'",
        &[4],
    ),
    (
        "denial WHERE occurred_at >= '2016-03-02' AND occurred_at < '2016-03-03' AND reason = 'lockout'",
        &[2],
    ),
    (
        "decision_disagreement WHERE occurred_at >= '2016-03-02' AND occurred_at < '2016-03-03'",
        &[2],
    ),
    ("pass WHERE occurred_at >= '2016-03-02' AND occurred_at < '2016-03-03'", &[2]),
    ("presence('2016-03-03 10:00', '1 day')", &[2, 3]),
    ("presence('2016-03-03 10:00', '1 hour') WHERE zone_id = 'hall'", &[3]),
    ("first_in_last_out WHERE day = '2016-03-02'", &[2]),
    (
        "first_in_last_out WHERE day BETWEEN '2016-03-02' AND '2016-03-03' AND card_id = 'a'",
        &[2, 3],
    ),
    ("first_in_last_out_between('2016-03-02 14:00', '2016-03-03 14:00')", &[2, 3]),
    ("dwell WHERE day = '2016-03-03' AND zone_id = 'hall'", &[2, 3, 4]),
    ("traffic WHERE day = '2016-03-02'", &[2]),
    ("traffic WHERE hour >= '2016-03-02 23:00' AND hour < '2016-03-03 01:00'", &[2, 3]),
    ("terminal_lateness WHERE day >= '2016-03-04' AND day <= '2016-03-04'", &[4]),
    ("collision_event WHERE occurred_at >= '2016-03-02' AND occurred_at < '2016-03-03'", &[2]),
];

/// Days that are read when it runs, and the kinds of plan nodes that read them.
async fn read_for(building: &Building, question: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, FORMAT JSON) SELECT * FROM analyst.{question}");
    let plan: Value = building.db.query_one(&sql, &[]).await.unwrap().get(0);
    let (mut days, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    visit(&plan[0]["Plan"], &mut |node| {
        let table = node["Relation Name"].as_str().unwrap_or_default();
        if table.starts_with("access_log_") && node["Actual Loops"].as_f64().unwrap() > 0.0 {
            days.insert(table.trim_start_matches("access_log_").to_owned());
            kinds.insert(node["Node Type"].as_str().unwrap().to_owned());
        }
    });
    (days, kinds)
}

fn visit(node: &Value, look: &mut impl FnMut(&Value)) {
    look(node);
    for child in node["Plans"].as_array().into_iter().flatten() {
        visit(child, look);
    }
}

/// Swipes of two cards at every quarter of an hour of the five days.
const SWIPES: &str = "
    INSERT INTO access_log (occurred_at, received_at, log_offset, permission_clock, log_partition,
        reasons, granted, live, online, event_id, card_id, terminal_id, zone_id)
    SELECT at, at, row_number() OVER (), 1, 0, 0, true, true, true, gen_random_uuid(),
           card, 'h-in', 'hall'
    FROM generate_series('2016-03-01'::timestamptz, '2016-03-05 23:45', '15 minutes') at,
         unnest('{a,b}'::text[]) card;
    ANALYZE access_log;";

async fn only_the_days_asked_for_are_read(building: &mut Building) {
    building.db.batch_execute(SWIPES).await.unwrap();
    building.collision(&Swipe::new("2016-03-02 08:00", "a", "b"), 1).await;
    building.collision(&Swipe::new("2016-03-04 08:00", "a", "b"), 2).await;
    for (question, days) in QUESTIONS {
        let wanted: BTreeSet<String> = days.iter().map(|day| format!("201603{day:02}")).collect();
        let (read, _) = read_for(building, question).await;
        assert_eq!(read, wanted, "{question}");
    }
}

#[tokio::test]
async fn a_few_days() {
    Building::with(async |mut building| only_the_days_asked_for_are_read(&mut building).await)
        .await;
}

#[tokio::test]
async fn four_hundred_days() {
    Building::with(async |mut building| {
        let days = "SELECT ensure_day(day::date)
                    FROM generate_series('2016-02-01'::date, '2017-03-06', '1 day') day";
        building.db.query(days, &[]).await.unwrap();
        assert_eq!(building.ask("SELECT count(*) FROM analyst.day").await, ["400"]);
        only_the_days_asked_for_are_read(&mut building).await;
    })
    .await;
}

#[tokio::test]
async fn a_time_without_a_span_is_pruned_before_it_runs() {
    Building::with(async |building| {
        let sql = "EXPLAIN (FORMAT JSON) SELECT * FROM analyst.access_event
                   WHERE occurred_at >= '2016-03-02' AND occurred_at < '2016-03-03'";
        let plan: Value = building.db.query_one(sql, &[]).await.unwrap().get(0);
        let mut tables = Vec::new();
        visit(&plan[0]["Plan"], &mut |node| {
            tables.extend(node["Relation Name"].as_str().map(str::to_owned));
        });
        tables.retain(|table| table.starts_with("access_log"));
        assert_eq!(tables, ["access_log_20160302"]);
    })
    .await;
}

/// With the index of finished days, one card is looked up, not looked for.
#[tokio::test]
async fn one_card_needs_no_sequential_scan() {
    Building::with(async |building| {
        building.db.batch_execute(SWIPES).await.unwrap();
        let many = "
            INSERT INTO access_log (occurred_at, received_at, log_offset, permission_clock,
                log_partition, reasons, granted, live, online, event_id, card_id, terminal_id, zone_id)
            SELECT '2016-03-02'::timestamptz + i * interval '10 ms', now(), i, 1, 1, 0, true, true,
                   true, gen_random_uuid(), 'c' || i % 1000, 'h-in', 'hall'
            FROM generate_series(1, 40000) i;
            CREATE INDEX ON access_log_20160302 (card_id, occurred_at);
            ANALYZE access_log;";
        building.db.batch_execute(many).await.unwrap();
        for question in [
            "access_event WHERE card_id = 'a' AND occurred_at >= '2016-03-02' AND occurred_at < '2016-03-03'",
            "dwell_between('2016-03-02', '2016-03-03', '0') WHERE card_id = 'a'",
            "first_in_last_out WHERE day = '2016-03-02' AND card_id = 'a'",
        ] {
            let (read, kinds) = read_for(&building, question).await;
            assert_eq!(read, BTreeSet::from(["20160302".to_owned()]), "{question}");
            assert!(!kinds.contains("Seq Scan"), "{question}: {kinds:?}");
        }
        // A small part of a day is a range of its key.
        let question = "access_event WHERE occurred_at >= '2016-03-02 00:01' AND occurred_at < '2016-03-02 00:01:01'";
        let (_, kinds) = read_for(&building, question).await;
        assert!(!kinds.contains("Seq Scan"), "{kinds:?}");
    })
    .await;
}
