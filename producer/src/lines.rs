//! The lines of a batch: what became of each, and how that is answered.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use uuid::Uuid;

use crate::body;
use crate::problem::{Document, Kind, Problem};
use crate::publish::Position;

/// One line of the batch and what became of it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) number: usize,
    pub(crate) event_id: Option<Uuid>,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// Queued; no acknowledgement yet.
    Waiting,
    Logged(Position),
    NotLogged(Problem),
}

/// How many lines ended how.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) logged: usize,
    pub(crate) refused: usize,
    pub(crate) unavailable: usize,
}

impl Sum {
    pub(crate) fn of(lines: &[Line]) -> Self {
        let mut sum = Self::default();
        for line in lines {
            match &line.outcome {
                Outcome::Logged(_) => sum.logged += 1,
                Outcome::NotLogged(problem) if !problem.kind.is_passing() => sum.refused += 1,
                Outcome::NotLogged(_) | Outcome::Waiting => sum.unavailable += 1,
            }
        }
        sum
    }
}

/// 200 where every line is logged, 207 where the lines have to be read, 503 where Kafka took none:
/// who looks at the status alone never takes a swipe for logged that is not.
pub(crate) fn answer(lines: &[Line], sum: Sum, retry_after_s: u64) -> Result<Response, Problem> {
    if sum.logged == 0 && sum.unavailable > 0 {
        let detail = format!(
            "none of {} events was acknowledged, though some may be in the log; sending the batch \
             again is harmless",
            sum.unavailable
        );
        return Err(Problem::new(Kind::LogUnavailable, detail));
    }
    let all_logged = sum.logged == lines.len();
    let status = if all_logged { StatusCode::OK } else { StatusCode::MULTI_STATUS };
    let headers = [(header::CONTENT_TYPE, body::NDJSON)];
    let mut response = (status, headers, render(lines)).into_response();
    if sum.unavailable > 0 {
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, retry_after_s.into());
    }
    Ok(response)
}

#[derive(Serialize)]
struct Logged {
    line: usize,
    status: u16,
    event_id: Option<Uuid>,
    partition: i32,
    offset: i64,
}

#[derive(Serialize)]
struct NotLogged<'a> {
    line: usize,
    #[serde(flatten)]
    problem: Document<'a>,
}

fn render(lines: &[Line]) -> Vec<u8> {
    /// Bytes of the answer to a line that was logged.
    const LINE_BYTES_USUAL: usize = 112;
    let mut text = Vec::with_capacity(lines.len() * LINE_BYTES_USUAL);
    for line in lines {
        let number = line.number;
        // Writing text and numbers to memory does not fail.
        let _ = match &line.outcome {
            Outcome::Logged(position) => serde_json::to_writer(
                &mut text,
                &Logged {
                    line: number,
                    status: StatusCode::OK.as_u16(),
                    event_id: line.event_id,
                    partition: position.partition,
                    offset: position.offset,
                },
            ),
            Outcome::NotLogged(problem) => {
                let problem = problem.document();
                serde_json::to_writer(&mut text, &NotLogged { line: number, problem })
            }
            Outcome::Waiting => Ok(()),
        };
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    #[test]
    fn each_outcome_is_one_line() {
        let event_id = Uuid::from_u128(7);
        let lines = [
            Line {
                number: 1,
                event_id: Some(event_id),
                outcome: Outcome::Logged(Position { partition: 2, offset: 3 }),
            },
            Line {
                number: 3,
                event_id: None,
                outcome: Outcome::NotLogged(Problem::new(Kind::MalformedEvent, "mode: is missing")),
            },
            Line {
                number: 4,
                event_id: Some(event_id),
                outcome: Outcome::NotLogged(Problem::unavailable(event_id, &Error::QueueFull)),
            },
        ];
        let text = String::from_utf8(render(&lines)).unwrap();
        let rendered: Vec<_> = text.lines().collect();
        assert_eq!(
            rendered[0],
            format!(
                r#"{{"line":1,"status":200,"event_id":"{event_id}","partition":2,"offset":3}}"#
            )
        );
        assert_eq!(
            rendered[1],
            r#"{"line":3,"type":"/problems/malformed-event","title":"The event is malformed","status":400,"detail":"mode: is missing"}"#
        );
        assert!(rendered[2].contains(r#""status":503,"detail":"the queue"#));
        assert!(rendered[2].ends_with(&format!(r#""event_id":"{event_id}"}}"#)));
        let sum = Sum { logged: 1, refused: 1, unavailable: 1 };
        assert_eq!(Sum::of(&lines), sum);
    }
    #[test]
    fn the_status_alone_never_promises_too_much() {
        let logged = || Outcome::Logged(Position { partition: 0, offset: 0 });
        let refused = || Outcome::NotLogged(Problem::new(Kind::MalformedEvent, ""));
        let unavailable = || Outcome::NotLogged(Problem::new(Kind::LogUnavailable, ""));
        for (outcomes, status, may_retry) in [
            (vec![logged(), logged()], 200, false),
            (vec![logged(), refused()], 207, false),
            (vec![refused()], 207, false),
            (vec![logged(), unavailable()], 207, true),
        ] {
            let event_id = None;
            let lines: Vec<_> =
                outcomes.into_iter().map(|outcome| Line { number: 1, event_id, outcome }).collect();
            let response = answer(&lines, Sum::of(&lines), 7).unwrap();
            assert_eq!(response.status(), status, "{lines:?}");
            let retry_after = response.headers().get(header::RETRY_AFTER);
            assert_eq!(retry_after.is_some(), may_retry, "{lines:?}");
        }
        let outcomes = [refused(), unavailable()];
        let lines = outcomes.map(|outcome| Line { number: 1, event_id: None, outcome });
        let problem = answer(&lines, Sum::of(&lines), 7).unwrap_err();
        assert_eq!(problem.kind, Kind::LogUnavailable);
    }
}
