//! What the gateway says to a batch.

use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use crate::Error;

/// What became of one line of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in the log.
    Logged,
    /// It is on the gateway's disk.
    Spooled,
    /// It never will be, as it stands.
    Refused(String),
    /// Not now.
    Later,
}

/// What became of one request.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Fate of each line that the gateway spoke of, by its place in the request, from 0.
    pub(super) fates: Vec<(usize, Fate)>,
    /// How long the gateway asks to be left alone.
    pub(super) retry_after: Option<Duration>,
    /// Why the request, or what is missing of its answer, has to be sent again.
    pub(super) trouble: Option<String>,
}

/// Longest wait that a gateway is granted.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// Bytes of one line of an answer, or of a problem document.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// One line of the answer.
#[derive(Deserialize)]
struct Line {
    line: usize,
    status: u16,
    #[serde(flatten)]
    problem: Problem,
}

/// The part of a problem document (RFC 9457) that people read.
#[derive(Deserialize)]
struct Problem {
    title: Option<String>,
    detail: Option<String>,
}

/// Reads the answer to a request of `sent` lines. If the connection breaks, what was acknowledged
/// before counts.
///
/// # Errors
/// [`Error::Gateway`] where sending again would not help: the request as a whole was refused, or
/// whoever answers is no gateway.
pub(super) async fn read(mut response: Response, sent: usize) -> Result<Answer, Error> {
    let status = response.status();
    let mut answer = Answer { retry_after: retry_after(&response), ..Answer::default() };
    if !status.is_success() {
        let problem = problem(&mut response).await;
        if !is_passing(status.as_u16()) {
            return Err(Error::Gateway(format!("refused the upload with {status}{problem}")));
        }
        answer.trouble = Some(format!("{status}{problem}"));
        return Ok(answer);
    }
    let mut text = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) => text.extend_from_slice(&chunk),
            Ok(None) => {
                text.push(b'\n');
                answer.take_lines(&mut text, sent)?;
                break;
            }
            Err(error) => {
                answer.trouble = Some(crate::explain(&error.without_url()));
                break;
            }
        }
        answer.take_lines(&mut text, sent)?;
        if text.len() > LINE_BYTES_MAX {
            return Err(not_a_gateway());
        }
    }
    if answer.trouble.is_none() && answer.fates.len() < sent {
        answer.trouble = Some("it did not speak of every line".to_owned());
    }
    Ok(answer)
}

impl Answer {
    /// An answer that never came.
    pub(super) fn none(error: reqwest::Error) -> Self {
        let trouble = Some(crate::explain(&error.without_url()));
        Self { trouble, ..Self::default() }
    }

    /// Takes the whole lines off `text`.
    fn take_lines(&mut self, text: &mut Vec<u8>, sent: usize) -> Result<(), Error> {
        let Some(end) = text.iter().rposition(|byte| *byte == b'\n') else {
            return Ok(());
        };
        for line in text[..end].split(|byte| *byte == b'\n') {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let line: Line = serde_json::from_slice(line).map_err(|_| not_a_gateway())?;
            if !(1..=sent).contains(&line.line) {
                return Err(not_a_gateway());
            }
            self.fates.push((line.line - 1, line.fate()));
        }
        text.drain(..=end);
        Ok(())
    }
}

impl Line {
    fn fate(self) -> Fate {
        match self.status {
            202 => Fate::Spooled,
            200..=299 => Fate::Logged,
            status if is_passing(status) => Fate::Later,
            status => Fate::Refused(format!("{status}{}", self.problem.text())),
        }
    }
}

impl Problem {
    fn text(&self) -> String {
        let parts = [&self.title, &self.detail];
        parts.into_iter().flatten().map(|part| format!(": {part}")).collect()
    }
}

/// Whether the same may be accepted later. Of 507, a full spool, too: it empties.
const fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502..=504 | 507)
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    let seconds = seconds.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(RETRY_AFTER_MAX))
}

/// What a refusal says for itself, if it does.
async fn problem(response: &mut Response) -> String {
    let mut text = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        text.extend_from_slice(&chunk);
        if text.len() > LINE_BYTES_MAX {
            return String::new();
        }
    }
    let problem = serde_json::from_slice::<Problem>(&text).map(|problem| problem.text());
    let hint = match response.status() {
        StatusCode::PAYLOAD_TOO_LARGE => " (try fewer --lines-per-request)",
        _ => "",
    };
    problem.unwrap_or_default() + hint
}

fn not_a_gateway() -> Error {
    Error::Gateway("its answer is none of a gateway's: is --gateway the right address?".to_owned())
}
