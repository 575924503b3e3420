//! An event that cannot be applied is dead-lettered with its bytes, and holds up nobody.

use std::collections::BTreeMap;

use anyhow::Result;
use schemas::{Millis, headers};
use support::{Event, Totals, World, swipe};

/// A good event, spoilt.
fn spoilt(ms: i64, spoil: impl FnOnce(&mut Event)) -> Event {
    let mut event = Event::from(&swipe("c1", "t-hall", ms));
    spoil(&mut event);
    event
}

/// A swipe in another form than the gateway's, which its headers must explain, spoilt.
fn foreign(ms: i64, spoil: impl FnOnce(&mut Event)) -> Event {
    spoilt(ms, |event| {
        say(event, b"");
        spoil(event);
    })
}

/// Has the value say something else of its type, if anything.
fn say(event: &mut Event, of_its_type: &[u8]) {
    let value = event.value.take().unwrap_or_default();
    let at = value.iter().position(|b| *b == b',').map_or(1, |comma| comma + 1);
    let rest = if value.starts_with(br#"{"type""#) { &value[at..] } else { &value[1..] };
    event.value = Some([b"{", of_its_type, rest].concat());
}

fn retype(event: &mut Event, ce_type: &str) {
    event.headers.retain(|(name, _)| name != headers::TYPE);
    event.headers.push((headers::TYPE.to_owned(), ce_type.as_bytes().to_vec()));
}

fn many_headers(event: &mut Event) {
    event.headers.extend((0..65).map(|i| (format!("x-{i}"), b"x".to_vec())));
}

fn poison() -> Vec<(&'static str, Event)> {
    let far = |ms| {
        let mut swipe = swipe("c1", "t-hall", 0);
        swipe.occurred_at = Millis::from_unix_ms(ms);
        Event::from(&swipe)
    };
    let stranger = Event::from(&swipe("c1", "t-nowhere", 12));
    vec![
        ("undecodable", spoilt(1, |e| e.value = Some(b"\x00\xff not a swipe".to_vec()))),
        ("undecodable", spoilt(13, |e| e.value = Some(br#"{"\u0000c1":x}"#.to_vec()))),
        (
            "undecodable",
            spoilt(14, |e| {
                e.value = Some(b"{}".to_vec());
                e.timestamp_ms = Some(1);
            }),
        ),
        ("undecodable", spoilt(2, |e| e.value = None)),
        ("undecodable", spoilt(3, |e| e.value = Some(Vec::new()))),
        ("undecodable", foreign(15, many_headers)),
        ("undecodable", foreign(4, |e| e.headers.retain(|(name, _)| name != headers::ID))),
        ("undecodable", foreign(16, |e| say(e, br#""type":"gatelog.swipe.v2","#))),
        ("unknown_type", foreign(5, |e| e.headers.clear())),
        ("unknown_type", foreign(17, |e| retype(e, "gatelog.swipe.v2"))),
        ("oversize", spoilt(6, |e| e.value = Some(vec![b'x'; 100_000]))),
        ("wrong_key", spoilt(7, |e| e.key = Some(b"c2".to_vec()))),
        ("wrong_key", spoilt(8, |e| e.key = None)),
        (
            "wrong_partition",
            spoilt(9, |e| {
                let right = schemas::partition_of(b"c1", 3);
                e.partition = Some((right + 1) % 3);
            }),
        ),
        ("occurred_at_out_of_range", far(0)),
        ("occurred_at_out_of_range", far(Millis::now().unix_ms() + 3 * 86_400_000)),
        ("unknown_terminal", stranger),
    ]
}

#[tokio::test]
async fn neighbours_go_through_and_the_bytes_are_kept() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1", "c2"]).await?;
    let poison = poison();
    let mut events = Vec::new();
    for (i, (_, bad)) in poison.iter().enumerate() {
        events.push(Event::from(&swipe("c1", "t-hall", 1_000 + i as i64)));
        events.push(bad.clone());
        events.push(Event::from(&swipe("c2", "t-hall", 1_000 + i as i64)));
    }
    let places = world.log.publish(events).await?;
    let mut consumer = world.consumer()?;
    let totals = world.caught_up().await?;
    let count = poison.len() as i64;
    assert_eq!(totals, Totals { rows: 2 * count, dead: count, ..Totals::default() });
    world.each_has_one_outcome(&places).await?;

    let sql = "SELECT log_partition, log_offset, reason, key, value, header_names, header_values, \
               stage, message FROM dead_letter";
    let letters: BTreeMap<(i32, i64), _> = world
        .db
        .query(sql, &[])
        .await?
        .into_iter()
        .map(|row| ((row.get(0), row.get(1)), row))
        .collect();
    for (i, (reason, event)) in poison.iter().enumerate() {
        let letter = &letters[&places[3 * i + 1]];
        let message: String = letter.get(8);
        assert_eq!(letter.get::<_, &str>(2), *reason, "event {i}: {message}");
        assert_eq!(letter.get::<_, Option<&[u8]>>(3), event.key.as_deref(), "key of event {i}");
        assert_eq!(letter.get::<_, Option<&[u8]>>(4), event.value.as_deref(), "value of event {i}");
        let names: Vec<Vec<u8>> = letter.get(5);
        let values: Vec<Option<Vec<u8>>> = letter.get(6);
        let kept: Vec<_> = names.into_iter().zip(values.into_iter().flatten()).collect();
        let sent: Vec<_> =
            event.headers.iter().map(|(n, v)| (n.clone().into_bytes(), v.clone())).collect();
        let sent = if sent.len() > 64 { Vec::new() } else { sent };
        assert_eq!(kept, sent, "headers of event {i}");
        assert!(!message.contains("c1"), "a message never names the card: {message}");
    }
    assert!(consumer.runs());
    let said = consumer.said();
    assert!(!said.contains("\"c1\"") && !said.contains("c1 "), "no card in the log: {said}");
    Ok(())
}

#[tokio::test]
async fn what_other_publishers_write_is_read_by_its_headers() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    // Spaces and order are the sender's; and what is in the gateway's own form says all by itself,
    // whatever somebody put into its headers.
    let spaced = foreign(1, |e| {
        let value = String::from_utf8(e.value.take().unwrap_or_default()).unwrap_or_default();
        e.value = Some(value.replace(',', " ,\n ").into_bytes());
    });
    let events = vec![spaced, foreign(2, |_| {}), spoilt(3, many_headers)];
    world.log.publish(events).await?;
    let _consumer = world.consumer()?;
    assert_eq!(world.caught_up().await?, Totals { rows: 3, ..Totals::default() });
    world.verify_clean().await
}

#[tokio::test]
async fn a_whole_batch_of_rubbish_passes_too() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let rubbish = (0..5_000).map(|i| spoilt(i, |e| e.value = Some(b"{}".to_vec())));
    let mut places = world.log.publish(rubbish).await?;
    places.extend(world.log.publish_swipes(&[swipe("c1", "t-hall", 0)]).await?);
    let _consumer = world.consumer()?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 1, dead: 5_000, ..Totals::default() });
    world.each_has_one_outcome(&places).await
}
