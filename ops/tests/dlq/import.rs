//! Letters back from a file: what it says is believed only where it can be.

use serde_json::{Value, json};

use crate::site::{APPLY, Letter, Site};

/// The letters as an export has them, and none of them in the table.
async fn taken_out(site: &Site) -> Vec<Value> {
    let out = site.run(&["export", "-"]);
    assert_eq!(out.code, 0, "{out:?}");
    site.client
        .batch_execute("DELETE FROM dead_letter_action; DELETE FROM dead_letter")
        .await
        .unwrap();
    out.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lines(letters: &[Value]) -> String {
    letters.iter().map(|letter| format!("{letter}\n")).collect()
}

#[tokio::test]
async fn what_cannot_be_put_back_is_skipped_and_said() {
    Site::with(async |site| {
        for offset in 0..4 {
            site.letter(&Letter { offset, ..Letter::default() }).await;
        }
        let mut letters = taken_out(site).await;
        letters[1]["cause"] = json!("made_up");
        letters[2]["log_offset"] = json!(77);
        letters[3]["stage"] = json!("store");
        let mut file = lines(&letters).into_bytes();
        file.extend_from_slice(b"no json\n\n{\"dead_letter_id\":1}\n");
        file.resize(file.len() + 17 * 1024 * 1024, b' ');
        file.extend_from_slice(b"\n");
        let last = format!("{}\n", letters[0]);
        file.extend_from_slice(last.as_bytes());
        let file = site.file("letters.ndjson", file);

        let dry = site.json(&["import", &file], 1);
        assert_eq!((&dry["put_back"], &dry["there"]), (&json!({ "open": 1 }), &json!(1)), "{dry}");
        assert_eq!(site.states().await, "");
        let report = site.apply_json(&["import", &file], 1);
        assert_eq!((&report["read"], &report["complete"]), (&json!(8), &json!(true)), "{report}");
        assert_eq!(report["put_back"], dry["put_back"]);
        assert_eq!(report["skipped"], dry["skipped"]);
        for (why, first) in [
            ("its cause is none that this program knows", "line 2"),
            ("its id is not one of this database's log", "line 3"),
            ("its cause is not found by the step that it names", "line 4"),
            ("is no letter as `gatelog dlq export` writes it (no JSON)", "line 5"),
            (
                "is no letter as `gatelog dlq export` writes it (a field is missing or wrong)",
                "line 7",
            ),
            ("has more bytes than a letter can have", "line 8"),
        ] {
            assert_eq!(report["skipped"][why], json!({ "letters": 1, "first": [first] }), "{why}");
        }
        let again = site.apply_json(&["import", &file], 1);
        assert_eq!((&again["put_back"], &again["there"]), (&json!({}), &json!(2)), "{again}");
        assert_eq!(site.states().await, "open 1");
        let action =
            site.text("SELECT action || ' ' || reason || ' ' || version FROM dead_letter_action");
        assert_eq!(action.await, format!("import {} 1", APPLY[2]));
    })
    .await;
}

#[tokio::test]
async fn what_a_letter_says_is_read_from_its_bytes() {
    Site::with(async |site| {
        let first = site.letter(&Letter::default()).await.to_string();
        site.letter(&Letter { offset: 1, ..Letter::default() }).await;
        site.apply_json(&["edit", &first, "--set", "terminal_id=door-1"], 0);
        let mut letters = taken_out(site).await;
        letters[0]["says"]["card_id"] = json!("another");
        letters[0]["says"]["terminal_id"] = json!("door-2");
        letters[1]["says"] = Value::Null;
        let file = site.file("lies.ndjson", lines(&letters));
        site.apply_json(&["import", &file], 0);
        let says = "SELECT string_agg(card_id || ' ' || terminal_id, ', ' ORDER BY log_offset)
                    FROM dead_letter";
        assert_eq!(site.text(says).await, "card-1 door-9, card-1 door-9");

        site.client
            .batch_execute("DELETE FROM dead_letter_action; DELETE FROM dead_letter")
            .await
            .unwrap();
        letters.truncate(1);
        letters[0]["amended"]["key"]["base64"] = json!("YW5vdGhlcg==");
        let file = site.file("key.ndjson", lines(&letters));
        let report = site.apply_json(&["import", &file], 1);
        let why = "what it was edited to has another key than its card";
        assert_eq!(report["skipped"][why]["letters"], 1, "{report}");
    })
    .await;
}

#[tokio::test]
async fn no_partition_gets_more_letters_than_its_counters_say() {
    Site::with(async |site| {
        for offset in 0..5 {
            site.letter(&Letter { offset, ..Letter::default() }).await;
        }
        let letters = taken_out(site).await;
        // One is there, three are counted; one more is counted before where reading goes on.
        let counted = "UPDATE consumer_offset SET dead = 3, rows = next_offset - 3";
        site.client.batch_execute(counted).await.unwrap();
        site.letter(&Letter { offset: 9, ..Letter::default() }).await;
        let file = site.file("letters.ndjson", lines(&letters));
        let why = "its partition has as many dead letters as its counters say already";
        for words in
            [&["import", file.as_str()][..], &[&["import", file.as_str()], &APPLY[..]].concat()]
        {
            let report = site.json(words, 1);
            assert_eq!(report["put_back"], json!({ "open": 2 }), "{report}");
            assert_eq!(report["skipped"][why]["letters"], 3, "{report}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_replay_that_failed_is_put_back_wherever_it_stands() {
    Site::with(async |site| {
        let first = site.letter(&Letter::default()).await;
        for offset in 1..3 {
            site.letter(&Letter { offset, ..Letter::default() }).await;
        }
        let merged = "UPDATE dead_letter SET state = 'merged', settled_at = now(), merged_into = $1
                      WHERE log_offset > 0";
        site.client.execute(merged, &[&first]).await.unwrap();
        let mut letters = taken_out(site).await;
        letters.reverse();
        let alone = site.file("alone.ndjson", lines(&letters[..2]));
        let why = "the letter that it is merged into is not there";
        for words in
            [&["import", alone.as_str()][..], &[&["import", alone.as_str()], &APPLY[..]].concat()]
        {
            let report = site.json(words, 1);
            assert_eq!(report["skipped"][why]["letters"], 2, "{report}");
            assert_eq!(report["put_back"], json!({}), "{report}");
        }
        let all = site.file("all.ndjson", lines(&letters));
        let wanted = json!({ "merged": 2, "open": 1 });
        assert_eq!(site.json(&["import", &all], 0)["put_back"], wanted);
        assert_eq!(site.apply_json(&["import", &all], 0)["put_back"], wanted);
        let count = "SELECT replay_count || ' ' || version FROM dead_letter WHERE log_offset = 0";
        assert_eq!(site.text(count).await, "2 1", "those that failed are counted");
    })
    .await;
}

#[tokio::test]
async fn a_batch_is_bounded_in_bytes_and_what_was_done_is_said_when_it_ends_early() {
    Site::with(async |site| {
        for offset in 0..3 {
            site.letter(&Letter::undecodable(offset, &vec![0xff; 9_000_000])).await;
        }
        let letters = taken_out(site).await;
        let file = site.file("letters.ndjson", lines(&letters));
        drop(letters);
        // The third does not come into the transaction of the first two.
        let full = "
            CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100'; END $$;
            CREATE TRIGGER full_disk BEFORE INSERT ON dead_letter FOR EACH ROW
            WHEN (NEW.log_offset = 2) EXECUTE FUNCTION full_disk()";
        site.client.batch_execute(full).await.unwrap();
        let report = site.apply_json(&["import", &file], 3);
        assert_eq!(
            (&report["put_back"], &report["complete"]),
            (&json!({ "open": 2 }), &json!(false))
        );
        assert_eq!(site.states().await, "open 1, open 1");
        let text = site.run(&[&["import", file.as_str()], &APPLY[..]].concat());
        assert!(text.code == 3 && text.out.contains("not all was read"), "{text:?}");
        site.client.batch_execute("DROP TRIGGER full_disk ON dead_letter").await.unwrap();
        let report = site.apply_json(&["import", &file], 0);
        assert_eq!((&report["put_back"], &report["there"]), (&json!({ "open": 1 }), &json!(2)));
    })
    .await;
}
