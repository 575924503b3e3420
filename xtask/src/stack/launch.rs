//! Starting the parts of a stack by whichever means there is.

use anyhow::{Context, Error, Result};

use crate::interrupt::Interrupted;
use crate::paths::Paths;
use crate::ui;

use super::artifacts::{self, Artifacts};
use super::compose;
use super::folder::Folder;
use super::kafka::{self, Broker, KafkaPorts};
use super::options::{Purpose, Size, StackOptions};
use super::ports;
use super::postgres::{self, Cluster};
use super::state::State;
use super::sweep;

/// The ports that the binaries use by default.
const DEFAULT_KAFKA: u16 = 9092;
const DEFAULT_POSTGRES: u16 = 5432;

/// How often a start is tried with other ports.
const ATTEMPTS: u32 = 5;

/// Where a stack's own servers are.
#[derive(Default)]
pub(crate) struct Addresses {
    /// Bootstrap servers.
    pub(crate) kafka: Option<String>,
    /// A URL.
    pub(crate) postgres: Option<String>,
}

impl Addresses {
    /// Those of the ports in a state.
    pub(crate) fn of(state: &State) -> Self {
        Self {
            kafka: state.kafka.map(|port| format!("127.0.0.1:{port}")),
            postgres: state.postgres.map(postgres::url),
        }
    }
}

/// What was started.
pub(crate) struct Launched {
    /// Where it is.
    pub(crate) addresses: Addresses,
    /// The servers that are processes of ours; containers are not.
    pub(crate) servers: Servers,
}

/// Servers that are processes of ours, for a run that stops and starts them.
#[derive(Default)]
pub(crate) struct Servers {
    /// Kafka.
    pub(crate) kafka: Option<Broker>,
    /// Postgres.
    pub(crate) postgres: Option<Cluster>,
}

/// How servers are started.
enum Means {
    Compose,
    Artifacts(Artifacts),
}

/// Starts the parts that the state asks for and waits until they are ready.
pub(crate) fn launch(
    paths: &Paths,
    folder: &Folder,
    mut state: State,
    options: StackOptions,
) -> Result<Launched> {
    let mut means =
        if options.as_processes { Means::artifacts(paths)? } else { Means::choose(paths)? };
    let mut attempt = 1;
    loop {
        let ports = choose_ports(&mut state, options.purpose)?;
        state.compose = matches!(means, Means::Compose);
        state.save(folder.path())?;
        let error = match means.start(paths, folder, &state, ports, options.size) {
            Ok(servers) => return Ok(Launched { addresses: Addresses::of(&state), servers }),
            Err(error) => error,
        };
        if error.is::<Interrupted>() {
            return Err(error);
        }
        sweep::stop(paths, folder)?;
        means = match next(paths, means, &state, &ports, error) {
            Ok(means) if attempt < ATTEMPTS => means,
            Ok(_) => anyhow::bail!("no start in {ATTEMPTS} tries, each with other ports"),
            Err(error) => return Err(error),
        };
        folder.empty()?;
        attempt += 1;
    }
}

/// After a failed start: the same means if another program has taken a port, Maven's artifacts if
/// it was Docker that failed, else the error.
fn next(
    paths: &Paths,
    means: Means,
    state: &State,
    more: &MorePorts,
    error: Error,
) -> Result<Means> {
    let mut ours = state.kafka.iter().chain(&state.postgres).chain(more);
    if ours.any(|&port| !ports::is_free(port)) {
        ui::note("another program has taken a port in the meantime; trying others");
        return Ok(means);
    }
    match means {
        Means::Artifacts(_) => Err(error),
        Means::Compose => {
            ui::warn(&format!("{error:#}"));
            ui::note("trying without Docker");
            Means::artifacts(paths)
        }
    }
}

/// Ports of Kafka that no client needs to know: its controller's, and the two of
/// [`KafkaPorts::behind_proxy`] and [`KafkaPorts::proxy`].
type MorePorts = [u16; 3];

/// Puts ports into the state, and returns those that don't stand there.
fn choose_ports(state: &mut State, purpose: Purpose) -> Result<MorePorts> {
    let [kafka, postgres, controller, behind_proxy, proxy] = ports::free()?;
    let choose = |default: u16, other: u16| {
        let prefer = purpose == Purpose::Up && ports::is_free(default);
        if prefer { default } else { other }
    };
    state.kafka = state.kafka.map(|_| choose(DEFAULT_KAFKA, kafka));
    state.postgres = state.postgres.map(|_| choose(DEFAULT_POSTGRES, postgres));
    Ok([controller, behind_proxy, proxy])
}

impl Means {
    fn choose(paths: &Paths) -> Result<Self> {
        if compose::answers()? { Ok(Self::Compose) } else { Self::artifacts(paths) }
    }

    fn artifacts(paths: &Paths) -> Result<Self> {
        artifacts::ensure(paths).map(Self::Artifacts)
    }

    fn start(
        &self,
        paths: &Paths,
        folder: &Folder,
        state: &State,
        [controller, behind_proxy, proxy]: MorePorts,
        size: Size,
    ) -> Result<Servers> {
        match self {
            Self::Compose => {
                let _spinner = ui::spinner("docker compose up (the first time fetches images)");
                compose::up(paths, folder, state, size).map(|()| Servers::default())
            }
            Self::Artifacts(artifacts) => {
                let _spinner = ui::spinner("starting Kafka and Postgres");
                let of = |broker| KafkaPorts { broker, controller, behind_proxy, proxy };
                let ports = state.kafka.map(of);
                processes(folder, artifacts, ports, state.postgres, size)
            }
        }
    }
}

/// Both at once: they start in seconds, and Kafka's two JVMs take most of it.
fn processes(
    folder: &Folder,
    artifacts: &Artifacts,
    kafka_ports: Option<KafkaPorts>,
    postgres_port: Option<u16>,
    size: Size,
) -> Result<Servers> {
    std::thread::scope(|scope| {
        let kafka = kafka_ports
            .map(|ports| scope.spawn(move || kafka::start(folder, &artifacts.kafka, ports, size)));
        let postgres = postgres_port
            .map(|port| postgres::start(folder, &artifacts.postgres, port, size))
            .transpose();
        let kafka = match kafka.map(std::thread::ScopedJoinHandle::join) {
            None => Ok(None),
            Some(Ok(outcome)) => outcome.map(Some),
            Some(Err(_)) => Err(Error::msg("the thread that starts Kafka has panicked")),
        };
        let started = kafka.and_then(|kafka| Ok(Servers { kafka, postgres: postgres? }));
        started.context("the stack did not start")
    })
}
