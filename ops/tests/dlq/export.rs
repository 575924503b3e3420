//! Letters as a file.

use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::site::{Letter, Site, end};

/// Letters of any number, and three large ones.
const MANY: &str = "
    INSERT INTO dead_letter
        (dead_letter_id, log_partition, log_offset, stage, reason, message, value, header_names,
         header_values)
    SELECT gen_random_uuid(), 0, n, 'decode', 'undecodable', '', CASE WHEN n < 3 THEN
               convert_to(repeat('x', 9000000), 'UTF8') END, '{}', '{}'
    FROM generate_series(0, 10500) AS n";

#[tokio::test]
async fn a_file_is_for_its_owner_and_takes_the_place_of_none() {
    Site::with(async |site| {
        site.letter(&Letter::default()).await;
        let file = site.directory.join("letters.ndjson");
        let name = file.to_str().unwrap();
        assert_eq!(site.json(&["export", name], 0)["letters"], 1);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let part = site.directory.join("letters.ndjson.part");
        assert!(!part.exists());

        std::fs::write(&file, "precious").unwrap();
        let refused = site.run(&["export", name]);
        assert!(refused.code == 2 && refused.err.contains("is not written over"), "{refused:?}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
        assert!(!part.exists());

        // Of two at one file, the second leaves the first alone.
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&part, "being written").unwrap();
        let refused = site.run(&["export", name]);
        assert!(refused.code == 2 && refused.err.contains("another export"), "{refused:?}");
        assert_eq!(std::fs::read_to_string(&part).unwrap(), "being written");
        assert!(!file.exists());
        assert_eq!(site.run(&["export", "/nowhere/letters.ndjson"]).code, 2);
    })
    .await;
}

#[tokio::test]
async fn more_than_one_page_is_all_of_them_once() {
    Site::with(async |site| {
        site.client.batch_execute(MANY).await.unwrap();
        // The oldest of all, but behind the one that it is merged into.
        let merged = "
            UPDATE dead_letter SET created_at = now() - interval '1 hour', state = 'merged',
                   settled_at = now(),
                   merged_into = (SELECT dead_letter_id FROM dead_letter WHERE log_offset = 10500)
            WHERE log_offset = 3";
        site.client.batch_execute(merged).await.unwrap();
        let file = site.directory.join("letters.ndjson");
        let name = file.to_str().unwrap();
        assert_eq!(site.json(&["export", name], 0)["letters"], 10_501);
        let text = std::fs::read_to_string(&file).unwrap();
        let offset = |line: &str| {
            serde_json::from_str::<Value>(line).unwrap()["log_offset"].as_i64().unwrap()
        };
        let offsets: Vec<i64> = text.lines().map(offset).collect();
        let wanted: Vec<i64> = (0..3).chain(4..=10_500).chain([3]).collect();
        assert!(offsets == wanted, "{:?}", &offsets[..10]);
    })
    .await;
}

#[tokio::test]
async fn whoever_reads_slowly_holds_nothing_in_postgres() {
    Site::with(async |site| {
        site.client.batch_execute(MANY).await.unwrap();
        let mut child = site.command(&["export", "-"]).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut first = [0];
        out.read_exact(&mut first).unwrap();
        // It waits for us now, with the first letters read and its session idle.
        site.until(
            "SELECT count(*) = 1 FROM pg_stat_activity
             WHERE datname = current_database() AND application_name = 'gatelog'
               AND state = 'idle' AND backend_xmin IS NULL AND query LIKE '%unnest%'",
        )
        .await;
        drop(out);
        let ended = end(child);
        assert_eq!(ended.code, 0, "as of `head`: {ended:?}");
    })
    .await;
}
