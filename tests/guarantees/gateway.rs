//! What the gateway answers with 200 is in the log, under the key that was sent, and nothing else
//! is answered so.

use anyhow::{Context, Result};
use reqwest::{Client, Response};
use schemas::{Swipe, headers};
use serde_json::{Value, json};
use support::{Process, World, eventually};

async fn post(
    gateway: &mut Process,
    path: &str,
    content_type: &str,
    keys: &[(&str, &str)],
    body: String,
) -> Result<Response> {
    let url = format!("http://{}{path}", gateway.address().await?);
    let mut request = Client::new().post(url).header("content-type", content_type).body(body);
    for (name, value) in keys {
        request = request.header(*name, *value);
    }
    Ok(request.send().await?)
}

async fn swipe(gateway: &mut Process, keys: &[(&str, &str)], body: Value) -> Result<(u16, Value)> {
    let answer = post(gateway, "/v1/swipes", "application/json", keys, body.to_string()).await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

fn body() -> Value {
    json!({"card_id": "c1", "terminal_id": "t1", "occurred_at": "2026-03-01T08:00:00.250+01:00",
           "mode": "online", "age_ms": 3, "direction": "in"})
}

const KEY: &str = "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11";
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test]
async fn a_swipe_arrives_as_it_was_sent() -> Result<()> {
    let mut world = World::new(6).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let keys =
        [("X-Idempotency-Key", "  0195F3A2-7C1E-7B52-9D0F-2F0C3C1A9E11 "), ("traceparent", TRACE)];
    let (status, answer) = swipe(&mut gateway, &keys, body()).await?;
    assert_eq!((status, answer["event_id"].as_str()), (200, Some(KEY)), "{answer}");

    let records = world.log.read(world.partitions).await?;
    let ((partition, offset), event) = records.first_key_value().context("the log is empty")?;
    assert_eq!(
        (answer["partition"].as_i64(), answer["offset"].as_i64()),
        (Some(i64::from(*partition)), Some(*offset))
    );
    assert_eq!(event.key.as_deref(), Some(&b"c1"[..]));
    assert_eq!(*partition, schemas::partition_of(b"c1", 6), "Kafka's own partitioner agrees");
    let value = event.value.as_deref().context("no value")?;
    let swipe = Swipe::decode(value)?;
    assert_eq!(swipe.event_id.to_string(), KEY);
    assert_eq!(swipe.occurred_at.to_string(), "2026-03-01T07:00:00.250Z");
    for (name, expected) in [
        (headers::SPEC_VERSION, "1.0"),
        (headers::ID, KEY),
        (headers::SOURCE, "t1"),
        (headers::TYPE, headers::TYPE_SWIPE_V1),
        (headers::TIME, "2026-03-01T07:00:00.250Z"),
        (headers::CONTENT_TYPE, "application/json"),
    ] {
        assert_eq!(event.header(name), Some(expected), "header {name}");
    }
    let trace = event.header(headers::TRACEPARENT).context("no traceparent")?;
    assert!(trace.starts_with(&TRACE[..36]) && trace != TRACE, "the trace goes on: {trace}");
    Ok(())
}

#[tokio::test]
async fn one_identifier_from_the_header_to_the_column() -> Result<()> {
    let mut world = World::new(3).await?;
    world.open_the_hall(&["c1"]).await?;
    world.db.execute("INSERT INTO terminal VALUES ('t1', 'hall', 'in')", &[]).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let _consumer = world.consumer()?;
    // Sent with a key, sent again as a terminal that had no answer would, and twice without one.
    for _ in 0..2 {
        assert_eq!(swipe(&mut gateway, &[("Idempotency-Key", KEY)], body()).await?.0, 200);
    }
    let mut later = body();
    later["occurred_at"] = json!("2026-03-01T09:00:00Z");
    let (_, first) = swipe(&mut gateway, &[], later.clone()).await?;
    later["age_ms"] = json!(2_000);
    let (_, again) = swipe(&mut gateway, &[], later).await?;
    assert_eq!(first["event_id"], again["event_id"], "a retry derives the same key");
    let totals = world.caught_up().await?;
    assert_eq!((totals.rows, totals.duplicates), (2, 2), "{totals:?}");
    let sql = "SELECT event_id::text FROM access_log ORDER BY occurred_at";
    let ids: Vec<String> = world.db.query(sql, &[]).await?.iter().map(|row| row.get(0)).collect();
    assert_eq!(ids, [KEY, first["event_id"].as_str().unwrap_or_default()]);
    Ok(())
}

