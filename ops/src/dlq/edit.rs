//! `gatelog dlq edit`: a new event made of a letter's. The original stays as it is.

use std::path::PathBuf;

use dead_letters::{Action, By, State};
use schemas::Millis;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use super::amendment::{self, Amendment, Change};
use super::conflict::{self, Clash};
use super::letter::Letter;
use super::send::{Outcome, Pace, Seen, send};
use super::{NOTHING, Prefix, editor};
use crate::operator::{self, Run};
use crate::output;
use crate::settings::Settings;
use crate::{Error, Verdict};

/// Where the new value comes from.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// An editor.
    Editor,
    /// Fields that are set, by their paths; null takes one away.
    Set(Vec<(String, Value)>),
    /// A file with the whole object.
    File(PathBuf),
    /// The value as it is, with the key and headers that belong to it.
    AsIs,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// The letter.
    pub id: Prefix,
    /// Where the new value comes from.
    pub source: Source,
    /// The version that it is made for.
    pub if_version: Option<i64>,
    /// Whether to replay the letter at once, and how long to wait then.
    pub replay: Option<Pace>,
}

#[derive(Serialize)]
struct Report {
    dry_run: bool,
    dead_letter_id: Uuid,
    /// Before; after it in a run that is not dry.
    version: i64,
    /// The new event's.
    event_id: Uuid,
    amends: Uuid,
    changes: Vec<Change>,
    /// Null where it was not replayed.
    outcome: Option<Outcome>,
    #[serde(skip)]
    kept: Option<PathBuf>,
}

const UNDER_WAY: &str = "a replay of it is under way: try again when its outcome is known, which \
                         `gatelog dlq show` tells";

/// Runs the command. The answer is no where the letter was replayed and not applied.
///
/// # Errors
/// A letter that is not there or has come to its end, a value that is no swipe, another version
/// than was expected, or Postgres' own.
pub async fn run(
    settings: &Settings,
    edit: &Edit,
    run: &Run,
    json: bool,
) -> Result<Verdict, Error> {
    let client = operator::session(&settings.postgres).await?;
    let id = edit.id.find(&client).await?;
    let letter = Letter::load(&client, id).await?;
    if let Some(expected) = edit.if_version.filter(|version| *version != letter.version) {
        return conflict::refuse(&Clash::load(&client, id, expected).await?, json);
    }
    must_be_open(&letter)?;
    let (amendment, kept) = amend(&letter, &edit.source).await?;
    let mut report = Report {
        dry_run: run.is_dry(),
        dead_letter_id: id,
        version: letter.version,
        event_id: amendment.event_id,
        amends: amendment.amends,
        changes: amendment.changes.clone(),
        outcome: None,
        kept,
    };
    if let Run::Apply { reason } = run {
        let actor = operator::actor(&client).await?;
        let Some(version) = store(&client, &letter, &amendment, (&actor, reason)).await? else {
            let clash = Clash::load(&client, id, letter.version).await?;
            report.keep();
            return conflict::refuse(&clash, json);
        };
        if let Some(kept) = report.kept.take() {
            editor::forget(&kept);
        }
        report.version = version;
        if let Some(pace) = edit.replay {
            let seen = [Seen { id, version, failed_again: letter.replay_count }];
            let outcomes = send(&client, &seen, (&actor, reason), pace).await?;
            report.outcome = outcomes.get(&id).copied();
        }
    }
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    let wait = edit.replay.is_some_and(|pace| !pace.wait.is_zero());
    Ok(match report.outcome {
        None | Some(Outcome::Resolved | Outcome::Superseded) => Verdict::Fine,
        Some(Outcome::UnderWay) if !wait => Verdict::Fine,
        Some(_) => Verdict::No,
    })
}

fn must_be_open(letter: &Letter) -> Result<(), Error> {
    match State::parse(&letter.state) {
        Some(State::Replaying) if letter.lease_until.is_some_and(|until| until > Millis::now()) => {
            Err(Error::Busy(UNDER_WAY))
        }
        Some(state) if state.is_settled() => Err(Error::Usage(format!(
            "dead letter {} is {state}: what has come to its end is not edited",
            letter.dead_letter_id
        ))),
        _ => Ok(()),
    }
}

