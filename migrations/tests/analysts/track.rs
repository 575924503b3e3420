//! Where analysts see a card is where anti-passback has it, however it went: for zones with readers
//! both ways, passed in any order, with passes that nobody saw.

use access::{Antipassback, CardTrack, Enforcement, Read, Verdict, ZoneNumber, ZoneRules};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use registry::Timestamptz;
use schemas::{Direction, Millis, Reasons};

use crate::building::Building;

/// Zones that a card wanders through.
const ZONES: u32 = 5;
const PASSES: i64 = 40;
const WAYS: u64 = 50;

/// A zone passed, and which way.
type Pass = (u32, Direction);

fn wander(seed: u64) -> Vec<Pass> {
    let mut random = StdRng::seed_from_u64(seed);
    let pass = |_| {
        let way = if random.random_bool(0.6) { Direction::In } else { Direction::Out };
        (random.random_range(0..ZONES), way)
    };
    (0..PASSES).map(pass).collect()
}

/// After each pass: the zones that the card is in, and since when, the innermost last.
fn by_decisions(passes: &[Pass]) -> Vec<Vec<(String, i64)>> {
    let soft = Antipassback { enforcement: Enforcement::Soft, two_way: true, timed_ms: None };
    let rules = ZoneRules { antipassback: soft, ..ZoneRules::default() };
    let granted = Verdict { reasons: Reasons::NONE, released: false, antipassback_violated: false };
    let mut track = CardTrack::default();
    let after = |(ms, (zone, direction)): (i64, &Pass)| {
        let (zone, at) = (ZoneNumber(*zone), Millis::from_unix_ms(ms));
        let read = Read { zone, rules: &rules, direction: Some(*direction), at, late: false };
        track.fold(&read, &granted);
        let inside = track.visits().iter().filter(|visit| visit.inside);
        inside.map(|visit| (visit.zone.0.to_string(), visit.since.unix_ms())).collect()
    };
    (0..).zip(passes).map(after).collect()
}

#[tokio::test]
async fn analysts_see_cards_where_decisions_have_them() {
    Building::with(async |building| {
        let sql = "
            SELECT coalesce((w).zones, '{}'), coalesce((w).since, '{}')
            FROM (
                SELECT nth, analyst.whereabouts_of(zone, way, true, at) OVER (ORDER BY nth) AS w
                FROM unnest($1::text[], $2::text[], $3::timestamptz[])
                     WITH ORDINALITY AS p (zone, way, at, nth)
            ) t
            ORDER BY nth";
        let mut deepest = 0;
        for seed in 0..WAYS {
            let passes = wander(seed);
            let zones: Vec<String> = passes.iter().map(|(zone, _)| zone.to_string()).collect();
            let ways: Vec<&str> = passes.iter().map(|(_, way)| way.as_str()).collect();
            let at = |ms| Timestamptz(Millis::from_unix_ms(ms));
            let times: Vec<Timestamptz> = (0..PASSES).map(at).collect();
            let rows = building.db.query(sql, &[&zones, &ways, &times]).await.unwrap();
            let seen: Vec<Vec<(String, i64)>> = rows
                .iter()
                .map(|row| {
                    let since: Vec<Timestamptz> = row.get(1);
                    let since = since.iter().map(|since| since.0.unix_ms());
                    row.get::<_, Vec<String>>(0).into_iter().zip(since).collect()
                })
                .collect();
            assert_eq!(seen, by_decisions(&passes), "seed {seed}: {passes:?}");
            deepest = seen.iter().map(Vec::len).max().unwrap_or_default().max(deepest);
        }
        assert!(deepest >= 3, "zones in zones in zones: {deepest}");
    })
    .await;
}
