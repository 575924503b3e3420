//! Uploads against a gateway that misbehaves: nothing is lost, nothing is sent without need, and
//! each card's swipes stay in their order.

#![allow(clippy::unwrap_used)]

mod gateway;

use std::io::Cursor;
use std::time::{Duration, Instant};

use gateway::{Gateway, Mood, Seen};
use ops::Error;
use ops::import::{Mapping, Options, Summary, VAST, upload};
use resilience::Backoff;

const HEADER: &str = "timestamp, type, prox-id, floor, zone\n";

/// `lines` lines of 37 cards, in the order of time.
fn file(lines: usize) -> String {
    let line = |n: usize| {
        let (minutes, seconds) = (n / 60, n % 60);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        let card = n * 7 % 37;
        format!("2016-05-31 {hours:02}:{minutes:02}:{seconds:02}, fixed-prox, card{card}, 1, 6\n")
    };
    HEADER.to_owned() + &(0..lines).map(line).collect::<String>()
}

fn options() -> Options {
    Options { lines_per_request: 50, ..Options::default() }
}

async fn run(url: &str, file: String, options: &Options) -> (Summary, Result<(), Error>) {
    let mapping = Mapping::parse(VAST).unwrap();
    let backoff = Backoff { base_ms: 1, cap_ms: 5 };
    let gateway = ops::settings::Gateway { url: url.to_owned(), tries_max: 4, backoff };
    upload(Cursor::new(file), mapping, &gateway, options, |summary| {
        assert!(summary.settled() <= summary.read + 500);
    })
    .await
}

/// Everything is logged, and each card's swipes in the order of time.
fn assert_complete(seen: &Seen, lines: usize) {
    assert_eq!(seen.logged.values().map(Vec::len).sum::<usize>(), lines);
    for times in seen.logged.values() {
        assert!(times.is_sorted(), "{times:?}");
    }
    assert!(!seen.overlapped, "a card was in two requests at once");
}

#[tokio::test]
async fn each_line_is_sent_once_and_in_its_cards_order() {
    let gateway = Gateway::start(|_| Mood::Kind).await;
    let text = file(3_000);
    let bytes = (text.len() - HEADER.len()) as u64;
    let (summary, outcome) = run(&gateway.url, text, &options()).await;
    outcome.unwrap();
    let counts = (summary.read, summary.logged, summary.retried, summary.bytes);
    assert_eq!(counts, (3_000, 3_000, 0, bytes));
    assert!(summary.is_complete());
    let seen = gateway.seen();
    assert_complete(&seen, 3_000);
    assert_eq!(seen.lines, 3_000);
    assert!(seen.lines_max <= 50 && (2..=4).contains(&seen.at_once));
}

#[tokio::test]
async fn lines_that_the_gateway_has_no_room_for_are_sent_again_and_no_others() {
    let gateway = Gateway::start(|n| match n % 3 {
        0 => Mood::LogsOnly(7),
        1 => Mood::LogsOnly(20),
        _ => Mood::Kind,
    })
    .await;
    let (summary, outcome) = run(&gateway.url, file(1_000), &options()).await;
    outcome.unwrap();
    assert!(summary.is_complete() && summary.retried > 0);
    let seen = gateway.seen();
    assert_complete(&seen, 1_000);
    assert_eq!(seen.lines as u64, 1_000 + summary.retried);
}

#[tokio::test]
async fn a_request_that_is_put_off_comes_again() {
    let gateway = Gateway::start(|n| match n {
        0..=2 => Mood::Refuses(503, 0),
        5 => Mood::Refuses(429, 1),
        6 => Mood::Refuses(507, 0),
        _ => Mood::Kind,
    })
    .await;
    let begun = Instant::now();
    let (summary, outcome) = run(&gateway.url, file(1_000), &options()).await;
    outcome.unwrap();
    assert!(summary.is_complete());
    assert!(begun.elapsed() >= Duration::from_secs(1), "Retry-After: 1");
    assert_complete(&gateway.seen(), 1_000);
}

#[tokio::test]
async fn what_was_acknowledged_before_a_connection_broke_is_not_sent_again() {
    for mood in [Mood::CutsAfter(30), Mood::ForgetsAfter(30)] {
        let gateway = Gateway::start(move |n| if n == 0 { mood } else { Mood::Kind }).await;
        let one_lane = Options { in_flight: 1, ..options() };
        let (summary, outcome) = run(&gateway.url, file(200), &one_lane).await;
        outcome.unwrap();
        assert!(summary.is_complete(), "{mood:?}: {summary:?}");
        let seen = gateway.seen();
        assert_complete(&seen, 200);
        assert_eq!(seen.lines as u64, 200 + summary.retried);
    }
}

