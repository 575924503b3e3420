//! A database of its own for each test, letters in it, and the command run against it.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use schemas::dead_letter_id;
use serde_json::{Value, json};
use test_database::Database;
use tokio_postgres::Client;
use uuid::Uuid;

/// A migrated database with two terminals, and one partition of the log that was read.
pub(crate) struct Site {
    url: String,
    /// A session of the test's own.
    pub(crate) client: Client,
    /// A second one, to hold rows with.
    pub(crate) holder: Client,
    /// A directory of the test's own, where temporary files go too.
    pub(crate) directory: PathBuf,
    log_id: Uuid,
}

/// A letter as a consumer would leave it.
pub(crate) struct Letter {
    pub(crate) offset: i64,
    pub(crate) reason: &'static str,
    pub(crate) stage: &'static str,
    pub(crate) terminal: &'static str,
    pub(crate) key: &'static str,
    /// A swipe at that terminal, unless something else is said.
    pub(crate) value: Option<Vec<u8>>,
    /// Since when it is there, in minutes after 8 o'clock.
    pub(crate) minute: i32,
}

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

const CONTENTS: &str = "
    INSERT INTO zone VALUES ('hall', 'Hall');
    INSERT INTO terminal VALUES ('door-1', 'hall', 'in'), ('door-2', 'hall', 'in');
    UPDATE retention SET oldest_day = '2020-01-01';
    INSERT INTO log_topic (cluster_id, topic, partitions, consumer_group)
    VALUES ('c', 'gatelog.swipes.v1', 1, 'g');
    INSERT INTO consumer_offset
        (log_partition, owner, owner_name, claimed_at, first_offset, next_offset, dead)
    VALUES (0, gen_random_uuid(), 'test', now(), 0, 100000, 100000)";

impl Default for Letter {
    fn default() -> Self {
        Self {
            offset: 0,
            reason: "unknown_terminal",
            stage: "decide",
            terminal: "door-9",
            key: "card-1",
            value: None,
            minute: 0,
        }
    }
}

impl Letter {
    /// One of no swipe.
    pub(crate) fn undecodable(offset: i64, value: &[u8]) -> Self {
        let (reason, stage, value) = ("undecodable", "decode", Some(value.to_vec()));
        Self { offset, reason, stage, value, ..Self::default() }
    }
}

/// A swipe, each offset's of its own.
pub(crate) fn swipe(terminal: &str, offset: i64) -> Value {
    json!({
        "type": "gatelog.swipe.v1",
        "event_id": Uuid::from_u128(0x1000 + offset.unsigned_abs() as u128),
        "card_id": "card-1",
        "terminal_id": terminal,
        "occurred_at": format!("2020-03-01T08:00:00.{offset:03}Z"),
        "received_at": "2020-03-01T08:00:01.000Z",
        "mode": "online",
    })
}

impl Site {
    /// Makes it, runs `test` and drops it.
    pub(crate) async fn with(test: impl AsyncFnOnce(&mut Self)) {
        Database::with(async |database| {
            let client = database.connect().await;
            client.batch_execute(CONTENTS).await.unwrap();
            let sql = "SELECT log_id, current_database() FROM log_topic";
            let row = client.query_one(sql, &[]).await.unwrap();
            let name: String = row.get(1);
            let server = std::env::var("GATELOG_POSTGRES").unwrap();
            // The path of the URL is the database.
            let (base, _) = server.rsplit_once('/').unwrap();
            let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(&name);
            std::fs::create_dir(&directory).unwrap();
            let url = format!("{base}/{name}");
            let holder = database.connect().await;
            let mut site = Self { url, client, holder, directory, log_id: row.get(0) };
            test(&mut site).await;
            std::fs::remove_dir_all(&site.directory).unwrap();
        })
        .await;
    }

