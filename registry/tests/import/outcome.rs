//! What an import reports and writes.

use registry::import::{self, AccessFile, Counts, Error, Report, Run};

use crate::{apply, clock, file, number};
use test_database::Database;

const TWO: &str = r#"{ "card_id": "a", "zones": ["lab", "hall"] },
    { "card_id": "b", "state": "lost", "zones": ["hall"], "valid_until": "2016-06-01T00:00:00Z" }"#;

fn counts(added: u64, changed: u64, unchanged: u64) -> Counts {
    Counts { added, changed, unchanged }
}

#[tokio::test]
async fn the_first_import_adds_and_the_second_finds_nothing_to_do() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        let report = apply(&mut client, TWO).await;
        let all = counts(2, 0, 0);
        let wanted = Report {
            schedules: counts(0, 0, 0),
            zones: all,
            terminals: all,
            cards: all,
            in_force_from_kept: 0,
        };
        assert_eq!(report, wanted);

        let before = clock(&client).await;
        // The order of a card's zones means nothing.
        let again = apply(&mut client, &TWO.replace(r#""lab", "hall""#, r#""hall", "lab""#)).await;
        assert_eq!(again.cards, counts(0, 0, 2));
        assert!(again.is_unchanged());
        assert_eq!(clock(&client).await, before);
        assert_eq!(number(&client, "SELECT max(version) FROM user_access").await, 1);
    })
    .await;
}

#[tokio::test]
async fn only_what_differs_is_written_and_what_is_not_named_stays() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, TWO).await;
        let report = apply(
            &mut client,
            r#"{ "card_id": "a", "zones": ["lab"] }, { "card_id": "c", "zones": [] }"#,
        )
        .await;
        assert_eq!(report.cards, counts(1, 1, 0));
        assert_eq!(report.zones, counts(0, 0, 2));
        let version = "SELECT version FROM user_access WHERE card_id = ";
        assert_eq!(number(&client, &format!("{version}'a'")).await, 2);
        assert_eq!(number(&client, &format!("{version}'b'")).await, 1);

        // The card's own state is no change of its permissions.
        let report =
            apply(&mut client, r#"{ "card_id": "a", "state": "stolen", "zones": ["lab"] }"#);
        assert_eq!(report.await.cards, counts(0, 1, 0));
        assert_eq!(number(&client, &format!("{version}'a'")).await, 2);
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_counts_and_leaves_everything() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        let before = clock(&client).await;
        let report = import::apply(&mut client, &file(TWO), Run::Dry).await.unwrap();
        assert_eq!(report.cards, counts(2, 0, 0));
        assert_eq!(number(&client, "SELECT count(*) FROM card").await, 0);
        assert_eq!(clock(&client).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_file_with_a_mistake_changes_nothing() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        let wrong = file(r#"{ "card_id": "a", "zones": [] }, { "card_id": "b", "zones": ["x"] }"#);
        let error = import::apply(&mut client, &wrong, Run::Apply).await.unwrap_err();
        assert_eq!(error.to_string(), r#"cards[1].zones[0]: no such zone "x""#);
        assert!(matches!(error, Error::Refused(_)));
        assert_eq!(number(&client, "SELECT count(*) FROM zone").await, 0);
    })
    .await;
}

#[tokio::test]
async fn a_zone_may_be_one_that_is_registered_already() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, "").await;
        let later = br#"{ "cards": [{ "card_id": "a", "zones": ["lab"] }] }"#;
        let later = AccessFile::parse(later).unwrap();
        let report = import::apply(&mut client, &later, Run::Apply).await.unwrap();
        assert_eq!(report.cards, counts(1, 0, 0));
    })
    .await;
}

#[tokio::test]
async fn in_force_from_counts_at_the_first_registration_only() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, TWO).await;
        let moved = TWO.replace(
            r#""card_id": "a","#,
            r#""card_id": "a", "in_force_from": "2015-01-01T00:00:00Z","#,
        );
        let report = apply(&mut client, &moved).await;
        assert_eq!((report.is_unchanged(), report.in_force_from_kept), (true, 1));
    })
    .await;
}

