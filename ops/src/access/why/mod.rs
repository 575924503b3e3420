//! `gatelog access why`: what a card is told at a terminal, with all reasons, and what that stands
//! on.

mod explain;
mod report;

use std::iter::once;
use std::num::NonZeroUsize;

use access::{Read, Request, decide};
use registry::{AsOf, Cache, Freshness, Timestamptz};
use schemas::{Direction, Millis};
use tokio_postgres::{IsolationLevel, Transaction};

use self::explain::Facts;
use self::report::{Report, StoodOn};
use super::terminal::no_such;
use super::whereabouts::Whereabouts;
use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};

/// What to find out.
#[derive(Debug, Clone)]
pub struct Question {
    /// The card.
    pub card_id: String,
    /// The terminal that it is held to.
    pub terminal_id: String,
    /// When; now where it is not said.
    pub at: Option<Millis>,
    /// Which way; needed at a terminal for both ways whose zone has anti-passback.
    pub direction: Option<Direction>,
    /// Whether a denial is the exit code 1.
    pub exit_code: bool,
}

/// Decides as the consumers do, and says why.
///
/// A moment of the past is decided as its swipe would be if it came now: by the permissions and
/// rules of then, and by what is known of the card now. One ahead is decided by what stands now.
///
/// # Errors
/// A terminal that is not registered, or Postgres' own.
pub async fn run(settings: &Settings, question: &Question, json: bool) -> Result<Verdict, Error> {
    let mut client = connect::postgres(&settings.postgres).await?;
    // One picture: what the decision is made from, and what it is said to stand on.
    let builder = client.build_transaction().read_only(true);
    let snapshot = builder.isolation_level(IsolationLevel::RepeatableRead).start().await?;
    let report = ask(&snapshot, question).await?;
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    Ok(if report.is_granted() || !question.exit_code { Verdict::Fine } else { Verdict::No })
}

async fn ask(snapshot: &Transaction<'_>, question: &Question) -> Result<Report, Error> {
    let now = Millis::now();
    let at = question.at.unwrap_or(now);
    let late = question.at.is_some_and(|at| at < now);
    let (as_of, stands_at) =
        if late { (AsOf::Moment(at), Timestamptz(at)) } else { (AsOf::Now, Timestamptz::MAX) };

    let mut cache = Cache::new(NonZeroUsize::MIN);
    cache.begin(1);
    let (card, terminal) = (cache.card(&question.card_id), cache.terminal(&question.terminal_id));
    let whereabouts = Whereabouts::load(snapshot, &question.card_id).await?;
    let track = whereabouts.map(|whereabouts| whereabouts.track(&mut cache));
    cache.prepare(snapshot, once(card), once(terminal), Freshness::Current).await?;
    let found = cache.resolve(card, terminal, as_of);
    let found = found.ok_or_else(|| Error::Usage(no_such(&question.terminal_id)))?;

    let direction = way(found.direction, question)?;
    let read = Read { zone: found.zone, rules: found.rules, direction, at, late };
    let verdict = decide(&Request {
        credential: found.credential,
        schedule: found.schedule,
        track: track.as_ref(),
        read,
    });
    let stood_on = StoodOn::load(snapshot, question, stands_at).await?;
    let schedule_id = stood_on.iter().find(|row| row.kind == "schedule").map(|row| row.id.clone());
    let facts =
        Facts { read: &read, found: &found, track: track.as_ref(), schedule_id, cache: &cache };
    let clock = cache.clock().map(|clock| clock.version);
    Ok(Report::new(question, &verdict, &facts, clock, stood_on))
}

/// The way that the terminal's door leads, or that the question says.
fn way(of_terminal: Option<Direction>, question: &Question) -> Result<Option<Direction>, Error> {
    match (of_terminal, question.direction) {
        (Some(is), Some(said)) if is != said => Err(Error::Usage(format!(
            "the door of {} leads the other way: leave --direction out, or name another terminal",
            question.terminal_id
        ))),
        (Some(is), _) => Ok(Some(is)),
        (None, said) => Ok(said),
    }
}
