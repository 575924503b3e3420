//! The gateway's pages, without a Kafka: what is refused, and that nothing is ever called logged
//! that is not.

// Helpers stand outside of `#[test]` functions, where clippy's exception does not reach.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use producer::{Gateway, Metrics, Publisher, Readiness, Settings};
use serde_json::Value;
use tower::ServiceExt;

const KEY: &str = "0195f3a2-7c1e-7b52-9d0f-2f0c3c1a9e11";
const SWIPE: &str = r#"{"card_id":"card-4711","terminal_id":"gate-7","mode":"online","occurred_at":"2026-01-02T03:04:05.678Z","age_ms":3}"#;

/// A gateway whose Kafka is a port that nobody listens on.
fn gateway(change: impl FnOnce(&mut Settings)) -> Router {
    let mut settings = Settings::default();
    settings.kafka.brokers = "127.0.0.1:1".to_owned();
    settings.publish.message_timeout_ms = 200;
    settings.http.batch_lines_max = 5;
    change(&mut settings);
    let metrics = Arc::new(Metrics::new().unwrap());
    let publisher = Arc::new(Publisher::new(&settings, Arc::clone(&metrics)).unwrap());
    let gateway = Gateway::new(&settings, publisher, metrics);
    producer::router(Arc::new(gateway), Arc::new(Readiness::new(&settings)))
}

struct Answer {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Answer {
    /// The problem document, checked for what every one of them has.
    fn problem(&self, name: &str) -> Value {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json");
        let document: Value = serde_json::from_str(&self.text).unwrap();
        assert_eq!(document["type"], format!("/problems/{name}"), "{document}");
        assert_eq!(document["status"], self.status.as_u16(), "{document}");
        assert!(document["title"].is_string() && document["detail"].is_string(), "{document}");
        assert!(!self.text.contains("4711"), "{document}");
        document
    }
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status,
        headers: parts.headers,
        text: String::from_utf8(bytes.to_vec()).unwrap(),
    }
}

fn swipe(headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    post("/v1/swipes", "application/json", headers, body)
}

fn batch(headers: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
    post("/v1/swipes:batch", "application/x-ndjson", headers, body)
}

fn post(
    path: &str,
    media_type: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, media_type);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}

#[tokio::test]
async fn an_unreachable_kafka_is_a_503_with_the_key_to_try_again_with() {
    let router = gateway(|_| {});
    let started = Instant::now();
    let answer = send(&router, swipe(&[("x-idempotency-key", KEY)], SWIPE)).await;
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());

    assert_eq!(answer.status, 503);
    let problem = answer.problem("log-unavailable");
    assert_eq!(problem["event_id"], KEY);
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("may be in the log") && detail.contains("harmless"), "{detail}");
    assert_eq!(answer.headers[header::RETRY_AFTER], "2");
    assert_eq!(answer.headers["idempotency-key"], KEY);
    let metrics = send(&router, Request::get("/metrics").body(Body::empty()).unwrap()).await;
    let line = r#"gatelog_gateway_swipes_total{outcome="unavailable",reason="log-unavailable"} 1"#;
    assert!(metrics.text.contains(line), "{}", metrics.text);
}

#[tokio::test]
async fn what_is_refused_says_why() {
    let router = gateway(|_| {});
    let large = format!("{}{SWIPE}", " ".repeat(schemas::EVENT_BYTES_MAX));
    let other_key = &KEY.replace("9e11", "9e12");
    let own_key = SWIPE.replace("{\"card", &format!("{{\"event_id\":\"{KEY}\",\"card"));
    for (request, status, name, says) in [
        (swipe(&[], "{"), 400, "malformed-event", "line 1"),
        (
            swipe(&[], SWIPE.replace("card_id", "kard_id")),
            400,
            "malformed-event",
            "card_id: is missing",
        ),
        (swipe(&[], SWIPE.replace("gate-7", "")), 400, "malformed-event", "terminal_id: has 0"),
        (swipe(&[("idempotency-key", "x")], SWIPE), 400, "malformed-key", "Idempotency-Key: must"),
        (
            swipe(&[("idempotency-key", KEY), ("x-idempotency-key", other_key)], SWIPE),
            400,
            "conflicting-key",
            "must be equal",
        ),
        (swipe(&[("idempotency-key", other_key)], own_key), 400, "conflicting-key", "event_id"),
        (swipe(&[], large), 413, "too-large", "16384"),
        (
            post("/v1/swipes", "text/plain", &[], SWIPE),
            415,
            "unsupported-media-type",
            "application/json",
        ),
        (
            post("/v1/swipes:batch", "application/json", &[], SWIPE),
            415,
            "unsupported-media-type",
            "application/x-ndjson",
        ),
        (batch(&[("idempotency-key", KEY)], SWIPE), 400, "misplaced-key", "event_id"),
        (batch(&[], " \n\r\n"), 400, "empty-batch", "at least one"),
        (batch(&[], "\n".repeat(6)), 413, "too-large", "has 6 lines, may have 5"),
        (post("/v1/swipe", "application/json", &[], SWIPE), 404, "not-found", "/v1/swipes"),
    ] {
        let answer = send(&router, request).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        let problem = answer.problem(name);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{says}: {detail}");
        assert_eq!(answer.headers.get(header::RETRY_AFTER), None);
    }
}

