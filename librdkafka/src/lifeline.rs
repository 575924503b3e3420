//! A client that has lost its brokers gets its bootstrap servers back.
//!
//! A cluster that stops as a whole (one broker that is restarted is enough) answers its last question
//! for metadata with no brokers. librdkafka from 2.10 on then forgets all that it knew, and where that
//! answer meets the bootstrapping that the lost connection had asked for, it cancels this as well,
//! and takes it for under way ever after: the client never connects again, says nothing, and lets
//! every message time out (confluentinc/librdkafka issue 5301, open as of 2.13). So the client's own
//! statistics are watched, and its bootstrap servers added again where it knows no server, or has
//! been connected to none for a while.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::statistics::Statistics;

/// How often librdkafka makes statistics, in ms.
const STATISTICS_EVERY_MS: u64 = 5_000;
/// How long a client may be connected to no server until it is given its bootstrap servers. It may
/// know others that are gone for good, and cannot bootstrap by itself any more.
const PATIENCE: Duration = Duration::from_secs(30);
/// The longest time between two times that it is given them: librdkafka keeps each list that it was
/// given, so there must not be too many.
const PATIENCE_MAX: Duration = Duration::from_secs(600);

/// Part of a client's context, and pulled by whoever has the client.
#[derive(Debug)]
pub struct Lifeline {
    bootstrap_servers: String,
    is_stranded: AtomicBool,
    /// While it is connected to no server.
    alone: Mutex<Option<Alone>>,
}

/// Since when, and how long is to be waited from then on.
#[derive(Debug, Clone, Copy)]
struct Alone {
    since: Instant,
    patience: Duration,
}

impl Lifeline {
    /// For a client with these bootstrap servers (`host:port`, separated by commas).
    pub fn new(bootstrap_servers: &str) -> Self {
        let bootstrap_servers = bootstrap_servers.to_owned();
        Self { bootstrap_servers, is_stranded: AtomicBool::new(false), alone: Mutex::default() }
    }

    /// Has the client make statistics.
    pub fn attach(config: &mut ClientConfig) {
        config.set("statistics.interval.ms", STATISTICS_EVERY_MS.to_string());
    }

    /// Takes in what [`ClientContext::stats`] is given.
    pub fn seen(&self, statistics: &Statistics) {
        self.seen_at(statistics, Instant::now());
    }

    fn seen_at(&self, statistics: &Statistics, now: Instant) {
        // Others are no servers: one that stands for none, and one that stands for a group's
        // coordinator, whichever that is.
        let servers = statistics.brokers.values();
        let mut servers = servers.filter(|b| matches!(&*b.source, "configured" | "learned"));
        let knows_one = servers.clone().next().is_some();
        let has_one = servers.any(|broker| matches!(&*broker.state, "UP" | "UPDATE"));
        let mut alone = self.alone.lock().unwrap_or_else(PoisonError::into_inner);
        *alone = match *alone {
            _ if has_one => None,
            None => Some(Alone { since: now, patience: PATIENCE }),
            Some(Alone { since, patience }) if now.duration_since(since) >= patience => {
                self.is_stranded.store(true, Ordering::Relaxed);
                Some(Alone { since: now, patience: (2 * patience).min(PATIENCE_MAX) })
            }
            waiting => waiting,
        };
        if !knows_one {
            self.is_stranded.store(true, Ordering::Relaxed);
        }
    }

    /// Gives a client that is stranded its bootstrap servers again, and says whether it was. To be
    /// called from time to time; it does not block.
    pub fn pull<C: ClientContext>(&self, client: &Client<C>) -> bool {
        if !self.is_stranded.swap(false, Ordering::Relaxed) {
            return false;
        }
        let Ok(servers) = CString::new(self.bootstrap_servers.as_str()) else { return false };
        // SAFETY: `client` lives as long as the caller's borrow of it; the text is copied
        // (rd_kafka_brokers_add in rdkafka_broker.c), and the function may be called at any time, from
        // any thread.
        let added = unsafe { c::rd_kafka_brokers_add(client.native_ptr(), servers.as_ptr()) };
        added > 0
    }
}

#[cfg(test)]
mod tests;
