//! Letters that are given up.

use serde_json::json;

use crate::site::{APPLY, Letter, Site};

#[tokio::test]
async fn only_with_a_reason_and_which_is_said() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        for words in [
            &["discard", &id, "--apply"][..],
            &["discard", &id, "--apply", "--reason", " "],
            &["discard", "--apply", "--reason", "why not"],
            &["discard", &id, "--all", "--apply", "--reason", "why not"],
            &["discard", "--all", "--if-version", "1", "--apply", "--reason", "why not"],
        ] {
            assert_eq!(site.run(words).code, 2, "{words:?}");
        }
        assert_eq!(site.json(&["discard", &id], 0)["discarded"], 1, "a dry run");
        assert_eq!(site.states().await, "open 1");
        assert_eq!(site.apply_json(&["discard", &id], 0)["discarded"], 1);
        assert_eq!(site.states().await, "discarded 2");
        // What has come to its end stays so, and that is fine.
        assert_eq!(site.apply_json(&["discard", &id], 0)["letters"][0]["end"], "settled");
    })
    .await;
}

#[tokio::test]
async fn for_the_version_that_was_seen() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        site.apply_json(&["edit", &id, "--set", "terminal_id=door-1"], 0);
        let words = ["discard", &id, "--if-version", "1"];
        let conflict = site.apply_json(&words, 4)["conflict"].take();
        assert_eq!(
            (&conflict["expected_version"], &conflict["found_version"]),
            (&json!(1), &json!(2))
        );
        assert_eq!(
            (&conflict["found"]["action"], &conflict["found"]["reason"]),
            (&json!("edit"), &json!(APPLY[2]))
        );
        let text = site.run(&[&words[..], &APPLY].concat());
        assert!(text.code == 4 && text.err.contains("--if-version 2"), "{text:?}");
        assert_eq!(site.states().await, "open 2");
        site.apply_json(&["discard", &id, "--if-version", "2"], 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_under_way_is_left_alone() {
    Site::with(async |site| {
        for offset in 0..2 {
            site.letter(&Letter { offset, terminal: "door-1", ..Letter::default() }).await;
        }
        site.apply_json(&["replay", "--all", "--limit", "1", "--wait", "0"], 1);
        let report = site.apply_json(&["discard", "--all"], 1);
        assert_eq!(
            (&report["discarded"], &report["letters"][0]["end"]),
            (&json!(1), &json!("under_way"))
        );
        assert_eq!(site.states().await, "replaying 2, discarded 2");
        // Its lease has run out: nobody waits for it any more, and it must not come after all.
        site.client
            .batch_execute(
                "UPDATE dead_letter SET lease_until = now() - interval '1 s'
                                   WHERE state = 'replaying'",
            )
            .await
            .unwrap();
        // But a consumer has read it for publishing: it may be in Kafka.
        site.client.batch_execute("UPDATE outbox SET taken = true").await.unwrap();
        let report = site.apply_json(&["discard", "--all"], 1);
        assert_eq!(report["letters"][0]["end"], "under_way", "{report}");
        site.client.batch_execute("UPDATE outbox SET taken = false").await.unwrap();
        site.apply_json(&["discard", "--all"], 0);
        assert_eq!(site.text("SELECT count(*) FROM outbox").await, "0");
    })
    .await;
}