    /// Puts a letter there; returns its id.
    pub(crate) async fn letter(&self, letter: &Letter) -> Uuid {
        let Letter { offset, reason, stage, terminal, key, minute, .. } = letter;
        let is_swipe = letter.value.is_none();
        let says = swipe(terminal, *offset);
        let value = letter.value.clone().unwrap_or_else(|| says.to_string().into_bytes());
        let id = dead_letter_id(self.log_id, 0, *offset, stage);
        let sql = "INSERT INTO dead_letter
                (dead_letter_id, log_partition, log_offset, stage, reason, message, key, value,
                 header_names, header_values, created_at, event_id, card_id, terminal_id, occurred_at)
            SELECT $1, 0, $2, $3, $4, 'it is wrong', convert_to($5, 'UTF8'), $6,
                   ARRAY['ce_id'::bytea], ARRAY['x'::bytea],
                   '2026-05-03T08:00:00Z'::timestamptz + $7::int * interval '1 min',
                   s.event_id, s.card_id, s.terminal_id, s.occurred_at
            FROM (VALUES (1)) AS one
            LEFT JOIN jsonb_to_record($8::jsonb) AS s
                (event_id uuid, card_id text, terminal_id text, occurred_at timestamptz) ON $9::bool";
        self.client
            .execute(sql, &[&id, offset, stage, reason, key, &value, minute, &says, &is_swipe])
            .await
            .unwrap();
        id
    }

    /// Makes a row of what the letter at an offset says.
    pub(crate) async fn apply(&self, offset: i64) {
        self.client
            .batch_execute(&format!(
                "SELECT ensure_day('2020-03-01');
                 INSERT INTO access_log
                    (occurred_at, received_at, log_offset, permission_clock, log_partition, reasons,
                     granted, live, online, event_id, card_id, terminal_id, zone_id)
                 SELECT occurred_at, occurred_at, 99999, 1, 0, 0, true, false, true, event_id, card_id,
                        terminal_id, 'hall'
                 FROM dead_letter WHERE log_offset = {offset}"
            ))
            .await
            .unwrap();
    }

    /// Runs `gatelog dlq` with these words.
    pub(crate) fn run(&self, words: &[&str]) -> Outcome {
        self.run_with(words, &[])
    }

    /// The same with these variables.
    pub(crate) fn run_with(&self, words: &[&str], variables: &[(&str, &str)]) -> Outcome {
        end(self.command(words).envs(variables.iter().copied()).spawn().unwrap())
    }

    /// The same, while the test goes on.
    pub(crate) fn start(&self, words: &[&str]) -> tokio::task::JoinHandle<Outcome> {
        let child = self.command(words).spawn().unwrap();
        tokio::task::spawn_blocking(move || end(child))
    }

    /// What it prints for programs, with the exit code that it must have.
    pub(crate) fn json(&self, words: &[&str], code: i32) -> Value {
        let outcome = self.run(&[words, &["--json"]].concat());
        assert_eq!(outcome.code, code, "{words:?}: {outcome:?}");
        serde_json::from_str(&outcome.out).unwrap()
    }

    /// The same with the words that make it do it.
    pub(crate) fn apply_json(&self, words: &[&str], code: i32) -> Value {
        self.json(&[words, &APPLY].concat(), code)
    }

    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatelog"));
        command
            .arg("dlq")
            .args(words)
            .env("GATELOG_POSTGRES", &self.url)
            .env("TMPDIR", self.temporary())
            .env_remove("VISUAL")
            .env_remove("EDITOR")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Where the command's temporary files go.
    pub(crate) fn temporary(&self) -> PathBuf {
        let directory = self.directory.join("tmp");
        std::fs::create_dir_all(&directory).unwrap();
        directory
    }

    /// A file with this text.
    pub(crate) fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.directory.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// The only value that a query finds, as text.
    pub(crate) async fn text(&self, query: &str) -> String {
        let row = self.client.query_one(&format!("SELECT ({query})::text"), &[]).await.unwrap();
        row.get::<_, Option<String>>(0).unwrap_or_default()
    }

    /// States of the letters by offset, with their versions.
    pub(crate) async fn states(&self) -> String {
        self.text(
            "SELECT string_agg(state || ' ' || version, ', ' ORDER BY log_offset) FROM dead_letter",
        )
        .await
    }

    /// Waits until a query finds true.
    pub(crate) async fn until(&self, query: &str) {
        let wait = async {
            while !self.client.query_one(query, &[]).await.unwrap().get::<_, bool>(0) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), wait).await.expect(query);
    }
}

/// The words that make a command do what it says.
pub(crate) const APPLY: [&str; 3] = ["--apply", "--reason", "put right"];

/// What a consumer does when it applies each replay.
pub(crate) const RESOLVE: &str = "
    DELETE FROM outbox;
    UPDATE dead_letter SET state = 'resolved', lease_until = NULL, version = version + 1,
                           settled_at = clock_timestamp()
    WHERE state = 'replaying'";

pub(crate) fn end(child: Child) -> Outcome {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome {
        code: output.status.code().unwrap_or(-1),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}
