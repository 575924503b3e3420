//! What the end-to-end tests stand on: a real Kafka and a real Postgres, a database and topics of
//! each test's own, and the product's own programs as processes that can be killed.
//!
//! Nothing here sleeps to hope: [`eventually`] asks until a condition holds, and says what it
//! waited for when it never does.

mod database;
mod log;
mod process;
mod proxy;
mod world;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

pub use database::{Outcomes, Totals};
pub use log::{Event, Log, live, swipe};
pub use process::Process;
pub use proxy::Proxy;
pub use world::{Commands, Copy, Published, Site, World};

/// Longest time any condition may take; generous, because machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Asks `condition` until it gives a value.
///
/// # Errors
/// After [`PATIENCE`], names what was waited for.
pub async fn eventually<T>(
    what: &str,
    mut condition: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    loop {
        tick.tick().await;
        if let Some(value) = condition().await.with_context(|| format!("waiting until {what}"))? {
            return Ok(value);
        }
        if started.elapsed() > PATIENCE {
            bail!("waited {} s in vain until {what}", PATIENCE.as_secs());
        }
    }
}

/// Value of an environment variable that `cargo xtask test` sets.
///
/// # Errors
/// Says how to run the tests.
pub fn variable(name: &str) -> Result<String> {
    std::env::var(name).with_context(|| {
        format!("{name} is not set: run the tests with `cargo xtask test`, or see README.md")
    })
}
