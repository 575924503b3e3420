//! Edits of single rows on a real Postgres: what a conflict is, and when it ends a command.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::num::NonZeroU32;

use access::{CardState, ScheduleDefinition, ZoneMode};
use registry::edit::{
    self, Card, Ending, Entry, Error, Retry, Schedule, Tally, Terminal, UserAccess, Word, Zone,
    transact,
};
use resilience::Backoff;
use test_database::Database;
use tokio_postgres::{Client, Transaction};
use versioned::{Conflict, Outcome};

const SITE: &str = "
    INSERT INTO zone VALUES ('hall', 'Hall'), ('lab', 'Laboratory'), ('roof', 'Roof');
    INSERT INTO terminal VALUES ('door-1', 'hall', 'in');
    INSERT INTO card VALUES ('a');
    INSERT INTO user_access VALUES ('a', '{hall}')";

async fn with_site<F: Future<Output = ()>>(test: impl FnOnce(Database, Client) -> F) {
    Database::with(async |database| {
        let client = database.connect().await;
        client.batch_execute(SITE).await.unwrap();
        test(database, client).await;
    })
    .await;
}

async fn get<E: Entry>(client: &Client, id: &str) -> E {
    edit::find(client, id).await.unwrap().unwrap()
}

fn conflict<T: std::fmt::Debug>(result: Result<T, Error>) -> Conflict {
    match result.unwrap_err() {
        Error::Conflict(conflict) => conflict,
        other => panic!("{other:?}"),
    }
}

async fn grant(transaction: &Transaction<'_>, zone: &str) -> Result<Outcome, Error> {
    let mut access: UserAccess = edit::find(transaction, "a").await?.unwrap();
    access.add(&[zone.to_owned()]);
    edit::update(transaction, &mut access).await
}

fn quick(tries: u32) -> Retry {
    let backoff = Backoff { base_ms: 5, cap_ms: 50 };
    Retry { tries_max: NonZeroU32::new(tries).unwrap(), backoff }
}

#[tokio::test]
async fn a_write_that_comes_too_late_is_a_conflict_and_writes_nothing() {
    with_site(async |_, client| {
        let mut mine: Card = get(&client, "a").await;
        let mut theirs = mine.clone();
        theirs.state = Word(CardState::Lost);
        assert_eq!(edit::update(&client, &mut theirs).await.unwrap(), Outcome::Changed(2));
        mine.state = Word(CardState::Disabled);
        let found = conflict(edit::update(&client, &mut mine).await);
        assert_eq!(found, Conflict { table: "card", expected: 1, current: Some(2) });
        assert_eq!(get::<Card>(&client, "a").await, theirs);
        // Nor is what is so already written over an older version.
        mine.state = Word(CardState::Lost);
        assert_eq!(conflict(edit::update(&client, &mut mine).await).current, Some(2));
    })
    .await;
}

#[tokio::test]
async fn what_is_so_already_is_not_written_and_the_clock_stands_still() {
    with_site(async |_, client| {
        let clock = async || -> i64 {
            client.query_one("SELECT version FROM permission_clock", &[]).await.unwrap().get(0)
        };
        let before = clock().await;
        let mut zone: Zone = get(&client, "lab").await;
        assert_eq!(edit::update(&client, &mut zone).await.unwrap(), Outcome::Unchanged(1));
        let mut terminal: Terminal = get(&client, "door-1").await;
        assert_eq!(edit::update(&client, &mut terminal).await.unwrap(), Outcome::Unchanged(1));
        assert_eq!(clock().await, before);
        zone.mode = Word(ZoneMode::DenyAll);
        assert_eq!(edit::update(&client, &mut zone).await.unwrap(), Outcome::Changed(2));
        assert_eq!(clock().await, before + 1);
    })
    .await;
}

#[tokio::test]
async fn what_is_gone_and_what_is_there_by_now_are_conflicts() {
    with_site(async |_, client| {
        let mut access: UserAccess = get(&client, "a").await;
        client.batch_execute("DELETE FROM card").await.unwrap();
        let found = conflict(edit::update(&client, &mut access).await);
        assert_eq!((found.expected, found.current), (1, None));
        assert_eq!(edit::find::<Card>(&client, "a").await.unwrap(), None);

        let mut card = Card::new("a");
        assert_eq!(edit::insert(&client, &mut card).await.unwrap(), Outcome::Changed(1));
        assert_eq!((card.version, &get::<Card>(&client, "a").await), (1, &card));
        let found = conflict(edit::insert(&client, &mut Card::new("a")).await);
        assert_eq!((found.expected, found.current), (0, Some(1)));
    })
    .await;
}

#[tokio::test]
async fn two_at_once_both_take_effect() {
    with_site(async |database, mut client| {
        // The second has read before the first commits.
        let mut first = database.connect().await;
        let open = first.transaction().await.unwrap();
        grant(&open, "lab").await.unwrap();
        let mut tally = Tally::default();
        let second = transact(&mut client, quick(5), &mut tally, async |transaction| {
            grant(transaction, "roof").await
        });
        let commit = async {
            database.until_blocked().await;
            open.commit().await.unwrap();
        };
        let (outcome, ()) = tokio::join!(second, commit);
        assert_eq!(outcome.unwrap(), Outcome::Changed(3));
        assert_eq!(tally, Tally { failures: 1, retries: 1 });
        assert_eq!(get::<UserAccess>(&client, "a").await.zones, ["hall", "lab", "roof"]);
    })
    .await;
}