#[tokio::test]
async fn lines_that_are_refused_or_unreadable_are_named_and_hold_up_nothing() {
    let gateway = Gateway::start(|_| Mood::Kind).await;
    let mut lines: Vec<String> = file(20).lines().map(str::to_owned).collect();
    lines[3] = "2016-05-31 00:00:03, fixed-prox, bad1, 1, 6".to_owned();
    lines[5] = "yesterday, fixed-prox, card1, 1, 6".to_owned();
    lines[6] = "2016-05-31 00:00:05, fixed-prox, card1".to_owned();
    lines[9] = "tomorrow, fixed-prox, card1, 1, 6".to_owned();
    lines[11] = "2016-05-31 00:00:03, fixed-prox, bad2, 1, 6".to_owned();
    let (summary, outcome) = run(&gateway.url, lines.join("\n"), &options()).await;
    outcome.unwrap();
    assert_eq!((summary.read, summary.logged), (20, 15));
    let shown = |reasons: &ops::import::Reasons| {
        let lines = |r: &ops::import::Reason| format!("{} {:?}", r.reason, r.first_lines);
        reasons.iter().map(lines).collect::<Vec<_>>()
    };
    assert_eq!(shown(&summary.refused), ["400: Invalid: bad card [4, 12]"]);
    assert_eq!(
        shown(&summary.unreadable),
        [
            "timestamp: is not a time in the format %Y-%m-%d %H:%M:%S [6, 10]",
            "$: has 3 columns, the header has 5 [7]"
        ]
    );
    assert!(!summary.is_complete());
}

#[tokio::test]
async fn a_gateway_that_stays_unavailable_ends_the_upload() {
    let gateway = Gateway::start(|n| match n {
        0..=3 => Mood::Kind,
        _ => Mood::Refuses(503, 0),
    })
    .await;
    let (summary, outcome) = run(&gateway.url, file(5_000), &options()).await;
    let error = outcome.unwrap_err();
    let at = gateway.url.trim_end_matches("/");
    let wanted = format!(
        "4 tries in a row at {at} were in vain; the last: 503 Service Unavailable: Go away"
    );
    assert!(error.to_string().contains(&wanted), "{error}");
    assert_eq!(error.exit_code(), 3);
    assert!(summary.logged > 0 && summary.unacknowledged > 0);
    assert_eq!(summary.read, summary.settled() + summary.unacknowledged);
    let logged = gateway.seen().logged.values().map(Vec::len).sum::<usize>();
    assert_eq!(summary.logged, logged as u64);
}

#[tokio::test]
async fn what_would_fail_again_is_tried_once() {
    for (mood, wanted) in [
        (Mood::Refuses(401, 0), "refused the upload with 401 Unauthorized: Go away: not you"),
        (Mood::Refuses(413, 0), "413 Payload Too Large: Go away: not you (try fewer"),
        (Mood::IsNone, "none of a gateway's"),
    ] {
        let gateway = Gateway::start(move |_| mood).await;
        let (summary, outcome) = run(&gateway.url, file(10), &options()).await;
        let error = outcome.unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert_eq!((summary.logged, summary.unacknowledged), (0, 10));
        assert!(gateway.seen().requests <= 4);
    }
    let (_, outcome) = run("http://127.0.0.1:1", file(10), &options()).await;
    let error = outcome.unwrap_err().to_string();
    assert!(error.contains("onnection refused"), "{error}");
}

#[tokio::test]
async fn limit_and_rate_are_kept() {
    let gateway = Gateway::start(|_| Mood::Kind).await;
    let slow = Options { limit: Some(101), rate_per_s: Some(200), ..options() };
    let begun = Instant::now();
    let (summary, outcome) = run(&gateway.url, file(500), &slow).await;
    outcome.unwrap();
    assert_eq!((summary.read, summary.logged), (101, 101));
    assert!(begun.elapsed() >= Duration::from_millis(500));
    assert_complete(&gateway.seen(), 101);
}

#[tokio::test]
async fn an_empty_file_is_complete_and_one_without_the_columns_is_refused() {
    let gateway = Gateway::start(|_| Mood::Kind).await;
    let (summary, outcome) = run(&gateway.url, HEADER.to_owned(), &options()).await;
    outcome.unwrap();
    assert_eq!((summary.read, summary.is_complete()), (0, true));
    let (_, outcome) = run(&gateway.url, "a,b\n1,2\n".to_owned(), &options()).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    assert_eq!(gateway.seen().requests, 0);
}
