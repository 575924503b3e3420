//! Kafka as a plain process: broker and controller in one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::command::run_logged;
use crate::interrupt;

use super::folder::Folder;
use super::kafka_probe;
use super::options::Size;
use super::server::{self, Server};

const NAME: &str = "kafka";
const SETTINGS: &str = include_str!("../../stack/server.properties");
const LOGGING: &str = include_str!("../../stack/log4j2.xml");

const READY_WITHIN: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(100);

/// The two ports of a broker that is its own controller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KafkaPorts {
    /// For clients.
    pub(crate) broker: u16,
    /// For the quorum of one.
    pub(crate) controller: u16,
}

/// Formats the storage, starts the server and waits until it serves.
pub(crate) fn start(folder: &Folder, jars: &Path, ports: KafkaPorts, size: Size) -> Result<()> {
    let home = folder.path().join(NAME);
    fs::create_dir_all(&home).with_context(|| format!("cannot make {}", home.display()))?;
    let properties = home.join("server.properties");
    write(&properties, &server_properties(&home, ports))?;
    let logging = home.join("log4j2.xml");
    write(&logging, LOGGING)?;

    let cluster_id = folder.id().cluster_id();
    let jvm = Jvm { jars, logging: &logging };
    let mut format = jvm.command(&["-XX:TieredStopAtLevel=1"], "kafka.tools.StorageTool");
    format.args(["format", "--cluster-id", &cluster_id, "--config"]).arg(&properties);
    let mut format = server::recorded(folder.path(), "kafka-format", &format);
    run_logged(&mut format, &folder.path().join("kafka-format.log"))
        .context("Kafka's storage could not be formatted")?;

    let stack = format!("-Dgatelog.stack={}", folder.id());
    let mut serve =
        jvm.command(&[size.kafka_heap(), size.kafka_collector(), &stack], "kafka.Kafka");
    serve.arg(&properties).current_dir(&home);
    let mut server = Server::spawn(folder.path(), NAME, &serve)?;
    wait_until_ready(&mut server, ports.broker, &cluster_id).context("Kafka did not start")
}

/// The program that runs Kafka: that of `JAVA_HOME`, or the one on the path.
pub(crate) fn java() -> PathBuf {
    match std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()) {
        Some(home) => Path::new(&home).join("bin").join("java"),
        None => PathBuf::from("java"),
    }
}

struct Jvm<'a> {
    jars: &'a Path,
    logging: &'a Path,
}

impl Jvm<'_> {
    fn command(&self, options: &[&str], class: &str) -> Command {
        let mut logging = OsString::from("-Dlog4j2.configurationFile=");
        logging.push(self.logging);
        let mut command = Command::new(java());
        command.args(options).arg(logging).arg("-cp").arg(self.jars.join("*")).arg(class);
        command
    }
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

fn server_properties(home: &Path, ports: KafkaPorts) -> String {
    let KafkaPorts { broker, controller } = ports;
    let data = home.join("data");
    format!(
        "{SETTINGS}
# This stack.
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={}
",
        data.display()
    )
}

/// Ready: the broker at the port says that it is of our cluster and counts itself as serving.
fn wait_until_ready(server: &mut Server, port: u16, cluster_id: &str) -> Result<()> {
    let until = Instant::now() + READY_WITHIN;
    loop {
        server.check()?;
        if let Ok(cluster) = kafka_probe::describe(port)
            && cluster.id == cluster_id
            && cluster.brokers > 0
        {
            return Ok(());
        }
        if Instant::now() > until {
            bail!("it was not ready in {} s\n{}", READY_WITHIN.as_secs(), server.log_tail());
        }
        interrupt::sleep(GLANCE)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_adds_its_ports_and_its_folder() {
        let ports = KafkaPorts { broker: 9092, controller: 9093 };
        let text = server_properties(Path::new("/data/kafka"), ports);
        assert!(
            text.contains("\nlisteners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\n")
        );
        assert!(text.contains("\nlog.dirs=/data/kafka/data\n"));
    }

    #[test]
    fn no_setting_is_given_twice() {
        let ports = KafkaPorts { broker: 1, controller: 2 };
        let text = server_properties(Path::new("/"), ports);
        let mut keys: Vec<&str> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| Some(line.split_once('=')?.0))
            .collect();
        let count = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), count);
    }
}
