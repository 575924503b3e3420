//! Records that no terminal of ours would send, straight into the log.

use std::sync::Arc;

use anyhow::Result;
use rand::RngExt;
use schemas::{Millis, headers, partition_of};
use support::{Event, Log, live};
use uuid::Uuid;

use super::{CURSED, Desk, MARK};
use crate::ledger::{Ledger, Poison};
use crate::terminals::{CARDS, card};

const PAUSE_MS: std::ops::RangeInclusive<u64> = 100..=500;

/// What is wrong with a record.
#[derive(Debug, Clone, Copy)]
enum Kind {
    NoSwipe,
    NoText,
    NoValue,
    AnotherType,
    AnotherKey,
    AnotherPartition,
    LongAgo,
    BadRow,
}

const KINDS: [(Kind, &str); 8] = [
    (Kind::NoSwipe, "no swipe"),
    (Kind::NoText, "no text"),
    (Kind::NoValue, "no value"),
    (Kind::AnotherType, "another type"),
    (Kind::AnotherKey, "another key"),
    (Kind::AnotherPartition, "another partition"),
    (Kind::LongAgo, "long ago"),
    (Kind::BadRow, "bad row"),
];

pub(super) async fn publish(
    mut desk: Desk,
    log: Log,
    partitions: u16,
    ledger: Arc<Ledger>,
) -> Result<()> {
    let mut number = 0;
    while desk.pause(PAUSE_MS).await {
        number += 1;
        let (kind, name) = KINDS[desk.random.random_range(0..KINDS.len())];
        let (event, event_id) = poison(&mut desk, kind, number, partitions);
        // Kafka's own client tries for a minute. What it is not sure of is in the log or is not.
        let place = log.publish([event]).await.ok().and_then(|places| places.first().copied());
        ledger.poison(Poison { mark: number, kind: name, event_id, place });
    }
    Ok(())
}

fn poison(desk: &mut Desk, kind: Kind, number: u64, partitions: u16) -> (Event, Uuid) {
    let held_out = card(desk.random.random_range(0..CARDS));
    let terminal = if matches!(kind, Kind::BadRow) { CURSED } else { "t-hall" };
    let mut swipe = live(&held_out, terminal, 0);
    swipe.event_id = uuid::Builder::from_random_bytes(desk.random.random()).into_uuid();
    swipe.occurred_at = match kind {
        Kind::LongAgo => Millis::from_unix_ms(i64::try_from(number).unwrap_or_default()),
        _ => Millis::now(),
    };
    let event_id = swipe.event_id;
    let mut event = Event::from(&swipe);
    let mark = format!("{number}").into_bytes();
    match kind {
        Kind::NoSwipe => event.value = Some(b"{\"poison\":true}".to_vec()),
        Kind::NoText => event.value = Some(vec![0xff, 0x00, 0xfe]),
        Kind::NoValue => event.value = None,
        Kind::AnotherType => {
            // Of a field more than those of v1: what has just these says by itself what it is.
            let mut value = event.value.take().unwrap_or_default();
            value.pop();
            value.extend_from_slice(b",\"floor\":3}");
            event.value = Some(value);
            for (name, value) in &mut event.headers {
                if name == headers::TYPE {
                    *value = b"gatelog.swipe.v9".to_vec();
                }
            }
        }
        // Still of a card whose other events it must not hold up.
        Kind::AnotherKey => {
            event.key = Some(card(desk.random.random_range(CARDS..2 * CARDS)).into());
        }
        Kind::AnotherPartition => {
            let partitions = i32::from(partitions);
            let own = partition_of(held_out.as_bytes(), partitions);
            event.partition = Some((own + desk.random.random_range(1..partitions)) % partitions);
        }
        Kind::LongAgo | Kind::BadRow => {}
    }
    event.headers.push((MARK.to_owned(), mark));
    (event, event_id)
}
