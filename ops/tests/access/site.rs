//! A database of its own for each test, and the command run against it.

use std::process::Command;

use serde_json::{Value, json};
use tokio_postgres::{Client, Config, NoTls};
use uuid::Uuid;

/// A migrated database with two zones, three terminals and a card.
pub(crate) struct Site {
    url: String,
    name: String,
    /// A session of the test's own.
    pub(crate) client: Client,
}

const CONTENTS: &str = "
    INSERT INTO zone VALUES ('hall', 'Hall'), ('lab', 'Laboratory');
    INSERT INTO terminal VALUES
        ('door-1', 'hall', 'in'), ('door-2', 'lab', 'in'), ('gate', 'lab', 'both');
    INSERT INTO card VALUES ('a');
    INSERT INTO user_access VALUES ('a', '{hall}')";

/// What a run of the command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Site {
    /// Makes it, runs `test` and drops it. The database of a test that failed stays, to be looked
    /// at, until the server goes.
    pub(crate) async fn with(test: impl AsyncFnOnce(&mut Self)) {
        let server = std::env::var("GATELOG_POSTGRES")
            .expect("GATELOG_POSTGRES is not set: run the tests with `cargo xtask test`");
        let name = format!("gatelog_test_{}", Uuid::new_v4().simple());
        let admin = connect(&server).await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        // The path of the URL is the database.
        let (base, _) = server.rsplit_once('/').unwrap();
        let url = format!("{base}/{name}");
        let mut client = connect(&url).await;
        migrations::run(&mut client).await.unwrap();
        client.batch_execute(CONTENTS).await.unwrap();
        let mut site = Self { url, name, client };
        test(&mut site).await;
        admin.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", site.name)).await.unwrap();
    }

    /// Runs `gatelog access` with these words.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        self.run_with(line, &[])
    }

    /// The same with these variables.
    pub(crate) fn run_with(&self, line: &str, variables: &[(&str, &str)]) -> Outcome {
        run(&self.url, line, variables)
    }

    /// The same, while the test goes on.
    pub(crate) fn start(&self, line: &str) -> tokio::task::JoinHandle<Outcome> {
        let (url, line) = (self.url.clone(), line.to_owned());
        tokio::task::spawn_blocking(move || run(&url, &line, &[]))
    }

    /// What it prints for programs.
    pub(crate) fn json(&self, line: &str) -> Value {
        let outcome = self.run(&format!("{line} --json"));
        assert!([0, 1, 4].contains(&outcome.code), "{line}: {outcome:?}");
        serde_json::from_str(&outcome.out).unwrap()
    }

    /// It must work.
    pub(crate) fn do_it(&self, line: &str) -> String {
        let outcome = self.run(line);
        assert_eq!(outcome.code, 0, "{line}: {outcome:?}");
        outcome.out
    }

    /// A file with this text.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = format!("{}/{}-{name}", env!("CARGO_TARGET_TMPDIR"), self.name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// The only value that a query finds.
    pub(crate) async fn number(&self, query: &str) -> i64 {
        self.client.query_one(query, &[]).await.unwrap().get(0)
    }

    /// A second session.
    pub(crate) async fn connect(&self) -> Client {
        connect(&self.url).await
    }

    /// Waits until somebody waits for a lock.
    pub(crate) async fn until_blocked(&self) {
        let blocked = "SELECT count(*) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let wait = async {
            while self.number(blocked).await == 0 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        let patience = std::time::Duration::from_secs(30);
        tokio::time::timeout(patience, wait).await.expect("nobody waits for a lock");
    }
}

/// What one edit says of its optimistic updates, for programs.
pub(crate) fn metrics(operation: &str, failures: u32, retries: u32) -> Value {
    json!({
        "optimistic_lock_failure_rate":
            [{ "operation": operation, "value": f64::from(failures) }],
        "optimistic_lock_failure_total":
            [{ "operation": operation, "reason": "version_mismatch", "value": failures }],
        "optimistic_lock_retry_count":
            [{ "operation": operation, "count": 1, "sum": f64::from(retries) }],
    })
}

fn run(url: &str, line: &str, variables: &[(&str, &str)]) -> Outcome {
    let output = Command::new(env!("CARGO_BIN_EXE_gatelog"))
        .arg("access")
        .args(line.split(' '))
        .env("GATELOG_POSTGRES", url)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Outcome {
        code: output.status.code().unwrap(),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

async fn connect(url: &str) -> Client {
    let config: Config = url.parse().unwrap();
    let (client, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
