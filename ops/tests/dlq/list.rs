//! What is there: one by one, and in groups.

use serde_json::json;
use tokio::process::Command;

use crate::site::{Letter, Site};

/// Seven letters: three of an unknown terminal, two that are no swipes, a refused row, and one that was
/// given up.
async fn some(site: &Site) {
    for offset in 0..3 {
        site.letter(&Letter { offset, minute: offset as i32, ..Letter::default() }).await;
    }
    for offset in 3..5 {
        let minute = 10 * offset as i32;
        site.letter(&Letter { minute, ..Letter::undecodable(offset, b"{}") }).await;
    }
    let row = Letter {
        offset: 5,
        reason: "bad_row",
        stage: "store",
        terminal: "door-1",
        ..Letter::default()
    };
    site.letter(&row).await;
    site.letter(&Letter { offset: 6, minute: 60, ..Letter::default() }).await;
    let changes = "
        UPDATE dead_letter SET replay_count = 2 WHERE log_offset = 1;
        UPDATE dead_letter SET sqlstate = '23514' WHERE log_offset = 5;
        UPDATE dead_letter SET compensate_at = now() WHERE log_offset = 0;
        UPDATE dead_letter SET state = 'discarded', settled_at = now() WHERE log_offset = 6";
    site.client.batch_execute(changes).await.unwrap();
}

#[tokio::test]
async fn a_list_has_what_was_asked_for_and_the_newest_first() {
    Site::with(async |site| {
        some(site).await;
        let offsets = |words: &[&str]| {
            let answer = site.json(&[&["list"], words].concat(), 0);
            let letters = answer["letters"].as_array().unwrap().clone();
            let offsets: Vec<i64> =
                letters.iter().map(|letter| letter["log_offset"].as_i64().unwrap()).collect();
            (offsets, answer["more"] == true)
        };
        for (words, wanted, more) in [
            (&[][..], &[4, 3, 2, 1, 5, 0][..], false),
            (&["--stage", "store"], &[5], false),
            (&["--stage", "store,decode"], &[4, 3, 5], false),
            (&["--cause", "undecodable"], &[4, 3], false),
            (&["--terminal", "door-9,door-1"], &[2, 1, 5, 0], false),
            (&["--state", "discarded"], &[6], false),
            (&["--state", "all", "--terminal", "door-9"], &[6, 2, 1, 0], false),
            (&["--since", "2026-05-03T08:02:00Z"], &[4, 3, 2], false),
            (&["--until", "2026-05-03T08:02:00Z"], &[1, 5, 0], false),
            (&["--since", "2026-05-04"], &[], false),
            (&["--group", "undecodable/decode/-"], &[4, 3], false),
            (&["--limit", "2"], &[4, 3], true),
            (&["--limit", "6"], &[4, 3, 2, 1, 5, 0], false),
        ] {
            assert_eq!(offsets(words), (wanted.to_vec(), more), "{words:?}");
        }
        let text = site.run(&["list", "--terminal", "door-9,door-1", "--limit", "3"]).out;
        for wanted in ["unknown_terminal", "bad_row (23514)", "2x", "0/5", "the newest 3 letters"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
        assert!(!text.contains("card-1"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_summary_counts_and_says_since_when() {
    Site::with(async |site| {
        some(site).await;
        let answer = site.json(&["summary"], 0);
        let groups = answer["groups"].as_array().unwrap();
        let names: Vec<&str> =
            groups.iter().map(|group| group["group"].as_str().unwrap()).collect();
        assert_eq!(
            names,
            ["unknown_terminal/decide/door-9", "undecodable/decode/-", "bad_row/store/door-1"]
        );
        let first = &groups[0];
        let newest = site.text("SELECT dead_letter_id FROM dead_letter WHERE log_offset = 2").await;
        for (field, wanted) in [
            ("letters", json!(3)),
            ("open", json!(3)),
            ("replaying", json!(0)),
            ("failed_again", json!(2)),
            ("by_themselves", json!(1)),
            ("first_at", json!("2026-05-03T08:00:00.000Z")),
            ("last_at", json!("2026-05-03T08:02:00.000Z")),
            ("example", json!(newest)),
        ] {
            assert_eq!(first[field], wanted, "{field}");
        }
        let all = site.json(&["summary", "--state", "all", "--terminal", "door-9"], 0);
        assert_eq!(
            (&all["groups"][0]["letters"], &all["groups"][0]["open"]),
            (&json!(4), &json!(3))
        );
        let late =
            site.json(&["summary", "--since", "2026-05-03T08:01:00Z", "--stage", "decide"], 0);
        assert_eq!(late["groups"][0]["letters"], 2);
        let text = site.run(&["summary"]).out;
        assert!(text.contains("1 of them will be tried by themselves"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn a_group_can_be_copied_into_a_shell() {
    Site::with(async |site| {
        let terminal = "$(touch/x)'\"`;";
        site.letter(&Letter { terminal, ..Letter::default() }).await;
        let line = site.run(&["summary"]).out.lines().nth(1).unwrap().to_owned();
        let first = format!("set -- {line}; printf %s \"$1\"");
        let first = Command::new("sh").args(["-c", &first]).output().await.unwrap();
        let group = String::from_utf8(first.stdout).unwrap();
        assert_eq!(group, format!("unknown_terminal/decide/{terminal}"), "{line}");
        let found = site.json(&["list", "--group", &group], 0);
        assert_eq!(found["letters"].as_array().unwrap().len(), 1);
    })
    .await;
}
