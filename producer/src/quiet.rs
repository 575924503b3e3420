use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Lets one log line through a second, so that an outage does not fill the log with one line an
/// event, and counts what it kept back.
#[derive(Debug, Default)]
pub(crate) struct Quiet(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    kept_back: u64,
}

const PERIOD: Duration = Duration::from_secs(1);

impl Quiet {
    /// How many lines were kept back since the last one, where this one may be written.
    pub(crate) fn allow(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if state.last.is_some_and(|last| now.duration_since(last) < PERIOD) {
            state.kept_back += 1;
            return None;
        }
        state.last = Some(now);
        Some(std::mem::take(&mut state.kept_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_second() {
        let (quiet, start) = (Quiet::default(), Instant::now());
        assert_eq!(quiet.allow(start), Some(0));
        assert_eq!(quiet.allow(start + PERIOD / 2), None);
        assert_eq!(quiet.allow(start + PERIOD / 2), None);
        assert_eq!(quiet.allow(start + PERIOD), Some(2));
    }
}