#[tokio::test]
async fn another_method_is_told_which_it_may_be() {
    let router = gateway(|_| {});
    for path in ["/v1/swipes", "/v1/swipes:batch"] {
        let answer = send(&router, Request::get(path).body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 405);
        answer.problem("method-not-allowed");
        assert_eq!(answer.headers[header::ALLOW], "POST");
    }
}

#[tokio::test]
async fn a_body_over_its_time_is_a_408() {
    let router = gateway(|settings| settings.http.body_timeout_ms = 20);
    let (_sender, body) = http_body_util::channel::Channel::<Bytes>::new(1);
    let answer = send(&router, swipe(&[], Body::new(body))).await;
    assert_eq!(answer.status, 408);
    answer.problem("body-timeout");
}

#[tokio::test]
async fn batches_above_their_limit_leave_live_swipes_their_room() {
    let router = gateway(|settings| settings.http.batches_in_flight_max = 1);
    let first = tokio::spawn({
        let router = router.clone();
        async move { send(&router, batch(&[], SWIPE)).await }
    });
    // The first holds the only place until Kafka's timeout.
    let second = loop {
        tokio::task::yield_now().await;
        let answer = send(&router, batch(&[], " ")).await;
        if answer.status == 429 {
            break answer;
        }
    };
    second.problem("too-many-batches");
    assert_eq!(second.headers[header::RETRY_AFTER], "2");
    assert_eq!(first.await.unwrap().status, 503);
    assert_eq!(send(&router, batch(&[], " ")).await.status, 400);
}

#[tokio::test]
async fn requests_above_their_limit_are_turned_away() {
    let router = gateway(|settings| {
        settings.http.requests_in_flight_max = 1;
        settings.http.batches_in_flight_max = 1;
    });
    let (first, second) =
        tokio::join!(send(&router, swipe(&[], SWIPE)), send(&router, swipe(&[], SWIPE)),);
    first.problem("log-unavailable");
    second.problem("too-busy");
    assert_eq!(
        (first.status, second.status),
        (StatusCode::SERVICE_UNAVAILABLE, StatusCode::SERVICE_UNAVAILABLE)
    );
    assert_eq!(second.headers[header::RETRY_AFTER], "2");
}

#[tokio::test]
async fn a_batch_of_which_kafka_took_nothing_is_a_503_as_a_whole() {
    let router = gateway(|_| {});
    let answer = send(&router, batch(&[], format!("{SWIPE}\nx\n{SWIPE}\n"))).await;
    assert_eq!(answer.status, 503);
    let problem = answer.problem("log-unavailable");
    assert!(problem["detail"].as_str().unwrap().contains("none of 2"), "{problem}");
    assert_eq!(answer.headers[header::RETRY_AFTER], "2");
}

#[tokio::test]
async fn a_batch_of_refused_lines_answers_each() {
    let router = gateway(|_| {});
    let long = format!("{}{SWIPE}", " ".repeat(schemas::EVENT_BYTES_MAX));
    let lines = format!("\n{{}}\n\r\n{long}\n\"4711\"");
    let answer = send(&router, batch(&[], lines)).await;
    assert_eq!(answer.status, 207);
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/x-ndjson");
    assert!(!answer.text.contains("4711"), "{}", answer.text);
    let outcomes: Vec<Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seen: Vec<_> = outcomes
        .iter()
        .map(|o| (o["line"].as_u64().unwrap(), o["status"].as_u64().unwrap()))
        .collect();
    assert_eq!(seen, [(2, 400), (4, 413), (5, 400)]);
    assert_eq!(outcomes[0]["type"], "/problems/malformed-event");
    assert_eq!(outcomes[0]["detail"], "card_id: is missing");
}

#[tokio::test]
async fn readiness_says_what_it_waits_for() {
    let router = gateway(|_| {});
    let answer = send(&router, Request::get("/readyz").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.text.contains("127.0.0.1:1"), "{}", answer.text);
    let answer = send(&router, Request::get("/healthz").body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, 200);
}
