//! Staying: a round after the end of each day.

use std::time::Duration;

use resilience::Backoff;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::round;
use crate::settings::Settings;
use crate::{Error, Verdict, connect, explain, output};

/// After a round that failed, or found another worker at it.
const AGAIN: Backoff = Backoff { base_ms: 1_000, cap_ms: 60_000 };

/// Indexes days until it is told to stop. An index that is being made then is left unfinished, and
/// made by whoever comes next.
pub(super) async fn watch(
    settings: &Settings,
    settle: Duration,
    json: bool,
) -> Result<Verdict, Error> {
    let cannot = |error: std::io::Error| Error::Other(format!("signals: {error}"));
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot)?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        ended = for_ever(settings, settle, json) => return ended,
    }
    output::note("stopped");
    Ok(Verdict::Fine)
}

async fn for_ever(settings: &Settings, settle: Duration, json: bool) -> Result<Verdict, Error> {
    let mut failures = 0;
    loop {
        let pause = match one_round(settings, settle, json).await {
            Ok(pause) => {
                failures = 0;
                pause
            }
            // Nobody reads what it prints, or its settings make no sense: that does not pass.
            Err(error) if error.exit_code() != 3 || matches!(error, Error::Other(_)) => {
                return Err(error);
            }
            Err(error) => {
                let pause = AGAIN.delay(failures, &mut rand::rng());
                failures = failures.saturating_add(1);
                output::note(&format!("{}; again in {} s", explain(&error), pause.as_secs()));
                pause
            }
        };
        sleep(pause).await;
    }
}

/// A round, and how long it is until the next.
async fn one_round(settings: &Settings, settle: Duration, json: bool) -> Result<Duration, Error> {
    round(settings, settle, false).await?.print(json)?;
    let client = connect::postgres(&settings.postgres).await?;
    let sql = include_str!("../sql/next_round.sql");
    let seconds: f64 = client.query_one(sql, &[&settle.as_secs_f64()]).await?.get(0);
    Ok(Duration::from_secs_f64(seconds.max(1.0)))
}
