//! Kafka as a plain process: broker and controller in one.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::command::run_logged;
use crate::interrupt;

use super::folder::Folder;
use super::id::StackId;
use super::kafka_probe;
use super::options::Size;
use super::server::{self, Server};

const NAME: &str = "kafka";
const SETTINGS: &str = include_str!("../../stack/server.properties");
const LOGGING: &str = include_str!("../../stack/log4j2.xml");

const READY_WITHIN: Duration = Duration::from_secs(60);
const GLANCE: Duration = Duration::from_millis(100);

/// The ports of a broker that is its own controller.
#[derive(Debug, Clone, Copy)]
pub(crate) struct KafkaPorts {
    /// For clients.
    pub(crate) broker: u16,
    /// For the quorum of one.
    pub(crate) controller: u16,
    /// For clients that come by way of a proxy: where the proxy finds the broker.
    pub(crate) behind_proxy: u16,
    /// What the broker tells those clients its port is: kept free, until somebody has a proxy
    /// listen there.
    pub(crate) proxy: u16,
}

/// A broker whose storage is formatted; it may be started as often as one likes.
pub(crate) struct Broker {
    folder: PathBuf,
    id: StackId,
    jars: PathBuf,
    ports: KafkaPorts,
    size: Size,
}

/// Formats the storage, starts the server and waits until it serves.
pub(crate) fn start(folder: &Folder, jars: &Path, ports: KafkaPorts, size: Size) -> Result<Broker> {
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

    let broker = Broker {
        folder: folder.path().to_path_buf(),
        id: folder.id().clone(),
        jars: jars.to_path_buf(),
        ports,
        size,
    };
    broker.serve()?;
    Ok(broker)
}

impl Broker {
    /// Starts the server, on the ports and the data that it has, and waits until it serves.
    pub(crate) fn serve(&self) -> Result<()> {
        let home = self.folder.join(NAME);
        let stack = format!("-Dgatelog.stack={}", self.id);
        let logging = home.join("log4j2.xml");
        let jvm = Jvm { jars: &self.jars, logging: &logging };
        let options = [self.size.kafka_heap(), self.size.kafka_collector(), &stack];
        let mut serve = jvm.command(&options, "kafka.Kafka");
        serve.arg(home.join("server.properties")).current_dir(&home);
        let mut server = Server::spawn(&self.folder, NAME, &serve)?;
        wait_until_ready(&mut server, self.ports.broker, &self.id.cluster_id())
            .context("Kafka did not start")
    }

    /// Sends the server a signal and waits until it is gone.
    pub(crate) fn stop(&self, signal: Signal) -> Result<()> {
        server::stop_one(&self.folder, &self.id, NAME, signal)
    }

    /// Where a proxy finds the broker, and where it must listen: `host:port` both.
    pub(crate) fn proxied(&self) -> Proxied {
        Proxied {
            behind: format!("127.0.0.1:{}", self.ports.behind_proxy),
            proxy: format!("127.0.0.1:{}", self.ports.proxy),
        }
    }
}

/// The two ends of a proxy before a broker.
#[derive(Debug, Clone)]
pub(crate) struct Proxied {
    /// Where the broker is behind it.
    pub(crate) behind: String,
    /// Where the broker tells clients that it is.
    pub(crate) proxy: String,
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
    let KafkaPorts { broker, controller, behind_proxy, proxy } = ports;
    let data = home.join("data");
    format!(
        "{SETTINGS}
# This stack.
listeners=PLAINTEXT://127.0.0.1:{broker},PROXIED://127.0.0.1:{behind_proxy},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker},PROXIED://127.0.0.1:{proxy}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
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

    const PORTS: KafkaPorts = KafkaPorts { broker: 1, controller: 2, behind_proxy: 3, proxy: 4 };

    #[test]
    fn a_stack_adds_its_ports_and_its_folder() {
        let text = server_properties(Path::new("/data/kafka"), PORTS);
        assert!(text.contains(
            "\nlisteners=PLAINTEXT://127.0.0.1:1,PROXIED://127.0.0.1:3,CONTROLLER://127.0.0.1:2\n"
        ));
        assert!(
            text.contains("\nadvertised.listeners=PLAINTEXT://127.0.0.1:1,PROXIED://127.0.0.1:4\n")
        );
        assert!(text.contains("\nlog.dirs=/data/kafka/data\n"));
    }

    #[test]
    fn no_setting_is_given_twice() {
        let text = server_properties(Path::new("/"), PORTS);
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
