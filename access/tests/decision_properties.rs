//! Any decision is what the rules say, one by one; it depends on nothing but its inputs; and more
//! permission is never less.

#![allow(clippy::unwrap_used, reason = "a test that fails says so")]

use access::{
    Antipassback, CardState, CardTrack, Credential, Enforcement, Lock, Lockout, Read, Request,
    Schedule, ScheduleDefinition, ScheduleNumber, Visit, WeeklyWindow, ZoneMode, ZoneNumber,
    ZoneRules, decide,
};
use proptest::prelude::*;
use schemas::{DenialReason, Direction, Millis, Reasons};

/// All that a decision is made from, owned.
#[derive(Debug, Clone)]
struct Inputs {
    credential: Option<Credential>,
    schedule: Option<Schedule>,
    track: Option<CardTrack>,
    zone: ZoneNumber,
    rules: ZoneRules,
    direction: Option<Direction>,
    at: Millis,
    late: bool,
}

impl Inputs {
    fn read(&self) -> Read<'_> {
        let Self { zone, direction, at, late, .. } = *self;
        Read { zone, rules: &self.rules, direction, at, late }
    }

    fn request(&self) -> Request<'_> {
        Request {
            credential: self.credential.as_ref(),
            schedule: self.schedule.as_ref(),
            track: self.track.as_ref(),
            read: self.read(),
        }
    }
}