#[tokio::test]
async fn imports_at_the_same_time_take_turns() {
    Database::with(async |database| {
        let import = async || {
            let mut client = database.connect().await;
            apply(&mut client, TWO).await.cards.added
        };
        let added = tokio::join!(import(), import(), import(), import());
        let added = added.0 + added.1 + added.2 + added.3;
        assert_eq!(added, 2);
    })
    .await;
}

#[tokio::test]
async fn a_hundred_thousand_cards() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        let cards: Vec<String> = (0..100_000)
            .map(|n| format!(r#"{{ "card_id": "card-{n:06}", "zones": ["hall", "lab"] }}"#))
            .collect();
        let file = file(&cards.join(","));
        for wanted in [counts(100_000, 0, 0), counts(0, 0, 100_000)] {
            let begun = std::time::Instant::now();
            let report = import::apply(&mut client, &file, Run::Apply).await.unwrap();
            println!("{:?} in {:?}", report.cards, begun.elapsed());
            assert_eq!(report.cards, wanted);
        }
        let begun = std::time::Instant::now();
        let one = "UPDATE user_access SET zones = '{}' WHERE card_id = 'card-000007'";
        client.execute(one, &[]).await.unwrap();
        println!("one card in {:?}", begun.elapsed());
    })
    .await;
}

#[tokio::test]
async fn rules_and_schedules_are_written_and_what_a_file_does_not_say_stays() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        let text = br#"{
            "schedules": [{ "schedule_id": "s", "definition": { "time_zone": "UTC" } }],
            "zones": [{ "zone_id": "hall", "name": "Hall", "mode": "deny_all",
                "antipassback": { "enforcement": "hard", "timed_ms": 1000 },
                "lockout": { "denials": 3, "within_ms": 60000, "for_ms": 600000 } }],
            "cards": [{ "card_id": "a", "zones": ["hall"], "schedule_id": "s" }]
        }"#;
        let full = AccessFile::parse(text).unwrap();
        let report = import::apply(&mut client, &full, Run::Apply).await.unwrap();
        assert_eq!((report.schedules, report.zones), (counts(1, 0, 0), counts(1, 0, 0)));
        let again = import::apply(&mut client, &full, Run::Apply).await.unwrap();
        assert!(again.is_unchanged());

        // A file of before there were rules ends no lockdown and widens no permission.
        let report = apply(&mut client, r#"{ "card_id": "a", "zones": ["hall", "lab"] }"#).await;
        assert_eq!((report.zones, report.cards), (counts(1, 0, 1), counts(0, 1, 0)));
        let kept = "SELECT count(*) FROM zone, user_access WHERE zone_id = 'hall'
            AND mode = 'deny_all' AND antipassback = 'hard' AND antipassback_timed_ms = 1000
            AND lockout_denials = 3 AND schedule_id = 's'";
        assert_eq!(number(&client, kept).await, 1);

        let less = br#"{
            "zones": [{ "zone_id": "hall", "name": "Hall", "mode": "normal",
                "antipassback": { "enforcement": "off" }, "lockout": null }],
            "cards": [{ "card_id": "a", "zones": ["hall"], "schedule_id": null }]
        }"#;
        let less = AccessFile::parse(less).unwrap();
        let report = import::apply(&mut client, &less, Run::Apply).await.unwrap();
        assert_eq!((report.zones, report.cards), (counts(0, 1, 0), counts(0, 1, 0)));
        let gone = "SELECT count(*) FROM zone, user_access WHERE zone_id = 'hall'
            AND mode = 'normal' AND antipassback = 'off' AND antipassback_timed_ms IS NULL
            AND lockout_denials IS NULL AND schedule_id IS NULL";
        assert_eq!(number(&client, gone).await, 1);
        assert_eq!(number(&client, "SELECT version FROM zone WHERE zone_id = 'hall'").await, 2);
        assert_eq!(number(&client, "SELECT version FROM user_access").await, 3);
    })
    .await;
}

