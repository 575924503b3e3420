//! An answer: rows of named columns, as a table, JSON or CSV.

use registry::Timestamptz;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Row, Statement};
use uuid::Uuid;

use crate::Error;
use crate::output::{self, harmless};

/// What was found.
#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Answer {
    /// What it is about.
    pub(super) about: String,
    #[serde(skip)]
    columns: Vec<Column>,
    #[serde(serialize_with = "with_names")]
    rows: Vec<Line>,
    /// Whether there is more than was asked for.
    pub(super) more: bool,
}

#[derive(Debug, Clone, PartialEq)]
struct Column {
    name: String,
    is_number: bool,
}

#[derive(Debug, PartialEq)]
struct Line {
    /// As the columns of the answer.
    names: std::sync::Arc<[String]>,
    values: Vec<Value>,
}

impl Answer {
    pub(super) fn read(
        about: String,
        statement: &Statement,
        rows: &[Row],
        limit: usize,
    ) -> Result<Self, Error> {
        let columns: Vec<Column> = statement
            .columns()
            .iter()
            .map(|column| Column {
                name: column.name().to_owned(),
                is_number: matches!(*column.type_(), Type::INT4 | Type::INT8),
            })
            .collect();
        let names: std::sync::Arc<[String]> =
            columns.iter().map(|column| column.name.clone()).collect();
        let read = |row: &Row| {
            let values = (0..row.len()).map(|at| value(row, at)).collect::<Result<_, _>>()?;
            Ok(Line { names: names.clone(), values })
        };
        let lines = rows.iter().take(limit).map(read).collect::<Result<_, Error>>()?;
        Ok(Self { about, columns, rows: lines, more: rows.len() > limit })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A column's values.
    pub(super) fn column<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
        let at = self.columns.iter().position(|column| column.name == name);
        self.rows.iter().filter_map(move |line| line.values.get(at?))
    }

    /// Adds a column of words at the end.
    pub(super) fn add(&mut self, name: &str, values: Vec<Option<String>>) {
        self.columns.push(Column { name: name.to_owned(), is_number: false });
        let names: std::sync::Arc<[String]> =
            self.columns.iter().map(|column| column.name.clone()).collect();
        for (line, value) in self.rows.iter_mut().zip(values) {
            line.names = names.clone();
            line.values.push(value.into());
        }
    }

    pub(super) fn table(&self) -> String {
        let words: Vec<usize> =
            (0..self.columns.len()).filter(|at| !self.columns[*at].is_number).collect();
        let mut table = output::Table::headless(&words);
        table.line(self.columns.iter().map(|column| column.name.clone()).collect());
        for line in &self.rows {
            table.line(line.values.iter().map(|value| harmless(&cell(value, ", "))).collect());
        }
        let rows = if self.rows.is_empty() { String::new() } else { table.render() };
        format!("{rows}{}\n", self.end())
    }

    pub(super) fn csv(&self) -> Result<String, Error> {
        let cannot = |error: csv::Error| Error::Other(format!("CSV: {error}"));
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(self.columns.iter().map(|column| &column.name)).map_err(cannot)?;
        for line in &self.rows {
            writer
                .write_record(line.values.iter().zip(&self.columns).map(|(value, column)| {
                    let text = cell(value, ";");
                    if column.is_number { text } else { no_formula(text) }
                }))
                .map_err(cannot)?;
        }
        let bytes = writer.into_inner().map_err(|error| Error::Other(format!("CSV: {error}")))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The line that people read last.
    pub(super) fn end(&self) -> String {
        let (count, about) = (self.rows.len(), &self.about);
        let rows = match count {
            0 => "none".to_owned(),
            1 => "1 row".to_owned(),
            count => format!("{count} rows"),
        };
        let more = if self.more { "; there are more: --limit says how many to print" } else { "" };
        format!("{rows}: {}{more}", harmless(about))
    }
}

/// A spreadsheet takes text that begins so for a formula, whoever wrote it: a card's name comes from a
/// reader.
fn no_formula(text: String) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text,
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.values.len()))?;
        for (name, value) in self.names.iter().zip(&self.values) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

fn with_names<S: Serializer>(rows: &[Line], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(rows)
}

fn value(row: &Row, at: usize) -> Result<Value, Error> {
    Ok(match *row.columns()[at].type_() {
        Type::BOOL => row.try_get::<_, Option<bool>>(at)?.into(),
        Type::INT4 => row.try_get::<_, Option<i32>>(at)?.into(),
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.into(),
        Type::TEXT => row.try_get::<_, Option<String>>(at)?.into(),
        Type::TEXT_ARRAY => row.try_get::<_, Option<Vec<String>>>(at)?.into(),
        Type::UUID => row.try_get::<_, Option<Uuid>>(at)?.map(|id| id.to_string()).into(),
        Type::TIMESTAMPTZ => {
            row.try_get::<_, Option<Timestamptz>>(at)?.map(|moment| moment.to_string()).into()
        }
        ref other => return Err(Error::Other(format!("an answer of type {other}"))),
    })
}

/// A value on one line; what is not there is empty.
fn cell(value: &Value, separator: &str) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Array(values) => {
            let cells: Vec<String> = values.iter().map(|value| cell(value, separator)).collect();
            cells.join(separator)
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer() -> Answer {
        let column = |name: &str, is_number| Column { name: name.to_owned(), is_number };
        let columns = vec![column("zone_id", false), column("denied", true), column("why", false)];
        let names: std::sync::Arc<[String]> = columns.iter().map(|c| c.name.clone()).collect();
        let line = |values| Line { names: names.clone(), values };
        let rows = vec![
            line(vec![json!("hall"), json!(7), json!(["lockout", "other"])]),
            line(vec![json!("l\u{1b}ab"), json!(12), Value::Null]),
        ];
        Answer { about: "denied".to_owned(), columns, rows, more: true }
    }

    #[test]
    fn an_answer_is_a_table_json_or_csv() {
        let table = "zone_id      denied  why\n\
                     hall              7  lockout, other\n\
                     l\\u{1b}ab      12\n\
                     2 rows: denied; there are more: --limit says how many to print\n";
        let found = answer().table();
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&found), squeezed(table));
        assert_eq!(
            answer().csv().unwrap(),
            "zone_id,denied,why\nhall,7,lockout;other\nl\u{1b}ab,12,\n"
        );
        let json = serde_json::to_string(&answer()).unwrap();
        let first =
            r#"{"about":"denied","rows":[{"zone_id":"hall","denied":7,"why":["lockout","other"]}"#;
        assert!(
            json.starts_with(first) && json.ends_with(r#""why":null}],"more":true}"#),
            "{json}"
        );
    }

    #[test]
    fn a_column_can_be_added() {
        let mut answer = answer();
        answer.add("trace_id", vec![Some("4bf9".to_owned()), None]);
        assert_eq!(answer.column("trace_id").collect::<Vec<_>>(), [&json!("4bf9"), &Value::Null]);
        assert_eq!(answer.column("nothing").count(), 0);
    }
}
