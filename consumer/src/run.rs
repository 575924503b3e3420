//! Puts the parts together and takes them apart again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use librdkafka::{Inbox, Lifeline};
use rdkafka::consumer::{BaseConsumer, Consumer};
use resilience::{Breaker, BreakerSettings};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::info;

use crate::assignment::Assignment;
use crate::balance::Balance;
use crate::bookkeeper::Bookkeeper;
use crate::chunk::RECORDS_MAX;
use crate::claim::Claimer;
use crate::claims::Claims;
use crate::compensator::Compensator;
use crate::error::Error;
use crate::follow::Follow;
use crate::metrics::Metrics;
use crate::outbox::{self, Outbox};
use crate::outlet::Outlets;
use crate::pipeline::Pipeline;
use crate::reader::Reader;
use crate::rounds::Rounds;
use crate::settings::{Group, Protocol, Settings};
use crate::start::{self, AskKafka, Identity, Surroundings};
use crate::store::Connector;
use crate::writer::Writer;

/// What `/readyz` looks at.
#[derive(Debug, Default)]
struct Readiness {
    assigned: Arc<AtomicBool>,
    postgres_answers: Arc<AtomicBool>,
    lag: Arc<AtomicI64>,
}

/// Runs a consumer until `stop` turns true, then leaves in good order.
///
/// `listening` is told the address of `/healthz`, `/readyz` and `/metrics`.
///
/// # Errors
/// Whatever waiting does not mend.
pub async fn run(
    settings: Settings,
    stop: watch::Receiver<bool>,
    listening: impl FnOnce(std::net::SocketAddr),
) -> Result<(), Error> {
    let settings = Arc::new(settings);
    let metrics = Metrics::new()?;
    let ready = Readiness::default();
    let pages = serve(&settings, &metrics, &ready).await?;
    listening(pages);

    let work = work(&settings, &metrics, &ready, stop.clone());
    let mut stopped = stop;
    tokio::select! {
        // While it works, `work` itself sees to the end; before, nothing needs one.
        biased;
        outcome = work => outcome,
        () = async {
            drop(stopped.wait_for(|stop| *stop).await);
            // Longer than any good order takes.
            let patience = settings.batch.shutdown_timeout_ms.saturating_mul(2) + 2_000;
            tokio::time::sleep(Duration::from_millis(patience)).await;
        } => Err(Error::Ended("waiting for the last batch")),
    }
}

async fn work(
    settings: &Arc<Settings>,
    metrics: &Metrics,
    ready: &Readiness,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let connector = Arc::new(Connector::new(settings)?);
    let claims = Arc::new(Claims::default());
    let topic = settings.topic.swipes.clone();
    let lifeline = Lifeline::new(&settings.kafka.brokers);
    let follow = Follow::new(topic.clone(), lifeline);
    let starting = async {
        let surroundings = start::surroundings(settings).await?;
        let consumer = connect(settings, connector.member(), surroundings, follow)?;
        // One for the life of the process: records lie in its memory until their batch is done.
        let consumer: &'static _ = Box::leak(Box::new(consumer));
        let log = start::servers(&connector, consumer, settings).await?;
        Ok::<_, Error>((consumer, log))
    };
    let (consumer, log) = tokio::select! {
        started = starting => started?,
        _ = stop.wait_for(|stop| *stop) => return Ok(()),
    };
    let partitions = log.topic.partitions;
    info!(member = connector.member(), topic, partitions, "joining the group");
    let kafka = AskKafka { consumer, topic: topic.clone() };

    let (writers_done, writers_done_seen) = watch::channel(false);
    let pipeline =
        || Pipeline::new(settings, log.clone(), connector.member(), metrics.clone(), kafka.clone());
    let (mut writers, mut senders) = (JoinSet::new(), Vec::new());
    let (outbox, handed) = Outbox::new(settings.batch.writers);
    for _ in 0..settings.batch.writers {
        let (sender, chunks) = mpsc::channel(settings.batch.queue_chunks_max);
        senders.push(sender);
        let writer = Writer {
            settings: settings.clone(),
            connector: connector.clone(),
            claims: claims.clone(),
            pipeline: pipeline(),
            chunks,
            outbox: outbox.clone(),
            breaker: Breaker::new(BreakerSettings {
                wait: settings.retry,
                ..BreakerSettings::default()
            }),
            breaker_shown: false,
            session: None,
            postgres_answers: ready.postgres_answers.clone(),
            stop: stop.clone(),
        };
        writers.spawn(writer.run());
    }
    // It ends with the last writer that can hand something over.
    drop(outbox);
    let (connection, held) = (connector.clone(), claims.clone());
    let worker = outbox::Worker::new(
        settings.clone(),
        connection,
        held,
        metrics.clone(),
        handed,
        stop.clone(),
    );
    writers.spawn(worker?.run());
    // Not among the writers: nobody waits for it.
    let beside = beside(settings, &connector, metrics, &stop);
    consumer.subscribe(&[&topic]).map_err(Error::kafka("joining the group"))?;
    let (reader_stop, reader_stop_seen) = watch::channel(false);
    let reader = Reader {
        assignment: assignment(settings, connector, kafka.clone(), log.topic.clone()),
        outlets: Outlets::new(senders),
        balance: Balance::new(settings.batch.writers, settings.batch.rows_max.max(RECORDS_MAX)),
        inbox: Inbox::new(consumer),
        taken: Vec::new(),
        consumer,
        topic,
        claims,
        reclaim_after: Duration::from_millis(settings.group.reclaim_after_ms),
        metrics: metrics.clone(),
        lag: ready.lag.clone(),
        assigned: ready.assigned.clone(),
        stop: reader_stop_seen,
        writers_done: writers_done_seen,
        shutdown_timeout: Duration::from_millis(settings.batch.shutdown_timeout_ms),
        heard: Instant::now(),
        opened: Instant::now(),
        hinted: Instant::now(),
        complained: None,
    };
    let reader = spawn_reader(reader)?;
    let outcome = finish(reader, writers, &reader_stop, &writers_done, stop).await;
    // Rounds are whole or not at all.
    drop(beside);
    outcome
}

