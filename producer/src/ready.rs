//! Whether the gateway can do its work: Kafka answers, and has the topic.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaRespErr;
use resilience::Backoff;
use tracing::{info, warn};

use crate::{Error, Metrics, Publisher, Settings};

/// First and longest time until a gateway that still waits says so again.
const REMINDER: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(600));

/// How often is looked whether the producer has lost its brokers.
const RECONNECT_EVERY: Duration = Duration::from_secs(1);

/// What the gateway waits for, if for anything.
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Ready { partitions: usize },
    NotAsked,
    NoAnswer { why: String },
    NoTopic,
    NotAllowed { why: &'static str },
    NoLeader,
    Stopping,
}

/// The current answer to whether the gateway can do its work.
#[derive(Debug)]
pub struct Readiness {
    state: Mutex<State>,
    brokers: String,
    topic: String,
}

impl Readiness {
    /// Not ready: nobody has asked Kafka yet.
    pub fn new(settings: &Settings) -> Self {
        Self {
            state: Mutex::new(State::NotAsked),
            brokers: settings.kafka.brokers.clone(),
            topic: settings.topic.swipes.clone(),
        }
    }

    /// Whether the gateway can do its work.
    ///
    /// # Errors
    /// What it waits for, in a line for people.
    pub fn check(&self) -> Result<(), String> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Ready { .. } => Ok(()),
            _ => Err(self.describe(&state).to_string()),
        }
    }

    /// From now on not ready: the gateway is being stopped.
    pub fn stopping(&self) {
        self.set(State::Stopping);
    }

    /// Returns what the state was before.
    fn set(&self, state: State) -> State {
        let mut current = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Nothing that Kafka answers makes a gateway ready again that is being stopped.
        if *current == State::Stopping {
            return State::Stopping;
        }
        std::mem::replace(&mut *current, state)
    }

    fn describe<'a>(&'a self, state: &'a State) -> impl fmt::Display + 'a {
        let (brokers, topic) = (&self.brokers, &self.topic);
        fmt::from_fn(move |f| match state {
            State::Ready { partitions } => {
                write!(f, "topic {topic} at {brokers} has {partitions} partitions")
            }
            State::NotAsked => write!(f, "waiting for the first answer of Kafka at {brokers}"),
            State::NoAnswer { why } => write!(f, "Kafka at {brokers} does not answer: {why}"),
            State::NoTopic => {
                write!(f, "Kafka at {brokers} has no topic {topic}: `gatelog setup` makes it")
            }
            State::NotAllowed { why } => {
                write!(f, "Kafka at {brokers} does not give topic {topic} to this client: {why}")
            }
            State::NoLeader => {
                write!(f, "no partition of topic {topic} at {brokers} has a leader")
            }
            State::Stopping => f.write_str("stopping"),
        })
    }
}

/// Keeps `readiness` true to what Kafka answers; returns only when the producer cannot go on.
pub(crate) async fn watch(
    publisher: Arc<Publisher>,
    readiness: Arc<Readiness>,
    metrics: Arc<Metrics>,
    settings: crate::Ready,
) -> Error {
    let interval = Duration::from_millis(settings.check_interval_ms);
    let backoff = Backoff {
        base_ms: 200.min(settings.check_interval_ms),
        cap_ms: settings.check_interval_ms,
    };
    let mut failures = 0;
    let mut reminder = Reminder::default();
    loop {
        let state = ask(&publisher, Duration::from_millis(settings.check_timeout_ms)).await;
        if let Some((code, reason)) = publisher.client().fatal_error() {
            return Error::Fatal { code, reason };
        }
        let is_ready = matches!(state, State::Ready { .. });
        metrics.set_ready(is_ready);
        failures = if is_ready { 0 } else { failures + 1 };
        let before = readiness.set(state.clone());
        report(&readiness, &before, &state, &mut reminder);
        let pause = match failures {
            0 => interval,
            _ => backoff.delay(failures, &mut rand::rng()),
        };
        let next = Instant::now() + pause;
        while let Some(rest) = next.checked_duration_since(Instant::now()) {
            publisher.reconnect();
            tokio::time::sleep(rest.min(RECONNECT_EVERY)).await;
        }
    }
}