#[tokio::test]
async fn many_at_once_lose_nothing() {
    with_site(async |database, client| {
        let one = async |zone: String| {
            let mut client = database.connect().await;
            let mut tally = Tally::default();
            transact(&mut client, quick(50), &mut tally, async |transaction| {
                grant(transaction, &zone).await
            })
            .await
            .unwrap();
        };
        let all = (0..8).map(|n| one(format!("z{n}")));
        let mut all: Vec<_> = all.map(Box::pin).collect();
        let waiting = std::future::poll_fn(|context| {
            all.retain_mut(|edit| edit.as_mut().poll(context).is_pending());
            if all.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        });
        waiting.await;
        let access: UserAccess = get(&client, "a").await;
        assert_eq!((access.zones.len(), access.version), (9, 9));
    })
    .await;
}

#[tokio::test]
async fn tries_end_and_nothing_of_them_stays() {
    with_site(async |database, mut client| {
        let other = database.connect().await;
        let mut tally = Tally::default();
        let result = transact(&mut client, quick(3), &mut tally, async |transaction| {
            let mut access: UserAccess = edit::find(transaction, "a").await?.unwrap();
            // Somebody is always faster.
            other.batch_execute("UPDATE user_access SET zones = zones || '{x}'").await.unwrap();
            edit::insert(transaction, &mut Zone::new("new", "New")).await?;
            access.zones.clear();
            edit::update(transaction, &mut access).await
        })
        .await;
        let found = conflict(result);
        assert_eq!((found.expected, found.current), (3, Some(4)));
        assert_eq!(tally, Tally { failures: 3, retries: 2 });
        assert_eq!(edit::find::<Zone>(&client, "new").await.unwrap(), None);

        let mut tally = Tally::default();
        let refused = transact(&mut client, Retry::never(), &mut tally, async |_| {
            Err::<(), _>(Error::Refused("no".into()))
        })
        .await;
        assert!(matches!(refused, Err(Error::Refused(_))));
        assert_eq!(tally, Tally::default(), "a refusal is no conflict");
    })
    .await;
}

#[tokio::test]
async fn a_schedule_goes_only_with_its_version_and_if_no_card_needs_it() {
    with_site(async |_, client| {
        let definition: ScheduleDefinition =
            serde_json::from_str(r#"{ "time_zone": "Europe/Berlin" }"#).unwrap();
        let mut schedule = Schedule::new("office", &definition).unwrap();
        edit::insert(&client, &mut schedule).await.unwrap();
        let stale = schedule.clone();
        client.batch_execute("UPDATE user_access SET schedule_id = 'office'").await.unwrap();
        schedule.definition["time_zone"] = "UTC".into();
        assert_eq!(edit::update(&client, &mut schedule).await.unwrap(), Outcome::Changed(2));
        assert_eq!(schedule.definition().unwrap().time_zone, "UTC");
        assert_eq!(conflict(edit::delete(&client, &stale).await).current, Some(2));
        assert!(matches!(edit::delete(&client, &schedule).await, Err(Error::InUse("schedule"))));
        client.batch_execute("UPDATE user_access SET schedule_id = NULL").await.unwrap();
        ends(&client, &schedule).await;
        ends(&client, &get::<Terminal>(&client, "door-1").await).await;
    })
    .await;
}

async fn ends<E: Ending + PartialEq + std::fmt::Debug>(client: &Client, entry: &E) {
    edit::delete(client, entry).await.unwrap();
    assert_eq!(edit::find::<E>(client, entry.id()).await.unwrap(), None);
    assert_eq!(conflict(edit::delete(client, entry).await).current, None);
}

#[tokio::test]
async fn a_lockdown_of_all_zones_waits_for_others_and_meets_no_conflict() {
    with_site(async |database, mut client| {
        let mut other = database.connect().await;
        let open = other.transaction().await.unwrap();
        open.batch_execute("UPDATE zone SET name = 'Labor' WHERE zone_id = 'lab'").await.unwrap();
        let mut tally = Tally::default();
        let lockdown = transact(&mut client, Retry::never(), &mut tally, async |transaction| {
            let mut zones = Zone::hold_all(transaction).await?;
            for zone in &mut zones {
                zone.mode = Word(ZoneMode::DenyAll);
                edit::update(transaction, zone).await?;
            }
            Ok(zones.len())
        });
        let commit = async {
            database.until_blocked().await;
            open.commit().await.unwrap();
        };
        let (zones, ()) = tokio::join!(lockdown, commit);
        assert_eq!((zones.unwrap(), tally), (3, Tally::default()));
        let zones = Zone::all(&client).await.unwrap();
        assert!(zones.iter().all(|zone| zone.mode == Word(ZoneMode::DenyAll)));
        assert_eq!((zones[1].name.as_str(), zones[1].version), ("Labor", 3));
    })
    .await;
}

#[tokio::test]
async fn the_history_names_the_versions_of_both_halves() {
    with_site(async |_, client| {
        let mut card: Card = get(&client, "a").await;
        card.state = Word(CardState::Blocked);
        edit::update(&client, &mut card).await.unwrap();
        let mut access: UserAccess = get(&client, "a").await;
        access.remove(&["hall".to_owned()]);
        edit::update(&client, &mut access).await.unwrap();
        let query = "SELECT array_agg(card_version || '/' || access_version ORDER BY since)
            FROM user_access_history";
        let spans: Vec<String> = client.query_one(query, &[]).await.unwrap().get(0);
        assert_eq!(spans, ["1/1", "2/1", "2/2"]);
    })
    .await;
}