/// What is done now and then beside the batches, until the set is dropped.
fn beside(
    settings: &Arc<Settings>,
    connector: &Arc<Connector>,
    metrics: &Metrics,
    stop: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut beside = JoinSet::new();
    let rounds = |interval_ms, timeout_ms, failing| Rounds {
        interval_ms,
        timeout_ms,
        failing,
        stop: stop.clone(),
    };
    let Settings { compensation, ledger, batch, .. } = &**settings;
    let compensating =
        rounds(compensation.interval_ms, batch.timeout_ms, "no dead letters compensated");
    beside.spawn(compensating.run(Compensator {
        settings: settings.clone(),
        connector: connector.clone(),
        metrics: metrics.clone(),
    }));
    // A round has some statements.
    let folding =
        rounds(ledger.interval_ms, 10 * ledger.timeout_ms, "the terminals' ledger stands still");
    beside.spawn(folding.run(Bookkeeper {
        settings: settings.clone(),
        connector: connector.clone(),
        metrics: metrics.clone(),
    }));
    beside
}

fn assignment(
    settings: &Settings,
    connector: Arc<Connector>,
    kafka: AskKafka,
    log: Identity,
) -> Assignment {
    let wait = Duration::from_millis(settings.batch.claim_wait_ms);
    let claimer = Claimer { connector, kafka, log, wait };
    Assignment::new(claimer, settings.retry, settings.batch.timeout(), Handle::current())
}

/// Waits for the end: a wish to stop, or the first part that fails, which ends the others.
async fn finish(
    mut reader: oneshot::Receiver<Result<(), Error>>,
    mut writers: JoinSet<Result<(), Error>>,
    reader_stop: &watch::Sender<bool>,
    writers_done: &watch::Sender<bool>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let ended = |_| Error::Ended("the reader's thread");
    let first = tokio::select! {
        outcome = &mut reader => {
            writers.abort_all();
            return outcome.map_err(ended)?;
        }
        Some(outcome) = writers.join_next() => outcome,
        _ = stop.wait_for(|stop| *stop) => Ok(Ok(())),
    };
    reader_stop.send_replace(true);
    let failed = matches!(first, Ok(Err(_)) | Err(_));
    let mut outcome = first.unwrap_or(Err(Error::Ended("a writer")));
    if failed {
        // The other writers' batches are whole or not at all; nothing waits for them.
        writers.abort_all();
    }
    while let Some(next) = writers.join_next().await {
        if let (Ok(()), Ok(Err(error))) = (&outcome, next) {
            outcome = Err(error);
        }
    }
    writers_done.send_replace(true);
    let read = reader.await.map_err(ended)?;
    outcome.and(read)
}

