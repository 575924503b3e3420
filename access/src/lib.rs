//! The decision: a card, a zone and a moment in, granted or the reasons for a denial out.
//!
//! Pure: no I/O, no clock of its own. The same inputs give the same answer for ever, which is what
//! lets a late swipe be decided as it would have been at its moment.

mod schedule;

use schemas::{DenialReason, Millis, Reasons};

pub use schedule::{
    OPEN_PERIODS_MAX, Period, SPECIAL_DAYS_MAX, Schedule, ScheduleDefinition, SpecialDay,
    WEEKLY_WINDOWS_MAX, Weekday, WeeklyWindow,
};

/// What a card is allowed, as it stood at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whether it may be used at all.
    pub state: CardState,
    /// Not before this moment.
    pub valid_from: Option<Millis>,
    /// Not from this moment on.
    pub valid_until: Option<Millis>,
    /// Zones it may enter.
    pub zones: Vec<Box<str>>,
}

/// The state of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardState {
    /// May be used.
    Enabled,
    /// Switched off by an administrator.
    Disabled,
    /// Reported lost.
    Lost,
    /// Reported stolen.
    Stolen,
    /// Blocked, by an administrator or by a rule.
    Blocked,
    /// Marked as expired, whatever its validity says.
    Expired,
}

impl CardState {
    /// All states, with the words that stand in the table.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Enabled, "enabled"),
        (Self::Disabled, "disabled"),
        (Self::Lost, "lost"),
        (Self::Stolen, "stolen"),
        (Self::Blocked, "blocked"),
        (Self::Expired, "expired"),
    ];

    /// The state that a word of the table stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == word).map(|(state, _)| state)
    }
}

/// Decides whether `card` may pass into `zone_id` at `at`: every reason that speaks against it;
/// none means granted. A card that nobody registered is denied, it is not an error.
pub fn decide(card: Option<&Credential>, zone_id: &str, at: Millis) -> Reasons {
    let mut reasons = Reasons::NONE;
    let Some(card) = card else {
        reasons.insert(DenialReason::CredentialNotFound);
        return reasons;
    };
    if card.state != CardState::Enabled {
        reasons.insert(DenialReason::CredentialNotEnabled);
    }
    if card.valid_from.is_some_and(|from| at < from) {
        reasons.insert(DenialReason::CredentialNotActive);
    }
    if card.valid_until.is_some_and(|until| at >= until) {
        reasons.insert(DenialReason::CredentialExpired);
    }
    if !card.zones.iter().any(|zone| **zone == *zone_id) {
        reasons.insert(DenialReason::Unauthorized);
    }
    reasons
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(ms: i64) -> Millis {
        Millis::from_unix_ms(ms)
    }

    fn card() -> Credential {
        Credential {
            state: CardState::Enabled,
            valid_from: Some(at(100)),
            valid_until: Some(at(200)),
            zones: vec!["lab".into(), "hall".into()],
        }
    }

    #[test]
    fn validity_is_half_open() {
        for (ms, primary) in [
            (99, Some(DenialReason::CredentialNotActive)),
            (100, None),
            (199, None),
            (200, Some(DenialReason::CredentialExpired)),
        ] {
            assert_eq!(decide(Some(&card()), "lab", at(ms)).primary(), primary, "at {ms}");
        }
    }

    #[test]
    fn every_reason_is_named_and_the_order_is_the_precedence() {
        let lost = Credential { state: CardState::Lost, ..card() };
        let reasons: Vec<_> = decide(Some(&lost), "roof", at(300)).iter().collect();
        assert_eq!(
            reasons,
            [
                DenialReason::CredentialNotEnabled,
                DenialReason::CredentialExpired,
                DenialReason::Unauthorized
            ]
        );
        let unknown: Vec<_> = decide(None, "roof", at(300)).iter().collect();
        assert_eq!(unknown, [DenialReason::CredentialNotFound]);
    }

    proptest! {
        #[test]
        fn one_zone_more_never_turns_granted_into_denied(
            zones in prop::collection::vec("[a-d]", 0..4), more in "[a-d]", asked in "[a-d]", ms in 0_i64..300
        ) {
            let zones: Vec<Box<str>> = zones.into_iter().map(Into::into).collect();
            let before = Credential { zones: zones.clone(), ..card() };
            let after = Credential { zones: zones.into_iter().chain([more.into()]).collect(), ..card() };
            if decide(Some(&before), &asked, at(ms)).is_empty() {
                prop_assert!(decide(Some(&after), &asked, at(ms)).is_empty());
            }
        }
    }
}
