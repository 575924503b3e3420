use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Client;
use versioned::Conflict;

use super::change::{name, show};
use crate::Error;
use crate::output::Table;

/// An edit that came too late: the version that it was made for, and the one that is there.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Clash {
    /// The table.
    kind: &'static str,
    expected_version: i64,
    /// Null where the row is gone.
    found_version: Option<i64>,
    /// The row as it was in the expected version; null where the history does not hold it.
    expected: Value,
    /// The row as it is.
    found: Value,
}

impl Clash {
    /// Looks both versions up. If others are faster again, the one found is newer than the
    /// conflict said.
    pub(super) async fn load(client: &Client, conflict: Conflict, id: &str) -> Result<Self, Error> {
        let Conflict { table, expected, .. } = conflict;
        let state = include_str!("sql/state_of_version.sql");
        let row = client.query_opt(state, &[&table, &id, &Some(expected)]).await?;
        let was = row.map_or(Value::Null, |row| row.get(0));
        let row = client.query_opt(state, &[&table, &id, &None::<i64>]).await?;
        let found: Value = row.map_or(Value::Null, |row| row.get(0));
        let found_version = found.get("version").and_then(Value::as_i64);
        Ok(Self { kind: table, expected_version: expected, found_version, expected: was, found })
    }

    /// Both versions beside each other, and what to do.
    pub(super) fn render(&self) -> String {
        let kind = name(self.kind);
        let found = match self.found_version {
            Some(version) => format!("version {version} is there"),
            None => "it is not there (any more)".to_owned(),
        };
        let mut text = format!(
            "conflict: version {} of {kind} was expected, {found}; nothing was written\n",
            self.expected_version
        );
        let mut table = Table::new(["", "expected", "found"], &[0, 1, 2]);
        let field = |row: &Value, name: &str| row.get(name).map_or_else(String::new, show);
        let names = [&self.found, &self.expected].into_iter().find_map(Value::as_object);
        for name in names.into_iter().flat_map(|row| row.keys()).filter(|name| *name != "version") {
            let cells = [field(&self.expected, name), field(&self.found, name)];
            let [expected, found] = cells;
            table.row([name.replace('_', " "), expected, found]);
        }
        if names.is_some() {
            text += &table.render();
        }
        text += &match self.found_version {
            Some(version) => format!(
                "if the edit is still right: again with --if-version {version}, or without it for \
                 whatever version is there"
            ),
            None => {
                "somebody has deleted it, or it never was: to make it, --if-version 0".to_owned()
            }
        };
        text
    }
}
