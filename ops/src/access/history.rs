//! `gatelog access history`: what a card might do, and when.

use registry::Timestamptz;
use serde::Serialize;
use tokio_postgres::Row;

use super::show::NO_SUCH_CARD;
use super::{list, or_nothing};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

/// What stood from one moment to another.
#[derive(Debug, Serialize)]
struct Span {
    since: Timestamptz,
    /// `infinity` where it stands.
    until: Timestamptz,
    state: String,
    valid_from: Option<Timestamptz>,
    valid_until: Option<Timestamptz>,
    zones: Vec<String>,
    schedule_id: Option<String>,
    card_version: i64,
    /// 0 where the card had no permissions yet.
    access_version: i64,
    /// The permission clock that it came with.
    clock: i64,
    /// Null where it came to be before that was written down.
    changed_by: Option<String>,
}

/// Prints the card's history, the oldest first.
///
/// # Errors
/// A card that was never registered, or Postgres' own.
pub async fn run(settings: &Settings, card_id: &str, json: bool) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let rows = client.query(include_str!("sql/history.sql"), &[&card_id]).await?;
    let spans = rows.iter().map(Span::read).collect::<Result<Vec<_>, _>>()?;
    if spans.is_empty() {
        return Err(Error::Usage(NO_SUCH_CARD.to_owned()));
    }
    if json {
        output::print_json(&spans)?;
    } else {
        output::print(&render(&spans))?;
    }
    Ok(Verdict::Fine)
}

impl Span {
    fn read(row: &Row) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            since: row.try_get("since")?,
            until: row.try_get("until")?,
            state: row.try_get("state")?,
            valid_from: row.try_get("valid_from")?,
            valid_until: row.try_get("valid_until")?,
            zones: row.try_get("zones")?,
            schedule_id: row.try_get("schedule_id")?,
            card_version: row.try_get("card_version")?,
            access_version: row.try_get("access_version")?,
            clock: row.try_get("clock")?,
            changed_by: row.try_get("changed_by")?,
        })
    }
}

fn render(spans: &[Span]) -> String {
    let header = [
        "since",
        "until",
        "state",
        "valid from",
        "valid until",
        "schedule",
        "card",
        "permissions",
        "clock",
        "by",
        "zones",
    ];
    let mut table = Table::new(header, &[0, 1, 2, 3, 4, 5, 9, 10]);
    for span in spans {
        let open = span.until == Timestamptz::MAX;
        table.row([
            span.since.to_string(),
            if open { "now".to_owned() } else { span.until.to_string() },
            span.state.clone(),
            or_nothing(span.valid_from.as_ref()),
            or_nothing(span.valid_until.as_ref()),
            or_nothing(span.schedule_id.as_ref()),
            span.card_version.to_string(),
            span.access_version.to_string(),
            span.clock.to_string(),
            or_nothing(span.changed_by.as_ref()),
            list(&span.zones),
        ]);
    }
    table.render()
}
