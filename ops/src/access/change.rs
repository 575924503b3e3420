use registry::edit::{self, Entry};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio_postgres::Transaction;
use versioned::{Conflict, Outcome};

use super::NOTHING;

/// What an edit did to one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Change {
    /// The table.
    kind: &'static str,
    id: String,
    outcome: What,
    /// The row as it was; null where it is new.
    before: Value,
    /// The row as it is; null where it is gone.
    after: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Added,
    Changed,
    Unchanged,
    Deleted,
}

/// Writes `after` over `before`, the row that was read, or as a new one. `if_version` is the version
/// that the caller means: 0 is a row that is not there yet.
pub(crate) async fn write<E: Entry + Serialize>(
    transaction: &Transaction<'_>,
    before: Option<&E>,
    mut after: E,
    if_version: Option<i64>,
) -> Result<Change, edit::Error> {
    let outcome = match (before, if_version) {
        (None, None | Some(0)) => edit::insert(transaction, &mut after).await?,
        (None, Some(expected)) => {
            return Err(Conflict { table: E::TABLE, expected, current: None }.into());
        }
        (Some(_), expected) => {
            if let Some(version) = expected {
                after.expect_version(version);
            }
            edit::update(transaction, &mut after).await?
        }
    };
    let outcome = match (before, outcome) {
        (None, _) => What::Added,
        (_, Outcome::Changed(_)) => What::Changed,
        (_, Outcome::Unchanged(_)) => What::Unchanged,
    };
    Ok(Change {
        kind: E::TABLE,
        id: after.id().to_owned(),
        outcome,
        before: before.map_or(Value::Null, value),
        after: value(&after),
    })
}

impl Change {
    /// A row that was deleted.
    pub(super) fn deleted<E: Entry + Serialize>(entry: &E) -> Self {
        Self {
            kind: E::TABLE,
            id: entry.id().to_owned(),
            outcome: What::Deleted,
            before: value(entry),
            after: Value::Null,
        }
    }

    /// What changed, for people.
    pub(super) fn render(&self) -> String {
        let name = name(self.kind);
        let (before, after) = (version(&self.before), version(&self.after));
        match self.outcome {
            What::Unchanged => {
                format!("{name} {}: is so already, version {after}\n", self.id)
            }
            What::Deleted => format!("{name} {}: deleted, was version {before}\n", self.id),
            What::Added => {
                format!("{name} {}: added, version {after}\n{}", self.id, self.differences())
            }
            What::Changed => format!(
                "{name} {}: version {before} is now {after}\n{}",
                self.id,
                self.differences()
            ),
        }
    }

    fn differences(&self) -> String {
        let empty = Map::new();
        let before = self.before.as_object().unwrap_or(&empty);
        let Some(after) = self.after.as_object() else { return String::new() };
        let mut text = String::new();
        for (field, now) in after {
            let was = before.get(field).unwrap_or(&Value::Null);
            // The first line has said these two.
            if was == now || field == "version" || *now == Value::String(self.id.clone()) {
                continue;
            }
            let (field, now) = (field.replace('_', " "), show(now));
            text += &match self.outcome {
                What::Added => format!("  {field}: {now}\n"),
                _ => format!("  {field}: {} -> {now}\n", show(was)),
            };
        }
        text
    }
}

/// What people call a row of a table.
pub(super) fn name(kind: &str) -> &str {
    if kind == "user_access" { "permissions" } else { kind }
}

/// A row as JSON.
pub(super) fn value<E: Serialize>(entry: &E) -> Value {
    // Rows hold text, numbers and lists of them: always possible.
    serde_json::to_value(entry).unwrap_or_default()
}

/// A field's value, for people.
pub(super) fn show(value: &Value) -> String {
    match value {
        Value::Null => NOTHING.to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => NOTHING.to_owned(),
        Value::Array(items) if items.iter().all(Value::is_string) => {
            items.iter().map(show).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

fn version(row: &Value) -> String {
    row.get("version").map_or_else(|| NOTHING.to_owned(), show)
}
