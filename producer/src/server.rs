//! Connections: how many, how long they may be silent, and how they end.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, info, warn};

use crate::{Http, Metrics};

/// Bytes of a connection's buffer, which bounds a request's head.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long an answer may lie unread (`TCP_USER_TIMEOUT`, which a closed window runs into too).
const UNREAD_MAX: Duration = Duration::from_secs(30);
/// Pause after an `accept` that failed, as it does when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves connections until `stop`; then finishes the requests that are being worked on, within
/// the drain timeout, and returns.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    http: &Http,
    metrics: &Metrics,
    stop: impl Future<Output = ()>,
) {
    let connections = Arc::new(Semaphore::new(http.connections_max));
    let graceful = GracefulShutdown::new();
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(http.header_timeout())
        .max_buf_size(BUFFER_BYTES_MAX);

    let mut stop = std::pin::pin!(stop);
    loop {
        // Above the limit nothing is accepted: who comes waits in the listener's backlog.
        let room = Arc::clone(&connections).acquire_owned();
        let next = async { (room.await, accept(&listener).await) };
        let (room, stream) = tokio::select! {
            next = next => next,
            () = &mut stop => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        let counted = metrics.connection();
        tokio::spawn(async move {
            let _held = (room, counted);
            if let Err(error) = connection.await {
                // The other side went away or was too slow: its affair.
                debug!(%error, "connection ended");
            }
        });
    }
    // From here on connections are refused.
    drop(listener);
    drain(graceful, http.drain_timeout()).await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers are small and waited for.
                if let Err(error) = stream.set_nodelay(true) {
                    debug!(%error, "TCP_NODELAY");
                }
                // Who asks and does not read the answer would hold a connection for ever.
                #[cfg(target_os = "linux")]
                let unread = SockRef::from(&stream).set_tcp_user_timeout(Some(UNREAD_MAX));
                #[cfg(target_os = "linux")]
                if let Err(error) = unread {
                    debug!(%error, "TCP_USER_TIMEOUT");
                }
                return stream;
            }
            // That one connection went away before it was accepted.
            Err(error) if is_of_one_connection(error.kind()) => {}
            Err(error) => {
                warn!(%error, "accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}

async fn drain(graceful: GracefulShutdown, timeout: Duration) {
    let open = graceful.count();
    match tokio::time::timeout(timeout, graceful.shutdown()).await {
        Ok(()) => info!(connections = open, "drained"),
        // Who is cut off got no 200, so nothing that was promised is lost.
        Err(_) => warn!(
            timeout_ms = timeout.as_millis() as u64,
            "requests were cut off: http.drain_timeout_ms is over"
        ),
    }
}
