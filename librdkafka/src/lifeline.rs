//! A client that has lost every broker it knew gets its bootstrap servers back.
//!
//! A cluster that stops as a whole (one broker that is restarted is enough) answers its last question
//! for metadata with no brokers. librdkafka from 2.10 on then forgets all that it knew, and where that
//! answer meets the bootstrapping that the lost connection had asked for, it cancels this as well:
//! the client never connects again, says nothing, and lets every message time out
//! (confluentinc/librdkafka issue 5301, open as of 2.13). So the client's own statistics are watched
//! for a list of brokers that is empty, which is never so otherwise, and the bootstrap servers are
//! added again.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};

use rdkafka::ClientConfig;
use rdkafka::bindings as c;
use rdkafka::client::{Client, ClientContext};
use rdkafka::statistics::Statistics;

/// How often librdkafka makes statistics, in ms: a client is stranded for this long at most.
const STATISTICS_EVERY_MS: u64 = 5_000;

/// Part of a client's context, and pulled by whoever has the client.
#[derive(Debug)]
pub struct Lifeline {
    bootstrap_servers: String,
    is_stranded: AtomicBool,
}

impl Lifeline {
    /// For a client with these bootstrap servers (`host:port`, separated by commas).
    pub fn new(bootstrap_servers: &str) -> Self {
        let bootstrap_servers = bootstrap_servers.to_owned();
        Self { bootstrap_servers, is_stranded: AtomicBool::new(false) }
    }

    /// Has the client make statistics.
    pub fn attach(config: &mut ClientConfig) {
        config.set("statistics.interval.ms", STATISTICS_EVERY_MS.to_string());
    }

    /// Takes in what [`ClientContext::stats`] is given.
    pub fn seen(&self, statistics: &Statistics) {
        // Others are no servers: one that stands for none, and one that stands for a group's
        // coordinator, whichever that is.
        let has_server =
            statistics.brokers.values().any(|b| matches!(&*b.source, "configured" | "learned"));
        self.is_stranded.store(!has_server, Ordering::Relaxed);
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
