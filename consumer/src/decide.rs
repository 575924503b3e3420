//! Event to decision: which permissions count for it, and what they say. Pure.

use registry::{AsOf, Cache};
use schemas::{DeadLetterReason, Millis, Mode, Reasons};

use crate::decode::{Cause, Event};

/// A swipe with its decision.
#[derive(Debug)]
pub(crate) struct Judged<'e, 'a> {
    pub(crate) event: &'e Event<'a>,
    /// Zone of the terminal when it was decided.
    pub(crate) zone_id: &'e str,
    /// Decided while the card was at the door.
    pub(crate) live: bool,
    pub(crate) reasons: Reasons,
}

/// What makes a swipe live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Liveness {
    pub(crate) now: Millis,
    pub(crate) window_ms: i64,
    /// What the gateway's clock may be ahead of ours.
    pub(crate) skew_ms: i64,
}

impl Liveness {
    /// When the card was at the door, by the gateway's clock, if that is now: by the age that the
    /// terminal's monotonic clock gives, never by a wall clock of its own or Kafka's.
    fn live_at(&self, event: &Event<'_>) -> Option<Millis> {
        let swipe = &event.swipe;
        if swipe.mode != Mode::Online {
            return None;
        }
        let at = swipe.received_at.unix_ms().saturating_sub(i64::try_from(swipe.age_ms?).ok()?);
        let age_ms = self.now.unix_ms().saturating_sub(at);
        let recent = (-self.skew_ms..=self.window_ms).contains(&age_ms);
        (recent && !event.is_replay()).then_some(Millis::from_unix_ms(at))
    }
}

/// Decides one event with what `cache` knows: a live one by what is in force now, a late one by
/// what was in force at its `occurred_at`.
pub(crate) fn judge<'e, 'a>(
    event: &'e Event<'a>,
    cache: &'e Cache,
    liveness: &Liveness,
) -> Result<Judged<'e, 'a>, Cause> {
    let Some((zone, zone_id)) = cache.zone_of(event.terminal) else {
        let message = "terminal_id: no such terminal is registered";
        return Err(Cause::new(DeadLetterReason::UnknownTerminal, message));
    };
    let (as_of, at) = match liveness.live_at(event) {
        Some(at) => (AsOf::Now, at),
        None => (AsOf::Moment(event.swipe.occurred_at), event.swipe.occurred_at),
    };
    let credential = cache.credential(event.card, as_of);
    Ok(Judged {
        event,
        zone_id,
        live: as_of == AsOf::Now,
        reasons: access::decide(credential, zone, at),
    })
}
