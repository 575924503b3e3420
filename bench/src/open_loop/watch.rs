//! The watcher: when a commit could be seen by others.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::oneshot;

use super::on_own_thread;
use crate::servers::connect;

/// Between the starts of two looks.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// A thread that looks at `consumer_offset` until it is stopped.
pub(crate) struct Watch {
    shared: StopOnDrop,
    thread: tokio::task::JoinHandle<Result<Watched>>,
}

#[derive(Default)]
struct Shared {
    stopped: AtomicBool,
    /// Sum of all `next_offset`, at the last look.
    committed: AtomicI64,
}

/// What was seen.
#[derive(Default)]
pub(crate) struct Watched {
    /// By partition: each `next_offset` that was new, and when it was seen.
    seen: HashMap<i32, Vec<(i64, Instant)>>,
    /// Between two answers: so much later than it happened may a commit have been seen.
    pub(crate) gaps: Vec<Duration>,
}

impl Watched {
    /// When an offset was first seen to be committed.
    pub(crate) fn committed_at(&self, partition: i32, offset: i64) -> Option<Instant> {
        let seen = self.seen.get(&partition)?;
        let first = seen.partition_point(|(next, _)| *next <= offset);
        seen.get(first).map(|(_, at)| *at)
    }
}

impl Watch {
    /// Starts to look; the first look is over when this returns.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn start(url: &str) -> Result<Self> {
        let (url, shared) = (url.to_owned(), Arc::new(Shared::default()));
        let (ready, is_ready) = oneshot::channel();
        let watched = Arc::clone(&shared);
        let thread = tokio::spawn(on_own_thread("watcher", move || {
            runtime()?.block_on(look(&url, &watched, ready))
        }));
        match is_ready.await {
            Ok(()) => Ok(Self { shared: StopOnDrop(shared), thread }),
            Err(_) => {
                let ended = thread.await.context("the watcher has panicked")?;
                ended.and(Err(anyhow::anyhow!("the watcher has ended by itself")))
            }
        }
    }

    /// Events that were committed at the last look, since the log began.
    pub(crate) fn committed(&self) -> i64 {
        self.shared.0.committed.load(Ordering::Relaxed)
    }

    /// Whether it has ended by itself: [`Self::stop`] then says why.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }

    /// Stops it.
    ///
    /// # Errors
    /// Postgres' own.
    pub(crate) async fn stop(self) -> Result<Watched> {
        let Self { shared, thread } = self;
        drop(shared);
        thread.await.context("the watcher has panicked")?
    }
}

/// Dropped, it stops the watcher, which ends within a look.
struct StopOnDrop(Arc<Shared>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stopped.store(true, Ordering::Relaxed);
    }
}

/// A runtime for one thread: no other thread has to wake up before an answer is seen.
pub(crate) fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("starting a runtime")
}

async fn look(url: &str, shared: &Shared, ready: oneshot::Sender<()>) -> Result<Watched> {
    let doing = "looking at consumer_offset";
    let client = connect(url).await?;
    let offsets = client.prepare(include_str!("../sql/next_offsets.sql")).await.context(doing)?;
    let (mut watched, mut last): (Watched, HashMap<i32, i64>) = Default::default();
    let (mut ready, mut answered_before) = (Some(ready), None);
    while !shared.stopped.load(Ordering::Relaxed) {
        let asked_at = Instant::now();
        let rows = client.query(&offsets, &[]).await.context(doing)?;
        let answered_at = Instant::now();
        let mut committed = 0;
        for row in rows {
            let (partition, next): (i32, i64) = (row.get(0), row.get(1));
            committed += next;
            if last.insert(partition, next).is_none_or(|before| before < next) {
                watched.seen.entry(partition).or_default().push((next, answered_at));
            }
        }
        shared.committed.store(committed, Ordering::Relaxed);
        watched.gaps.extend(answered_before.map(|before| answered_at - before));
        answered_before = Some(answered_at);
        if let Some(ready) = ready.take() {
            // Whoever waited may have gone.
            let _ = ready.send(());
        }
        // The connection has nothing to do meanwhile; tokio's timer knows whole ms only.
        std::thread::sleep(LOOK_EVERY.saturating_sub(asked_at.elapsed()));
    }
    Ok(watched)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_offset_is_committed_when_the_next_one_is_due() {
        let (early, late) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let seen = HashMap::from([(3, vec![(0, early), (5, early), (9, late)])]);
        let watched = Watched { seen, gaps: Vec::new() };
        assert_eq!(watched.committed_at(3, 4), Some(early));
        assert_eq!(watched.committed_at(3, 5), Some(late));
        assert_eq!(watched.committed_at(3, 9), None);
        assert_eq!(watched.committed_at(1, 0), None);
    }
}
