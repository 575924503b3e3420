use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Millis;

/// What became of one live swipe (`gatelog.decision.v1` on `gatelog.decisions.v1`, keyed by
/// `terminal_id`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Decision {
    /// The swipe's id.
    pub event_id: Uuid,
    /// The terminal that asked.
    #[schemars(length(min = 1, max = 64))]
    pub terminal_id: String,
    /// Granted or denied.
    pub decision: Outcome,
    /// Every reason for a denial, the primary one first; empty when granted.
    pub reasons: Vec<DenialReason>,
    /// The permission clock that the decision was made with.
    pub permission_clock: i64,
    /// When it was made, by the consumer's clock.
    pub decided_at: Millis,
    /// What the door is to do; only with `granted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<DoorCommand>,
}

/// The order to open a door once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DoorCommand {
    /// UUIDv5(`event_id`, "open"): the same order sent twice opens the door once.
    pub command_id: Uuid,
    /// From then on the door must ignore it.
    pub expires_at: Millis,
}

/// The decision itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The card may pass.
    Granted,
    /// It may not.
    Denied,
}

/// Why a card may not pass, in order of precedence: of several, the first is the primary one.
///
/// The names are ONVIF's (Access Control Service, `pt:DenyReason`) and BACnet's (135-2020,
/// `BACnetAccessEvent`) where the field has them. Readers treat a name they don't know as `other`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum DenialReason {
    /// No such card.
    CredentialNotFound,
    /// The card is disabled, lost, stolen, blocked or marked as expired.
    CredentialNotEnabled,
    /// `valid_from` lies ahead.
    CredentialNotActive,
    /// `valid_until` has come.
    CredentialExpired,
    /// The zone is not on the card's list.
    Unauthorized,
    /// The schedule does not allow this time.
    NotPermittedAtThisTime,
    /// The card is where it cannot be.
    Antipassback,
    /// Too many denials in a row.
    Lockout,
    /// The zone is locked down.
    DenyAll,
    /// Anything else, and any reason a reader does not know.
    #[serde(other)]
    Other,
}

impl DenialReason {
    /// All, in precedence.
    pub const ALL: [Self; 10] = [
        Self::CredentialNotFound,
        Self::CredentialNotEnabled,
        Self::CredentialNotActive,
        Self::CredentialExpired,
        Self::Unauthorized,
        Self::NotPermittedAtThisTime,
        Self::Antipassback,
        Self::Lockout,
        Self::DenyAll,
        Self::Other,
    ];

    /// The name that stands in events and views.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CredentialNotFound => "credential_not_found",
            Self::CredentialNotEnabled => "credential_not_enabled",
            Self::CredentialNotActive => "credential_not_active",
            Self::CredentialExpired => "credential_expired",
            Self::Unauthorized => "unauthorized",
            Self::NotPermittedAtThisTime => "not_permitted_at_this_time",
            Self::Antipassback => "antipassback",
            Self::Lockout => "lockout",
            Self::DenyAll => "deny_all",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for DenialReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of denial reasons: bit *i* is the reason of precedence *i*, so the lowest bit set is the
/// primary one. The same number stands in the column `reasons`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Reasons(i16);

impl Reasons {
    /// No reason.
    pub const NONE: Self = Self(0);

    /// Adds one.
    pub fn insert(&mut self, reason: DenialReason) {
        self.0 |= 1 << reason as u8;
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The number of the column.
    pub const fn bits(self) -> i16 {
        self.0
    }

    /// The set a column holds.
    pub const fn from_bits(bits: i16) -> Self {
        Self(bits)
    }

    /// The reasons in precedence.
    pub fn iter(self) -> impl Iterator<Item = DenialReason> {
        DenialReason::ALL.into_iter().filter(move |reason| self.0 & (1 << *reason as u8) != 0)
    }

    /// The first in precedence.
    pub fn primary(self) -> Option<DenialReason> {
        self.iter().next()
    }
}

impl FromIterator<DenialReason> for Reasons {
    fn from_iter<I: IntoIterator<Item = DenialReason>>(reasons: I) -> Self {
        let mut set = Self::NONE;
        reasons.into_iter().for_each(|reason| set.insert(reason));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_follow_the_precedence() {
        for (bit, reason) in DenialReason::ALL.into_iter().enumerate() {
            let set: Reasons = [reason].into_iter().collect();
            assert_eq!(set.bits(), 1 << bit, "{reason}");
            let text = serde_json::to_string(&reason).unwrap();
            assert_eq!(text, format!("\"{reason}\""));
        }
        let set: Reasons =
            [DenialReason::DenyAll, DenialReason::CredentialExpired].into_iter().collect();
        assert_eq!(set.primary(), Some(DenialReason::CredentialExpired));
    }

    #[test]
    fn unknown_reasons_are_other() {
        let reason: DenialReason = serde_json::from_str("\"tailgating\"").unwrap();
        assert_eq!(reason, DenialReason::Other);
    }
}
