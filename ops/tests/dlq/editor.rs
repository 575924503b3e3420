//! A new event written in an editor: what was written is never lost from sight.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use uuid::Uuid;

use crate::site::{APPLY, Letter, Outcome, Site, end};

/// Runs the edit with a shell script for an editor, which gets the file as `$2` and one argument before.
fn edit(site: &Site, id: &str, script: &str, more: &[&str]) -> Outcome {
    let script = site.file("editor.sh", script);
    let editor = format!("sh {script} 'an argument'");
    let gatelog = env!("CARGO_BIN_EXE_gatelog");
    let words = [&["edit", id], more].concat();
    site.run_with(&words, &[("EDITOR", editor.as_str()), ("GATELOG", gatelog), ("ID", id)])
}

/// The same with a statement that is run while the editor is open.
async fn edit_while(site: &Site, id: &str, script: &str, statement: &str) -> Outcome {
    let fifo = |name: &str| {
        let path = site.directory.join(format!("{name}-{}", Uuid::new_v4()));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        path
    };
    let (open, go_on) = (fifo("open"), fifo("go-on"));
    // Open at both ends, so that nobody waits for the other to open it.
    let mut options = pipe::OpenOptions::new();
    let options = options.read_write(true);
    let mut is_open = options.open_receiver(&open).unwrap();
    let mut may_go_on = options.open_sender(&go_on).unwrap();
    let (open, go_on) = (open.display(), go_on.display());
    let script = site.file("editor.sh", format!("{script}; echo > {open}; read on < {go_on}"));
    let editor = format!("sh {script} 'an argument'");
    let words = [&["edit", id], &APPLY[..]].concat();
    let child = site.command(&words).env("EDITOR", editor).spawn().unwrap();
    let ended = tokio::task::spawn_blocking(move || end(child));
    let opened = tokio::time::timeout(Duration::from_secs(60), is_open.read_u8()).await;
    opened.expect("the editor is not opened").unwrap();
    site.client.batch_execute(statement).await.unwrap();
    may_go_on.write_all(b"\n").await.unwrap();
    ended.await.unwrap()
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
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'gatelog'";
        let done = edit_while(site, &id, PUT_RIGHT, cut).await;
        assert_eq!(done.code, 0, "{done:?}");
        assert!(left(site).is_empty());

        let away = "ALTER TABLE dead_letter RENAME TO elsewhere";
        let failed = edit_while(site, &id, "sed -i s/door-1/door-2/ \"$2\"", away).await;
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