async fn store(
    client: &Client,
    letter: &Letter,
    amendment: &Amendment,
    (actor, reason): (&str, &str),
) -> Result<Option<i64>, Error> {
    let fields: Vec<&str> = amendment.changes.iter().map(|change| change.field.as_str()).collect();
    let Amendment { event_id, amends, .. } = amendment;
    let detail = json!({ "event_id": event_id, "amends": amends, "fields": fields });
    let by = By { actor, action: Action::Edit, reason: Some(reason) };
    let seen = (letter.dead_letter_id, letter.version);
    let version = dead_letters::amend(client, seen, &amendment.amended, &by, &detail).await?;
    if version.is_none() && Letter::load(client, seen.0).await?.version == letter.version {
        return Err(Error::Busy(UNDER_WAY));
    }
    Ok(version)
}

/// The new event, and the file that its text stands in.
async fn amend(letter: &Letter, source: &Source) -> Result<(Amendment, Option<PathBuf>), Error> {
    let start = amendment::start(letter);
    let invalid = |invalid: schemas::Invalid| Error::Usage(invalid.to_string());
    let fields = match source {
        Source::AsIs => start,
        Source::Set(all) => {
            let mut fields = start;
            for (path, value) in all {
                amendment::set(&mut fields, path, value).map_err(invalid)?;
            }
            fields
        }
        Source::File(path) => {
            let unreadable = |source| Error::File { path: path.clone(), source };
            parse(&std::fs::read_to_string(path).map_err(unreadable)?)?
        }
        Source::Editor => return in_editor(letter, &start).await,
    };
    Ok((amendment::make(letter, &fields).map_err(invalid)?, None))
}

async fn in_editor(
    letter: &Letter,
    start: &Map<String, Value>,
) -> Result<(Amendment, Option<PathBuf>), Error> {
    let text = serde_json::to_string_pretty(start).map_err(|e| Error::Other(e.to_string()))? + "\n";
    let before = text.clone();
    let (after, path) = tokio::task::spawn_blocking(move || editor::edit(&text)).await??;
    if after == before {
        editor::forget(&path);
        return Err(Error::Usage(
            "nothing was changed in the editor; --as-is leaves the value and makes key and headers \
             right"
                .to_owned(),
        ));
    }
    let made = parse(&after).and_then(|fields| {
        amendment::make(letter, &fields).map_err(|invalid| Error::Usage(invalid.to_string()))
    });
    match made {
        Ok(amendment) => Ok((amendment, Some(path))),
        Err(error) => Err(Error::Usage(format!(
            "{error}; what you wrote is in {0}: put it right there and say --file {0}",
            path.display()
        ))),
    }
}

/// A JSON object. What is wrong is told by its place: the text may hold a card.
fn parse(text: &str) -> Result<Map<String, Value>, Error> {
    match serde_json::from_str(text) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(_) => Err(Error::Usage("the value must be a JSON object".to_owned())),
        Err(error) => Err(Error::Usage(format!(
            "the value is not JSON at line {} column {}",
            error.line(),
            error.column()
        ))),
    }
}

impl Report {
    /// Says where the text is that was not stored.
    fn keep(&self) {
        if let Some(kept) = &self.kept {
            output::note(&format!("what you wrote is in {}", kept.display()));
        }
    }

    fn render(&self) -> String {
        let mut text = format!(
            "dead letter {}, version {}\n  event_id: new, {}\n  amends: {}\n",
            self.dead_letter_id, self.version, self.event_id, self.amends
        );
        for change in &self.changes {
            let show = |value: &Option<Value>| match value {
                None => NOTHING.to_owned(),
                Some(Value::String(text)) => output::harmless(text),
                Some(other) => output::harmless(&other.to_string()),
            };
            text += &if change.withheld {
                format!("  {}: changed (`gatelog dlq show` prints it)\n", change.field)
            } else {
                format!("  {}: {} -> {}\n", change.field, show(&change.before), show(&change.after))
            };
        }
        if self.changes.is_empty() {
            text += "  the value is the same but for these; key and headers are made for it\n";
        }
        if self.dry_run {
            text += "dry run: nothing was changed; --apply --reason \"…\" does it\n";
            if let Some(kept) = &self.kept {
                text += &format!("what you wrote is in {0}: --file {0}\n", kept.display());
            }
        } else {
            text += &match self.outcome {
                None => format!("stored; gatelog dlq replay {} sends it\n", self.dead_letter_id),
                Some(outcome) => format!("stored and replayed: {}\n", outcome.as_str()),
            };
        }
        text
    }
}
