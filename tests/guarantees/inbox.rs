//! Messages come by the reader's inbox, whatever becomes of the assignment, and say there what was
//! published.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use librdkafka::{Inbox, Message};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};
use support::{Event, Log, World, swipe};

/// A consumer of the log that is nobody's but the test's; messages keep it, to the end.
fn consumer(log: &Log) -> Result<&'static BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", log.brokers())
        .set("group.id", "gatelog-test-inbox")
        .set("enable.auto.commit", "false")
        .set("auto.offset.reset", "error")
        .create()?;
    Ok(Box::leak(Box::new(consumer)))
}

fn from(log: &Log, offsets: &[(i32, i64)]) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in offsets {
        list.add_partition_offset(log.topic(), *partition, Offset::Offset(*offset))?;
    }
    Ok(list)
}

/// Takes so many messages, of two partitions, a few at a time.
fn take(inbox: &mut Inbox, consumer: &BaseConsumer, count: usize) -> Result<Vec<Message>> {
    let (mut messages, mut heard) = (Vec::new(), Vec::new());
    let deadline = Instant::now() + support::PATIENCE;
    while messages.len() < count {
        ensure!(Instant::now() < deadline, "{} of {count} messages; {heard:?}", messages.len());
        for partition in [0, 1] {
            if inbox.may_have(partition) {
                heard.extend(inbox.take(partition, 3, &mut messages));
            }
        }
        ensure!(
            !matches!(consumer.poll(Duration::ZERO), Some(Ok(_))),
            "a message came by the consumer's own queue"
        );
        inbox.wait(Duration::from_millis(20));
    }
    Ok(messages)
}

#[tokio::test]
async fn messages_come_by_the_inbox_and_say_what_was_published() -> Result<()> {
    let world = World::new(2).await?;
    let plain = |partition, ms| Event {
        partition: Some(partition),
        ..Event::from(&swipe("c1", "t-hall", ms))
    };
    let bare = |key: Option<&[u8]>, value: Option<&[u8]>| Event {
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: Vec::new(),
        timestamp_ms: Some(1_234),
        ..plain(0, 0)
    };
    let many = Event { headers: vec![("h".to_owned(), b"v".to_vec()); 81], ..plain(0, 0) };
    let events = [bare(None, None), bare(Some(b""), Some(b"")), plain(0, 7), many];
    world.log.publish(events.clone()).await?;

    let consumer = consumer(&world.log)?;
    let mut inbox = Inbox::new(consumer);
    for partition in [0, 1] {
        inbox.open(world.log.topic(), partition);
    }
    consumer.assign(&from(&world.log, &[(0, 0), (1, 0)])?)?;
    let messages = take(&mut inbox, consumer, events.len())?;
    for (at, (message, event)) in messages.iter().zip(&events).enumerate() {
        assert_eq!((message.partition(), message.offset()), (0, at as i64));
        assert_eq!(message.key(), event.key.as_deref(), "key of {at}: none is not empty");
        assert_eq!(message.payload(), event.value.as_deref(), "value of {at}");
    }
    assert_eq!(messages[0].timestamp_ms(), Some(1_234));
    assert_eq!(messages[0].headers(80), Some(Vec::new()));
    let sent: Vec<_> =
        events[2].headers.iter().map(|(n, v)| (n.as_bytes(), Some(&v[..]))).collect();
    assert_eq!(messages[2].headers(80), Some(sent.clone()));
    assert_eq!(messages[2].headers(80), Some(sent), "they are read twice alike");
    assert_eq!(messages[3].headers(80), None, "more than were asked for");
    assert_eq!(messages[3].headers(81).map(|all| all.len()), Some(81));

    // Given back and assigned again, at once and many times: nothing goes astray.
    for round in 1..=20 {
        consumer.incremental_unassign(&from(&world.log, &[(0, 0), (1, 0)])?)?;
        consumer.incremental_assign(&from(&world.log, &[(0, round % 4), (1, 0)])?)?;
        let left = events.len() - (round % 4) as usize;
        let again = take(&mut inbox, consumer, left)?;
        let offsets: Vec<i64> = again.iter().map(Message::offset).collect();
        let expected: Vec<i64> = (round % 4..events.len() as i64).collect();
        assert_eq!(offsets, expected, "round {round}");
    }
    // What is still held is whole.
    assert_eq!(messages[2].payload(), events[2].value.as_deref());
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_with_a_partition_is_said() -> Result<()> {
    let world = World::new(2).await?;
    let consumer = consumer(&world.log)?;
    let mut inbox = Inbox::new(consumer);
    inbox.open(world.log.topic(), 1);
    consumer.assign(&from(&world.log, &[(1, 77)])?)?;
    let (mut messages, deadline) = (Vec::new(), Instant::now() + support::PATIENCE);
    let trouble = loop {
        ensure!(Instant::now() < deadline, "an offset that is not there was no trouble");
        if let Some(trouble) = inbox.take(1, 3, &mut messages).pop() {
            break trouble;
        }
        inbox.wait(Duration::from_millis(20));
    };
    assert_eq!(trouble.partition, 1, "{trouble:?}");
    assert!(trouble.said.contains("offset not available"), "{trouble:?}");
    assert!(messages.is_empty());
    Ok(())
}
