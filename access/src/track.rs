use schemas::{DenialReason, Direction, Millis, Reasons};
use smallvec::SmallVec;

use crate::{Enforcement, Lockout, Read, Verdict, ZoneNumber};

/// Zones that a track remembers; of more, the one that was passed longest ago is forgotten, which
/// never counts against the card.
pub const VISITS_MAX: usize = 16;

/// Denials that a track remembers, and so the most that a [`Lockout`] can count.
pub const DENIALS_MAX: usize = 20;

/// What one card did so far, as far as the next decisions need it: folded from its reads in the
/// order of the log, only at zones whose rules [need it](crate::ZoneRules::need_track).
///
/// The card is inside or outside each zone by itself, as BACnet keeps it (`Credentials_In_Zone`),
/// not in one area at a time: zones lie in one another (the laboratory in the building), and who
/// leaves the inner one must still be able to leave the outer one. Whoever leaves or enters again a
/// zone has thereby left all that were entered after it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardTrack {
    /// A zone at most once, the one passed last at the end.
    visits: SmallVec<[Visit; 2]>,
    /// In the order of the log.
    denials: SmallVec<[Millis; 4]>,
    lock: Option<Lock>,
}

/// What a track remembers of one zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit {
    /// The zone.
    pub zone: ZoneNumber,
    /// Whether the card is in it.
    pub inside: bool,
    /// Since when it is in or out.
    pub since: Millis,
    /// When it last entered; none if it was only seen to leave.
    pub entered_at: Option<Millis>,
}

/// A time that a card is locked out for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lock {
    /// The denial that was one too many.
    pub from: Millis,
    /// Not from this moment on.
    pub until: Millis,
}

impl CardTrack {
    /// The track that these parts make, in the order that [`visits`](Self::visits) and
    /// [`denials`](Self::denials) gave them. Of a zone named twice the later one counts, and beyond
    /// the limits the earliest ones are dropped: what was stored never fails to be read.
    pub fn from_parts(
        visits: impl IntoIterator<Item = Visit>,
        denials: impl IntoIterator<Item = Millis>,
        lock: Option<Lock>,
    ) -> Self {
        let mut track = Self { lock, ..Self::default() };
        for visit in visits {
            track.visits.retain(|known| known.zone != visit.zone);
            push_bounded(&mut track.visits, visit, VISITS_MAX);
        }
        for denial in denials {
            push_bounded(&mut track.denials, denial, DENIALS_MAX);
        }
        track
    }

    /// What is known of each zone, the one passed last at the end.
    pub fn visits(&self) -> &[Visit] {
        &self.visits
    }

    /// When the card was denied, of the denials that count and led to no lock yet.
    pub fn denials(&self) -> &[Millis] {
        &self.denials
    }

    /// The last time that it was locked out for, over or not.
    pub fn lock(&self) -> Option<Lock> {
        self.lock
    }

    /// The innermost zone that the card is in: the one entered last and not left.
    pub fn area(&self) -> Option<&Visit> {
        self.visits.iter().rfind(|visit| visit.inside)
    }

    /// Folds one judged read, and returns whether that changed anything.
    ///
    /// A granted read (also in a released zone) moves the card where anti-passback is not off; a
    /// denied one never does. A late read counts only if it is newer than all that is here.
    ///
    /// A denial counts for lockout where the zone has one, unless the card was locked already (or
    /// whoever keeps trying would never get free) or lockdown was the only reason (it says nothing
    /// about the card). A grant does not reset the count: one's own door is not a way to go on
    /// trying others. The denial that makes the count full locks the card and starts a new count.
    pub fn fold(&mut self, read: &Read<'_>, verdict: &Verdict) -> bool {
        if read.late && self.newest().is_some_and(|newest| read.at <= newest) {
            return false;
        }
        if verdict.granted() {
            match read.direction {
                Some(direction) if read.rules.antipassback.enforcement != Enforcement::Off => {
                    self.pass(read.zone, direction, read.at);
                    true
                }
                _ => false,
            }
        } else {
            match &read.rules.lockout {
                Some(lockout) if counts(verdict.reasons) => {
                    self.deny(lockout, read.at);
                    true
                }
                _ => false,
            }
        }
    }

