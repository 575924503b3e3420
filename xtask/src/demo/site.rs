//! Where one demo takes place: a database, topics and a consumer group of its own on the stack's
//! servers, so that two demos on one server, or a demo on somebody's server, touch nothing else.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::paths::Paths;
use crate::stack::{Stack, delete_topics};
use crate::ui;

use super::database::{Database, with_database};

/// Names, addresses and files of one demo.
pub(crate) struct Site {
    root: PathBuf,
    binaries: PathBuf,
    folder: PathBuf,
    kafka: String,
    postgres: String,
    /// Postgres as it was given to us, with its own database.
    server: String,
    database: String,
    topics: Topics,
    group: String,
    drop_database: bool,
    delete_topics: bool,
}

/// The three topics.
struct Topics {
    swipes: String,
    decisions: String,
    dlq: String,
}

impl Site {
    /// Makes up the names and creates the database. The topics are `gatelog setup`'s.
    pub(crate) fn create(paths: &Paths, stack: &Stack) -> Result<Self> {
        let folder = stack.folder()?;
        let id = folder.id();
        let database = format!("gatelog_demo_{id}");
        let site = Self {
            root: paths.root().to_path_buf(),
            binaries: paths.binaries("debug"),
            folder: folder.path().to_path_buf(),
            kafka: stack.kafka().to_owned(),
            postgres: with_database(stack.postgres(), &database),
            server: stack.postgres().to_owned(),
            topics: Topics {
                swipes: format!("gatelog.demo.{id}.swipes.v1"),
                decisions: format!("gatelog.demo.{id}.decisions.v1"),
                dlq: format!("gatelog.demo.{id}.swipes.dlq.v1"),
            },
            group: format!("gatelog-demo-{id}"),
            drop_database: stack.postgres_is_named(),
            delete_topics: stack.kafka_is_named(),
            database,
        };
        Database::connect(&site.server)?
            .execute(&format!("CREATE DATABASE {}", site.database))
            .context("the demo needs a database of its own")?;
        Ok(site)
    }

    /// Where logs and answers are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A file of the checkout.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The folder of the programs.
    pub(crate) fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// Bootstrap servers.
    pub(crate) fn kafka(&self) -> &str {
        &self.kafka
    }

    /// The demo's database.
    pub(crate) fn postgres(&self) -> &str {
        &self.postgres
    }

    /// A session in the demo's database.
    pub(crate) fn connect(&self) -> Result<Database> {
        Database::connect(&self.postgres)
    }

    /// One of the product's programs, told where it is.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command
            .current_dir(&self.root)
            .envs(self.operator_environment())
            .env("GATELOG_GATEWAY_TOPIC__SWIPES", &self.topics.swipes)
            .env("GATELOG_CONSUMER_TOPIC__SWIPES", &self.topics.swipes)
            .env("GATELOG_CONSUMER_TOPIC__DECISIONS", &self.topics.decisions)
            .env("GATELOG_CONSUMER_GROUP__ID", &self.group);
        command
    }

    /// What the command `gatelog` needs to find the demo.
    pub(crate) fn operator_environment(&self) -> [(&'static str, &str); 5] {
        [
            ("GATELOG_KAFKA", &self.kafka),
            ("GATELOG_POSTGRES", &self.postgres),
            ("GATELOG_OPS_TOPIC__SWIPES", &self.topics.swipes),
            ("GATELOG_OPS_TOPIC__DECISIONS", &self.topics.decisions),
            ("GATELOG_OPS_TOPIC__DLQ", &self.topics.dlq),
        ]
    }

    /// Takes away from named servers what the demo has put there; our own are deleted anyway.
    fn clear(&self) {
        let Topics { swipes, decisions, dlq } = &self.topics;
        if self.delete_topics
            && let Err(error) = delete_topics(&self.kafka, &[swipes, decisions, dlq])
        {
            ui::warn(&format!(
                "left in Kafka: the topics {swipes}, {decisions} and {dlq} ({error:#})"
            ));
        }
        if self.drop_database
            && let Err(error) = Database::connect(&self.server).and_then(|server| {
                server.execute(&format!("DROP DATABASE {} WITH (FORCE)", self.database))
            })
        {
            let database = &self.database;
            ui::warn(&format!("left in Postgres: the database {database} ({error:#})"));
        }
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.clear();
    }
}
