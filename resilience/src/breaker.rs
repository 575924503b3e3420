//! Whether to ask a server at all.

use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::Backoff;

/// When a breaker opens, and how it finds out whether it may close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// Failures in a row that open it.
    pub failures_max: NonZeroU32,
    /// How long it stays open before a probe, by how often in a row it has opened.
    pub wait: Backoff,
    /// How long a probe may be under way before another one is let through, in ms; longer than any
    /// try takes.
    pub probe_ms_max: u64,
}

impl Default for BreakerSettings {
    /// A probe may take longer than a batch of the consumer may (60 s).
    fn default() -> Self {
        let failures_max = NonZeroU32::MIN.saturating_add(2);
        Self { failures_max, wait: Backoff::default(), probe_ms_max: 90_000 }
    }
}

/// Keeps load off a server that fails, and finds out with one try at a time when it is back.
///
/// ```text
/// Closed ── failures in a row ──▶ Open ── the wait is over ──▶ HalfOpen: one probe
///   ▲                              ▲                             │         │
///   │                              └── it failed: wait longer ───┘         │
///   └───────────────────────────────── it succeeded ──────────────────────┘
/// ```
///
/// Each try has a [`Pass`], which is handed back with its outcome. What a try has to say that was
/// let through before the breaker opened is no news: it is not counted.
///
/// The pattern is Michael Nygard's circuit breaker, "Release It!", 2007.
#[derive(Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    phase: Phase,
    /// How often in a row it has opened, without a success.
    openings: u32,
    /// Which passes count: each phase, and each probe, has passes of its own.
    era: u64,
}

#[derive(Debug)]
enum Phase {
    Closed { failures: u32 },
    Open { since: Instant, wait: Duration },
    HalfOpen { since: Instant },
}

/// What a breaker does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It lets everything through.
    Closed,
    /// It lets nothing through, until its wait is over.
    Open,
    /// It has let one probe through, and nothing else.
    HalfOpen,
}

/// Whether something may be tried now.
#[derive(Debug)]
#[must_use]
pub enum Admission {
    /// Yes.
    Go(Pass),
    /// Yes, to see whether the server is back; nothing else is let through meanwhile.
    Probe(Pass),
    /// Not now; at the latest after this time it is worth asking again. While a probe is under way
    /// its outcome may come earlier.
    Wait(Duration),
}

/// The right to one try, to be handed back with its outcome. One that is dropped says nothing.
#[derive(Debug)]
#[must_use]
pub struct Pass {
    era: u64,
}

impl Breaker {
    /// A closed breaker.
    pub fn new(settings: BreakerSettings) -> Self {
        Self { settings, phase: Phase::Closed { failures: 0 }, openings: 0, era: 0 }
    }

    /// Whether something may be tried at `now`.
    pub fn may_try(&mut self, now: Instant) -> Admission {
        let (since, wait) = match self.phase {
            Phase::Closed { .. } => return Admission::Go(Pass { era: self.era }),
            Phase::Open { since, wait } => (since, wait),
            // Nobody says what became of the probe: it does not block for ever.
            Phase::HalfOpen { since } => (since, Duration::from_millis(self.settings.probe_ms_max)),
        };
        let left = wait.saturating_sub(now.saturating_duration_since(since));
        if left > Duration::ZERO {
            return Admission::Wait(left);
        }
        self.enter(Phase::HalfOpen { since: now });
        Admission::Probe(Pass { era: self.era })
    }

    /// The try succeeded: the failures before it are forgotten, and after a probe the breaker
    /// closes.
    #[expect(clippy::needless_pass_by_value, reason = "a pass is good for one outcome")]
    pub fn succeeded(&mut self, pass: Pass) {
        if pass.era != self.era {
            return;
        }
        self.openings = 0;
        match &mut self.phase {
            Phase::Closed { failures } => *failures = 0,
            Phase::Open { .. } | Phase::HalfOpen { .. } => {
                self.enter(Phase::Closed { failures: 0 });
            }
        }
    }

    /// The try failed, and with it the server: not what is one event's own fault.
    #[expect(clippy::needless_pass_by_value, reason = "a pass is good for one outcome")]
    pub fn failed(&mut self, pass: Pass, now: Instant, rng: &mut impl Rng) {
        if pass.era != self.era {
            return;
        }
        if let Phase::Closed { failures } = &mut self.phase {
            *failures += 1;
            if *failures < self.settings.failures_max.get() {
                return;
            }
        }
        self.openings = self.openings.saturating_add(1);
        let wait = self.settings.wait.delay(self.openings, rng);
        self.enter(Phase::Open { since: now, wait });
    }

