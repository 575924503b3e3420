//! Every dead letter is on its topic, as it was sent and with what is known of it.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use schemas::headers::{self, dlq};
use support::{Event, Totals, World, eventually, swipe};

fn header<'e>(event: &'e Event, name: &str) -> Result<&'e str> {
    event.header(name).with_context(|| format!("no header {name}: {:?}", event.headers))
}

#[tokio::test]
async fn key_value_headers_and_where_it_came_from() -> Result<()> {
    let mut world = World::new(2).await?;
    world.open_the_hall(&["c1"]).await?;
    let good = || Event::from(&swipe("c1", "t-hall", 0));
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut rubbish = Event { value: Some(b"\x00\xff rubbish".to_vec()), ..good() };
    rubbish.headers.push((headers::TRACEPARENT.to_owned(), trace.as_bytes().to_vec()));
    let events = vec![
        rubbish,
        Event { value: None, ..good() },
        Event { key: None, ..good() },
        Event { value: Some(vec![b'x'; 900_000]), ..good() },
        Event::from(&swipe("c1", "t-nowhere", 1)),
    ];
    let places = world.log.publish(events.clone()).await?;
    let _consumer = world.consumer()?;
    assert_eq!(world.caught_up().await?, Totals { dead: 5, ..Totals::default() });
    world.outbox_is_empty().await?;

    let published = world.dead_letters.read(2).await?;
    let mut by_place = BTreeMap::new();
    for (_, letter) in published {
        let place: (i32, i64) =
            (header(&letter, dlq::PARTITION)?.parse()?, header(&letter, dlq::OFFSET)?.parse()?);
        ensure!(by_place.insert(place, letter).is_none(), "{place:?} was published twice");
    }
    let rows = world.db.query("SELECT * FROM dead_letter", &[]).await?;
    ensure!(rows.len() == 5 && by_place.len() == 5, "{} letters", by_place.len());
    for row in rows {
        let place = (row.get("log_partition"), row.get("log_offset"));
        let at = places.iter().position(|sent| *sent == place).context("an unknown place")?;
        let (sent, letter) = (&events[at], &by_place[&place]);
        assert_eq!(letter.key, sent.key, "key of event {at}");
        assert_eq!(letter.value, sent.value, "value of event {at}");
        ensure!(letter.headers.starts_with(&sent.headers), "headers of event {at}");
        assert_eq!(header(letter, dlq::TOPIC)?, world.log.topic());
        assert_eq!(header(letter, dlq::GROUP)?, world.group);
        let id: uuid::Uuid = row.get("dead_letter_id");
        assert_eq!(header(letter, dlq::ID)?, id.to_string());
        assert_eq!(header(letter, dlq::REASON)?, row.get::<_, &str>("reason"));
        assert_eq!(header(letter, dlq::STAGE)?, row.get::<_, &str>("stage"));
        assert_eq!(header(letter, dlq::MESSAGE)?, row.get::<_, &str>("message"));
        let tries: i32 = row.get("tries");
        assert_eq!(header(letter, dlq::DELIVERY_COUNT)?, tries.to_string());
        assert_eq!(header(letter, dlq::REPLAY_COUNT)?, "0");
    }
    assert_eq!(by_place[&places[0]].header(headers::TRACEPARENT), Some(trace));
    world.verify_clean().await
}

#[tokio::test]
async fn nothing_is_lost_while_the_topic_is_away() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let name = format!("{}.later", world.log.topic());
    let consumer = world.consumer_with(&[("GATELOG_CONSUMER_TOPIC__DLQ", &name)])?;
    let bad = |ms| Event { value: Some(b"{}".to_vec()), ..Event::from(&swipe("c1", "t-hall", ms)) };
    world.log.publish((0..700).map(bad)).await?;
    world.log.publish_swipes(&[swipe("c1", "t-hall", 1_000)]).await?;
    let totals = world.caught_up().await?;
    assert_eq!(totals, Totals { rows: 1, dead: 700, ..Totals::default() });
    eventually("the consumer says which topic is missing", async || {
        Ok(consumer.said().contains(&name).then_some(()))
    })
    .await?;
    let topic = world.make_topic(&name).await?;
    world.outbox_is_empty().await?;
    let mut offsets: Vec<i64> = Vec::new();
    for (_, letter) in topic.read(2).await? {
        offsets.push(header(&letter, dlq::OFFSET)?.parse()?);
    }
    offsets.sort_unstable();
    offsets.dedup();
    ensure!(offsets.len() == 700, "{} of 700 letters are on the topic", offsets.len());
    Ok(())
}

#[tokio::test]
async fn one_that_is_too_large_for_any_topic_holds_up_none_behind_it() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    let _consumer = world.consumer()?;
    let good = || Event::from(&swipe("c1", "t-hall", 0));
    let bomb = |mib: usize| Event { value: Some(vec![b' '; mib << 20]), ..good() };
    // Two fill whatever is brought at once.
    let events = [bomb(12), bomb(20), Event { value: Some(b"{}".to_vec()), ..good() }];
    world.log.publish(events).await?;
    assert_eq!(world.caught_up().await?.dead, 3);
    world.outbox_is_empty().await?;
    let published = world.dead_letters.read(2).await?;
    let mut letters = BTreeMap::new();
    for letter in published.into_values() {
        let offset: i64 = header(&letter, dlq::OFFSET)?.parse()?;
        letters.insert(offset, (letter.value.clone(), letter.header(dlq::OMITTED).is_some()));
    }
    let expected = [(0, (None, true)), (1, (None, true)), (2, (Some(b"{}".to_vec()), false))];
    assert_eq!(letters, BTreeMap::from(expected));
    let sql = "SELECT sum(octet_length(value))::bigint FROM dead_letter";
    let kept: i64 = world.db.query_one(sql, &[]).await?.get(0);
    assert_eq!(kept, (32 << 20) + 2, "the table has all of it");
    // Nobody can send that once more; and those that can be, are.
    let sql = "SELECT dead_letter_id, version FROM dead_letter ORDER BY log_offset";
    let letters = world.db.query(sql, &[]).await?;
    let letters: Vec<(uuid::Uuid, i64)> = letters.iter().map(|r| (r.get(0), r.get(1))).collect();
    let action = dead_letters::Action::Replay;
    let by = dead_letters::By { actor: "a test", action, reason: None };
    let begun = dead_letters::replay(&world.db, &letters, &by, dead_letters::LEASE).await?;
    assert_eq!(begun, [letters[2].0]);
    Ok(())
}

#[tokio::test]
async fn what_takes_the_place_of_a_message_under_way_is_published_too() -> Result<()> {
    let mut world = World::new(1).await?;
    world.open_the_hall(&["c1"]).await?;
    // Stopped when Kafka has it and its row still stands.
    let victim = world.faulty_consumer("published=1*return(stop)")?;
    let bad = Event { value: Some(b"{}".to_vec()), ..Event::from(&swipe("c1", "t-hall", 0)) };
    world.log.publish([bad]).await?;
    victim.says("a fail point").await?;
    // As a replay does that is begun anew: same place, another message.
    let sql = "UPDATE outbox SET since = clock_timestamp(), value = 'the second'";
    ensure!(world.db.execute(sql, &[]).await? == 1, "no message waits to be deleted");
    victim.signal("CONT")?;
    world.outbox_is_empty().await?;
    let published = world.dead_letters.read(2).await?;
    let mut values: Vec<_> = published.into_values().filter_map(|letter| letter.value).collect();
    values.sort_unstable();
    assert_eq!(values, [b"the second".to_vec(), b"{}".to_vec()]);
    Ok(())
}
