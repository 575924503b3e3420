//! Kafka and Postgres as containers, where a Docker engine answers.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::{run_logged, succeeds};
use crate::interrupt;
use crate::paths::Paths;

use super::folder::Folder;
use super::id::StackId;
use super::kafka_probe;
use super::options::Size;
use super::state::State;

const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const SERVE_WITHIN: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(200);

/// Whether there is an engine to talk to, and the compose plugin to do it with.
pub(crate) fn answers() -> Result<bool> {
    Ok(succeeds(Command::new("docker").arg("info"), ANSWER_WITHIN)?
        && succeeds(Command::new("docker").args(["compose", "version"]), ANSWER_WITHIN)?)
}

/// Starts the services that the state has ports for, and waits until they are healthy.
pub(crate) fn up(paths: &Paths, folder: &Folder, state: &State, size: Size) -> Result<()> {
    let mut command = compose(paths, folder.id());
    command.args(["up", "--detach", "--wait", "--wait-timeout", "120"]);
    if let Some(port) = state.kafka {
        command.arg("kafka").env("STACK_KAFKA_PORT", port.to_string());
    }
    if let Some(port) = state.postgres {
        command.arg("postgres").env("STACK_POSTGRES_PORT", port.to_string());
    }
    command.env("STACK_KAFKA_HEAP", size.kafka_heap());
    command.env("STACK_POSTGRES_BUFFERS", size.shared_buffers());
    run_logged(&mut command, &folder.path().join("compose.log"))
        .context("docker compose failed")?;
    state.kafka.map_or(Ok(()), wait_for_kafka)
}

/// Docker's health check sees an open port; this one, a broker that serves.
fn wait_for_kafka(port: u16) -> Result<()> {
    let until = Instant::now() + SERVE_WITHIN;
    loop {
        match kafka_probe::describe(port) {
            Ok(cluster) if cluster.brokers > 0 => return Ok(()),
            Err(error) if Instant::now() > until => return Err(error.context("Kafka is not ready")),
            Ok(_) if Instant::now() > until => bail!("Kafka counts no broker as serving"),
            _ => interrupt::sleep(GLANCE)?,
        }
    }
}

/// Stops the containers and deletes their volumes.
pub(crate) fn down(paths: &Paths, folder: &Folder) -> Result<()> {
    let mut command = compose(paths, folder.id());
    command.args(["down", "--volumes", "--remove-orphans", "--timeout", "10"]);
    run_logged(&mut command, &folder.path().join("compose-down.log"))
        .context("docker compose failed")
}

fn compose(paths: &Paths, id: &StackId) -> Command {
    let mut command = Command::new("docker");
    command
        .args(["compose", "--project-name", &id.compose_project(), "--file"])
        .arg(paths.root().join("docker-compose.yml"));
    command
}

#[cfg(test)]
mod tests {
    const COMPOSE: &str = include_str!("../../../docker-compose.yml");
    const KAFKA: &str = include_str!("../../stack/server.properties");
    const POSTGRES: &str = include_str!("../../stack/postgres.conf");

    fn settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
        text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='))
    }

    #[test]
    fn containers_have_the_same_broker_settings() {
        for (key, value) in settings(KAFKA) {
            let variable = key.replace('.', "_").to_uppercase();
            let line = format!("KAFKA_{variable}: \"{value}\"");
            assert!(COMPOSE.contains(&line), "docker-compose.yml lacks {line}");
        }
    }

    #[test]
    fn containers_have_the_same_postgres_settings() {
        for (key, value) in settings(POSTGRES) {
            let line = format!("- {key}={value}\n");
            assert!(COMPOSE.contains(&line), "docker-compose.yml lacks {line}");
        }
    }

    #[test]
    fn containers_have_the_same_versions() {
        let pom = include_str!("../../stack/pom.xml");
        assert!(pom.contains("<kafka.version>4.4.0<") && COMPOSE.contains("apache/kafka:4.4.0"));
        assert!(pom.contains("<postgres.version>18.6.0<") && COMPOSE.contains("postgres:18\n"));
    }
}