#[tokio::test]
async fn a_file_that_says_no_state_enables_no_card() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, TWO).await;
        let until =
            r#"{ "card_id": "b", "zones": ["lab"], "valid_until": "2016-06-01T00:00:00Z" }"#;
        assert_eq!(apply(&mut client, until).await.cards, counts(0, 1, 0));
        let lost = "SELECT count(*) FROM card WHERE card_id = 'b' AND state = 'lost'";
        assert_eq!(number(&client, lost).await, 1, "the state that it had stands");
        let enabled = r#"{ "card_id": "b", "state": "enabled", "zones": ["lab"] }"#;
        apply(&mut client, enabled).await;
        assert_eq!(number(&client, lost).await, 0, "a state that is said is written");

        // Nor one that is reported stolen while the import is at it.
        let mut admin = database.connect().await;
        let block = admin.transaction().await.unwrap();
        block.batch_execute("UPDATE card SET state = 'stolen' WHERE card_id = 'b'").await.unwrap();
        let longer = until.replace("2016", "2017");
        let import = apply(&mut client, &longer);
        let commit = async {
            database.until_blocked().await;
            block.commit().await.unwrap();
        };
        let (report, ()) = tokio::join!(import, commit);
        assert_eq!(report.cards, counts(0, 1, 0));
        let both = "SELECT count(*) FROM card WHERE card_id = 'b' AND state = 'stolen'
            AND valid_until = '2017-06-01T00:00:00Z'";
        assert_eq!(number(&admin, both).await, 1);
    })
    .await;
}

#[tokio::test]
async fn an_import_overtaken_by_a_lockdown_does_not_end_it() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, "").await;
        let mut admin = database.connect().await;
        let lockdown = admin.transaction().await.unwrap();
        lockdown.batch_execute("UPDATE zone SET mode = 'deny_all'").await.unwrap();
        let renamed = br#"{ "zones": [{ "zone_id": "hall", "name": "Entrance" }] }"#;
        let renamed = AccessFile::parse(renamed).unwrap();
        let import = import::apply(&mut client, &renamed, Run::Apply);
        let commit = async {
            database.until_blocked().await;
            lockdown.commit().await.unwrap();
        };
        let (report, ()) = tokio::join!(import, commit);
        assert_eq!(report.unwrap().zones, counts(0, 1, 0));
        let both = "SELECT count(*) FROM zone
            WHERE zone_id = 'hall' AND name = 'Entrance' AND mode = 'deny_all' AND version = 3";
        assert_eq!(number(&admin, both).await, 1);
    })
    .await;
}

#[tokio::test]
async fn cards_come_from_csv_all_or_nothing() {
    Database::with(async |database| {
        let mut client = database.connect().await;
        apply(&mut client, r#"{ "card_id": "a", "zones": ["hall"] }"#).await;
        let wrong = AccessFile::parse_csv(
            b"card_id,zones
b,hall
c,roof
",
        )
        .unwrap();
        let error = import::apply(&mut client, &wrong, Run::Apply).await.unwrap_err();
        assert_eq!(error.to_string(), r#"line 3, column zones, zone 1: no such zone "roof""#);
        assert_eq!(number(&client, "SELECT count(*) FROM card").await, 1);

        let right = AccessFile::parse_csv(
            b"card_id,state,zones
a,lost,lab;hall
b,,
",
        )
        .unwrap();
        let report = import::apply(&mut client, &right, Run::Apply).await.unwrap();
        assert_eq!(report.cards, counts(1, 1, 0));
        let zones = "SELECT count(*) FROM user_access WHERE zones = '{hall,lab}' AND version = 2";
        assert_eq!(number(&client, zones).await, 1);
    })
    .await;
}
