//! How a replay would go: judged by the event that would be sent.

use serde_json::{Value, json};

use crate::site::{Letter, Site, swipe};

async fn edited(site: &Site, id: &str, fields: &Value) {
    let file = site.file("event.json", fields.to_string());
    site.apply_json(&["edit", id, "--file", &file], 0);
}

/// A swipe without what each edit makes anew.
fn event(terminal: &str) -> Value {
    let mut event = swipe(terminal, 0);
    for made in ["type", "event_id"] {
        event.as_object_mut().unwrap().remove(made);
    }
    event
}

#[tokio::test]
async fn a_nul_in_an_edited_event_is_in_nobodys_way() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        site.letter(&Letter { offset: 1, terminal: "door-1", ..Letter::default() }).await;
        let mut event = event("door-1");
        event["note"] = json!("a\u{0}");
        edited(site, &id, &event).await;
        assert_eq!(site.json(&["replay", "--all"], 0)["prospects"], json!({ "replayed": 2 }));
        site.apply_json(&["replay", "--cause", "unknown_terminal", "--wait", "0"], 0);
        assert_eq!(site.states().await, "replaying 3, replaying 2");
        site.client
            .batch_execute("UPDATE dead_letter SET lease_until = now() - interval '1 s'")
            .await
            .unwrap();
        assert_eq!(site.apply_json(&["discard", "--all"], 0)["discarded"], 2);
    })
    .await;
}

#[tokio::test]
async fn an_edited_letter_is_judged_by_what_was_made_of_it() {
    Site::with(async |site| {
        let id = site.letter(&Letter::undecodable(0, b"{}")).await.to_string();
        let prospect = || {
            let letter = site.json(&["replay", &id], 0)["letters"][0].take();
            (letter["prospect"].as_str().unwrap().to_owned(), letter["why"].to_string())
        };
        assert_eq!(prospect().0, "pointless", "the same bytes");
        edited(site, &id, &event("door-8")).await;
        let (what, why) = prospect();
        assert!(what == "pointless" && why.contains("door-8 is not registered"), "{what}: {why}");
        let mut old = event("door-1");
        old["occurred_at"] = json!("2019-12-31T23:59:59.999Z");
        edited(site, &id, &old).await;
        let (what, why) = prospect();
        assert!(what == "pointless" && why.contains("outside what is kept"), "{what}: {why}");
        edited(site, &id, &event("door-1")).await;
        assert_eq!(prospect(), ("replayed".to_owned(), "null".to_owned()));

        // What was wrong with the original is wrong still; what is sent is not.
        let other = Letter { offset: 1, terminal: "door-9", ..Letter::default() };
        let id = site.letter(&other).await.to_string();
        assert_eq!(site.json(&["replay", &id], 0)["prospects"], json!({ "pointless": 1 }));
        site.apply_json(&["edit", &id, "--set", "terminal_id=door-2"], 0);
        assert_eq!(site.json(&["replay", &id], 0)["prospects"], json!({ "replayed": 1 }));
    })
    .await;
}

#[tokio::test]
async fn what_is_pointless_is_sent_by_force_alone() {
    Site::with(async |site| {
        site.letter(&Letter::default()).await;
        let all = ["replay", "--all", "--wait", "0"];
        assert_eq!(site.apply_json(&all, 1)["outcomes"], json!({}));
        assert_eq!(site.states().await, "open 1");
        let forced = site.apply_json(&["replay", "--all", "--wait", "0", "--force"], 0);
        assert_eq!(forced["outcomes"], json!({ "under_way": 1 }));
    })
    .await;
}

#[tokio::test]
async fn what_no_topic_takes_is_not_sent_even_by_force() {
    Site::with(async |site| {
        site.letter(&Letter::undecodable(0, &vec![b'x'; 600_000])).await;
        for force in [&[][..], &["--force"]] {
            let words = [&["replay", "--all", "--wait", "0"], force].concat();
            let report = site.apply_json(&words, 1);
            assert_eq!(report["outcomes"], json!({}), "{report}");
            assert!(
                report["letters"][0]["why"].as_str().unwrap().contains("too large"),
                "{report}"
            );
        }
    })
    .await;
}
