//! `gatelog dlq edit`: a new event made of a letter's. The original stays as it is.

use std::path::PathBuf;

use dead_letters::{Action, By, State};
use schemas::Millis;
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};
use tokio_postgres::Client;
use uuid::Uuid;

use super::Prefix;
use super::amendment::{self, Amendment, Start};
use super::conflict::{self, Clash};
use super::editor::Draft;
use super::letter::Letter;
use super::send::{Outcome, Pace, Seen, send};
use crate::operator::{self, Run};
use crate::settings::Settings;
use crate::{Error, Verdict};

use report::Report;

mod report;

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

/// A letter as it is found.
enum Look {
    /// It can be edited.
    Open(Box<Letter>),
    /// It has another version than was expected.
    Changed(Clash),
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
    let letter = match look(&client, id, edit.if_version).await? {
        Look::Open(letter) => letter,
        Look::Changed(clash) => return conflict::refuse(&clash, None, json),
    };
    let start = amendment::start(&letter);
    let fields = match &edit.source {
        Source::Set(all) => {
            let mut fields = start.fields;
            all.iter().try_for_each(|(path, value)| amendment::set(&mut fields, path, value))?;
            fields
        }
        Source::File(path) => {
            let unreadable = |source| Error::File { path: path.clone(), source };
            parse(&std::fs::read_to_string(path).map_err(unreadable)?)?
        }
        Source::AsIs if start.guessed => {
            let text = "its value cannot be read, so there is nothing to leave as it is: --set, \
                        --file or an editor makes a new one";
            return Err(Error::Usage(text.to_owned()));
        }
        Source::AsIs => start.fields,
        Source::Editor => {
            // Whoever writes may take long: nothing is held meanwhile.
            drop(client);
            return in_editor(settings, edit, (&letter, &start), run, json).await;
        }
    };
    let amendment = amendment::make(&letter, &fields)?;
    finish(&client, (&letter, &amendment), edit, run, None, json).await
}

async fn in_editor(
    settings: &Settings,
    edit: &Edit,
    (letter, start): (&Letter, &Start),
    run: &Run,
    json: bool,
) -> Result<Verdict, Error> {
    let interrupt = || signal(SignalKind::interrupt()).map_err(|e| Error::Other(e.to_string()));
    // From here on Ctrl-C does not end us: in the editor it is the editor's.
    let _ignored = interrupt()?;
    let before = serde_json::to_string_pretty(&start.fields);
    let before = before.map_err(|error| Error::Other(error.to_string()))? + "\n";
    let draft = Draft::new(&before)?;
    let edited = tokio::task::spawn_blocking(move || (draft.edit(), draft));
    // From here on every error says where the text is.
    let (text, draft) = edited.await?;
    let text = text?;
    if text == before {
        let text = "nothing was changed in the editor; --as-is leaves the value and makes key and \
                    headers right";
        return Err(Error::Usage(text.to_owned()));
    }
    let amendment = amendment::make(letter, &parse(&text)?)?;
    let mut interrupted = interrupt()?;
    let rest = async move {
        let client = operator::session(&settings.postgres).await?;
        match look(&client, letter.dead_letter_id, Some(letter.version)).await? {
            Look::Open(letter) => {
                finish(&client, (&letter, &amendment), edit, run, Some(draft), json).await
            }
            Look::Changed(clash) => conflict::refuse(&clash, Some(draft.file()), json),
        }
    };
    tokio::select! {
        ended = rest => ended,
        _ = interrupted.recv() => Err(Error::Other("interrupted".to_owned())),
    }
}

async fn look(client: &Client, id: Uuid, expected: Option<i64>) -> Result<Look, Error> {
    let letter = Letter::load(client, id).await?;
    if let Some(expected) = expected.filter(|version| *version != letter.version) {
        return Ok(Look::Changed(Clash::load(client, id, expected).await?));
    }
    must_be_open(&letter)?;
    Ok(Look::Open(Box::new(letter)))
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

/// Stores what was made, and replays it where that was asked for; or only says what it would do.
async fn finish(
    client: &Client,
    (letter, amendment): (&Letter, &Amendment),
    edit: &Edit,
    run: &Run,
    draft: Option<Draft>,
    json: bool,
) -> Result<Verdict, Error> {
    let id = letter.dead_letter_id;
    let mut report = Report::new(letter, amendment, run.is_dry());
    if let Some(says) = &letter.says {
        report.original_is_applied = says.is_applied(client).await?;
    }
    let mut sent = Ok(());
    match run {
        Run::Dry => report.kept = draft.map(Draft::leave),
        Run::Apply { reason } => {
            let actor = operator::actor(client).await?;
            let Some(version) = store(client, letter, amendment, (&actor, reason)).await? else {
                let clash = Clash::load(client, id, letter.version).await?;
                return conflict::refuse(&clash, draft.as_ref().map(Draft::file), json);
            };
            if let Some(draft) = draft {
                draft.forget();
            }
            report.version = version;
            if let Some(pace) = edit.replay {
                let seen = [Seen { id, version, failed_again: letter.replay_count }];
                let outcomes;
                (outcomes, sent) = send(client, &seen, (&actor, reason), pace).await;
                report.outcome = outcomes.get(&id).copied();
            }
        }
    }
    report.print(json)?;
    sent?;
    let wait = edit.replay.is_some_and(|pace| !pace.wait.is_zero());
    Ok(match report.outcome {
        None | Some(Outcome::Resolved | Outcome::Superseded) => Verdict::Fine,
        Some(Outcome::UnderWay) if !wait => Verdict::Fine,
        Some(_) => Verdict::No,
    })
}

async fn store(
    client: &Client,
    letter: &Letter,
    amendment: &Amendment,
    (actor, reason): (&str, &str),
) -> Result<Option<i64>, Error> {
    let fields: Vec<&str> = amendment.changes.iter().map(|change| change.field.as_str()).collect();
    let Amendment { event_id, amends, guessed, .. } = amendment;
    let detail =
        json!({ "event_id": event_id, "amends": amends, "fields": fields, "guessed": guessed });
    let by = By { actor, action: Action::Edit, reason: Some(reason) };
    let seen = (letter.dead_letter_id, letter.version);
    let version = dead_letters::amend(client, seen, &amendment.amended, &by, &detail).await?;
    if version.is_none() && Letter::load(client, seen.0).await?.version == letter.version {
        return Err(Error::Busy(UNDER_WAY));
    }
    Ok(version)
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