/// Asks Kafka once. librdkafka blocks the thread until the answer comes, so not one of tokio's.
async fn ask(publisher: &Arc<Publisher>, timeout: Duration) -> State {
    let publisher = Arc::clone(publisher);
    let answer = tokio::task::spawn_blocking(move || ask_blocking(&publisher, timeout));
    answer.await.unwrap_or_else(|error| State::NoAnswer { why: error.to_string() })
}

fn ask_blocking(publisher: &Publisher, timeout: Duration) -> State {
    let metadata = match publisher.client().fetch_metadata(Some(publisher.topic()), timeout) {
        Ok(metadata) => metadata,
        Err(error) => {
            let why = publisher.complaint().unwrap_or_else(|| error.to_string());
            return State::NoAnswer { why };
        }
    };
    publisher.forget_complaint();
    let Some(topic) = metadata.topics().first() else {
        return State::NoTopic;
    };
    match topic.error() {
        None => {}
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) => return State::NoTopic,
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) => return State::NoLeader,
        Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) => {
            return State::NotAllowed { why: "not authorized" };
        }
        Some(_) => {
            return State::NotAllowed { why: "it refuses the topic" };
        }
    }
    // With some leaders gone the other cards still go through.
    if topic.partitions().iter().all(|partition| partition.leader() < 0) {
        return State::NoLeader;
    }
    State::Ready { partitions: topic.partitions().len() }
}

/// One line when the state changes; while it stays bad another at ever longer intervals.
fn report(readiness: &Readiness, before: &State, now: &State, reminder: &mut Reminder) {
    let changed = std::mem::discriminant(before) != std::mem::discriminant(now);
    if matches!(now, State::Ready { .. }) {
        if changed {
            info!(state = %readiness.describe(now), "ready");
        }
        *reminder = Reminder::default();
    } else if reminder.is_due(changed, Instant::now()) {
        warn!(waiting_for = %readiness.describe(now), "not ready");
    }
}

#[derive(Debug, Default)]
struct Reminder {
    next: Option<(Instant, Duration)>,
}

impl Reminder {
    fn is_due(&mut self, changed: bool, now: Instant) -> bool {
        let (first, longest) = REMINDER;
        let pause = match self.next {
            Some((at, _)) if !changed && now < at => return false,
            Some((_, pause)) if !changed => (2 * pause).min(longest),
            _ => first,
        };
        self.next = Some((now + pause, pause));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reminders_become_rarer_and_start_anew_with_a_change() {
        let (mut reminder, start) = (Reminder::default(), Instant::now());
        let said: Vec<u64> = (0..2_000)
            .filter(|s| reminder.is_due(*s == 0, start + Duration::from_secs(*s)))
            .collect();
        assert_eq!(said, [0, 30, 90, 210, 450, 930, 1530]);
        assert!(reminder.is_due(true, start + Duration::from_secs(1_531)));
        assert!(reminder.is_due(false, start + Duration::from_secs(1_561)));
    }

    #[test]
    fn it_says_what_it_waits_for_and_how_to_help() {
        let readiness = Readiness::new(&Settings::default());
        assert!(readiness.check().unwrap_err().contains("127.0.0.1:9092"));
        readiness.set(State::NoTopic);
        let why = readiness.check().unwrap_err();
        assert!(why.contains("gatelog.swipes.v1") && why.contains("gatelog setup"), "{why}");
        readiness.set(State::Ready { partitions: 6 });
        assert_eq!(readiness.check(), Ok(()));
        readiness.stopping();
        readiness.set(State::Ready { partitions: 6 });
        assert_eq!(readiness.check(), Err("stopping".to_owned()));
    }
}
