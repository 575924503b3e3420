//! The upload: file → lanes → gateway, and the count of what became of the lines.
//!
//! ```text
//! read + map ──▶ lane 0 ──▶ POST /v1/swipes:batch ──▶ answer ─┐
//!  (a thread) ├▶ lane 1 ──▶ …                                 ├▶ count ──▶ progress, summary
//!             └▶ …            (one request in flight a lane)  ─┘
//! ```
//!
//! A card's lines go to one lane, and a lane waits for its request's answer, so they reach the
//! gateway in the file's order, however many requests are in flight.

use std::io::Read;
use std::time::{Duration, Instant};

use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::deal::Deal;
use super::lane::{Event, Lane};
use super::mapping::Mapping;
use super::summary::Summary;
use crate::Error;
use crate::settings::Gateway;

/// How an upload goes about it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Lines that are read at most.
    pub limit: Option<u64>,
    /// Lines a second at most.
    pub rate_per_s: Option<u32>,
    /// Lines of one request.
    pub lines_per_request: usize,
    /// Requests in flight at once.
    pub in_flight: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self { limit: None, rate_per_s: None, lines_per_request: 1_000, in_flight: 4 }
    }
}

/// How long the gateway may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long it may say nothing; more than it gives itself for a request (15 s by default).
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long an upload that has failed waits to hear how many lines were read.
const FAREWELL_TIMEOUT: Duration = Duration::from_secs(2);
/// Events that may wait to be counted.
const EVENTS_MAX: usize = 1_024;

/// Uploads the lines of `source` through `gateway`. After each answer `progress` is told how far it
/// is; it must return quickly, since the count waits for it.
///
/// The summary says what was done even where an error says why it is not all: resending a file is
/// harmless, because a swipe's id is derived from what it says.
pub async fn upload<R: Read + Send + 'static>(
    source: R,
    mapping: Mapping,
    gateway: &Gateway,
    options: &Options,
    mut progress: impl FnMut(&Summary),
) -> (Summary, Result<(), Error>) {
    let begun = Instant::now();
    let mut summary = Summary::default();
    let outcome = match Upload::start(source, mapping, gateway, options) {
        Ok(upload) => upload.count(&mut summary, begun, &mut progress).await,
        Err(error) => Err(error),
    };
    summary.elapsed = begun.elapsed();
    summary.unacknowledged = summary.read.saturating_sub(summary.settled());
    progress(&summary);
    (summary, outcome)
}

/// An upload under way.
struct Upload {
    lanes: JoinSet<()>,
    events: mpsc::Receiver<Event>,
}

impl Upload {
    fn start<R: Read + Send + 'static>(
        source: R,
        mapping: Mapping,
        gateway: &Gateway,
        options: &Options,
    ) -> Result<Self, Error> {
        let url = batch_url(&gateway.url)?;
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE_TIMEOUT)
            .redirect(Policy::none())
            .build()
            .map_err(|error| Error::Gateway(crate::explain(&error)))?;
        let (told, events) = mpsc::channel(EVENTS_MAX);
        let mut lanes = JoinSet::new();
        let mut inboxes = Vec::new();
        for _ in 0..options.in_flight.max(1) {
            let lines_max = options.lines_per_request.max(1);
            let (sender, inbox) = mpsc::channel(lines_max);
            inboxes.push(sender);
            let lane = Lane {
                client: client.clone(),
                url: url.clone(),
                lines_max,
                retry: gateway.clone(),
                inbox,
                events: told.clone(),
            };
            lanes.spawn(lane.run());
        }
        let limit = options.limit.unwrap_or(u64::MAX);
        let deal = Deal { source, mapping, limit, rate_per_s: options.rate_per_s };
        // A thread of its own that nobody waits for: a source may block for ever (a pipe).
        std::thread::Builder::new()
            .name("import".to_owned())
            .spawn(move || deal.run(&inboxes, &told))
            .map_err(|error| Error::Other(format!("cannot start a thread: {error}")))?;
        Ok(Self { lanes, events })
    }

    /// Counts until the last lane is done, or until one cannot go on.
    async fn count(
        mut self,
        summary: &mut Summary,
        begun: Instant,
        progress: &mut impl FnMut(&Summary),
    ) -> Result<(), Error> {
        let mut outcome = Ok(());
        let mut patience = Duration::MAX;
        while let Ok(Some(event)) = timeout(patience, self.events.recv()).await {
            match event {
                Event::Failed(error) => {
                    // What the other lanes have under way is not waited for, and the source only
                    // for its count: it may be a pipe that nobody writes to.
                    self.lanes.abort_all();
                    patience = FAREWELL_TIMEOUT;
                    outcome = outcome.and(Err(error));
                }
                event => add(summary, event),
            }
            summary.elapsed = begun.elapsed();
            progress(summary);
        }
        outcome
    }
}

fn add(summary: &mut Summary, event: Event) {
    match event {
        Event::Read(lines) => summary.read += lines,
        Event::Unreadable { line, bytes, reason } => {
            summary.unreadable.add(reason, line);
            summary.bytes += bytes;
        }
        Event::Settled(settled) => {
            summary.logged += settled.logged;
            summary.spooled += settled.spooled;
            summary.retried += settled.again;
            summary.bytes += settled.bytes;
            for (line, reason) in settled.refused {
                summary.refused.add(reason, line);
            }
        }
        Event::Failed(_) => {}
    }
}

/// The address that batches go to.
fn batch_url(gateway: &str) -> Result<Url, Error> {
    let wrong = || Error::Usage(format!("--gateway {gateway}: must be http://host:port"));
    let url: Url = gateway.parse().map_err(|_| wrong())?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong());
    }
    let base = url.as_str().trim_end_matches('/');
    format!("{base}/v1/swipes:batch").parse().map_err(|_| wrong())
}
