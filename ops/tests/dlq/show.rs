//! All there is about a letter, whatever it holds.

use crate::site::{APPLY, Letter, Site};

/// What no output may hold.
fn steers(text: &str) -> bool {
    text.chars().any(|c| {
        (c.is_control() && c != '\n')
            || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

#[tokio::test]
async fn hostile_bytes_are_shown_and_steer_nothing() {
    Site::with(async |site| {
        let hostile = "{\"a\":\"\u{1b}[2J\u{202e}\u{9b}31m\u{7f}\"}\n";
        let id = site.letter(&Letter::undecodable(0, hostile.as_bytes())).await.to_string();
        let sql = "UPDATE dead_letter SET message = $1, key = $2::bytea, reason = $1,
                          header_names = ARRAY[$2::bytea], header_values = ARRAY[$3::bytea]";
        let long = vec![b'h'; 5_000];
        let line = "m\u{1b}]0;x\u{7}\u{2066}\nsecond";
        site.client.execute(sql, &[&line, &hostile.as_bytes(), &long]).await.unwrap();
        let action = "INSERT INTO dead_letter_action (dead_letter_id, actor, action, version)
                      SELECT dead_letter_id, $1, 'replay', 2 FROM dead_letter";
        site.client.execute(action, &[&line]).await.unwrap();

        let shown = site.run(&["show", &id]);
        assert_eq!(shown.code, 0, "{shown:?}");
        assert!(!steers(&shown.out), "{:?}", shown.out);
        assert!(
            shown.out.contains("{\"a\":\"\\u{1b}[2J\\u{202e}\\u{9b}31m\\u{7f}\"}\n"),
            "{shown:?}"
        );
        assert!(
            shown.out.contains("7b 22 61 22 3a 22 1b 5b") && shown.out.contains("(5000 bytes)")
        );
        for words in
            [vec!["list"], vec!["summary"], vec!["replay", "--all"], vec!["discard", "--all"]]
        {
            let printed = site.run(&words);
            assert!(printed.code == 0 && !steers(&printed.out), "{words:?}: {printed:?}");
        }
        for words in [vec!["show", &id, "--json"], vec!["export", "-"], vec!["list", "--json"]] {
            let printed = site.run(&words);
            assert!(printed.code == 0 && !steers(&printed.out), "{words:?}: {printed:?}");
            assert!(printed.out.contains("\\u202e") || words[0] == "list");
        }
        // It is the same text all the same.
        let letter = site.json(&["show", &id], 0);
        assert_eq!(letter["letter"]["original"]["value"]["text"], hostile);
    })
    .await;
}

#[tokio::test]
async fn of_much_that_was_done_the_newest_is_shown() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        let many = "
            INSERT INTO dead_letter_action (dead_letter_id, actor, action, version)
            SELECT dead_letter_id, 'nr ' || n, 'replay', n
            FROM dead_letter, generate_series(1, 1001) AS n;
            INSERT INTO dead_letter
                (dead_letter_id, log_partition, log_offset, stage, reason, message, header_names,
                 header_values, state, merged_into, settled_at, created_at)
            SELECT gen_random_uuid(), 0, n, 'decide', 'unknown_terminal', 'replay ' || n, '{}', '{}',
                   'merged', d.dead_letter_id, now(), d.created_at + n * interval '1 s'
            FROM dead_letter d, generate_series(1, 1001) AS n";
        site.client.batch_execute(many).await.unwrap();
        let text = site.run(&["show", &id]).out;
        assert_eq!(text.matches("(the newest 1000; there are more)").count(), 2, "{text}");
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert!(lines.last().unwrap().ends_with("nr 1001"), "{:?}", lines.last());
        assert!(!lines.iter().any(|line| line.ends_with("nr 1") || line.ends_with("replay 1")));
        let answer = site.json(&["show", &id], 0);
        assert!(answer["more_actions"] == true && answer["more_merged"] == true);
        let merged = answer["merged"].as_array().unwrap();
        assert_eq!((merged.len(), &merged[999]["message"]), (1_000, &"replay 1001".into()));
    })
    .await;
}

#[tokio::test]
async fn an_edit_is_shown_with_what_it_changed() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        let edit = ["edit", &id, "--set", "terminal_id=door-1", "--set", "card_id=card-2"];
        site.apply_json(&edit, 0);
        let text = site.run(&["show", &id]).out;
        let edited = text.lines().find(|line| line.contains(APPLY[2])).unwrap();
        assert!(edited.contains("fields card_id, terminal_id"), "{text}");
        assert!(edited.contains("guessed false") && !edited.contains("card-2"), "{text}");
        assert!(text.contains("edited: replays send this instead"), "{text}");
    })
    .await;
}
