//! Event to decision: which permissions count for it, and what they say. Pure.

use access::{Read, Request, ZoneNumber};
use registry::{AsOf, Cache, Resolved};
use schemas::{DenialReason, Millis, Mode, Reasons};

use crate::decode::{Cause, Event};
use crate::tracks::Tracks;

/// A swipe with its decision.
#[derive(Debug)]
pub(crate) struct Judged<'e, 'a> {
    pub(crate) event: &'e Event<'a>,
    /// Zone of the terminal when it was decided.
    pub(crate) zone: ZoneNumber,
    /// When the card was at the door, if that is now: decided while it was there.
    pub(crate) live_at: Option<Millis>,
    pub(crate) reasons: Reasons,
    /// The column `notes`.
    pub(crate) notes: i16,
}

/// A swipe with what counts for it.
#[derive(Debug)]
pub(crate) struct Case<'c> {
    resolved: Resolved<'c>,
    live_at: Option<Millis>,
    /// The moment that is asked about.
    at: Millis,
    /// Whether that moment has not come yet, by more than clocks may differ: a wall clock that is
    /// fast. What it says moves nobody, or live swipes would be judged by it until its time comes.
    ahead: bool,
}

/// Granted because the zone was released.
const RELEASED: i16 = 1;
/// Against anti-passback that only records.
const ANTIPASSBACK_VIOLATED: i16 = 2;

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

/// Finds what counts for an event: for a live one what is in force now, for a late one what was in
/// force at its `occurred_at`.
pub(crate) fn resolve<'c>(
    event: &Event<'_>,
    cache: &'c Cache,
    liveness: &Liveness,
) -> Result<Case<'c>, Cause> {
    let live_at = liveness.live_at(event);
    let occurred_at = event.swipe.occurred_at;
    let as_of = live_at.map_or(AsOf::Moment(occurred_at), |_| AsOf::Now);
    let resolved = cache.resolve(event.card, event.terminal, as_of);
    let resolved = resolved.ok_or_else(Cause::unknown_terminal)?;
    let at = live_at.unwrap_or(occurred_at);
    let ahead = at.unix_ms().saturating_sub(liveness.now.unix_ms()) > liveness.skew_ms;
    Ok(Case { resolved, live_at, at, ahead })
}

impl Case<'_> {
    /// Whether the decision needs what the card did before, and changes it.
    pub(crate) fn needs_track(&self) -> bool {
        self.resolved.rules.need_track()
    }

    /// Whether a later change of permissions could still make it another decision: `settled_to` is
    /// the last moment that history is written for. Who is not registered may be, and from an
    /// earlier moment on.
    pub(crate) fn is_open(&self, settled_to: Millis) -> bool {
        self.live_at.is_some() || self.at >= settled_to || self.resolved.credential.is_none()
    }

    /// Decides, and folds what that means for the card.
    // A decision that is returned through memory waits there before it goes among the rows.
    #[inline(always)]
    pub(crate) fn judge<'e, 'a>(self, event: &'e Event<'a>, tracks: &mut Tracks) -> Judged<'e, 'a> {
        let Self { resolved, live_at, at, ahead } = self;
        let tracked = resolved.rules.need_track();
        // Made where it is needed: one that is copied waits until it has been written (store
        // forwarding), and what was written before it is far away.
        let read = || Read {
            zone: resolved.zone,
            rules: resolved.rules,
            direction: resolved.direction.or(event.swipe.direction),
            at,
            late: live_at.is_none(),
        };
        let verdict = access::decide(&Request {
            credential: resolved.credential,
            schedule: resolved.schedule,
            track: if tracked { tracks.of(event.card) } else { None },
            read: read(),
        });
        if tracked && !ahead {
            tracks.fold(event.card, &read(), &verdict);
        }
        let noted = |holds, note| if holds { note } else { 0 };
        let denied_for_it = verdict.reasons.iter().any(|r| r == DenialReason::Antipassback);
        Judged {
            event,
            zone: resolved.zone,
            live_at,
            reasons: verdict.reasons,
            notes: noted(verdict.released, RELEASED)
                | noted(verdict.antipassback_violated && !denied_for_it, ANTIPASSBACK_VIOLATED),
        }
    }
}

impl Judged<'_, '_> {
    pub(crate) fn is_live(&self) -> bool {
        self.live_at.is_some()
    }
}
