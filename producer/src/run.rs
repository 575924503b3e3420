use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use crate::{Error, Gateway, Metrics, Publisher, Readiness, Settings, ready, routes, server};

/// Runs the gateway until `stop`, then drains it. `port_file` gets the address that it listens on.
///
/// # Errors
/// It cannot listen, or the producer cannot be made or cannot go on.
pub async fn run(
    settings: Settings,
    port_file: Option<&Path>,
    stop: impl Future<Output = ()>,
) -> Result<(), Error> {
    let metrics = Arc::new(Metrics::new()?);
    let publisher = Arc::new(Publisher::new(&settings, Arc::clone(&metrics))?);
    let readiness = Arc::new(Readiness::new(&settings));
    let gateway = Gateway::new(&settings, Arc::clone(&publisher), Arc::clone(&metrics));
    let router = routes::router(Arc::new(gateway), Arc::clone(&readiness));
    let listener = listen(&settings.http.listen, port_file).await?;

    let mut watch = tokio::spawn(ready::watch(
        Arc::clone(&publisher),
        Arc::clone(&readiness),
        Arc::clone(&metrics),
        settings.ready.clone(),
    ));
    let mut broken = None;
    let stop = async {
        tokio::select! {
            () = stop => info!("stopping"),
            error = &mut watch => broken = error.ok(),
        }
        readiness.stopping();
    };
    server::serve(listener, router, &settings.http, &metrics, stop).await;
    watch.abort();
    // What requests left behind that nobody waits for any more.
    let timeout = Duration::from_millis(settings.publish.message_timeout_ms);
    let flushed = tokio::task::spawn_blocking(move || publisher.flush(timeout)).await;
    if let Ok(Err(error)) = flushed {
        warn!(%error, "events that nobody waits for any more");
    }
    if let Some(path) = port_file {
        // Gone already is as good.
        drop(tokio::fs::remove_file(path).await);
    }
    broken.map_or(Ok(()), Err)
}

/// Takes SIGTERM and SIGINT from now on; what it returns is over at the first of them.
///
/// # Errors
/// [`Error::Start`]: the system gives no signals.
pub fn until_signal() -> Result<impl Future<Output = ()>, Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Start)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

async fn listen(address: &str, port_file: Option<&Path>) -> Result<TcpListener, Error> {
    let failed = |source| Error::Listen { address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let actual = listener.local_addr().map_err(failed)?;
    if let Some(path) = port_file {
        write_whole(path, &format!("{actual}\n"))
            .await
            .map_err(|source| Error::PortFile { path: path.to_owned(), source })?;
    }
    info!(address = %actual, "listening");
    Ok(listener)
}

/// Writes a file so that a reader sees all of it or none.
async fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    tokio::fs::write(&beside, text).await?;
    tokio::fs::rename(&beside, path).await
}
