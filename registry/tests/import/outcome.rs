//! What an import reports and writes.

use registry::import::{self, AccessFile, Counts, Error, Report, Run};

use crate::database::Database;
use crate::{apply, clock, file, number};

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
        let wanted = Report { zones: all, terminals: all, cards: all, in_force_from_kept: 0 };
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