    /// Whether `read` violates the anti-passback of its zone.
    pub(crate) fn forbids(&self, read: &Read<'_>) -> bool {
        let rules = &read.rules.antipassback;
        let Some(direction) = read.direction else { return false };
        if rules.enforcement == Enforcement::Off {
            return false;
        }
        let soon = rules.timed_ms.is_some_and(|ms| {
            direction == Direction::In && self.entered_within(read, i64::from(ms))
        });
        soon || rules.two_way && self.is_elsewhere(read, direction)
    }

    /// Whether the card is locked out at the moment of `read`.
    pub(crate) fn is_locked(&self, read: &Read<'_>) -> bool {
        // A live read may be a little older than the lock by another gateway's clock.
        self.lock.is_some_and(|lock| read.at < lock.until && (!read.late || read.at >= lock.from))
    }

    fn visit(&self, zone: ZoneNumber) -> Option<&Visit> {
        self.visits.iter().find(|visit| visit.zone == zone)
    }

    fn entered_within(&self, read: &Read<'_>, ms: i64) -> bool {
        let Some(entered_at) = self.visit(read.zone).and_then(|visit| visit.entered_at) else {
            return false;
        };
        let passed_ms = read.at.unix_ms().saturating_sub(entered_at.unix_ms());
        passed_ms < ms && (!read.late || passed_ms >= 0)
    }

    /// Whether the card would have to be on the other side of the door.
    fn is_elsewhere(&self, read: &Read<'_>, direction: Direction) -> bool {
        if read.late && self.visits.iter().any(|visit| visit.since > read.at) {
            return false; // Where it was then is not known any more.
        }
        match direction {
            Direction::In => self.area().is_some_and(|area| area.zone == read.zone),
            Direction::Out => self.visit(read.zone).is_some_and(|visit| !visit.inside),
        }
    }

    fn pass(&mut self, zone: ZoneNumber, direction: Direction, at: Millis) {
        let mut entered_at = None;
        if let Some(place) = self.visits.iter().position(|visit| visit.zone == zone) {
            let known = self.visits.remove(place);
            entered_at = known.entered_at;
            if known.inside {
                let inner = self.visits.iter_mut().skip(place).filter(|visit| visit.inside);
                inner.for_each(|visit| (visit.inside, visit.since) = (false, at));
            }
        }
        let inside = direction == Direction::In;
        let entered_at = if inside { Some(at) } else { entered_at };
        push_bounded(&mut self.visits, Visit { zone, inside, since: at, entered_at }, VISITS_MAX);
    }

    fn deny(&mut self, lockout: &Lockout, at: Millis) {
        push_bounded(&mut self.denials, at, DENIALS_MAX);
        let age_ms = |denial: &Millis| at.unix_ms().saturating_sub(denial.unix_ms());
        let within_ms = i64::from(lockout.within_ms());
        let count = self.denials.iter().filter(|denial| age_ms(denial) < within_ms).count();
        if count >= lockout.denials() as usize {
            let until = at.unix_ms().saturating_add(i64::from(lockout.for_ms()));
            self.lock = Some(Lock { from: at, until: Millis::from_unix_ms(until) });
            self.denials.clear();
        }
    }

    /// The newest read that left something here.
    fn newest(&self) -> Option<Millis> {
        let visits = self.visits.iter().map(|visit| visit.since);
        visits.chain(self.denials.iter().copied()).chain(self.lock.map(|lock| lock.from)).max()
    }
}

/// Whether a denial for these reasons counts for lockout.
fn counts(reasons: Reasons) -> bool {
    let about_the_card = |reason| !matches!(reason, DenialReason::Lockout | DenialReason::DenyAll);
    reasons.iter().all(|reason| reason != DenialReason::Lockout)
        && reasons.iter().any(about_the_card)
}

