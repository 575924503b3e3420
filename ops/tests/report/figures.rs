//! What is read from the views.

use jiff::Timestamp;
use jiff::civil::date;
use ops::report::data::Hour;
use ops::report::{Data, Length, Span};
use test_database::Database;

/// A hall with a way in and a way out, and a laboratory within it. Card a: in at 8, in the laboratory at
/// 9, out of the hall at 12. Card b: in at 10. Card x: denied at 11, twice, once let in all the same.
const CONTENTS: &str = "
    UPDATE retention SET oldest_day = '2016-01-01';
    INSERT INTO zone VALUES ('hall', 'The hall'), ('lab', 'Laboratory');
    INSERT INTO terminal VALUES ('in', 'hall', 'in'), ('out', 'hall', 'out'), ('lab', 'lab', 'in');
    SELECT ensure_day(d) FROM unnest(ARRAY['2016-06-01', '2016-06-02']::date[]) d;
    INSERT INTO access_log (occurred_at, received_at, log_offset, permission_clock, log_partition,
        reasons, granted, live, online, locally_granted, event_id, card_id, terminal_id, zone_id)
    SELECT at::timestamptz, at::timestamptz + delay::interval, nth, 1, 0, reasons,
           reasons = 0, delay < '1 s', true, locally, gen_random_uuid(), card, terminal, zone
    FROM (VALUES
        (1, '2016-06-01T08:00:00Z', interval '10 ms', 0, NULL::boolean, 'a', 'in', 'hall'),
        (2, '2016-06-01T09:00:00Z', '20 ms', 0, NULL, 'a', 'lab', 'lab'),
        (3, '2016-06-01T10:15:00Z', '2 min', 0, NULL, 'b', 'in', 'hall'),
        (4, '2016-06-01T11:00:00Z', '10 ms', 16, NULL, 'x', 'lab', 'lab'),
        (5, '2016-06-01T11:30:00Z', '1 h', 48, true, 'x', 'lab', 'lab'),
        (6, '2016-06-01T12:00:00Z', '10 ms', 0, NULL, 'a', 'out', 'hall'),
        (7, '2016-06-02T09:00:00Z', '10 ms', 0, NULL, 'a', 'in', 'hall')
    ) AS v (nth, at, delay, reasons, locally, card, terminal, zone)";

async fn read(database: &Database, length: Length) -> Data {
    let client = database.connect().await;
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let span = Span::new(length, Some(date(2016, 6, 1)), now).unwrap();
    Data::read(&client, span, now).await.unwrap()
}

#[tokio::test]
async fn a_day_is_what_its_rows_say() {
    Database::with(async |database| {
        database.connect().await.batch_execute(CONTENTS).await.unwrap();
        let day = read(&database, Length::Day).await;
        let at = |hour: usize| day.hours[hour];
        assert_eq!(at(8), Hour { granted: 1, denied: 0 });
        assert_eq!(at(11), Hour { granted: 0, denied: 2 });
        assert_eq!(day.hours.iter().map(|h| h.granted + h.denied).sum::<u64>(), 6);
        let zones: Vec<_> =
            day.zones.iter().map(|zone| (zone.name.as_str(), zone.by_hour[11])).collect();
        assert_eq!(zones, [("The hall", 0), ("Laboratory", 2)]);
        assert_eq!(day.reasons, [("unauthorized".to_owned(), 2)], "by their first reason");
        let slowest = &day.terminals[0];
        assert_eq!((slowest.terminal_id.as_str(), slowest.max_ms), ("lab", 3_600_000));
        let totals = day.totals;
        assert_eq!((totals.cards, totals.terminals, totals.late), (3, 3, 2));
        assert_eq!((totals.let_in, totals.kept_out, totals.collisions), (1, 0, 0));
        assert!(day.is_over);
        // a alone, and in the laboratory still one card; with b two; x, let in by its terminal, three;
        // a goes at noon sharp.
        assert_eq!(day.presence.by_hour[7..13], [0, 1, 1, 2, 3, 2]);
        let peak = "2016-06-01T11:30:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(day.presence.peak, Some((3, peak)));

        let week = read(&database, Length::Week).await;
        assert_eq!(week.hours.len(), 168);
        // 30 May is a Monday: Thursday at nine.
        assert_eq!(week.hours[3 * 24 + 9], Hour { granted: 1, denied: 0 });
        assert_eq!(week.presence.by_hour[2 * 24 + 11], 3);
    })
    .await;
}

/// A page is made by whoever may read the views, and written whole.
#[tokio::test]
async fn the_command_writes_the_page() {
    Database::with(async |database| {
        database.connect().await.batch_execute(CONTENTS).await.unwrap();
        let file = format!("{}/report.html", env!("CARGO_TARGET_TMPDIR"));
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_gatelog"))
            .args(["report", "day", "--of", "2016-06-01", "--json", "--out", &file])
            .env("GATELOG_POSTGRES", database.url())
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((report["swipes"].as_u64(), report["denied"].as_u64()), (Some(6), Some(2)));
        let page = std::fs::read_to_string(&file).unwrap();
        assert!(page.contains("6 swipes of 3 cards at 3 terminals: 4 granted, 2 denied (33.3 %)."));
        assert!(page.contains("Most were inside at 11:30: 3 cards."), "{page}");
        assert!(page.ends_with("</html>\n"));
    })
    .await;
}