    /// What the breaker does at the moment. One whose wait is over is open until somebody asks.
    pub fn state(&self) -> State {
        match self.phase {
            Phase::Closed { .. } => State::Closed,
            Phase::Open { .. } => State::Open,
            Phase::HalfOpen { .. } => State::HalfOpen,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase = phase;
        self.era += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// What happens to a breaker.
    #[derive(Debug, Clone)]
    enum Step {
        Pass(u64),
        Ask,
        /// The outcome of one of the tries that are under way.
        Report {
            which: prop::sample::Index,
            good: bool,
        },
        /// A try whose outcome nobody hears of.
        Lose(prop::sample::Index),
    }

    fn step() -> impl Strategy<Value = Step> {
        let index = any::<prop::sample::Index>;
        prop_oneof![
            2 => (0_u64..400).prop_map(Step::Pass),
            4 => Just(Step::Ask),
            4 => (index(), prop::bool::weighted(0.3))
                .prop_map(|(which, good)| Step::Report { which, good }),
            1 => index().prop_map(Step::Lose),
        ]
    }

    /// A try under way: as a probe since when?
    struct Try {
        pass: Pass,
        probe_since: Option<Instant>,
    }

    struct Run {
        breaker: Breaker,
        now: Instant,
        rng: StdRng,
        tries: Vec<Try>,
        /// Since the last success, or the last time the breaker closed.
        failures: u32,
    }

    const WAIT: Backoff = Backoff { base_ms: 50, cap_ms: 500 };
    const PROBE_MS_MAX: u64 = 1_000;

    impl Run {
        fn new(failures_max: u32, seed: u64) -> Self {
            let failures_max = NonZeroU32::new(failures_max).unwrap();
            let settings = BreakerSettings { failures_max, wait: WAIT, probe_ms_max: PROBE_MS_MAX };
            Self {
                breaker: Breaker::new(settings),
                now: Instant::now(),
                rng: StdRng::seed_from_u64(seed),
                tries: Vec::new(),
                failures: 0,
            }
        }

        fn take(&mut self, step: &Step) {
            match step {
                Step::Pass(time) => self.now += ms(*time),
                Step::Ask => self.ask(),
                Step::Report { which, good } if !self.tries.is_empty() => {
                    let one = self.tries.swap_remove(which.index(self.tries.len()));
                    self.report(one.pass, *good);
                }
                Step::Lose(which) if !self.tries.is_empty() => {
                    self.tries.swap_remove(which.index(self.tries.len()));
                }
                Step::Report { .. } | Step::Lose(_) => {}
            }
        }

        fn ask(&mut self) {
            let before = self.breaker.state();
            match self.breaker.may_try(self.now) {
                Admission::Go(pass) => {
                    assert_eq!(before, State::Closed);
                    self.tries.push(Try { pass, probe_since: None });
                }
                Admission::Probe(pass) => {
                    assert_ne!(before, State::Closed);
                    let probes = self.tries.iter().filter_map(|one| one.probe_since);
                    let young = probes.filter(|since| self.now - *since < ms(PROBE_MS_MAX));
                    assert_eq!(young.count(), 0, "two probes at a time");
                    self.tries.push(Try { pass, probe_since: Some(self.now) });
                }
                Admission::Wait(wait) => {
                    assert_ne!(before, State::Closed);
                    assert!(wait > Duration::ZERO && wait <= ms(WAIT.cap_ms.max(PROBE_MS_MAX)));
                }
            }
        }

        fn report(&mut self, pass: Pass, good: bool) {
            let before = self.breaker.state();
            let counts = pass.era == self.breaker.era;
            if good {
                self.breaker.succeeded(pass);
            } else {
                self.breaker.failed(pass, self.now, &mut self.rng);
            }
            let after = self.breaker.state();
            if !counts {
                assert_eq!(before, after, "an outcome from before changes nothing");
                return;
            }
            self.failures = if good { 0 } else { self.failures + 1 };
            let max = self.breaker.settings.failures_max.get();
            let expected = match (before, good) {
                (State::Closed, false) if self.failures < max => State::Closed,
                (_, false) => State::Open,
                (_, true) => State::Closed,
            };
            assert_eq!(after, expected, "after {} failures in a row", self.failures);
        }
    }

    proptest! {
        /// Never two probes at a time, never open but by failures in a row without a success in
        /// between; and whatever happened, it recovers: by the longest wait there is a try, and one
        /// success closes it.
        #[test]
        fn whatever_happens(
            failures_max in 1_u32..5, seed: u64, steps in prop::collection::vec(step(), 0..200)
        ) {
            let mut run = Run::new(failures_max, seed);
            steps.iter().for_each(|step| run.take(step));

            run.now += ms(WAIT.cap_ms.max(PROBE_MS_MAX));
            match run.breaker.may_try(run.now) {
                Admission::Go(pass) | Admission::Probe(pass) => run.breaker.succeeded(pass),
                Admission::Wait(wait) => prop_assert!(false, "{wait:?} to wait"),
            }
            prop_assert_eq!(run.breaker.state(), State::Closed);
            prop_assert!(matches!(run.breaker.may_try(run.now), Admission::Go(_)));
        }

        /// Successes in between keep it closed, for ever.
        #[test]
        fn successes_in_between(
            failures_max in 2_u32..5, seed: u64, rounds in prop::collection::vec(0_u32..4, 0..50)
        ) {
            let mut run = Run::new(failures_max, seed);
            for failures in rounds {
                let reports = (0..failures.min(failures_max - 1)).map(|_| false).chain([true]);
                for good in reports {
                    let Admission::Go(pass) = run.breaker.may_try(run.now) else {
                        panic!("not closed");
                    };
                    run.report(pass, good);
                }
            }
            prop_assert_eq!(run.breaker.state(), State::Closed);
        }
    }

    fn go(breaker: &mut Breaker, now: Instant) -> Pass {
        match breaker.may_try(now) {
            Admission::Go(pass) => pass,
            other => panic!("{other:?}"),
        }
    }

    fn probe(breaker: &mut Breaker, now: Instant) -> Pass {
        match breaker.may_try(now) {
            Admission::Probe(pass) => pass,
            other => panic!("{other:?}"),
        }
    }

    fn opened(settings: BreakerSettings, now: Instant, rng: &mut impl Rng) -> Breaker {
        let mut breaker = Breaker::new(settings);
        for _ in 0..settings.failures_max.get() {
            let pass = go(&mut breaker, now);
            breaker.failed(pass, now, rng);
        }
        assert_eq!(breaker.state(), State::Open);
        breaker
    }

    #[test]
    fn opens_after_three_by_default_and_waits_longer_after_each_failed_probe() {
        let (start, rng) = (Instant::now(), &mut StdRng::seed_from_u64(7));
        let mut longest = [0; 4];
        for _ in 0..100 {
            let (mut now, mut breaker) = (start, opened(BreakerSettings::default(), start, rng));
            for longest in &mut longest {
                if let Admission::Wait(wait) = breaker.may_try(now) {
                    *longest = wait.as_millis().max(*longest);
                }
                now += ms(90_000);
                let pass = probe(&mut breaker, now);
                breaker.failed(pass, now, rng);
            }
        }
        for (longest, ceiling) in longest.into_iter().zip([50, 100, 200, 400]) {
            assert!(longest <= ceiling && longest > ceiling * 9 / 10, "{longest} of {ceiling} ms");
        }
    }

    #[test]
    fn outcomes_from_before_it_opened_are_no_news() {
        let (now, rng) = (Instant::now(), &mut StdRng::seed_from_u64(7));
        let settings = BreakerSettings::default();
        let mut breaker = Breaker::new(settings);
        let (slow_good, slow_bad) = (go(&mut breaker, now), go(&mut breaker, now));
        for _ in 0..3 {
            let pass = go(&mut breaker, now);
            breaker.failed(pass, now, rng);
        }
        breaker.succeeded(slow_good);
        assert_eq!(breaker.state(), State::Open);
        let pass = probe(&mut breaker, now + ms(60));
        breaker.failed(slow_bad, now, rng);
        assert_eq!(breaker.state(), State::HalfOpen, "the probe is still under way");
        breaker.succeeded(pass);
        assert_eq!(breaker.state(), State::Closed);
    }

    #[test]
    fn a_probe_that_is_lost_is_followed_by_another() {
        let (now, rng) = (Instant::now(), &mut StdRng::seed_from_u64(7));
        let mut breaker = opened(BreakerSettings::default(), now, rng);
        let asked = now + ms(60);
        let lost = probe(&mut breaker, asked);
        assert!(
            matches!(breaker.may_try(asked + ms(89_999)), Admission::Wait(left) if left == ms(1))
        );
        let pass = probe(&mut breaker, asked + ms(90_000));
        breaker.failed(lost, now, rng);
        assert_eq!(breaker.state(), State::HalfOpen, "it no longer speaks for the server");
        breaker.succeeded(pass);
        assert_eq!(breaker.state(), State::Closed);
    }
}
