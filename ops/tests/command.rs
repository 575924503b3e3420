//! The binary itself: help, exit codes and what it prints where. Needs no server.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn gatelog(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .args(arguments)
        .env_remove("GATELOG_KAFKA")
        .env("GATELOG_POSTGRES", "postgres://me:hunter2@127.0.0.1:1/none")
        .output()
        .unwrap()
}

fn outcome(arguments: &[&str]) -> (i32, String, String) {
    let output = gatelog(arguments);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn file(name: &str, text: &str) -> String {
    let path = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn help_teaches_with_examples_and_exit_codes() {
    let (code, help, _) = outcome(&["--help"]);
    assert_eq!(code, 0);
    for wanted in ["Exit codes:", "Examples:", "gatelog setup --keep-from", "GATELOG_KAFKA"] {
        assert!(help.contains(wanted), "{wanted}");
    }
    for (command, wanted) in [
        (vec!["setup", "--help"], "--wait-s"),
        (vec!["access", "import", "--help"], "\"terminal_id\": \"door-7\""),
        (vec!["access", "import", "--help"], "4711,lab;hall,,,2027-01-01T00:00:00Z,office"),
        (vec!["access", "--help"], "gatelog access zone set --all --mode deny_all"),
        (vec!["access", "show", "--help"], "jq .user_access.version"),
        (vec!["access", "grant", "--help"], "--if-version 3"),
        (vec!["access", "revoke", "--help"], "`block` stops it everywhere"),
        (vec!["access", "block", "--help"], "--state lost"),
        (vec!["access", "schedule", "set", "--help"], "\"special_days\": ["),
        (vec!["access", "zone", "set", "--help"], "--lockout 5/1m/10m"),
        (vec!["access", "terminal", "set", "--help"], "--direction both --if-version 1"),
        (vec!["access", "why", "--help"], "--exit-code"),
        (vec!["access", "history", "--help"], "permission clock"),
        (vec!["import", "--help"], "terminal = \"vast-f{floor}-z{zone}\""),
        (vec!["offsets", "show", "--help"], "owner"),
        (vec!["verify", "--help"], "gatelog verify --since 2016-06-01 --partition 3,4"),
        (vec!["offsets", "accept-loss", "--help"], "another log"),
        (vec!["offsets", "reset", "--help"], "--to start --all --apply --reason"),
        (vec!["dlq", "--help"], "there are more than --limit: the same command again"),
        (vec!["dlq", "replay", "--help"], "judged by what it was edited to"),
        (vec!["dlq", "edit", "--help"], "stays in a file that only you can read"),
        (vec!["dlq", "import", "--help"], "An export holds no actions"),
        (vec!["dlq", "rebuild", "--help"], "more than 64 KiB"),
        (vec!["partitions", "list", "--help"], "pending"),
        (vec!["partitions", "detach", "--help"], "--older-than 400"),
        (vec!["partitions", "drop", "--help"], "dead letters stay"),
        (vec!["roles", "--help"], "gatelog_operator"),
        (vec!["roles", "login", "--help"], "never an argument"),
        (vec!["export", "--help"], "DIR/access_event/day=2016-06-01/access_event.parquet"),
        (vec!["report", "--help"], "names no card"),
        (vec!["partitions", "index", "--help"], "--watch --settle-s 3600"),
        (vec!["query", "--help"], "gatelog query denials --from 2016-05-31"),
        (vec!["query", "who-is-in", "--help"], "innermost_zone"),
        (vec!["query", "slowest", "--help"], "read back from the log"),
    ] {
        let (code, help, _) = outcome(&command);
        assert!(code == 0 && help.contains(wanted), "{command:?}: {help}");
    }
}

#[test]
fn the_configuration_is_printed_without_secrets_and_can_be_read_back() {
    let (code, printed, _) = outcome(&["--print-config"]);
    assert_eq!(code, 0);
    assert!(printed.contains("partitions = 48") && !printed.contains("hunter2"), "{printed}");
    let path = file("printed.toml", &printed);
    assert_eq!(outcome(&["--config", &path, "--print-config"]).0, 0);
}

#[test]
fn bad_usage_is_2() {
    let unknown_key = file("unknown.toml", "[topic]\npartitons = 3\n");
    let bad_access = file("access.json", r#"{ "cards": [{ "card_id": "4711" }] }"#);
    let swipes = file("swipes.csv", "time,card\n");
    for (arguments, wanted) in [
        (vec![], "Usage:"),
        (vec!["--json"], "what to do?"),
        (vec!["fly"], "unrecognized subcommand"),
        (vec!["--config", &unknown_key, "setup"], "topic.partitons"),
        (vec!["access", "import", "/nowhere.json"], "/nowhere.json: No such file"),
        (vec!["access", "import", &bad_access], "cards[0]: missing field `zones`"),
        (vec!["access", "grant", "4711"], "<ZONE>"),
        (vec!["access", "grant", "47 11", "lab"], "visible ASCII"),
        (vec!["access", "grant", "4711", "--schedule", "a", "--no-schedule"], "cannot be used"),
        (vec!["access", "grant", "4711", "--until", "soon"], "or never"),
        (vec!["access", "grant", "4711", "lab", "--if-version", "-1"], "--if-version"),
        (vec!["access", "revoke", "4711"], "<ZONE>"),
        (vec!["access", "revoke", "4711", "lab", "--all"], "cannot be used"),
        (vec!["access", "block", "4711", "--state", "eaten"], "lost, stolen, blocked, disabled"),
        (vec!["access", "zone", "set", "lab"], "--mode"),
        (vec!["access", "zone", "set", "--all", "--name", "x"], "cannot be used"),
        (vec!["access", "zone", "set", "--mode", "normal"], "<ZONE>"),
        (vec!["access", "zone", "set", "a", "--mode", "open"], "normal, deny_all, released"),
        (vec!["access", "zone", "set", "a", "--lockout", "5"], "DENIALS/WITHIN/FOR"),
        (vec!["access", "terminal", "set", "t", "--new", "--zone", "a"], "--direction"),
        (vec!["access", "why", "4711", "t", "--direction", "up"], "in or out"),
        (vec!["import", &swipes], "--mapping"),
        (vec!["verify", "--since", "yesterday"], "must be a day, as 2016-06-01"),
        (vec!["verify", "--partition", "-1"], "--partition"),
        (vec!["offsets", "reset", "--to", "start"], "--partition"),
        (vec!["offsets", "reset", "--to", "-1", "--all"], "--to"),
        (vec!["offsets", "reset", "--to", "middle", "--all"], "must be an offset, or start"),
        (vec!["offsets", "accept-loss", "--apply"], "--reason"),
        (vec!["offsets", "accept-loss", "--apply", "--reason", " "], "1 to 500 characters"),
        (vec!["dlq", "show", "0195"], "its first 8 characters"),
        (vec!["dlq", "replay"], "which letters?"),
        (vec!["dlq", "replay", "--all", "--apply"], "--reason"),
        (vec!["dlq", "replay", "--all", "--cause", "x"], "unknown_terminal"),
        (vec!["dlq", "discard", "0195f3a2", "0195f3a3", "--if-version", "1"], "for one letter"),
        (vec!["dlq", "edit", "0195f3a2", "--as-is", "--set", "a=1"], "cannot be used"),
        (vec!["dlq", "edit", "0195f3a2", "--as-is", "--replay"], "--apply"),
        (vec!["partitions", "drop"], "--before"),
        (
            vec!["partitions", "drop", "--before", "2016-06-01", "--older-than", "3"],
            "cannot be used",
        ),
        (vec!["import", &swipes, "--mapping", "vast"], "no column \"prox-id\""),
        (vec!["import", &swipes, "--mapping", "vast", "--rate", "0"], "lines a second"),
        (vec!["import", &swipes, "--mapping", "vast", "--gateway", "x"], "must be http://"),
    ] {
        let (code, out, err) = outcome(&arguments);
        assert_eq!((code, out.as_str()), (2, ""), "{arguments:?}: {err}");
        assert!(err.contains(wanted), "{arguments:?}: {err}");
        assert!(!err.contains('\u{1b}'), "no colours where nobody sees them: {err}");
    }
}

#[test]
fn a_server_that_is_not_there_is_3() {
    let access = file("empty.json", "{}");
    for arguments in [vec!["access", "import", &access], vec!["offsets", "show"]] {
        let (code, _, err) = outcome(&arguments);
        assert_eq!(code, 3, "{err}");
        assert!(err.contains("Connection refused") && !err.contains("hunter2"), "{err}");
    }
}
