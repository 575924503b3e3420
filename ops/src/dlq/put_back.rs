//! Letters that the table lacks, put back from somewhere else: only where the place of each is
//! known to have ended as a dead letter and nothing else.

use std::collections::BTreeMap;

use registry::Timestamptz;
use schemas::{Millis, dead_letter_id};
use serde::Serialize;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Transaction};
use uuid::Uuid;

use super::letter::{Letter, Record, Says};
use super::letters;
use crate::operator::Run;
use crate::{Error, output};

/// What became of the letters that were read.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    pub(super) dry_run: bool,
    /// Letters that were read.
    pub(super) read: usize,
    /// Those that the table lacked, by the state that they have now.
    pub(super) put_back: BTreeMap<String, usize>,
    /// Those that were there already.
    pub(super) there: usize,
    /// Those that cannot be put back, by why.
    pub(super) skipped: BTreeMap<String, Skipped>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Skipped {
    pub(super) letters: usize,
    /// The first few, by their places: lines of a file, offsets of a topic.
    pub(super) first: Vec<String>,
}

/// Puts letters back, some in one transaction.
pub(super) struct PutBack<'a> {
    client: &'a mut Client,
    /// Namespace of the ids of this database's letters.
    log_id: Uuid,
    actor: String,
    action: &'static str,
    run: &'a Run,
    pub(super) report: Report,
}

/// What speaks against a letter; none if it was there, or can be written.
enum Stand {
    PutBack,
    There,
    Skipped(String),
}

/// The last of the reasons of may_stand.sql.
const NOT_MERGED: &str = "the letter that it is merged into is not there";
/// Places that are named for each reason.
const FIRST: usize = 5;
/// Different reasons that are told apart.
const REASONS_MAX: usize = 50;
/// Letters of one transaction.
pub(super) const AT_ONCE: usize = 500;

impl<'a> PutBack<'a> {
    pub(super) async fn new(
        client: &'a mut Client,
        action: dead_letters::Action,
        run: &'a Run,
    ) -> Result<Self, Error> {
        let row = client.query_opt("SELECT log_id FROM log_topic", &[]).await?;
        let log_id = row.map(|row| row.get(0)).ok_or_else(|| {
            let text = "no consumer has run yet, so no offset has ended as a dead letter: there is \
                        nothing to put back";
            Error::Usage(text.to_owned())
        })?;
        let actor = crate::operator::actor(client).await?;
        let report = Report { dry_run: run.is_dry(), ..Report::default() };
        Ok(Self { client, log_id, actor, action: action.as_str(), run, report })
    }

    /// Namespace of the ids of this database's letters.
    pub(super) fn log_id(&self) -> Uuid {
        self.log_id
    }

    /// Counts one that is no letter.
    pub(super) fn unreadable(&mut self, why: &str, place: String) {
        self.report.read += 1;
        self.report.skip(why, place);
    }

    /// Whether an identity is a row or a collision.
    pub(super) async fn is_applied(&self, says: Option<&Says>) -> Result<bool, Error> {
        let Some(Says { event_id, card_id, occurred_at, .. }) = says else { return Ok(false) };
        let at = Timestamptz(*occurred_at);
        let sql = include_str!("sql/is_applied.sql");
        let row = self.client.query_one(sql, &[&at, card_id, event_id]).await?;
        Ok(row.get(0))
    }

    /// Puts these back, or only says whether it could. Each comes with its place, for the account.
    pub(super) async fn all(&mut self, batch: Vec<(String, Letter)>) -> Result<(), Error> {
        let reason = match self.run {
            Run::Dry => "dry run",
            Run::Apply { reason } => reason,
        };
        let by = (self.actor.as_str(), self.action, reason);
        let mut transaction = self.client.transaction().await?;
        for (place, letter) in batch {
            self.report.read += 1;
            let stand = match one(&mut transaction, self.log_id, &letter, by).await? {
                // Whether its first letter would be there is not known before that is written.
                Stand::Skipped(why) if why == NOT_MERGED && self.run.is_dry() => Stand::PutBack,
                stand => stand,
            };
            match stand {
                Stand::PutBack => *self.report.put_back.entry(letter.state).or_default() += 1,
                Stand::There => self.report.there += 1,
                Stand::Skipped(why) => self.report.skip(&why, place),
            }
        }
        if self.run.is_dry() {
            transaction.rollback().await?;
        } else {
            transaction.commit().await?;
        }
        Ok(())
    }
}

