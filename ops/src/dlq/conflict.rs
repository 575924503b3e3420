//! A letter that has another version than was expected.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};
use tokio_postgres::Client;
use uuid::Uuid;

use super::NOTHING;
use crate::output::{self, Table};
use crate::{Error, Verdict};

/// Both versions, by what led to them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Clash {
    kind: &'static str,
    dead_letter_id: Uuid,
    expected_version: i64,
    found_version: i64,
    /// What led to the version that was expected; null where there never was such a one.
    expected: Value,
    /// What led to the version that is there, and the state that it is in.
    found: Value,
}

#[derive(Serialize)]
struct Refused<'a> {
    conflict: &'a Clash,
    /// Where the text is that was written in vain.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<&'a Path>,
}

/// Shows both versions, and where a text was kept, and ends the command.
pub(super) fn refuse(clash: &Clash, kept: Option<&Path>, json: bool) -> Result<Verdict, Error> {
    if json {
        output::print_json(&Refused { conflict: clash, kept })?;
    }
    Err(Error::Conflict(clash.render()))
}

impl Clash {
    pub(super) async fn load(client: &Client, id: Uuid, expected: i64) -> Result<Self, Error> {
        let sql = "SELECT state, version FROM dead_letter WHERE dead_letter_id = $1";
        let row = client.query_one(sql, &[&id]).await?;
        let (state, found_version): (String, i64) = (row.get(0), row.get(1));
        let mut found = step(client, id, found_version).await?;
        if let Some(found) = found.as_object_mut() {
            found.insert("state".to_owned(), state.into());
        }
        Ok(Self {
            kind: "dead_letter",
            dead_letter_id: id,
            expected_version: expected,
            found_version,
            expected: step(client, id, expected).await?,
            found,
        })
    }

    fn render(&self) -> String {
        let mut table = Table::new(["", "expected", "found"], &[0, 1, 2]);
        let version = |version: i64| version.to_string();
        let versions = [self.expected_version, self.found_version].map(version);
        let [expected, found] = versions;
        table.row(["version".to_owned(), expected, found]);
        for name in ["action", "at", "actor", "reason", "state"] {
            let field = |of: &Value| match of.get(name) {
                Some(Value::String(text)) => output::harmless(text),
                _ => NOTHING.to_owned(),
            };
            table.row([name.to_owned(), field(&self.expected), field(&self.found)]);
        }
        format!(
            "conflict: version {} of dead letter {} was expected, version {} is there; nothing was \
             written\n{}look at it (`gatelog dlq show {}`), and if it is still right, again with \
             --if-version {}",
            self.expected_version,
            self.dead_letter_id,
            self.found_version,
            table.render(),
            self.dead_letter_id,
            self.found_version
        )
    }
}

/// What led to a version.
async fn step(client: &Client, id: Uuid, version: i64) -> Result<Value, Error> {
    let row = client.query_opt(include_str!("sql/step_of_version.sql"), &[&id, &version]).await?;
    Ok(match row {
        Some(row) => row.get(0),
        None if version == 1 => json!({ "action": "dead-lettered" }),
        // A step of a consumer or of an import may have left no row.
        None => json!({}),
    })
}