#[tokio::test]
async fn every_refusal_is_a_problem_that_names_the_field() -> Result<()> {
    let mut world = World::new(3).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let with = |field: &str, value: Value| {
        let mut body = body();
        body[field] = value;
        body
    };
    for (keys, body, status, named) in [
        (&[("X-Idempotency-Key", "17")][..], body(), 400, "X-Idempotency-Key"),
        (
            &[("X-Idempotency-Key", KEY)],
            with("event_id", json!("0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e12")),
            400,
            "event_id",
        ),
        (&[], with("event_id", json!("17")), 400, "event_id"),
        (&[], with("card_id", json!("a b")), 400, "card_id"),
        (&[], with("mode", json!("airplane")), 400, "mode"),
        (&[], with("terminal_seq", json!(7)), 400, "terminal_epoch"),
        (&[], with("occurred_at", json!("yesterday")), 400, "occurred_at"),
        (&[], with("note", json!("x".repeat(20_000))), 413, "16384"),
    ] {
        let answer =
            post(&mut gateway, "/v1/swipes", "application/json", keys, body.to_string()).await?;
        assert_eq!(answer.status().as_u16(), status, "{named}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
        let problem: Value = answer.json().await?;
        assert_eq!(problem["status"], json!(status));
        let detail = problem["detail"].as_str().unwrap_or_default().to_lowercase();
        assert!(detail.contains(&named.to_lowercase()), "must name {named}: {problem}");
        assert!(problem["type"].is_string() && problem["title"].is_string(), "{problem}");
    }
    let wrong = post(&mut gateway, "/v1/swipes", "text/plain", &[], body().to_string()).await?;
    assert_eq!(wrong.status().as_u16(), 415);
    assert_eq!(world.log.len().await?, 0, "nothing of it is in the log");
    Ok(())
}

fn lines(count: usize) -> Vec<Value> {
    let line = |i: usize| {
        json!({"card_id": format!("c{}", i % 40), "terminal_id": "t1", "terminal_epoch": 1,
               "terminal_seq": i, "occurred_at": "2026-03-01T08:00:00Z", "mode": "offline"})
    };
    (0..count).map(line).collect()
}

fn ndjson(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

const NDJSON: &str = "application/x-ndjson";

#[tokio::test]
async fn a_batch_has_an_outcome_a_line_and_keeps_each_cards_order() -> Result<()> {
    let mut world = World::new(3).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let mut batch = lines(5_000);
    batch[17] = json!({"card_id": "c1"});
    batch[4_000] = json!("not an object");
    let answer = post(&mut gateway, "/v1/swipes:batch", NDJSON, &[], ndjson(&batch)).await?;
    assert_eq!(answer.status().as_u16(), 207, "some lines were refused");
    let text = answer.text().await?;
    let outcomes: Vec<Value> = text.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!(outcomes.len(), 5_000);
    for (i, outcome) in outcomes.iter().enumerate() {
        let expected = if i == 17 || i == 4_000 { 400 } else { 200 };
        assert_eq!(outcome["line"], json!(i + 1));
        assert_eq!(outcome["status"], json!(expected), "line {}: {outcome}", i + 1);
    }
    let detail = outcomes[17]["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("terminal_id"), "the field is named: {detail}");

    let records = world.log.read(world.partitions).await?;
    assert_eq!(records.len(), 4_998);
    let mut last = std::collections::HashMap::new();
    for event in records.values() {
        let swipe = Swipe::decode(event.value.as_deref().unwrap_or_default())?;
        let before = last.insert(swipe.card_id.to_string(), swipe.terminal_seq);
        assert!(before < Some(swipe.terminal_seq), "{before:?} then {:?}", swipe.terminal_seq);
    }
    Ok(())
}

#[tokio::test]
async fn a_batch_over_the_limit_leaves_nothing_behind() -> Result<()> {
    let mut world = World::new(3).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let answer =
        post(&mut gateway, "/v1/swipes:batch", NDJSON, &[], ndjson(&lines(10_001))).await?;
    assert_eq!(answer.status().as_u16(), 413);
    let problem: Value = answer.json().await?;
    assert!(problem["detail"].as_str().unwrap_or_default().contains("10000"), "{problem}");
    assert_eq!(world.log.len().await?, 0);
    Ok(())
}

#[tokio::test]
async fn without_kafka_it_is_503_and_when_to_come_back() -> Result<()> {
    let mut world = World::new(3).await?;
    let mut gateway = world.gateway_with(&[
        ("GATELOG_KAFKA", "127.0.0.1:1"),
        ("GATELOG_GATEWAY_PUBLISH__MESSAGE_TIMEOUT_MS", "1000"),
    ])?;
    let answer =
        post(&mut gateway, "/v1/swipes", "application/json", &[], body().to_string()).await?;
    assert_eq!(answer.status().as_u16(), 503);
    let wait: u32 = answer.headers()["retry-after"].to_str()?.parse()?;
    assert!(wait >= 1);
    let problem: Value = answer.json().await?;
    assert_eq!(problem["status"], json!(503));
    Ok(())
}

#[tokio::test]
async fn a_gateway_that_is_stopped_under_load_forgets_nothing() -> Result<()> {
    let mut world = World::new(3).await?;
    let mut gateway = world.gateway()?;
    gateway.ready().await?;
    let url = format!("http://{}/v1/swipes", gateway.address().await?);
    let send = |i: usize| {
        let (url, body) = (url.clone(), lines(i + 1).remove(i).to_string());
        async move {
            let request = Client::new().post(url).header("content-type", "application/json");
            let answer = request.body(body).send().await.ok()?;
            let logged = answer.status().is_success();
            let answer: Value = answer.json().await.ok()?;
            logged.then(|| answer["event_id"].as_str().map(str::to_owned))?
        }
    };
    let senders: Vec<_> = (0..200).map(|i| tokio::spawn(send(i))).collect();
    eventually("the first swipes are in the log", async || {
        Ok((world.log.len().await? > 0).then_some(()))
    })
    .await?;
    let ended = gateway.terminate().await?;
    assert!(ended.success(), "{ended}: {}", gateway.said());
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await?);
    }
    let records = world.log.read(world.partitions).await?;
    let there: std::collections::HashSet<&str> =
        records.values().filter_map(|event| event.header(headers::ID)).collect();
    let lost: Vec<_> = acknowledged.iter().filter(|id| !there.contains(id.as_str())).collect();
    assert!(lost.is_empty(), "answered with 200, but not in the log: {lost:?}");
    assert!(!acknowledged.is_empty(), "nothing was acknowledged: this has shown nothing");
    Ok(())
}
