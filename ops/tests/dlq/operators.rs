//! Who did what; and two operators at one letter.

use crate::site::{APPLY, Letter, RESOLVE, Site};

#[tokio::test]
async fn every_change_is_written_down() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        site.apply_json(&["edit", &id, "--set", "terminal_id=door-1"], 0);
        site.apply_json(&["replay", &id, "--wait", "0"], 0);
        site.client.batch_execute(RESOLVE).await.unwrap();
        let other = site.letter(&Letter { offset: 1, ..Letter::default() }).await.to_string();
        site.apply_json(&["discard", &other], 0);
        let lines = "SELECT string_agg(action || ' ' || version || ' ' || reason, ', ' ORDER BY id)
                     FROM dead_letter_action";
        let why = APPLY[2];
        assert_eq!(
            site.text(lines).await,
            format!("edit 2 {why}, replay 3 {why}, discard 2 {why}")
        );
        // The user of the system, and the role of the database.
        let actors = "SELECT string_agg(DISTINCT split_part(actor, ' as ', 2), ',')
                      FROM dead_letter_action WHERE actor LIKE '_% as _%'";
        assert_eq!(site.text(actors).await, site.text("SELECT session_user").await);
        let detail =
            site.text("SELECT detail FROM dead_letter_action WHERE action = 'replay'").await;
        assert!(detail.contains("\"amended\": true"), "{detail}");

        let file = site.directory.join("letters.ndjson");
        let file = file.to_str().unwrap();
        site.json(&["export", file, "--state", "discarded"], 0);
        let sql =
            "DELETE FROM dead_letter_action; DELETE FROM dead_letter WHERE state = 'discarded'";
        site.client.batch_execute(sql).await.unwrap();
        site.apply_json(&["import", file], 0);
        assert_eq!(site.text(lines).await, format!("import 2 {why}"));
    })
    .await;
}

#[tokio::test]
async fn of_two_at_one_letter_one_wins_and_the_other_is_told() {
    Site::with(async |site| {
        let id = site.letter(&Letter { terminal: "door-1", ..Letter::default() }).await.to_string();
        for (n, words) in [
            ["discard", "edit --set mode=offline"],
            ["replay --wait 0", "discard"],
            ["edit --set mode=offline", "replay --wait 0"],
        ]
        .into_iter()
        .enumerate()
        {
            let fresh = "
                DELETE FROM dead_letter_action; DELETE FROM outbox;
                UPDATE dead_letter SET state = 'open', version = 1, lease_until = NULL,
                    settled_at = NULL, amended_key = NULL, amended_value = NULL,
                    amended_header_names = NULL, amended_header_values = NULL";
            site.client.batch_execute(fresh).await.unwrap();
            // Both have read the letter, and wait for its row.
            site.holder.batch_execute("BEGIN; SELECT FROM dead_letter FOR UPDATE").await.unwrap();
            let both = words.map(|words| {
                let words: Vec<&str> = words.split(' ').chain([id.as_str()]).chain(APPLY).collect();
                site.start(&words)
            });
            site.until(
                "SELECT count(*) = 2 FROM pg_stat_activity
                 WHERE datname = current_database() AND application_name = 'gatelog'
                   AND wait_event_type = 'Lock'",
            )
            .await;
            site.holder.batch_execute("COMMIT").await.unwrap();
            let [first, second] = both;
            let (first, second) = (first.await.unwrap(), second.await.unwrap());
            let (won, told) = if first.code == 0 { (first, second) } else { (second, first) };
            assert_eq!(won.code, 0, "{n}: {won:?} {told:?}");
            assert!([1, 3, 4].contains(&told.code), "{n}: {told:?}");
            let told = format!("{}{}", told.out, told.err);
            let says = ["by somebody else", "is there; nothing was written"];
            assert!(says.iter().any(|says| told.contains(says)), "{n}: {told}");
            assert_eq!(site.text("SELECT count(*) FROM dead_letter_action").await, "1");
            assert!(site.states().await.ends_with(" 2"));
        }
    })
    .await;
}
