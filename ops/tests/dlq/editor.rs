//! A new event written in an editor: what was written is never lost from sight.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::Value;

use crate::site::{APPLY, Letter, Outcome, Site};

/// Runs the edit with a shell script for an editor, which gets the file as `$2` and one argument before.
fn edit(site: &Site, id: &str, script: &str, more: &[&str]) -> Outcome {
    let script = site.file("editor.sh", script);
    let editor = format!("sh {script} 'an argument'");
    let gatelog = env!("CARGO_BIN_EXE_gatelog");
    let words = [&["edit", id], more].concat();
    site.run_with(&words, &[("EDITOR", editor.as_str()), ("GATELOG", gatelog), ("ID", id)])
}

/// Files that are left.
fn left(site: &Site) -> Vec<PathBuf> {
    let directories = std::fs::read_dir(site.temporary()).unwrap();
    let files = directories.flat_map(|directory| {
        let directory = directory.unwrap();
        assert_eq!(directory.metadata().unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::read_dir(directory.path()).unwrap()
    });
    files.map(|file| file.unwrap().path()).collect()
}

/// The only file that is left, which standard error names.
fn kept(site: &Site, outcome: &Outcome) -> String {
    let left = left(site);
    assert_eq!(left.len(), 1, "{outcome:?}");
    assert_eq!(left[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let path = left[0].to_str().unwrap();
    assert!(outcome.err.contains(&format!("what you wrote is in {path}")), "{outcome:?}");
    path.to_owned()
}

fn forget(site: &Site) {
    std::fs::remove_dir_all(site.temporary()).unwrap();
}

const PUT_RIGHT: &str = "test \"$1\" = 'an argument' && sed -i s/door-9/door-1/ \"$2\"";

#[tokio::test]
async fn what_was_written_is_stored_and_its_file_goes() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        let dry = edit(site, &id, PUT_RIGHT, &["--json"]);
        assert_eq!(dry.code, 0, "{dry:?}");
        let dry: Value = serde_json::from_str(&dry.out).unwrap();
        assert_eq!(left(site), [PathBuf::from(dry["kept"].as_str().unwrap())]);
        let file = dry["kept"].as_str().unwrap();
        let from_file = site.json(&["edit", &id, "--file", file], 0);
        assert_eq!(from_file["event_id"], dry["event_id"]);
        forget(site);

        let done = edit(site, &id, PUT_RIGHT, &[&["--json"], &APPLY[..]].concat());
        assert_eq!(done.code, 0, "{done:?}");
        let report: Value = serde_json::from_str(&done.out).unwrap();
        assert_eq!((&report["kept"], &report["event_id"]), (&Value::Null, &dry["event_id"]));
        assert!(left(site).is_empty());
        assert_eq!(site.states().await, "open 2");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_stored_stays_in_a_file() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        for (script, why) in [
            ("echo '{' > \"$2\"", "the value is not JSON at line"),
            ("echo '[]' > \"$2\"", "must be a JSON object"),
            ("sed -i s/online/asleep/ \"$2\"", "mode"),
            ("printf '{\\377}' > \"$2\"", "not UTF-8"),
            ("echo '{}' > \"$2\"; exit 3", "the editor"),
        ] {
            let refused = edit(site, &id, script, &APPLY);
            assert!(refused.code == 2 && refused.err.contains(why), "{script}: {refused:?}");
            kept(site, &refused);
            forget(site);
        }
        for (script, why) in
            [("exit 3", "the editor"), ("true", "nothing was changed in the editor")]
        {
            let refused = edit(site, &id, script, &APPLY);
            assert!(refused.code == 2 && refused.err.contains(why), "{script}: {refused:?}");
            assert!(left(site).is_empty(), "nothing was written");
        }
        assert_eq!(site.states().await, "open 1");
    })
    .await;
}

#[tokio::test]
async fn a_connection_that_goes_meanwhile_is_made_again() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        let url = site.psql();
        let cut = format!(
            "{PUT_RIGHT} && psql -q '{url}' -c \"SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND application_name = 'gatelog'\" > /dev/null"
        );
        let done = edit(site, &id, &cut, &APPLY);
        assert_eq!(done.code, 0, "{done:?}");
        assert!(left(site).is_empty());

        let away = format!(
            "sed -i s/door-1/door-2/ \"$2\" && psql -q '{url}' \
             -c 'ALTER TABLE dead_letter RENAME TO elsewhere' > /dev/null"
        );
        let failed = edit(site, &id, &away, &APPLY);
        assert_eq!(failed.code, 3, "{failed:?}");
        let file = kept(site, &failed);
        site.client.batch_execute("ALTER TABLE elsewhere RENAME TO dead_letter").await.unwrap();
        site.apply_json(&["edit", &id, "--file", &file], 0);
    })
    .await;
}

#[tokio::test]
async fn whoever_was_faster_meanwhile_is_told_of_and_the_text_is_kept() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        let other = format!(
            "{PUT_RIGHT} && EDITOR= \"$GATELOG\" dlq edit \"$ID\" --set terminal_id=door-2 --apply \
             --reason faster > /dev/null"
        );
        let late = edit(site, &id, &other, &[&["--json"], &APPLY[..]].concat());
        assert!(late.code == 4 && late.err.contains("faster"), "{late:?}");
        let file = kept(site, &late);
        let report: Value = serde_json::from_str(&late.out).unwrap();
        assert_eq!(report["kept"], file.as_str());
        assert_eq!(report["conflict"]["found_version"], 2);
        assert_eq!(site.states().await, "open 2");
    })
    .await;
}

#[tokio::test]
async fn an_interrupt_in_the_editor_is_the_editors() {
    Site::with(async |site| {
        let id = site.letter(&Letter::default()).await.to_string();
        let script = site.file("editor.sh", PUT_RIGHT);
        let editor = format!("kill -INT $PPID; sh {script} 'an argument'");
        let words = [&["edit", id.as_str()], &APPLY[..]].concat();
        let done = site.run_with(&words, &[("EDITOR", editor.as_str())]);
        assert_eq!(done.code, 0, "{done:?}");
        assert_eq!((left(site), site.states().await.as_str()), (vec![], "open 2"));
    })
    .await;
}
