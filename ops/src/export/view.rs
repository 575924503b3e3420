//! The view that is exported: its columns, and the statement that reads one day of it.

use tokio_postgres::Client;

use super::column::Column;
use crate::Error;

/// A view of schema analyst whose rows belong to days.
#[derive(Debug)]
pub(super) struct View {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    by: By,
}

/// What says which day a row belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// A column `day`, which the folder's name stands for.
    Day,
    /// A column `occurred_at`.
    Moment,
}

/// The column that a folder's name stands for.
const DAY: &str = "day";
const MOMENT: &str = "occurred_at";

impl View {
    /// # Errors
    /// [`Error::Usage`] where there is no such view, or none that can be dealt out by day.
    pub(super) async fn read(client: &Client, name: &str) -> Result<Self, Error> {
        let rows = client.query(include_str!("sql/columns.sql"), &[&name]).await?;
        let has = |column: &str, kind: &str| {
            rows.iter().any(|row| (row.get("name"), row.get("type")) == (column, kind))
        };
        let by = if has(DAY, "date") {
            By::Day
        } else if has(MOMENT, "timestamptz") {
            By::Moment
        } else {
            return Err(other(client, name, rows.is_empty()).await?);
        };
        let columns = rows
            .iter()
            .map(|row| Column::new(row.get("name"), row.get("type"), row.get("modifier")))
            .filter(|column| !matches!(column, Ok(column) if by == By::Day && column.name == DAY))
            .collect::<Result<Vec<_>, _>>()?;
        if columns.is_empty() {
            return Err(Error::Usage(format!("view {name} has nothing but its days")));
        }
        Ok(Self { name: name.to_owned(), columns, by })
    }

    /// Reads one day, given as text. Rows come in an order of their own values, so that two exports
    /// of the same rows are the same bytes.
    pub(super) fn statement(&self) -> String {
        let selected: Vec<String> = self.columns.iter().map(Column::selected).collect();
        // By name: of what is selected as text, the text.
        let first = (self.by == By::Moment).then(|| quoted(MOMENT));
        let all = self.columns.iter().map(|column| quoted(&column.name));
        let order: Vec<String> = first.into_iter().chain(all).collect();
        let span = match self.by {
            By::Day => "v.day = $1::text::date",
            By::Moment => {
                "v.occurred_at >= $1::text::date::timestamp AT TIME ZONE 'UTC'
                 AND v.occurred_at < ($1::text::date + 1)::timestamp AT TIME ZONE 'UTC'"
            }
        };
        format!(
            "SELECT {} FROM analyst.{} v WHERE {span} ORDER BY {}",
            selected.join(", "),
            quoted(&self.name),
            order.join(", ")
        )
    }
}

/// A column of the view, as an identifier of SQL.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

async fn other(client: &Client, name: &str, is_missing: bool) -> Result<Error, Error> {
    let rows = client.query(include_str!("sql/views.sql"), &[]).await?;
    let views: Vec<&str> = rows.iter().map(|row| row.get("name")).collect();
    let problem = if is_missing { "there is no view" } else { "no day and no time is in view" };
    Ok(Error::Usage(format!(
        "{problem} {name:?} of schema analyst; what can be exported: {}",
        views.join(", ")
    )))
}