/// Open from 00:00 to 00:01 UTC of each day: a third of the moments that are drawn.
fn first_minute() -> Schedule {
    let days = serde_json::from_str(r#"["mon","tue","wed","thu","fri","sat","sun"]"#).unwrap();
    let weekly = vec![WeeklyWindow { days, from: "00:00".into(), until: "00:01".into() }];
    let time_zone = "UTC".into();
    Schedule::new(&ScheduleDefinition { time_zone, weekly, special_days: vec![] }).unwrap()
}

fn any_moment() -> impl Strategy<Value = Millis> {
    (0_i64..180_000).prop_map(Millis::from_unix_ms)
}

fn any_zone() -> impl Strategy<Value = ZoneNumber> {
    (0_u32..4).prop_map(ZoneNumber)
}

fn any_credential() -> impl Strategy<Value = Credential> {
    let state = prop_oneof![
        3 => Just(CardState::Enabled),
        1 => prop::sample::select(&CardState::ALL[..]).prop_map(|(state, _)| state),
    ];
    let bound = || prop::option::weighted(0.3, any_moment());
    let zones = prop::collection::vec(any_zone(), 0..5);
    let schedule = prop::option::of(Just(ScheduleNumber(1)));
    (state, bound(), bound(), zones, schedule).prop_map(
        |(state, valid_from, valid_until, zones, schedule)| Credential {
            state,
            valid_from,
            valid_until,
            zones: zones.into_iter().collect(),
            schedule,
        },
    )
}

fn any_rules() -> impl Strategy<Value = ZoneRules> {
    let mode = prop_oneof![
        4 => Just(ZoneMode::Normal),
        1 => Just(ZoneMode::DenyAll),
        1 => Just(ZoneMode::Released),
    ];
    let enforcement = prop::sample::select(&Enforcement::ALL[..]).prop_map(|(value, _)| value);
    let timed_ms = prop::option::of(0_u32..100_000);
    let antipassback =
        (enforcement, any::<bool>(), timed_ms).prop_map(|(enforcement, two_way, timed_ms)| {
            Antipassback { enforcement, two_way, timed_ms }
        });
    let lockout = (1_u32..=20, 1_u32..200_000, 1_u32..200_000)
        .prop_map(|(denials, within_ms, for_ms)| Lockout::new(denials, within_ms, for_ms).unwrap());
    (mode, antipassback, prop::option::of(lockout))
        .prop_map(|(mode, antipassback, lockout)| ZoneRules { mode, antipassback, lockout })
}

fn any_track() -> impl Strategy<Value = CardTrack> {
    let visit = (any_zone(), any::<bool>(), any_moment(), prop::option::of(any_moment()))
        .prop_map(|(zone, inside, since, entered_at)| Visit { zone, inside, since, entered_at });
    let lock = (any_moment(), 1_i64..100_000).prop_map(|(from, ms)| {
        let until = Millis::from_unix_ms(from.unix_ms() + ms);
        Lock { from, until }
    });
    (
        prop::collection::vec(visit, 0..5),
        prop::collection::vec(any_moment(), 0..5),
        prop::option::of(lock),
    )
        .prop_map(|(visits, denials, lock)| CardTrack::from_parts(visits, denials, lock))
}

fn any_direction() -> impl Strategy<Value = Option<Direction>> {
    prop::sample::select(vec![None, Some(Direction::In), Some(Direction::Out)])
}

fn any_inputs() -> impl Strategy<Value = Inputs> {
    let schedule = prop::option::weighted(0.8, Just(first_minute()));
    let rules = (any_rules(), any_direction(), any_moment(), any::<bool>());
    (
        prop::option::weighted(0.9, any_credential()),
        schedule,
        prop::option::of(any_track()),
        any_zone(),
        rules,
    )
        .prop_map(|(credential, schedule, track, zone, (rules, direction, at, late))| Inputs {
            credential,
            schedule,
            track,
            zone,
            rules,
            direction,
            at,
            late,
        })
}

/// Whether `reason` applies, as the rules are written.
fn applies(reason: DenialReason, inputs: &Inputs) -> bool {
    let card = inputs.credential.as_ref();
    let minute = inputs.at.unix_ms() / 60_000;
    match reason {
        DenialReason::CredentialNotFound => card.is_none(),
        DenialReason::CredentialNotEnabled => card.is_some_and(|c| c.state != CardState::Enabled),
        DenialReason::CredentialNotActive => {
            card.and_then(|c| c.valid_from).is_some_and(|from| inputs.at < from)
        }
        DenialReason::CredentialExpired => {
            card.and_then(|c| c.valid_until).is_some_and(|until| inputs.at >= until)
        }
        DenialReason::Unauthorized => {
            card.is_some_and(|c| !c.zones.as_slice().contains(&inputs.zone))
        }
        DenialReason::NotPermittedAtThisTime => {
            card.is_some_and(|c| c.schedule.is_some()) && (inputs.schedule.is_none() || minute > 0)
        }
        DenialReason::Antipassback => {
            inputs.rules.antipassback.enforcement == Enforcement::Hard && violates(inputs)
        }
        DenialReason::Lockout => {
            let lock = inputs.track.as_ref().and_then(CardTrack::lock);
            inputs.rules.lockout.is_some()
                && lock.is_some_and(|lock| {
                    inputs.at < lock.until && (inputs.at >= lock.from || !inputs.late)
                })
        }
        DenialReason::DenyAll => inputs.rules.mode == ZoneMode::DenyAll,
        DenialReason::Other => false,
    }
}

fn violates(inputs: &Inputs) -> bool {
    let rules = inputs.rules.antipassback;
    let visits = inputs.track.as_ref().map_or(&[][..], CardTrack::visits);
    let here = visits.iter().find(|visit| visit.zone == inputs.zone);
    let innermost = visits.iter().rfind(|visit| visit.inside);
    let known = !inputs.late || visits.iter().all(|visit| visit.since <= inputs.at);
    let elsewhere = match inputs.direction {
        Some(Direction::In) => innermost.is_some_and(|visit| visit.zone == inputs.zone),
        Some(Direction::Out) => here.is_some_and(|visit| !visit.inside),
        None => false,
    };
    let entered_at = here.and_then(|visit| visit.entered_at).map(Millis::unix_ms);
    let soon = inputs.direction == Some(Direction::In)
        && rules.timed_ms.zip(entered_at).is_some_and(|(ms, entered_at)| {
            let passed_ms = inputs.at.unix_ms() - entered_at;
            passed_ms < i64::from(ms) && (passed_ms >= 0 || !inputs.late)
        });
    rules.enforcement != Enforcement::Off && (rules.two_way && known && elsewhere || soon)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn every_reason_that_applies_is_reported_and_the_first_in_precedence_is_the_primary(
        inputs in any_inputs()
    ) {
        let verdict = decide(&inputs.request());
        let released = inputs.rules.mode == ZoneMode::Released;
        let applying = DenialReason::ALL.into_iter().filter(|r| !released && applies(*r, &inputs));
        let expected: Vec<_> = applying.collect();
        prop_assert_eq!(verdict.reasons, expected.iter().copied().collect::<Reasons>());
        prop_assert_eq!(verdict.reasons.primary(), expected.first().copied());
        prop_assert_eq!(verdict.granted(), expected.is_empty());
        prop_assert_eq!(verdict.released, released);
        prop_assert_eq!(verdict.antipassback_violated, !released && violates(&inputs));
    }

    #[test]
    fn a_zone_more_never_turns_granted_into_denied(inputs in any_inputs(), more in any_zone()) {
        let mut wider = inputs.clone();
        if let Some(card) = &mut wider.credential {
            card.zones = card.zones.as_slice().iter().copied().chain([more]).collect();
        }
        let (before, after) = (decide(&inputs.request()), decide(&wider.request()));
        prop_assert!(!before.granted() || after.granted());
        prop_assert_eq!(after.reasons.bits() & !before.reasons.bits(), 0, "a new reason");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn a_fold_is_bounded_and_only_a_late_read_of_before_changes_nothing(
        start in any_track(), reads in prop::collection::vec(any_inputs(), 1..40)
    ) {
        let mut track = start;
        for mut inputs in reads {
            inputs.track = Some(track.clone());
            let verdict = decide(&inputs.request());
            let changed = track.fold(&inputs.read(), &verdict);
            let before = inputs.track.as_ref().unwrap();
            let tracked = inputs.rules.need_track();
            prop_assert!(tracked || !changed && track == *before, "this zone needs no track");
            prop_assert!(changed || track == *before);
            let moved = track.visits() != before.visits();
            prop_assert!(!moved || verdict.granted(), "a denied read does not move the card");
            let newer = before.visits().iter().all(|visit| visit.since < inputs.at);
            prop_assert!(!inputs.late || newer || !changed, "late, and not newer");
            prop_assert!(track.visits().len() <= access::VISITS_MAX);
            prop_assert!(track.denials().len() <= access::DENIALS_MAX);
            let parts = (track.visits().to_vec(), track.denials().to_vec(), track.lock());
            prop_assert_eq!(&CardTrack::from_parts(parts.0, parts.1, parts.2), &track);
        }
    }

    /// The same inputs later, after others, elsewhere in memory and on another thread.
    #[test]
    fn an_answer_depends_on_nothing_but_its_inputs(
        asked in prop::collection::vec(any_inputs(), 1..20)
    ) {
        let answers: Vec<_> = asked.iter().map(|inputs| decide(&inputs.request())).collect();
        let again = asked.clone();
        let thread = std::thread::spawn(move || {
            let backwards = again.iter().rev().map(|inputs| decide(&inputs.request()));
            backwards.collect::<Vec<_>>()
        });
        let mut backwards = thread.join().unwrap();
        backwards.reverse();
        prop_assert_eq!(answers, backwards);
    }
}
