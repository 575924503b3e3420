//! Files, all or nothing.

use serde_json::json;

use crate::site::{Site, metrics};

#[tokio::test]
async fn csv_is_all_or_nothing_and_names_line_and_column() {
    Site::with(async |site| {
        let wrong = "card_id,zones,valid_until\nsecret,hall,\nother,roof,\n";
        let wrong = site.file("wrong.csv", wrong);
        let refused = site.run(&format!("import {wrong}"));
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(refused.err.contains("line 3, column zones, zone 1: no such zone \"roof\""));
        assert!(!refused.err.contains("other"), "no card is named: {refused:?}");
        assert_eq!(site.number("SELECT count(*) FROM card").await, 1);

        let right = site.file("right.csv", "card_id;zones\n");
        assert_eq!(site.run(&format!("import {right}")).code, 2);
        let right = site.file("cards.csv", "card_id,zones,state\na,lab;hall,\nb,,lost\n");
        let counts = json!({ "added": 1, "changed": 1, "unchanged": 0 });
        let dry = site.json(&format!("import {right} --dry-run"));
        assert_eq!((&dry["dry_run"], &dry["cards"]), (&json!(true), &counts));
        assert_eq!(site.number("SELECT count(*) FROM card").await, 1);
        assert_eq!(site.json(&format!("import {right}"))["cards"], counts);
        let again = site.json(&format!("import {right}"));
        assert_eq!(again["cards"]["unchanged"], 2);
        assert_eq!(site.json("show a")["user_access"]["version"], 2);
    })
    .await;
}

#[tokio::test]
async fn the_format_can_be_said() {
    Site::with(async |site| {
        let cards = site.file("cards.txt", "card_id,zones\nb,hall\n");
        assert_eq!(site.run(&format!("import {cards}")).code, 2);
        site.do_it(&format!("import {cards} --format csv"));
    })
    .await;
}

#[tokio::test]
async fn the_demo_file_is_still_imported() {
    Site::with(async |site| {
        let demo = concat!(env!("CARGO_MANIFEST_DIR"), "/../demo/access.json");
        let report = site.json(&format!("import {demo}"));
        assert_eq!(
            (&report["zones"]["added"], &report["schedules"]["added"]),
            (&json!(20), &json!(0))
        );
        assert_eq!(site.json(&format!("import {demo}"))["cards"]["changed"], 0);
    })
    .await;
}

#[tokio::test]
async fn an_import_that_was_overtaken_counts_it() {
    Site::with(async |site| {
        let renamed = r#"{ "zones": [{ "zone_id": "hall", "name": "Entrance" }] }"#;
        let renamed = site.file("zones.json", renamed);
        let mut other = site.connect().await;
        let lockdown = other.transaction().await.unwrap();
        lockdown.batch_execute("UPDATE zone SET mode = 'deny_all'").await.unwrap();
        let import = site.start(&format!("import {renamed} --json"));
        site.until_blocked().await;
        lockdown.commit().await.unwrap();
        let done = import.await.unwrap();
        assert_eq!(done.code, 0, "{done:?}");
        let done: serde_json::Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!(done["metrics"], metrics("import", 1, 1));
        // A dry run is no update.
        assert_eq!(site.json(&format!("import {renamed} --dry-run"))["metrics"], json!({}));
    })
    .await;
}
