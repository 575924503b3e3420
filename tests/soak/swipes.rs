//! The swipes of one card, and how they are sent.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use reqwest::{Client, StatusCode};
use schemas::Millis;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

/// How long a terminal waits for an answer before it sends the swipe again.
const ANSWER_WITHIN: Duration = Duration::from_secs(6);

/// Of so many swipes one has the number of the next one.
const STANDS_STILL: u32 = 25;
/// What the terminals count by.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// One swipe.
#[derive(Debug, Clone)]
pub(crate) struct Swipe {
    /// Its id.
    pub(crate) event_id: Uuid,
    body: Value,
    read_at: Instant,
}

impl Swipe {
    /// A swipe at the door, now.
    pub(crate) fn live(card: &str, terminal: &str, at: Millis, random: &mut StdRng) -> Self {
        Self::new(card, terminal, at, "online", random)
    }

    /// A swipe of a terminal that was offline.
    pub(crate) fn late(card: &str, terminal: &str, at: Millis, random: &mut StdRng) -> Self {
        Self::new(card, terminal, at, "offline", random)
    }

    fn new(card: &str, terminal: &str, at: Millis, mode: &str, random: &mut StdRng) -> Self {
        let event_id = uuid::Builder::from_random_bytes(random.random()).into_uuid();
        // One counter for all terminals, so theirs have gaps; and now and then it stands still.
        let step = u64::from(!random.random_ratio(1, STANDS_STILL));
        let seq = COUNTER.fetch_add(step, Ordering::Relaxed);
        let body = json!({
            "event_id": event_id, "card_id": card, "terminal_id": terminal,
            "occurred_at": at.to_string(), "mode": mode, "direction": "in",
            "terminal_epoch": 1, "terminal_seq": seq,
        });
        Self { event_id, body, read_at: Instant::now() }
    }

    /// What a terminal sends of it now: a clock that only goes forward says how long ago it was.
    fn body(&self) -> Value {
        let mut body = self.body.clone();
        if body["mode"] == "online" {
            let age_ms = u64::try_from(self.read_at.elapsed().as_millis()).unwrap_or(u64::MAX);
            body["age_ms"] = Value::from(age_ms);
        }
        body
    }
}

/// What came of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// In the log.
    Logged,
    /// On the gateway's disk.
    Promised,
    /// Not acknowledged: to be sent again.
    Again,
    /// Refused for good, and why.
    Refused(String),
}

/// Sends swipes to whichever gateway there is.
#[derive(Clone)]
pub(crate) struct Sender {
    client: Client,
    gateways: watch::Receiver<Vec<String>>,
}

impl Sender {
    /// Sends to the gateways that are named in the list at the time.
    pub(crate) fn new(gateways: watch::Receiver<Vec<String>>) -> anyhow::Result<Self> {
        let client = Client::builder().timeout(ANSWER_WITHIN).build()?;
        Ok(Self { client, gateways })
    }

    /// Sends one swipe to the gateway `which`.
    pub(crate) async fn send(&self, swipe: &Swipe, which: usize) -> Answer {
        let sent = self
            .client
            .post(self.url(which, "/v1/swipes"))
            .header("X-Idempotency-Key", swipe.event_id.to_string())
            .json(&swipe.body())
            .send()
            .await;
        let Ok(response) = sent else { return Answer::Again };
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        answer(status, &text)
    }

    /// Sends a batch to the gateway `which`; what came of each of its swipes.
    pub(crate) async fn send_batch(&self, swipes: &[Swipe], which: usize) -> Vec<Answer> {
        let lines: String = swipes.iter().map(|swipe| format!("{}\n", swipe.body())).collect();
        let sent = self
            .client
            .post(self.url(which, "/v1/swipes:batch"))
            .header("content-type", "application/x-ndjson")
            .body(lines)
            .send()
            .await;
        let mut answers = vec![Answer::Again; swipes.len()];
        let Ok(response) = sent else { return answers };
        let status = response.status();
        // An answer that breaks off says nothing.
        let Ok(text) = response.text().await else { return answers };
        if status != StatusCode::OK && status != StatusCode::MULTI_STATUS {
            return vec![answer(status, &text); swipes.len()];
        }
        for line in text.lines() {
            let Ok(outcome) = serde_json::from_str::<Value>(line) else { continue };
            let number = outcome["line"].as_u64().and_then(|line| usize::try_from(line).ok());
            let code = outcome["status"].as_u64().and_then(|code| u16::try_from(code).ok());
            if let (Some(number @ 1..), Some(code)) = (number, code)
                && let Some(slot) = answers.get_mut(number - 1)
                && let Ok(status) = StatusCode::from_u16(code)
            {
                *slot = answer(status, line);
            }
        }
        answers
    }

    fn url(&self, which: usize, path: &str) -> String {
        let gateways = self.gateways.borrow();
        let address = gateways.get(which % gateways.len().max(1)).map_or("", String::as_str);
        format!("http://{address}{path}")
    }
}

fn answer(status: StatusCode, text: &str) -> Answer {
    match status {
        StatusCode::OK => Answer::Logged,
        StatusCode::ACCEPTED => Answer::Promised,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Answer::Again,
        _ if status.is_client_error() => Answer::Refused(format!("{status}: {text}")),
        _ => Answer::Again,
    }
}
