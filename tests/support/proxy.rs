//! A TCP proxy between the product and a server, whose network can be made to fail.
//!
//! What can be switched, at any time: latency, refused connections, and for the connections that
//! are open a cut (both sides closed), a reset (RST) or half-open (bytes vanish, the connections
//! stay). Before Postgres it also knows the moment between COMMIT and its reply.

mod connection;
mod postgres;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use connection::{Connection, Fate};

/// How long the port of a proxy may be taken when it is to listen again.
const BIND_WITHIN: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_millis(20);

/// A proxy; its connections end with it.
pub struct Proxy {
    address: String,
    network: Arc<Network>,
    accepting: JoinHandle<()>,
}

/// What all connections of a proxy share.
struct Network {
    upstream: String,
    /// Whether it speaks Postgres' protocol, so that COMMIT can be told.
    speaks_postgres: bool,
    /// Each way, in µs.
    latency_us: AtomicU64,
    refuses: watch::Sender<bool>,
    /// What becomes of each connection that is open; those that are gone have no receiver.
    open: Mutex<Vec<watch::Sender<Fate>>>,
    /// Whoever waits for a COMMIT whose reply is lost.
    commit_trap: Mutex<Option<oneshot::Sender<()>>>,
    /// Whether there is one; read at each message.
    is_trap_set: AtomicBool,
}

impl Proxy {
    /// A proxy before any server at `upstream` (`host:port`), on a free port.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn before(upstream: &str) -> Result<Self> {
        Self::start("127.0.0.1:0", upstream, false).await
    }

    /// A proxy before a Postgres server.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn before_postgres(upstream: &str) -> Result<Self> {
        Self::start("127.0.0.1:0", upstream, true).await
    }

    /// A proxy at an address of one's own choice.
    ///
    /// # Errors
    /// The address is taken.
    pub async fn at(address: &str, upstream: &str) -> Result<Self> {
        Self::start(address, upstream, false).await
    }

    async fn start(address: &str, upstream: &str, speaks_postgres: bool) -> Result<Self> {
        let listener = bind(address).await?;
        let address = listener.local_addr()?.to_string();
        let network = Arc::new(Network {
            upstream: upstream.to_owned(),
            speaks_postgres,
            latency_us: AtomicU64::new(0),
            refuses: watch::Sender::new(false),
            open: Mutex::default(),
            commit_trap: Mutex::default(),
            is_trap_set: AtomicBool::new(false),
        });
        let accepting = tokio::spawn(accept(listener, address.clone(), network.clone()));
        Ok(Self { address, network, accepting })
    }

    /// Where it listens: `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Connections that are open now, half-open ones included.
    pub fn connections(&self) -> usize {
        lock(&self.network.open).iter().filter(|fate| fate.receiver_count() > 0).count()
    }

    /// From now on all bytes take this much longer, each way; order and throughput stay.
    pub fn set_latency(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.network.latency_us.store(micros, Ordering::Relaxed);
    }

    /// Whether new connections are refused: then nobody listens at the address.
    pub fn set_refusing(&self, refuses: bool) {
        self.network.refuses.send_replace(refuses);
    }

    /// Closes both sides of all connections; how many there were.
    pub fn cut(&self) -> usize {
        self.network.decide(Fate::Cut)
    }

    /// Resets both sides of all connections (RST); how many there were.
    pub fn reset(&self) -> usize {
        self.network.decide(Fate::Reset)
    }

    /// Lets every byte vanish that comes on the connections that are open now, either way, and
    /// keeps them open. New connections work. How many there were.
    pub fn half_open(&self) -> usize {
        self.network.decide(Fate::HalfOpen)
    }

    /// Waits for the next COMMIT, lets the server act on it, swallows its reply and cuts the
    /// connection. Returns when that has happened.
    ///
    /// # Errors
    /// The proxy ended, or somebody else set the trap again.
    pub async fn lose_a_commit_reply(&self) -> Result<()> {
        let (sprung, happened) = oneshot::channel();
        *lock(&self.network.commit_trap) = Some(sprung);
        self.network.is_trap_set.store(true, Ordering::Release);
        happened.await.context("the trap for a COMMIT is gone")
    }

    /// No trap any more.
    pub fn forget_the_trap(&self) {
        self.network.is_trap_set.store(false, Ordering::Release);
        *lock(&self.network.commit_trap) = None;
    }

    /// A good network again: no latency, nothing refused, and what had become half-open is reset,
    /// as by a peer that knows nothing of it.
    pub fn heal(&self) {
        self.set_latency(Duration::ZERO);
        self.set_refusing(false);
        for fate in &*lock(&self.network.open) {
            fate.send_if_modified(|fate| {
                let was_half_open = *fate == Fate::HalfOpen;
                if was_half_open {
                    *fate = Fate::Reset;
                }
                was_half_open
            });
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.network.decide(Fate::Cut);
    }
}

impl Network {
    /// Decides over all connections that are open; how many there were.
    fn decide(&self, fate: Fate) -> usize {
        let mut open = lock(&self.open);
        open.retain(|connection| connection.send(fate).is_ok());
        open.len()
    }

    fn latency(&self) -> Duration {
        Duration::from_micros(self.latency_us.load(Ordering::Relaxed))
    }

    fn is_trap_set(&self) -> bool {
        self.speaks_postgres && self.is_trap_set.load(Ordering::Acquire)
    }

    /// The trap, for the one COMMIT that goes into it.
    fn take_trap(&self) -> Option<oneshot::Sender<()>> {
        self.is_trap_set.store(false, Ordering::Release);
        lock(&self.commit_trap).take()
    }
}

async fn accept(first: TcpListener, address: String, network: Arc<Network>) {
    let mut listener = Some(first);
    let mut refuses = network.refuses.subscribe();
    loop {
        if *refuses.borrow_and_update() {
            listener = None;
        } else if listener.is_none() {
            listener = bind(&address).await.ok();
        }
        let Some(listening) = &listener else {
            if refuses.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            accepted = listening.accept() => {
                if let Ok((client, _)) = accepted {
                    take(client, &network);
                }
            }
            changed = refuses.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Begins to carry a connection.
fn take(client: TcpStream, network: &Arc<Network>) {
    let fate = watch::Sender::new(Fate::Open);
    let connection = Connection { network: network.clone(), fate: fate.clone() };
    let mut open = lock(&network.open);
    open.retain(|connection| connection.receiver_count() > 0);
    let fates = fate.subscribe();
    open.push(fate);
    tokio::spawn(connection.carry(client, fates));
}

/// Listens; an address whose last listener has just gone may take a moment.
async fn bind(address: &str) -> Result<TcpListener> {
    let bound = async {
        loop {
            match TcpListener::bind(address).await {
                Ok(listener) => return listener,
                Err(_) => tokio::time::sleep(RETRY).await,
            }
        }
    };
    let bound = tokio::time::timeout(BIND_WITHIN, bound).await;
    bound.with_context(|| format!("{address} is taken: only one proxy can be there at a time"))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
