use schemas::{DenialReason, Direction, Millis, Reasons};

use crate::{CardTrack, Credential, Enforcement, Schedule, ZoneMode, ZoneNumber, ZoneRules};

/// Decides one read. A card that nobody registered is denied, it is not an error.
///
/// Every reason that applies is reported; [`DenialReason`] gives their precedence. A released zone
/// grants every read and asks nothing.
#[must_use]
pub fn decide(request: &Request<'_>) -> Verdict {
    let read = &request.read;
    if read.rules.mode == ZoneMode::Released {
        return Verdict { reasons: Reasons::NONE, released: true, antipassback_violated: false };
    }
    let mut reasons = Reasons::NONE;
    match request.credential {
        Some(credential) => permission(credential, request.schedule, read, &mut reasons),
        None => reasons.insert(DenialReason::CredentialNotFound),
    }
    let antipassback_violated = request.track.is_some_and(|track| track.forbids(read));
    if antipassback_violated && read.rules.antipassback.enforcement == Enforcement::Hard {
        reasons.insert(DenialReason::Antipassback);
    }
    if read.rules.lockout.is_some() && request.track.is_some_and(|track| track.is_locked(read)) {
        reasons.insert(DenialReason::Lockout);
    }
    if read.rules.mode == ZoneMode::DenyAll {
        reasons.insert(DenialReason::DenyAll);
    }
    Verdict { reasons, released: false, antipassback_violated }
}

/// All that one decision is made from.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// What the card may do; none if nobody registered it.
    pub credential: Option<&'a Credential>,
    /// The schedule that the credential names. A credential that names one which is not given here
    /// is denied with `not_permitted_at_this_time`; one that names none is not bound by what is.
    pub schedule: Option<&'a Schedule>,
    /// What the card did before; not looked at where the zone [needs none](ZoneRules::need_track).
    pub track: Option<&'a CardTrack>,
    /// The read.
    pub read: Read<'a>,
}

/// One read of a card at a door.
#[derive(Debug, Clone, Copy)]
pub struct Read<'a> {
    /// The door's zone.
    pub zone: ZoneNumber,
    /// What holds there.
    pub rules: &'a ZoneRules,
    /// Which way; none if the terminal did not say.
    pub direction: Option<Direction>,
    /// When.
    pub at: Millis,
    /// Whether it came after its time: then the card may have been elsewhere since, and what it did
    /// after `at` neither speaks against this read nor is undone by it.
    pub late: bool,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Every reason against; none means granted.
    pub reasons: Reasons,
    /// Granted because the zone is released, whatever else is true of the card.
    pub released: bool,
    /// The card is where it cannot be: a reason too if anti-passback is hard, only this if soft.
    pub antipassback_violated: bool,
}

impl Verdict {
    /// Whether the card may pass.
    pub fn granted(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// What the card's own permission says against `read`.
fn permission(
    credential: &Credential,
    schedule: Option<&Schedule>,
    read: &Read<'_>,
    reasons: &mut Reasons,
) {
    if credential.state != crate::CardState::Enabled {
        reasons.insert(DenialReason::CredentialNotEnabled);
    }
    if credential.valid_from.is_some_and(|from| read.at < from) {
        reasons.insert(DenialReason::CredentialNotActive);
    }
    if credential.valid_until.is_some_and(|until| read.at >= until) {
        reasons.insert(DenialReason::CredentialExpired);
    }
    if !credential.zones.contains(read.zone) {
        reasons.insert(DenialReason::Unauthorized);
    }
    if credential.schedule.is_some() && !schedule.is_some_and(|schedule| schedule.allows(read.at)) {
        reasons.insert(DenialReason::NotPermittedAtThisTime);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Antipassback, CardState, Lockout, ScheduleNumber};

    const LAB: ZoneNumber = ZoneNumber(1);
    const ROOF: ZoneNumber = ZoneNumber(2);

    fn at(ms: i64) -> Millis {
        Millis::from_unix_ms(ms)
    }

    fn card() -> Credential {
        Credential {
            state: CardState::Enabled,
            valid_from: Some(at(100)),
            valid_until: Some(at(200)),
            zones: [LAB].into_iter().collect(),
            schedule: None,
        }
    }

    fn ask(
        credential: Option<&Credential>,
        zone: ZoneNumber,
        rules: &ZoneRules,
        ms: i64,
    ) -> Verdict {
        let read = Read { zone, rules, direction: None, at: at(ms), late: false };
        decide(&Request { credential, schedule: None, track: None, read })
    }

    #[test]
    fn validity_is_half_open() {
        for (ms, primary) in [
            (99, Some(DenialReason::CredentialNotActive)),
            (100, None),
            (199, None),
            (200, Some(DenialReason::CredentialExpired)),
        ] {
            let verdict = ask(Some(&card()), LAB, &ZoneRules::default(), ms);
            assert_eq!(verdict.reasons.primary(), primary, "at {ms}");
            assert_eq!(verdict.granted(), primary.is_none());
        }
    }

    #[test]
    fn every_reason_is_named_in_precedence() {
        let lost = Credential { state: CardState::Lost, ..card() };
        let lockdown = ZoneRules { mode: ZoneMode::DenyAll, ..ZoneRules::default() };
        let reasons: Vec<_> = ask(Some(&lost), ROOF, &lockdown, 300).reasons.iter().collect();
        assert_eq!(
            reasons,
            [
                DenialReason::CredentialNotEnabled,
                DenialReason::CredentialExpired,
                DenialReason::Unauthorized,
                DenialReason::DenyAll,
            ]
        );
        let unknown: Vec<_> = ask(None, ROOF, &lockdown, 300).reasons.iter().collect();
        assert_eq!(unknown, [DenialReason::CredentialNotFound, DenialReason::DenyAll]);
    }

    #[test]
    fn a_released_zone_grants_to_anyone_and_says_so() {
        let rules = ZoneRules {
            mode: ZoneMode::Released,
            antipassback: Antipassback {
                enforcement: Enforcement::Hard,
                two_way: true,
                timed_ms: None,
            },
            lockout: Lockout::new(1, 1, 1).ok(),
        };
        let verdict = ask(None, ROOF, &rules, 0);
        assert!(verdict.granted() && verdict.released);
        assert!(!ask(Some(&card()), LAB, &ZoneRules::default(), 100).released);
    }

    #[test]
    fn a_schedule_that_is_named_but_not_there_denies() {
        let bound = Credential { schedule: Some(ScheduleNumber(7)), ..card() };
        let verdict = ask(Some(&bound), LAB, &ZoneRules::default(), 100);
        assert_eq!(verdict.reasons.primary(), Some(DenialReason::NotPermittedAtThisTime));
    }
}