/// Writes one letter with its action, if nothing speaks against it.
async fn one(
    transaction: &mut Transaction<'_>,
    log_id: Uuid,
    letter: &Letter,
    (actor, action, reason): (&str, &str, &str),
) -> Result<Stand, Error> {
    let Letter { dead_letter_id: id, log_partition, log_offset, .. } = letter;
    if dead_letter_id(log_id, *log_partition, *log_offset, &letter.stage) != *id {
        return Ok(Stand::Skipped("its id is not one of this database's log".to_owned()));
    }
    let at = letter.says.as_ref().map(|says| Timestamptz(says.occurred_at));
    let card = letter.says.as_ref().map(|says| says.card_id.as_str());
    let against = transaction
        .query_one(
            include_str!("sql/may_stand.sql"),
            &[id, log_partition, log_offset, &at, &card, &letter.merged_into],
        )
        .await?;
    match against.get::<_, Option<&str>>(0) {
        Some("is there") => return Ok(Stand::There),
        Some(why) => return Ok(Stand::Skipped(why.to_owned())),
        None => {}
    }
    let savepoint = transaction.transaction().await?;
    match insert(&savepoint, letter).await {
        Ok(_) => {}
        // The row itself: what was read may say anything.
        Err(error) if error.code().is_some_and(is_of_the_row) => {
            let code = error.code().map_or("", SqlState::code);
            return Ok(Stand::Skipped(format!("Postgres refuses it (SQLSTATE {code})")));
        }
        Err(error) => return Err(error.into()),
    }
    let sql = "INSERT INTO dead_letter_action (dead_letter_id, actor, action, reason, version) \
               VALUES ($1, $2, $3, $4, $5)";
    savepoint.execute(sql, &[id, &actor, &action, &reason, &letter.version]).await?;
    savepoint.commit().await?;
    Ok(Stand::PutBack)
}

async fn insert(
    transaction: &Transaction<'_>,
    letter: &Letter,
) -> Result<u64, tokio_postgres::Error> {
    let moment = |at: Option<Millis>| at.map(Timestamptz);
    let (names, values) = letter.original.columns();
    let amended = letter.amended.as_ref().map(Record::columns);
    let (amended_names, amended_values) = amended.unzip();
    let amended_key = letter.amended.as_ref().and_then(Record::key);
    let amended_value = letter.amended.as_ref().and_then(Record::value);
    let says = letter.says.as_ref();
    transaction
        .execute(
            include_str!("sql/put_back.sql"),
            &[
                &letter.dead_letter_id,
                &letter.log_partition,
                &letter.log_offset,
                &letter.stage,
                &letter.reason,
                &letter.message,
                &letter.sqlstate,
                &letter.tries,
                &letter.original.key(),
                &letter.original.value(),
                &names,
                &values,
                &moment(letter.published_at),
                &Timestamptz(letter.created_at),
                &letter.state,
                &letter.version,
                &says.map(|says| says.event_id),
                &says.map(|says| says.card_id.as_str()),
                &says.map(|says| says.terminal_id.as_str()),
                &says.map(|says| Timestamptz(says.occurred_at)),
                &letter.replay_count,
                &letter.merged_into,
                &moment(letter.settled_at),
                &letter.compensations,
                &moment(letter.compensate_at),
                &amended_key,
                &amended_value,
                &amended_names,
                &amended_values,
            ],
        )
        .await
}

fn is_of_the_row(code: &SqlState) -> bool {
    ["22", "23"].iter().any(|class| code.code().starts_with(class))
}

impl Report {
    /// Counts one that cannot be put back.
    fn skip(&mut self, why: &str, place: String) {
        let why = if self.skipped.len() < REASONS_MAX || self.skipped.contains_key(why) {
            why
        } else {
            "for other reasons"
        };
        let skipped = self.skipped.entry(why.to_owned()).or_default();
        skipped.letters += 1;
        if skipped.first.len() < FIRST {
            skipped.first.push(place);
        }
    }

    /// Prints it, for whoever reads.
    pub(super) fn print(&self, from: &str, json: bool) -> Result<(), Error> {
        if json { output::print_json(self) } else { output::print(&self.render(from)) }
    }

    fn render(&self, from: &str) -> String {
        let put_back: usize = self.put_back.values().sum();
        let would = if self.dry_run { "would be put back" } else { "put back" };
        let states: Vec<String> =
            self.put_back.iter().map(|(state, n)| format!("{n} {state}")).collect();
        let states =
            if states.is_empty() { String::new() } else { format!(" ({})", states.join(", ")) };
        let mut text = format!(
            "{from}: {} read, {} there already, {put_back} {would}{states}\n",
            letters(self.read),
            self.there
        );
        for (why, skipped) in &self.skipped {
            text += &format!(
                "{} skipped: {why} ({}{})\n",
                skipped.letters,
                skipped.first.join(", "),
                if skipped.letters > skipped.first.len() { ", …" } else { "" }
            );
        }
        if self.dry_run && put_back > 0 {
            text += "dry run: nothing was changed; --apply --reason \"…\" does it\n";
        }
        text
    }
}
