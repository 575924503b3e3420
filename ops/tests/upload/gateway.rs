//! A gateway that misbehaves as it is told to.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Router, routing::post};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How the gateway treats one request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mood {
    /// Logs every line.
    Kind,
    /// Refuses the whole request with this status, and says when to come again.
    Refuses(u16, u64),
    /// Logs so many lines; the others are to be sent again.
    LogsOnly(usize),
    /// Logs every line, and breaks the connection after acknowledging so many.
    CutsAfter(usize),
    /// Logs every line and acknowledges so many, as if that were all.
    ForgetsAfter(usize),
    /// Answers with a web page.
    IsNone,
}

/// What the gateway has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Requests so far.
    pub(crate) requests: usize,
    /// Lines so far, those that were sent again too.
    pub(crate) lines: usize,
    /// Lines of the largest request.
    pub(crate) lines_max: usize,
    /// Times of each card's swipes in the order in which they were logged first.
    pub(crate) logged: HashMap<String, Vec<String>>,
    /// Whether a card was ever in two requests at once.
    pub(crate) overlapped: bool,
    /// Most requests at once.
    pub(crate) at_once: usize,
    keys: HashSet<(String, String)>,
    busy: HashMap<String, usize>,
    now: usize,
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) seen: Arc<Mutex<Seen>>,
}

impl Gateway {
    /// Starts one whose mood follows from the number of the request, from 0.
    pub(crate) async fn start(mood: impl Fn(usize) -> Mood + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let (mood, state) = (Arc::new(mood), Arc::clone(&seen));
        let work = move |headers: HeaderMap, body: String| {
            let (mood, state) = (Arc::clone(&mood), Arc::clone(&state));
            async move {
                assert_eq!(headers["content-type"], "application/x-ndjson");
                let (number, cards) = state.lock().unwrap().begin(&body);
                tokio::time::sleep(Duration::from_millis(2)).await;
                let mut seen = state.lock().unwrap();
                let response = seen.answer(mood(number), &body);
                seen.end(&cards);
                response
            }
        };
        let router = Router::new().route("/v1/swipes:batch", post(work));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, seen }
    }

    pub(crate) fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }
}

impl Seen {
    fn begin(&mut self, body: &str) -> (usize, HashSet<String>) {
        let cards: HashSet<String> = body.lines().map(|line| card_and_time(line).0).collect();
        for card in &cards {
            let busy = self.busy.entry(card.clone()).or_default();
            self.overlapped |= *busy > 0;
            *busy += 1;
        }
        let number = self.requests;
        self.requests += 1;
        self.lines += body.lines().count();
        self.lines_max = self.lines_max.max(body.lines().count());
        self.now += 1;
        self.at_once = self.at_once.max(self.now);
        (number, cards)
    }

    fn end(&mut self, cards: &HashSet<String>) {
        self.now -= 1;
        for card in cards {
            *self.busy.get_mut(card).unwrap() -= 1;
        }
    }

    fn answer(&mut self, mood: Mood, body: &str) -> Response {
        let total = body.lines().count();
        match mood {
            Mood::Kind => self.log(body, total).into_response(),
            Mood::LogsOnly(lines) => {
                (StatusCode::MULTI_STATUS, self.log(body, lines)).into_response()
            }
            Mood::ForgetsAfter(lines) => {
                let answer = self.log(body, total);
                first(&answer, lines).into_response()
            }
            Mood::CutsAfter(lines) => {
                let answer = self.log(body, total);
                // Half a line more, so that the cut is in the middle of one.
                let part = first(&answer, lines) + r#"{"line":"#;
                let broken = std::io::Error::other("cut");
                let parts = futures::stream::iter([Ok(part), Err(broken)]);
                Body::from_stream(parts).into_response()
            }
            Mood::Refuses(status, retry_after_s) => {
                let status = StatusCode::from_u16(status).unwrap();
                let headers = [("retry-after", retry_after_s.to_string())];
                let problem = json!({ "title": "Go away", "detail": "not you" }).to_string();
                (status, headers, problem).into_response()
            }
            Mood::IsNone => "<html>\nIt works!\n</html>".into_response(),
        }
    }

    /// Logs the first `lines` lines, unless a card's name speaks against it.
    fn log(&mut self, body: &str, lines: usize) -> String {
        let mut answer = String::new();
        for (index, line) in body.lines().enumerate() {
            let (card, time) = card_and_time(line);
            let fate = if card.starts_with("bad") {
                json!({ "line": index + 1, "status": 400, "title": "Invalid", "detail": "bad card" })
            } else if index >= lines {
                json!({ "line": index + 1, "status": 503, "title": "Unavailable" })
            } else {
                if self.keys.insert((card.clone(), time.clone())) {
                    self.logged.entry(card).or_default().push(time);
                }
                json!({ "line": index + 1, "status": 200, "event_id": null, "offset": index })
            };
            answer += &format!("{fate}\n");
        }
        answer
    }
}

fn first(answer: &str, lines: usize) -> String {
    answer.split_inclusive('\n').take(lines).collect()
}

fn card_and_time(line: &str) -> (String, String) {
    let swipe: Value = serde_json::from_str(line).unwrap();
    let text = |key: &str| swipe[key].as_str().unwrap().to_owned();
    (text("card_id"), text("occurred_at"))
}
