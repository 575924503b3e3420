//! Letters once more: which, how fast, and how long their outcome is waited for.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{APPLY, Letter, RESOLVE, Site};

async fn some(site: &Site, count: i64) -> Vec<String> {
    let mut ids = Vec::new();
    for offset in 0..count {
        let minute = offset as i32;
        let letter = Letter { offset, terminal: "door-1", minute, ..Letter::default() };
        ids.push(site.letter(&letter).await.to_string());
    }
    ids
}

#[tokio::test]
async fn by_id_and_by_the_first_characters_of_it() {
    Site::with(async |site| {
        let ids = some(site, 3).await;
        let report = site.apply_json(&["replay", &ids[0], &ids[2][..8], "--wait", "0"], 0);
        assert_eq!(report["outcomes"], json!({ "under_way": 2 }));
        assert_eq!(site.states().await, "replaying 2, open 1, replaying 2");
        assert_eq!(site.text("SELECT count(*) FROM outbox WHERE kind = 'replay'").await, "2");
        let missing = site.run(&["replay", "00000000"]);
        assert!(
            missing.code == 2 && missing.err.contains("no dead letter 00000000"),
            "{missing:?}"
        );
        // Whoever is under way already is left alone, and that is no success.
        let again = site.apply_json(&["replay", &ids[0], "--wait", "0"], 1);
        assert_eq!(
            (&again["prospects"], &again["outcomes"]),
            (&json!({ "under_way": 1 }), &json!({}))
        );
    })
    .await;
}

#[tokio::test]
async fn a_span_of_time_and_the_oldest_first_until_none_is_left() {
    Site::with(async |site| {
        some(site, 5).await;
        let span = ["--since", "2026-05-03T08:01:00Z", "--until", "2026-05-03T08:04:00Z"];
        let replay = [&["replay", "--limit", "2", "--wait", "0"], &span[..]].concat();
        let dry = site.json(&replay, 0);
        assert_eq!((&dry["more"], &dry["prospects"]), (&json!(true), &json!({ "replayed": 2 })));
        assert_eq!(site.apply_json(&replay, 1)["more"], true, "there are more, so it is a no");
        assert_eq!(site.states().await, "open 1, replaying 2, replaying 2, open 1, open 1");
        site.client.batch_execute(RESOLVE).await.unwrap();
        assert_eq!(site.apply_json(&replay, 0)["more"], false);
        assert_eq!(site.states().await, "open 1, resolved 3, resolved 3, replaying 2, open 1");
        let text = site.run(&[&["discard", "--all", "--limit", "1"], &APPLY[..]].concat());
        let wanted = "there are more: the same command again\n";
        assert!(text.code == 1 && text.out.contains(wanted), "{text:?}");
    })
    .await;
}

#[tokio::test]
async fn no_faster_than_the_rate() {
    Site::with(async |site| {
        some(site, 5).await;
        let begun = Instant::now();
        site.apply_json(&["replay", "--all", "--rate", "5", "--wait", "0"], 0);
        // Four waits of a fifth of a second between five letters.
        assert!(begun.elapsed() >= Duration::from_millis(800), "{:?}", begun.elapsed());
        assert_eq!(site.text("SELECT count(*) FROM dead_letter_action").await, "5");
    })
    .await;
}

#[tokio::test]
async fn an_outcome_is_waited_for_and_not_for_ever() {
    Site::with(async |site| {
        let ids = some(site, 3).await;
        let late = site.run(&[&["replay", &ids[0], "--wait", "1"], &APPLY[..]].concat());
        assert!(late.code == 1 && late.out.contains("still under way"), "{late:?}");
        let none = site.run(&[&["replay", &ids[1], "--wait", "0"], &APPLY[..]].concat());
        assert!(none.code == 0 && none.out.contains("still under way"), "{none:?}");
        site.client.batch_execute(RESOLVE).await.unwrap();

        let words = [&["replay", &ids[2], "--wait", "600", "--json"], &APPLY[..]].concat();
        let waits = site.start(&words);
        site.until("SELECT count(*) = 1 FROM dead_letter WHERE state = 'replaying'").await;
        site.client.batch_execute(RESOLVE).await.unwrap();
        let ended = waits.await.unwrap();
        assert!(ended.code == 0 && ended.out.contains("\"resolved\": 1"), "{ended:?}");
    })
    .await;
}

#[tokio::test]
async fn what_a_consumer_made_of_it_is_told() {
    Site::with(async |site| {
        let ids = some(site, 3).await;
        site.apply(0).await;
        let dry = site.run(&["replay", &ids[0]]);
        assert!(dry.out.contains("superseded: its identity is a row already"), "{dry:?}");
        for (id, what, then) in [
            (&ids[0], "superseded", "state = 'superseded', settled_at = now()"),
            (&ids[1], "failed_again", "state = 'open', replay_count = replay_count + 1"),
            (&ids[2], "overtaken", "state = 'discarded', settled_at = now()"),
        ] {
            let words = [&["replay", id, "--wait", "600", "--json"], &APPLY[..]].concat();
            let waits = site.start(&words);
            site.until("SELECT count(*) = 1 FROM dead_letter WHERE state = 'replaying'").await;
            let settle = format!(
                "UPDATE dead_letter SET {then}, lease_until = NULL, version = version + 1
                 WHERE state = 'replaying'"
            );
            site.client.batch_execute(&settle).await.unwrap();
            let ended = waits.await.unwrap();
            assert_eq!(ended.code, i32::from(what != "superseded"), "{ended:?}");
            assert!(ended.out.contains(&format!("\"outcome\": \"{what}\"")), "{ended:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_on_the_way_says_what_is_under_way_already() {
    Site::with(async |site| {
        some(site, 3).await;
        let full = "
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT ON outbox FOR EACH ROW
            WHEN (NEW.log_offset = 1) EXECUTE FUNCTION full_disk()";
        site.client.batch_execute(full).await.unwrap();
        let replay = ["replay", "--all", "--rate", "10", "--wait", "0"];
        let report = site.apply_json(&replay, 3);
        assert_eq!(report["outcomes"], json!({ "under_way": 1, "unknown": 1 }), "{report}");
        assert_eq!(
            (&report["complete"], &report["letters"][2]["outcome"]),
            (&json!(false), &json!(null))
        );
        assert_eq!(site.states().await, "replaying 2, open 1, open 1");
        let text = site.run(&[&replay[..], &APPLY].concat());
        assert!(text.code == 3 && text.out.contains("an error ended it"), "{text:?}");
        assert!(text.err.contains("SQLSTATE 53100"), "{text:?}");
    })
    .await;
}
