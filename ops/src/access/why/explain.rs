use access::{CardState, CardTrack, Read, Verdict, ZoneNumber};
use registry::{Cache, Resolved};
use schemas::{DenialReason, Millis};

use crate::access::list;
use crate::access::show::NO_SUCH_CARD;

/// What the decision was made from.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) read: &'a Read<'a>,
    pub(super) found: &'a Resolved<'a>,
    pub(super) track: Option<&'a CardTrack>,
    pub(super) schedule_id: Option<String>,
    pub(super) cache: &'a Cache,
}

impl Facts<'_> {
    /// A reason for a denial, in words.
    pub(super) fn explain(&self, reason: DenialReason) -> String {
        let zone = self.found.zone_id;
        match reason {
            DenialReason::CredentialNotFound if self.read.late => {
                "the card was not registered then; `gatelog access history` says when it was"
                    .to_owned()
            }
            DenialReason::CredentialNotFound => NO_SUCH_CARD.to_owned(),
            DenialReason::CredentialNotEnabled => {
                let state = self.found.credential.map(|credential| credential.state);
                format!("the card is {}", state.map_or("not enabled", CardState::as_str))
            }
            DenialReason::CredentialNotActive => {
                let from = self.found.credential.and_then(|credential| credential.valid_from);
                format!("the card is valid from {} on", moment(from))
            }
            DenialReason::CredentialExpired => {
                let until = self.found.credential.and_then(|credential| credential.valid_until);
                format!("the card was valid until {}", moment(until))
            }
            DenialReason::Unauthorized => {
                format!("zone {zone} is not on its list: {}", self.zones())
            }
            DenialReason::NotPermittedAtThisTime => {
                let schedule = self.schedule_id.as_deref().unwrap_or("that the card names");
                match self.found.schedule {
                    Some(_) => format!("schedule {schedule} does not allow this time"),
                    None => format!(
                        "schedule {schedule} is not there or cannot be read, so it allows nothing"
                    ),
                }
            }
            DenialReason::Antipassback => self.antipassback(),
            DenialReason::Lockout => {
                let lock = self.track.and_then(CardTrack::lock);
                format!("denied too often: locked out until {}", moment(lock.map(|l| l.until)))
            }
            DenialReason::DenyAll if self.read.late => format!("zone {zone} was locked down"),
            DenialReason::DenyAll => format!(
                "zone {zone} is locked down; `gatelog access zone set {zone} --mode normal` ends it"
            ),
            DenialReason::Other => "a reason that this program does not know".to_owned(),
        }
    }

    /// What else there is to say.
    pub(super) fn notes(&self, verdict: &Verdict) -> Vec<String> {
        let mut notes = Vec::new();
        let zone = self.found.zone_id;
        if verdict.released {
            notes.push(format!("zone {zone} is released: every read is granted"));
        }
        let is_denied_for_it =
            verdict.reasons.iter().any(|reason| reason == DenialReason::Antipassback);
        if verdict.antipassback_violated && !is_denied_for_it {
            notes.push(format!("recorded only: {}", self.antipassback()));
        }
        if self.found.rules.need_track() && self.read.direction.is_none() {
            notes.push("which way is not said, so anti-passback was not looked at".to_owned());
        }
        if self.found.rules.need_track() && self.read.late {
            notes.push("where the card was then is judged by what is known of it now".to_owned());
        }
        notes
    }

    fn antipassback(&self) -> String {
        let zone = self.found.zone_id;
        let visits = self.track.map_or(&[][..], CardTrack::visits);
        match visits.iter().find(|visit| visit.zone == self.found.zone) {
            Some(visit) if visit.inside => {
                format!("the card is inside {zone} since {}", moment(Some(visit.since)))
            }
            Some(visit) => format!(
                "the card is outside {zone} since {}, and went in at {}",
                moment(Some(visit.since)),
                moment(visit.entered_at)
            ),
            None => format!("the card is not where it would have to be for {zone}"),
        }
    }

    fn zones(&self) -> String {
        let numbers: &[ZoneNumber] =
            self.found.credential.map_or(&[], |credential| credential.zones.as_slice());
        let mut names: Vec<String> =
            numbers.iter().map(|zone| self.cache.zone_id(*zone).to_owned()).collect();
        names.sort_unstable();
        list(&names)
    }
}

fn moment(at: Option<Millis>) -> String {
    at.map_or_else(|| "a time that is not known".to_owned(), |at| at.to_string())
}
