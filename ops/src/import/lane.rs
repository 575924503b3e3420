//! A lane: the swipes of some cards, in their order, one request at a time.

use std::time::Duration;

use rand::RngExt;
use reqwest::{Client, Url};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::answer::{self, Answer, Fate};
use crate::Error;
use crate::settings::Gateway;

/// One line of the file, ready to be sent.
#[derive(Debug)]
pub(super) struct Line {
    /// Number in the file.
    pub(super) number: u64,
    /// Bytes that it has there.
    pub(super) bytes: u64,
    /// The submission as JSON.
    pub(super) body: Vec<u8>,
}

/// What there is to tell the one who counts.
#[derive(Debug)]
pub(super) enum Event {
    /// So many lines were read from the file.
    Read(u64),
    /// A line that the mapping cannot read.
    Unreadable { line: u64, bytes: u64, reason: String },
    /// What a request came to.
    Settled(Settled),
    /// The upload cannot go on.
    Failed(Error),
}

/// What a request came to.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) logged: u64,
    pub(super) spooled: u64,
    pub(super) refused: Vec<(u64, String)>,
    /// Bytes that all of them have in the file.
    pub(super) bytes: u64,
    /// Lines that will be sent again.
    pub(super) again: u64,
}

/// The sending side of a lane.
pub(super) struct Lane {
    pub(super) client: Client,
    pub(super) url: Url,
    pub(super) lines_max: usize,
    pub(super) retry: Gateway,
    pub(super) inbox: mpsc::Receiver<Line>,
    pub(super) events: mpsc::Sender<Event>,
}

impl Lane {
    /// Sends what comes, until no more does.
    pub(super) async fn run(mut self) {
        let mut waiting = Vec::new();
        while self.inbox.recv_many(&mut waiting, self.lines_max).await > 0 {
            if let Err(error) = self.deliver(&mut waiting).await {
                // If nobody counts any more, nobody wants to know either.
                let _ = self.events.send(Event::Failed(error)).await;
                return;
            }
        }
    }

    /// Sends `waiting` until the gateway has accepted or refused every line of it. What comes after
    /// waits, so that a card's swipes stay in their order.
    async fn deliver(&self, waiting: &mut Vec<Line>) -> Result<(), Error> {
        let mut failures = 0;
        loop {
            let before = waiting.len();
            let answer = self.send(waiting).await?;
            let (pause, trouble) = (answer.retry_after, answer.trouble.clone());
            let settled = settle(waiting, answer);
            failures = if waiting.len() < before { 1 } else { failures + 1 };
            if self.events.send(Event::Settled(settled)).await.is_err() || waiting.is_empty() {
                return Ok(());
            }
            if failures >= self.retry.tries_max {
                let last = trouble.unwrap_or_else(|| "it has no room for these lines".to_owned());
                let at = self.url.origin().ascii_serialization();
                let problem = format!(
                    "{failures} tries in a row at {at} were in vain; the last: {last}; --gateway says \
                     where it is looked for"
                );
                return Err(Error::Gateway(problem));
            }
            sleep(self.pause(failures, pause)).await;
        }
    }

    async fn send(&self, waiting: &[Line]) -> Result<Answer, Error> {
        let mut body = Vec::with_capacity(waiting.iter().map(|line| line.body.len() + 1).sum());
        for line in waiting {
            body.extend_from_slice(&line.body);
            body.push(b'\n');
        }
        let request = self.client.post(self.url.clone());
        let request = request.header("content-type", "application/x-ndjson").body(body);
        match request.send().await {
            Ok(response) => answer::read(response, waiting.len()).await,
            Err(error) if error.is_builder() => Err(Error::Gateway(crate::explain(&error))),
            Err(error) => Ok(Answer::none(error)),
        }
    }

    /// As long as the gateway asks for, and then a random time, so that lanes do not come together.
    fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let mut rng = rand::rng();
        let backoff = self.retry.backoff.delay(failures, &mut rng);
        // Never at once: full jitter may be nothing at all.
        asked.unwrap_or_default() + backoff + Duration::from_millis(rng.random_range(1..=10))
    }
}

/// Takes out of `waiting` what needs no further work.
fn settle(waiting: &mut Vec<Line>, answer: Answer) -> Settled {
    let mut fates: Vec<Option<Fate>> = waiting.iter().map(|_| None).collect();
    for (index, fate) in answer.fates {
        fates[index] = Some(fate);
    }
    let mut settled = Settled::default();
    let mut fates = fates.into_iter();
    waiting.retain(|line| {
        match fates.next().flatten() {
            Some(Fate::Logged) => settled.logged += 1,
            Some(Fate::Spooled) => {
                settled.logged += 1;
                settled.spooled += 1;
            }
            Some(Fate::Refused(reason)) => settled.refused.push((line.number, reason)),
            Some(Fate::Later) | None => {
                settled.again += 1;
                return true;
            }
        }
        settled.bytes += line.bytes;
        false
    });
    settled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_neither_accepted_nor_refused_stays_and_in_its_order() {
        let line = |number| Line { number, bytes: 10, body: Vec::new() };
        let mut waiting: Vec<Line> = (1..=5).map(line).collect();
        let refused = Fate::Refused("400".to_owned());
        let fates = vec![(3, Fate::Later), (2, refused), (0, Fate::Logged)];
        let settled = settle(&mut waiting, Answer { fates, ..Answer::default() });
        assert_eq!(waiting.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 4, 5]);
        assert_eq!((settled.logged, settled.again, settled.bytes), (1, 3, 20));
        assert_eq!(settled.refused, [(3, "400".to_owned())]);
    }
}
