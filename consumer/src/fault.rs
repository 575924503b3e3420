//! Fail points: the places between the steps of a claim and of a batch, at which a test can have this
//! process killed or stopped. Without the feature `fail-points` a step is nothing but its work.

use crate::error::Error;

/// One step of a batch, by its name, and the fail point behind it.
pub(crate) async fn step<T>(
    name: &'static str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let done = work.await?;
    after(name);
    Ok(done)
}

/// In this time a process that stops itself has stopped, on a busy machine too.
#[cfg(feature = "fail-points")]
const STOPS_WITHIN: std::time::Duration = std::time::Duration::from_millis(500);

/// The place behind the step of that name, and so before the next one.
///
/// `FAILPOINTS=NAME=return(kill)` (the syntax of the crate `fail`) sends this process SIGKILL there,
/// `return(stop)` SIGSTOP.
#[cfg(feature = "fail-points")]
pub(crate) fn after(step: &'static str) {
    use rustix::process::{Signal, getpid, kill_process};

    fail::fail_point!(step, |action| {
        let signal = match action.as_deref() {
            Some("kill") => Signal::KILL,
            Some("stop") => Signal::STOP,
            other => panic!("fail point {step}: kill or stop, not {other:?}"),
        };
        tracing::warn!(step, ?signal, "a fail point");
        if let Err(error) = kill_process(getpid(), signal) {
            panic!("fail point {step}: {error}");
        }
        // SIGSTOP is taken by the main thread, when it comes to run; until then this one would go on,
        // through a commit if need be. Who is woken later than that does not wait again.
        std::thread::sleep(STOPS_WITHIN);
    });
}

/// Nothing.
#[cfg(not(feature = "fail-points"))]
pub(crate) const fn after(_: &'static str) {}
