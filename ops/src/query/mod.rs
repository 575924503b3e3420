//! `gatelog query`: what people ask of the analysts' views who don't know SQL.
//!
//! Each question is one statement on the schema `analyst` and nothing else, so that whoever may
//! read that may ask. Only where an event came from is looked up in Kafka ([`Question::Slowest`]).

mod answer;
mod known;
mod traces;

use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::settings::Settings;
use crate::{Error, Verdict, connect, output};
use answer::Answer;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// Who is in a zone at a moment.
    WhoIsIn {
        /// The zone.
        zone_id: String,
        /// The moment; now where there is none.
        at: Option<Millis>,
        /// How far before it passes count.
        look_back_ms: i64,
    },
    /// What a card did.
    Card {
        /// The card.
        card_id: String,
        /// When.
        span: Span,
    },
    /// What happened at a terminal.
    Terminal {
        /// The terminal.
        terminal_id: String,
        /// When.
        span: Span,
    },
    /// What was denied.
    Denials {
        /// When.
        span: Span,
        /// Counted, by what; else one by one.
        by: Option<By>,
    },
    /// Which events took longest from swipe to row.
    Slowest {
        /// When they occurred.
        span: Span,
    },
}

/// From a moment to before another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first moment; a day before the end where there is none.
    pub from: Option<Millis>,
    /// The end, which does not belong to it; now where there is none.
    pub to: Option<Millis>,
}

/// What denials are counted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// Each reason, the first ones only.
    Reason,
    /// Zone.
    Zone,
    /// Terminal.
    Terminal,
    /// Card.
    Card,
}

/// How the answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
    /// For spreadsheets.
    Csv,
}

const DAY_MS: i64 = 86_400_000;

/// Asks, and prints the answer: `limit` rows at most.
///
/// # Errors
/// [`Error::Usage`] for what is not known and for a span that ends before it begins; Postgres' own.
pub async fn run(
    settings: &Settings,
    question: &Question,
    limit: u32,
    format: Format,
) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    client.batch_execute("SET default_transaction_read_only = on; SET timezone = 'UTC'").await?;
    let answer = answer(settings, &client, question, limit).await?;
    match format {
        Format::Table => output::print(&answer.table())?,
        Format::Json => output::print_json(&answer)?,
        Format::Csv => {
            output::print(&answer.csv()?)?;
            if answer.more {
                output::note(&answer.end());
            }
        }
    }
    Ok(Verdict::Fine)
}

async fn answer(
    settings: &Settings,
    client: &Client,
    question: &Question,
    limit: u32,
) -> Result<Answer, Error> {
    let ask = Ask { client, limit };
    match question {
        Question::WhoIsIn { zone_id, at, look_back_ms } => {
            known::zone(client, zone_id).await?;
            let at = at.unwrap_or_else(Millis::now);
            let since = Millis::from_unix_ms(at.unix_ms().saturating_sub(*look_back_ms));
            let about = format!("in zone {zone_id} at {at}, by the passes since {since}");
            let sql = include_str!("sql/who_is_in.sql");
            ask.rows(about, sql, &[zone_id, &Timestamptz(at), &Timestamptz(since)]).await
        }
        Question::Card { card_id, span } => {
            let (from, to, when) = span.ends()?;
            let sql = include_str!("sql/card.sql");
            let answer =
                ask.rows(format!("card {card_id}, {when}"), sql, &[card_id, &from, &to]).await?;
            if answer.is_empty() {
                known::card(client, card_id, &when).await?;
            }
            Ok(answer)
        }
        Question::Terminal { terminal_id, span } => {
            let (from, to, when) = span.ends()?;
            let about = format!("terminal {terminal_id}, {when}");
            let sql = include_str!("sql/terminal.sql");
            let answer = ask.rows(about, sql, &[terminal_id, &from, &to]).await?;
            if answer.is_empty() {
                known::terminal(client, terminal_id, &when).await?;
            }
            Ok(answer)
        }
        Question::Denials { span, by: None } => {
            let (from, to, when) = span.ends()?;
            let sql = include_str!("sql/denials.sql");
            ask.rows(format!("denied, {when}"), sql, &[&from, &to]).await
        }
        Question::Denials { span, by: Some(by) } => {
            let (from, to, when) = span.ends()?;
            let sql = include_str!("sql/denials_by.sql").replace("{by}", by.column());
            ask.rows(format!("denied, {when}"), &sql, &[&from, &to]).await
        }
        Question::Slowest { span } => {
            let (from, to, when) = span.ends()?;
            known::commit_times(client).await?;
            let sql = include_str!("sql/slowest.sql");
            let about = format!("slowest from swipe to row, {when}");
            let mut answer = ask.rows(about, sql, &[&from, &to]).await?;
            traces::add(settings, &mut answer).await?;
            // There always are.
            answer.more = false;
            Ok(answer)
        }
    }
}

/// Where it is asked, and for how many rows.
struct Ask<'c> {
    client: &'c Client,
    limit: u32,
}

impl Ask<'_> {
    /// The limit is the statement's last parameter.
    async fn rows(
        &self,
        about: String,
        sql: &str,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<Answer, Error> {
        let one_more = i64::from(self.limit) + 1;
        let mut parameters = parameters.to_vec();
        parameters.push(&one_more);
        let statement = self.client.prepare(sql).await?;
        let rows = self.client.query(&statement, &parameters).await?;
        Answer::read(about, &statement, &rows, self.limit as usize)
    }
}

impl Span {
    fn ends(self) -> Result<(Timestamptz, Timestamptz, String), Error> {
        let to = self.to.unwrap_or_else(Millis::now);
        let day_before = || Millis::from_unix_ms(to.unix_ms().saturating_sub(DAY_MS));
        let from = self.from.unwrap_or_else(day_before);
        if from >= to {
            return Err(Error::Usage(format!(
                "from {from} to before {to} there is no time: --from must lie before --to"
            )));
        }
        Ok((Timestamptz(from), Timestamptz(to), format!("from {from} to before {to}")))
    }
}

impl By {
    fn column(self) -> &'static str {
        match self {
            Self::Reason => "reason",
            Self::Zone => "zone_id",
            Self::Terminal => "terminal_id",
            Self::Card => "card_id",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_day_unless_it_says_more() {
        let at = |ms| Some(Millis::from_unix_ms(ms));
        let span = Span { from: None, to: at(DAY_MS + 1) };
        assert_eq!(span.ends().unwrap().0, Timestamptz(Millis::from_unix_ms(1)));
        for (from, to) in [(at(5), at(5)), (at(6), at(5))] {
            assert_eq!(Span { from, to }.ends().unwrap_err().exit_code(), 2);
        }
    }
}
