//! Decisions a second on one core, with warm inputs:
//! `cargo run --release -p access --example decisions`.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use access::{
    Antipassback, CardState, CardTrack, Credential, Enforcement, Lockout, Read, Request, Schedule,
    ScheduleDefinition, ScheduleNumber, SpecialDay, Weekday, WeeklyWindow, ZoneMode, ZoneNumber,
    ZoneRules, decide,
};
use schemas::{Direction, Millis};

/// Cards, each with inputs of its own; a power of two.
const CARDS: usize = 4096;
/// 2026-03-28T00:00:00Z, the day before clocks in Europe are changed.
const START_MS: i64 = 1_774_656_000_000;

fn main() -> Result<(), Box<dyn Error>> {
    let schedule = schedule()?;
    let plain = ZoneRules::default();
    let everything = ZoneRules {
        mode: ZoneMode::Normal,
        antipassback: Antipassback {
            enforcement: Enforcement::Hard,
            two_way: true,
            timed_ms: Some(60_000),
        },
        lockout: Some(Lockout::new(5, 60_000, 300_000)?),
    };
    let unbound: Vec<_> = (0..CARDS).map(|n| credential(n, None)).collect();
    let bound: Vec<_> = (0..CARDS).map(|n| credential(n, Some(ScheduleNumber(1)))).collect();
    let mut tracks = vec![CardTrack::default(); CARDS];

    measure("plain", |n| {
        decide(&request(&unbound[n % CARDS], None, None, read(n, anywhen(n), &plain))).granted()
    });
    measure("with schedule", |n| {
        decide(&request(&bound[n % CARDS], Some(&schedule), None, read(n, anywhen(n), &plain)))
            .granted()
    });
    measure("with schedule, in order of time", |n| {
        let read = read(n, in_order(n), &plain);
        decide(&request(&bound[n % CARDS], Some(&schedule), None, read)).granted()
    });
    measure("with everything, and its track folded", |n| {
        let track = &mut tracks[n % CARDS];
        let read = read(n, in_order(n), &everything);
        let verdict = decide(&request(&bound[n % CARDS], Some(&schedule), Some(track), read));
        track.fold(&read, &verdict);
        verdict.granted()
    });
    Ok(())
}

/// Runs `decision` for a second, after a tenth of one to get warm, three times.
fn measure(name: &str, mut decision: impl FnMut(usize) -> bool) {
    let mut n = 0;
    let mut run_for = |time: Duration| {
        let (start, mut decisions, mut granted) = (Instant::now(), 0_u64, 0_u64);
        while start.elapsed() < time {
            for _ in 0..10_000 {
                granted += u64::from(black_box(decision(black_box(n))));
                n += 1;
            }
            decisions += 10_000;
        }
        (decisions as f64 / start.elapsed().as_secs_f64(), granted as f64 / decisions as f64)
    };
    run_for(Duration::from_millis(100));
    for _ in 0..3 {
        let (rate, granted) = run_for(Duration::from_secs(1));
        println!("{name}: {:.1} M decisions/s, {:.0} % granted", rate / 1e6, 100.0 * granted);
    }
}

fn request<'a>(
    credential: &'a Credential,
    schedule: Option<&'a Schedule>,
    track: Option<&'a CardTrack>,
    read: Read<'a>,
) -> Request<'a> {
    Request { credential: Some(credential), schedule, track, read }
}

/// The `n`th read: another card each time, in one of ten zones, alternately in and out.
fn read(n: usize, at: Millis, rules: &ZoneRules) -> Read<'_> {
    let round = n / CARDS;
    let zone = ZoneNumber(((n ^ (round / 2)) % 10) as u32);
    let direction = Some(if round.is_multiple_of(2) { Direction::In } else { Direction::Out });
    Read { zone, rules, direction, at, late: false }
}

/// A moment within 60 days, far from the last one: no hour of the day can be guessed from the one
/// before.
fn anywhen(n: usize) -> Millis {
    Millis::from_unix_ms(START_MS + (n as i64 * 86_028_121) % (60 * 86_400_000))
}

/// 20 reads a second, as one log has them: each card is read every three minutes and a half.
fn in_order(n: usize) -> Millis {
    Millis::from_unix_ms(START_MS + n as i64 * 50)
}

/// A card with up to eight of ten zones.
fn credential(n: usize, schedule: Option<ScheduleNumber>) -> Credential {
    let zones = (0..1 + n % 8).map(|zone| ZoneNumber(((zone + n) % 10) as u32)).collect();
    let valid_from = Some(Millis::from_unix_ms(0));
    let valid_until = Some(Millis::from_unix_ms(2 * START_MS));
    Credential { state: CardState::Enabled, valid_from, valid_until, zones, schedule }
}

/// Three shifts in a zone with daylight saving, and 24 special days.
fn schedule() -> Result<Schedule, Box<dyn Error>> {
    use Weekday::{Fri, Mon, Sat, Sun, Thu, Tue, Wed};
    let window = |days: &[Weekday], from: &str, until: &str| WeeklyWindow {
        days: days.to_vec(),
        from: from.into(),
        until: until.into(),
    };
    let special_days = (1..=12).flat_map(|month| {
        [6, 24].map(|day| SpecialDay { date: format!("2026-{month:02}-{day:02}"), open: vec![] })
    });
    Ok(Schedule::new(&ScheduleDefinition {
        time_zone: "Europe/Berlin".into(),
        weekly: vec![
            window(&[Mon, Tue, Wed, Thu, Fri], "06:00", "18:00"),
            window(&[Fri, Sat], "22:00", "06:00"),
            window(&[Sun], "10:00", "14:30"),
        ],
        special_days: special_days.collect(),
    })?)
}