/// Appends `item`, and drops the first one if there would be more than `max`.
fn push_bounded<A: smallvec::Array>(items: &mut SmallVec<A>, item: A::Item, max: usize) {
    if items.len() >= max {
        items.remove(0);
    }
    items.push(item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Antipassback, CardState, Credential, Request, ZoneList, ZoneMode, ZoneRules, decide,
    };
    use Direction::{In, Out};

    const BUILDING: ZoneNumber = ZoneNumber(1);
    const LAB: ZoneNumber = ZoneNumber(2);
    const ROOF: ZoneNumber = ZoneNumber(3);

    fn two_way(enforcement: Enforcement) -> ZoneRules {
        let antipassback = Antipassback { enforcement, two_way: true, timed_ms: None };
        ZoneRules { antipassback, ..ZoneRules::default() }
    }

    fn timed(ms: u32) -> ZoneRules {
        let antipassback =
            Antipassback { enforcement: Enforcement::Hard, two_way: false, timed_ms: Some(ms) };
        ZoneRules { antipassback, ..ZoneRules::default() }
    }

    fn lockout(denials: u32, within_ms: u32, for_ms: u32) -> ZoneRules {
        ZoneRules { lockout: Lockout::new(denials, within_ms, for_ms).ok(), ..ZoneRules::default() }
    }

    /// A card that may go everywhere but onto the roof, and what it did.
    #[derive(Default)]
    struct Walk(CardTrack);

    impl Walk {
        fn read(
            &mut self,
            rules: &ZoneRules,
            zone: ZoneNumber,
            direction: impl Into<Option<Direction>>,
            ms: i64,
            late: bool,
        ) -> Verdict {
            let zones: ZoneList =
                [BUILDING, LAB].into_iter().chain((4..99).map(ZoneNumber)).collect();
            let (state, schedule) = (CardState::Enabled, None);
            let card = Credential { state, valid_from: None, valid_until: None, zones, schedule };
            let at = Millis::from_unix_ms(ms);
            let read = Read { zone, rules, direction: direction.into(), at, late };
            let track = Some(&self.0);
            let verdict = decide(&Request { credential: Some(&card), schedule: None, track, read });
            self.0.fold(&read, &verdict);
            verdict
        }

        fn live(
            &mut self,
            rules: &ZoneRules,
            zone: ZoneNumber,
            direction: impl Into<Option<Direction>>,
            ms: i64,
        ) -> Option<DenialReason> {
            self.read(rules, zone, direction, ms, false).reasons.primary()
        }
    }

    const VIOLATION: Option<DenialReason> = Some(DenialReason::Antipassback);

    #[test]
    fn hard_denies_entering_twice_and_leaving_twice() {
        let (rules, mut walk) = (two_way(Enforcement::Hard), Walk::default());
        assert_eq!(walk.live(&rules, LAB, In, 1), None);
        assert_eq!(walk.live(&rules, LAB, In, 2), VIOLATION);
        assert_eq!(walk.live(&rules, LAB, None, 3), None, "a read without direction is no passage");
        assert_eq!(walk.live(&rules, LAB, Out, 4), None);
        assert_eq!(walk.live(&rules, LAB, Out, 5), VIOLATION);
        assert_eq!(walk.live(&rules, LAB, In, 6), None);
        assert_eq!(walk.0.area().map(|area| area.since.unix_ms()), Some(6));
    }

    #[test]
    fn soft_grants_and_records() {
        let (rules, mut walk) = (two_way(Enforcement::Soft), Walk::default());
        walk.live(&rules, LAB, In, 1);
        let again = walk.read(&rules, LAB, In, 2, false);
        assert!(again.granted() && again.antipassback_violated);
    }

    #[test]
    fn off_neither_looks_nor_remembers() {
        let (rules, mut walk) = (two_way(Enforcement::Off), Walk::default());
        walk.live(&rules, LAB, In, 1);
        assert!(!walk.read(&rules, LAB, In, 2, false).antipassback_violated);
        assert_eq!(walk.0, CardTrack::default());
    }

    #[test]
    fn a_zone_the_card_was_not_seen_at_may_be_left() {
        let (rules, mut walk) = (two_way(Enforcement::Hard), Walk::default());
        assert_eq!(walk.live(&rules, LAB, Out, 1), None);
        assert_eq!(walk.live(&rules, BUILDING, Out, 2), None);
        assert_eq!(walk.live(&rules, BUILDING, Out, 3), VIOLATION);
    }

    #[test]
    fn zones_may_lie_in_one_another() {
        let (rules, mut walk) = (two_way(Enforcement::Hard), Walk::default());
        for (zone, direction) in [(BUILDING, In), (LAB, In), (LAB, Out), (LAB, In), (BUILDING, Out)]
        {
            assert_eq!(walk.live(&rules, zone, direction, 1), None, "{zone:?} {direction:?}");
        }
        assert_eq!(walk.0.area(), None);
        assert_eq!(walk.live(&rules, LAB, Out, 2), VIOLATION, "it left with the building");
    }

    #[test]
    fn neighbouring_zones_with_readers_inward_only() {
        let (rules, mut walk) = (two_way(Enforcement::Hard), Walk::default());
        for zone in [BUILDING, LAB, BUILDING, LAB] {
            assert_eq!(walk.live(&rules, zone, In, 1), None);
        }
        assert_eq!(walk.live(&rules, LAB, In, 2), VIOLATION);
    }

    #[test]
    fn timed_looks_at_the_last_granted_entry_only() {
        let (rules, mut walk) = (timed(100), Walk::default());
        assert_eq!(walk.live(&rules, LAB, In, 0), None);
        assert_eq!(walk.live(&rules, LAB, Out, 10), None);
        assert_eq!(walk.live(&rules, LAB, Out, 20), None);
        assert_eq!(walk.live(&rules, LAB, In, 99), VIOLATION);
        assert_eq!(walk.live(&rules, BUILDING, In, 99), None);
        assert_eq!(walk.live(&rules, LAB, In, 100), None, "the denied try did not start it anew");
        assert_eq!(walk.live(&rules, LAB, In, 100), VIOLATION, "another swipe in the same ms");
    }

    #[test]
    fn denied_does_not_move_and_released_does() {
        let (rules, mut walk) = (two_way(Enforcement::Hard), Walk::default());
        assert_eq!(walk.live(&rules, ROOF, In, 1), Some(DenialReason::Unauthorized));
        assert_eq!(walk.0.area(), None);
        let fire = ZoneRules { mode: ZoneMode::Released, ..rules };
        assert!(walk.read(&fire, ROOF, In, 2, false).released);
        assert_eq!(walk.0.area().map(|area| area.zone), Some(ROOF));
    }

    #[test]
    fn late_reads_move_only_forward_and_are_not_judged_by_what_came_after() {
        let (rules, mut walk) = (two_way(Enforcement::Hard), Walk::default());
        walk.live(&rules, LAB, In, 10);
        let before = walk.0.clone();
        assert!(walk.read(&rules, LAB, In, 9, true).granted());
        assert!(walk.read(&rules, BUILDING, In, 10, true).granted());
        assert_eq!(walk.0, before);
        assert!(!walk.read(&rules, LAB, In, 11, true).granted());
        assert!(walk.read(&rules, LAB, Out, 11, true).granted());
        assert_eq!(walk.0.area(), None);
        assert!(walk.read(&timed(100), LAB, In, 9, true).granted());
    }

    #[test]
    fn live_reads_follow_the_log_whatever_the_clocks_say() {
        let (rules, mut walk) = (two_way(Enforcement::Hard), Walk::default());
        walk.live(&rules, LAB, In, 10);
        assert_eq!(walk.live(&rules, LAB, In, 9), VIOLATION);
        assert_eq!(walk.live(&rules, LAB, Out, 9), None);
        assert_eq!(walk.0.area(), None);
    }

    #[test]
    fn too_many_denials_within_the_time_lock_for_the_time() {
        let (rules, mut walk) = (lockout(3, 100, 1000), Walk::default());
        for ms in [0, 60, 100] {
            assert_eq!(walk.live(&rules, ROOF, None, ms), Some(DenialReason::Unauthorized));
        }
        assert_eq!(walk.live(&rules, LAB, None, 110), None, "the first one was too long ago");
        walk.live(&rules, ROOF, None, 120);
        for ms in [121, 1119] {
            let tried = walk.read(&rules, LAB, None, ms, false).reasons;
            assert_eq!(tried.primary(), Some(DenialReason::Lockout), "at {ms}");
        }
        assert!(walk.read(&rules, LAB, None, 119, true).granted(), "late, of before the lock");
        assert_eq!(walk.live(&ZoneRules::default(), LAB, None, 121), None, "no lockout there");
        assert_eq!(walk.live(&rules, LAB, None, 1120), None);
    }

    #[test]
    fn tries_while_locked_and_lockdown_do_not_count() {
        let (rules, mut walk) = (lockout(2, 10_000, 100), Walk::default());
        let lockdown = ZoneRules { mode: ZoneMode::DenyAll, ..rules };
        for ms in 0..5 {
            assert_eq!(walk.live(&lockdown, LAB, None, ms), Some(DenialReason::DenyAll));
        }
        walk.live(&lockdown, ROOF, None, 10);
        walk.live(&rules, ROOF, None, 11);
        let until = walk.0.lock().map(|lock| lock.until.unix_ms());
        assert_eq!(until, Some(111));
        for ms in 12..20 {
            walk.live(&rules, ROOF, None, ms);
        }
        assert_eq!(walk.0.lock().map(|lock| lock.until.unix_ms()), until);
        assert_eq!(walk.live(&rules, LAB, None, 111), None);
    }

    #[test]
    fn a_lock_starts_a_new_count_and_a_late_denial_of_before_adds_nothing() {
        let (rules, mut walk) = (lockout(2, 10_000, 10), Walk::default());
        walk.live(&rules, ROOF, None, 100);
        walk.live(&rules, ROOF, None, 101);
        walk.read(&rules, ROOF, None, 50, true);
        assert_eq!(walk.0.denials(), []);
        walk.live(&rules, ROOF, None, 111);
        assert_eq!(walk.live(&rules, LAB, None, 112), None);
        walk.read(&rules, ROOF, None, 113, true);
        let lock = Lock { from: Millis::from_unix_ms(113), until: Millis::from_unix_ms(123) };
        assert_eq!(walk.0.lock(), Some(lock), "a late denial that is newer counts");
    }

    #[test]
    fn leaving_a_zone_the_card_is_not_in_leaves_no_other() {
        let (rules, mut walk) = (two_way(Enforcement::Soft), Walk::default());
        for (zone, direction) in [(LAB, In), (LAB, Out), (BUILDING, In), (LAB, Out)] {
            walk.live(&rules, zone, direction, 1);
        }
        assert_eq!(walk.0.area().map(|area| area.zone), Some(BUILDING));
    }

    #[test]
    fn a_track_is_bounded_and_survives_being_stored() {
        let mut walk = Walk::default();
        let mut rules = two_way(Enforcement::Hard);
        rules.lockout = Lockout::new(20, 10, 10).ok();
        for n in 0..60 {
            walk.live(&rules, ZoneNumber(4 + n), In, i64::from(n));
            walk.live(&rules, ROOF, In, 1000 * i64::from(n));
        }
        let track = &walk.0;
        assert_eq!((track.visits().len(), track.denials().len()), (VISITS_MAX, DENIALS_MAX));
        let parts = (track.visits().to_vec(), track.denials().to_vec(), track.lock());
        assert_eq!(CardTrack::from_parts(parts.0, parts.1, parts.2), *track);
    }
}