fn spawn_reader(reader: Reader) -> Result<oneshot::Receiver<Result<(), Error>>, Error> {
    let (sender, outcome) = oneshot::channel();
    std::thread::Builder::new()
        .name("reader".to_owned())
        .spawn(move || {
            // Nobody listens only if the process is ending anyway.
            drop(sender.send(reader.run()));
        })
        .map_err(|error| Error::Bug(format!("starting the reader's thread: {error}")))?;
    Ok(outcome)
}

/// Messages that are fetched ahead of all partitions together, if those are not too many.
const AHEAD_MESSAGES: usize = 200_000;
/// The same in KiB.
const AHEAD_KIB: usize = 65_536;
/// Partitions that are reckoned with where nobody can say.
const PARTITIONS_UNKNOWN: usize = 256;
/// How long joining the group may take before it is tried anew, in ms.
const REJOIN_MS: u32 = 10_000;

fn connect(
    settings: &Settings,
    member: &str,
    surroundings: Surroundings,
    follow: Follow,
) -> Result<BaseConsumer<Follow>, Error> {
    let Surroundings { session_timeout_ms, partitions } = surroundings;
    // A topic that is not there yet may come to have many.
    let shared_by = if partitions == 0 { PARTITIONS_UNKNOWN } else { partitions };
    let Group { id, protocol, heartbeat_interval_ms, .. } = &settings.group;
    let mut config = settings.kafka.client_config(&format!("gatelog-consumer {member}"));
    config
        .set("group.id", id)
        // Progress is Postgres' business; Kafka only gets a hint for lag tools.
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // A stored offset that the log does not hold is loss: an error, never a silent reset.
        .set("auto.offset.reset", "error")
        .set("isolation.level", "read_committed")
        .set("check.crcs", "true")
        .set("fetch.min.bytes", "1")
        // One fetch is under way at a broker: while it waits for partitions that have nothing, one
        // that has much, and had been fetched ahead of, waits with them.
        .set("fetch.wait.max.ms", "25")
        // The default of a second stalls a drain (librdkafka#2879).
        .set("fetch.queue.backoff.ms", "10")
        .set("fetch.message.max.bytes", "131072")
        // How far each partition is fetched ahead, and one response further: what a writer does in
        // those 25 ms, where there are not too many.
        .set("queued.min.messages", (AHEAD_MESSAGES / shared_by).clamp(200, 4_000).to_string())
        .set("queued.max.messages.kbytes", (AHEAD_KIB / shared_by).clamp(128, 2_048).to_string())
        .set("statistics.interval.ms", "1000");
    match protocol {
        Protocol::Classic => config
            .set("group.protocol", "classic")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", session_timeout_ms.to_string())
            // Not for slow polls, ours never are: librdkafka waits so long (and 3 s) for the answer
            // to a JoinGroup, on a connection that may be half open (rdkafka_request.c), and by
            // default that is five minutes.
            .set("max.poll.interval.ms", session_timeout_ms.max(REJOIN_MS).to_string())
            .set("heartbeat.interval.ms", heartbeat_interval_ms.to_string()),
        Protocol::Consumer => config.set("group.protocol", "consumer"),
    };
    config.create_with_context(follow).map_err(Error::kafka("starting librdkafka"))
}

async fn serve(
    settings: &Settings,
    metrics: &Metrics,
    ready: &Readiness,
) -> Result<std::net::SocketAddr, Error> {
    let address = settings.status.listen;
    let failed = |source| Error::Status { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let (assigned, answers, lag) =
        (ready.assigned.clone(), ready.postgres_answers.clone(), ready.lag.clone());
    let lag_max = settings.status.ready_lag_max;
    let look = move || {
        if !answers.load(Ordering::Relaxed) {
            return Err("Postgres does not answer".to_owned());
        }
        if !assigned.load(Ordering::Relaxed) {
            return Err("no partitions assigned yet".to_owned());
        }
        match u64::try_from(lag.load(Ordering::Relaxed)) {
            Ok(lag) if lag > lag_max => Err(format!("{lag} events behind, the limit is {lag_max}")),
            _ => Ok(()),
        }
    };
    let router = telemetry::status::router(metrics.registry.clone(), Arc::new(look));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(bound)
}
