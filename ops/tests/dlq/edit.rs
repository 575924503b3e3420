//! A new event made of a letter's, without an editor.

use serde_json::json;

use crate::site::{APPLY, Letter, Site, swipe};

#[tokio::test]
async fn from_a_file_and_as_it_is() {
    Site::with(async |site| {
        let bad = site.letter(&Letter::undecodable(0, b"{}")).await.to_string();
        let mut event = swipe("door-1", 0);
        let file = site.file("event.json", event.to_string());
        let refused = site.run(&["edit", &bad, "--file", &file]);
        assert!(refused.code == 2 && refused.err.contains("is made anew"), "{refused:?}");
        for made in ["type", "event_id"] {
            event.as_object_mut().unwrap().remove(made);
        }
        let file = site.file("event.json", event.to_string());
        let dry = site.json(&["edit", &bad, "--file", &file], 0);
        assert_eq!(site.states().await, "open 1");
        let report = site.apply_json(&["edit", &bad, "--file", &file], 0);
        assert_eq!((&report["event_id"], &report["version"]), (&dry["event_id"], &json!(2)));
        assert_eq!(
            (&report["guessed"], &report["original_is_applied"]),
            (&json!(false), &json!(false))
        );
        let no_file = site.run(&["edit", &bad, "--file", "/nowhere.json"]);
        assert!(no_file.code == 2 && no_file.err.contains("/nowhere.json"), "{no_file:?}");

        // The key was another's; the value is right.
        let wrong = Letter {
            offset: 1,
            reason: "wrong_key",
            stage: "decode",
            terminal: "door-1",
            key: "another",
            ..Letter::default()
        };
        let wrong = site.letter(&wrong).await.to_string();
        let report = site.apply_json(&["edit", &wrong, "--as-is"], 0);
        assert_eq!((&report["changes"], &report["guessed"]), (&json!([]), &json!(false)));
        let made = "SELECT convert_from(amended_key, 'UTF8') || ' ' || convert_from(key, 'UTF8')
                    FROM dead_letter WHERE log_offset = 1";
        assert_eq!(site.text(made).await, "card-1 another");
    })
    .await;
}

#[tokio::test]
async fn a_guess_is_called_one() {
    Site::with(async |site| {
        let id = site.letter(&Letter::undecodable(0, b"\xffno json")).await.to_string();
        let refused = site.run(&[&["edit", &id, "--as-is"], &APPLY[..]].concat());
        assert!(refused.code == 2 && refused.err.contains("cannot be read"), "{refused:?}");
        assert_eq!(site.states().await, "open 1");
        let set = [
            "edit",
            &id,
            "--set",
            "terminal_id=door-1",
            "--set",
            "occurred_at=2020-03-01T08:00:00Z",
        ];
        let text = site.run(&set);
        assert!(
            text.out.contains("the original cannot be read; these fields are guesses"),
            "{text:?}"
        );
        assert!(!text.out.contains("the value is the same"), "{text:?}");
        let report = site.apply_json(&set, 0);
        assert_eq!(
            (&report["guessed"], report["changes"].as_array().unwrap().len()),
            (&json!(true), 5)
        );
        let detail = site.text("SELECT detail FROM dead_letter_action").await;
        assert!(detail.contains("\"guessed\": true") && detail.contains("received_at"), "{detail}");
    })
    .await;
}

#[tokio::test]
async fn an_event_that_is_a_row_already_is_said_to_be_one() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        site.apply(0).await;
        let text = site.run(&["edit", &id, "--set", "terminal_id=door-1"]);
        assert!(text.code == 0 && text.out.contains("is a row already"), "{text:?}");
        let report = site.apply_json(&["edit", &id, "--set", "terminal_id=door-1"], 0);
        assert_eq!(report["original_is_applied"], true);
    })
    .await;
}

#[tokio::test]
async fn what_has_ended_or_is_under_way_is_not_edited() {
    Site::with(async |site| {
        let id = site.letter(&Letter { terminal: "door-1", ..Letter::default() }).await.to_string();
        site.apply_json(&["replay", &id, "--wait", "0"], 0);
        let busy = site.run(&[&["edit", &id, "--as-is"], &APPLY[..]].concat());
        assert!(busy.code == 3 && busy.err.contains("under way"), "{busy:?}");
        site.client.batch_execute(crate::site::RESOLVE).await.unwrap();
        let ended = site.run(&[&["edit", &id, "--as-is"], &APPLY[..]].concat());
        assert!(ended.code == 2 && ended.err.contains("resolved"), "{ended:?}");
    })
    .await;
}
