use registry::edit::{self, Retry, Tally, transact};
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Transaction;
use tokio_postgres::error::SqlState;

use super::change::Change;
use super::conflict::Clash;
use crate::metrics::Metrics;
use crate::settings::Settings;
use crate::{Error, Verdict, operator, output};

/// How an edit is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The version that it is made for; without one, whatever is there, with some tries.
    pub if_version: Option<i64>,
    /// Whether a program reads the answer.
    pub json: bool,
}

#[derive(Serialize)]
struct Done {
    changes: Vec<Change>,
    metrics: Value,
}

#[derive(Serialize)]
struct Refused {
    conflict: Clash,
    metrics: Value,
}

/// Makes the edit in one transaction and prints what it did. `operation` is what it counts as, `id`
/// what it is about, for the account of a conflict.
pub(super) async fn run(
    settings: &Settings,
    operation: &'static str,
    asked: Asked,
    id: &str,
    step: impl AsyncFn(&Transaction<'_>) -> Result<Vec<Change>, edit::Error>,
) -> Result<Verdict, Error> {
    let mut client = operator::session(&settings.postgres).await?;
    let retry = if asked.if_version.is_some() { Retry::never() } else { Retry::default() };
    let (metrics, mut tally) = (Metrics::new()?, Tally::default());
    let end = transact(&mut client, retry, &mut tally, step).await;
    metrics.edited(operation, tally);
    metrics.leave(settings.metrics.file.as_deref());
    match end {
        Ok(changes) => {
            if asked.json {
                output::print_json(&Done { changes, metrics: metrics.values() })?;
            } else {
                let lines: Vec<String> = changes.iter().map(Change::render).collect();
                output::print(&lines.concat())?;
            }
            Ok(Verdict::Fine)
        }
        Err(edit::Error::Conflict(conflict)) => {
            let conflict = Clash::load(&client, conflict, id).await?;
            let text = conflict.render();
            if asked.json {
                output::print_json(&Refused { conflict, metrics: metrics.values() })?;
            }
            Err(Error::Conflict(text))
        }
        Err(error) => Err(error.into()),
    }
}

impl From<edit::Error> for Error {
    fn from(error: edit::Error) -> Self {
        match error {
            edit::Error::Conflict(conflict) => Self::Conflict(conflict.to_string()),
            edit::Error::Refused(text) => Self::Usage(text.into_owned()),
            edit::Error::InUse(_) => Self::Usage(error.to_string()),
            edit::Error::NotOneRow(error) => Self::Other(error.to_string()),
            edit::Error::Postgres(source) => match source.code() {
                Some(&SqlState::LOCK_NOT_AVAILABLE) => Self::Busy(
                    "another session holds what this is to change: try again when it is through",
                ),
                _ => Self::Postgres(source),
            },
        }
    }
}
