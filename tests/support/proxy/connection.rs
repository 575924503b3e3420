//! One connection: two ways, each a reader that stamps what comes and a writer that sends it on
//! when it is time.

use std::sync::Arc;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::Network;
use super::postgres::{Frames, is_answered, is_commit, is_committed};

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// Chunks under way each way: what latency may hold back without slowing the sender.
const CHUNKS_MAX: usize = 256;

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Bytes pass.
    Open,
    /// Bytes vanish; neither side learns of it.
    HalfOpen,
    /// A COMMIT is on its way: the server's bytes vanish until its reply has come.
    CommitUnderWay,
    /// Both sides are closed.
    Cut,
    /// Both sides get a reset.
    Reset,
}

/// What both ways of a connection need.
pub(super) struct Connection {
    pub(super) network: Arc<Network>,
    pub(super) fate: watch::Sender<Fate>,
}

/// Bytes and when they came.
type Chunk = (Instant, Vec<u8>);

impl Connection {
    /// Carries bytes until both sides have said all, or fate intervenes.
    pub(super) async fn carry(self, mut client: TcpStream, mut fates: watch::Receiver<Fate>) {
        let Ok(mut server) = TcpStream::connect(&self.network.upstream).await else {
            return;
        };
        // Small messages must not wait for each other.
        drop(client.set_nodelay(true));
        drop(server.set_nodelay(true));
        {
            let (from_client, to_client) = client.split();
            let (from_server, to_server) = server.split();
            let there = self.there(from_client, to_server);
            let back = self.back(from_server, to_client);
            tokio::select! {
                _ = async { tokio::join!(there, back) } => {}
                _ = fates.wait_for(|fate| matches!(fate, Fate::Cut | Fate::Reset)) => {}
            }
        }
        if *self.fate.borrow() == Fate::Reset {
            for stream in [&client, &server] {
                // Closed with bytes unsent and no lingering, a socket sends RST.
                drop(SockRef::from(stream).set_linger(Some(Duration::ZERO)));
            }
        }
    }

    /// Client to server.
    async fn there(&self, from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
        let mut frames = Frames::of_client();
        let (sender, mut chunks) = mpsc::channel(CHUNKS_MAX);
        tokio::join!(read(from, sender), async move {
            while let Some((came, bytes)) = chunks.recv().await {
                self.wait_for(came).await;
                let mut commits = false;
                if self.network.speaks_postgres {
                    frames.feed(&bytes, |kind, body| commits |= is_commit(kind, body));
                }
                if *self.fate.borrow() != Fate::Open {
                    continue;
                }
                if commits && self.network.is_trap_set() {
                    self.fate.send_replace(Fate::CommitUnderWay);
                }
                if to.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            self.end(to).await;
        });
    }

    /// Server to client.
    async fn back(&self, from: ReadHalf<'_>, mut to: WriteHalf<'_>) {
        let mut frames = Frames::of_server();
        let (sender, mut chunks) = mpsc::channel(CHUNKS_MAX);
        tokio::join!(read(from, sender), async move {
            while let Some((came, bytes)) = chunks.recv().await {
                self.wait_for(came).await;
                let (mut committed, mut answered) = (false, false);
                if self.network.speaks_postgres {
                    frames.feed(&bytes, |kind, body| {
                        committed |= is_committed(kind, body);
                        answered |= is_answered(kind);
                    });
                }
                let fate = *self.fate.borrow();
                match fate {
                    Fate::Open => {}
                    Fate::CommitUnderWay if committed => {
                        self.spring();
                        continue;
                    }
                    // It was refused: the trap is for one that is not.
                    Fate::CommitUnderWay if answered => {
                        self.fate.send_replace(Fate::Cut);
                        continue;
                    }
                    _ => continue,
                }
                if to.write_all(&bytes).await.is_err() {
                    break;
                }
            }
            self.end(to).await;
        });
    }

    /// The server has committed, and its client will not hear of it.
    fn spring(&self) {
        self.fate.send_replace(Fate::Cut);
        if let Some(waiting) = self.network.take_trap() {
            // Whoever waited may have given up.
            let _ = waiting.send(());
        }
    }

    async fn wait_for(&self, came: Instant) {
        let latency = self.network.latency();
        if !latency.is_zero() {
            tokio::time::sleep_until(came + latency).await;
        }
    }

    /// One side has said all: the other is told, unless the network tells nobody anything.
    async fn end(&self, mut to: WriteHalf<'_>) {
        if *self.fate.borrow() == Fate::Open {
            drop(to.shutdown().await);
        }
    }
}

async fn read(mut from: ReadHalf<'_>, chunks: mpsc::Sender<Chunk>) {
    let mut buffer = vec![0; CHUNK_BYTES];
    while let Ok(count @ 1..) = from.read(&mut buffer).await {
        if chunks.send((Instant::now(), buffer[..count].to_vec())).await.is_err() {
            return;
        }
    }
}
