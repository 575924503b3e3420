use access::Verdict;
use registry::Timestamptz;
use schemas::{DenialReason, Direction, Millis, Outcome};
use serde::Serialize;
use tokio_postgres::GenericClient;

use super::Question;
use super::explain::Facts;
use crate::access::change::name;
use crate::output::Table;

/// The answer.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    card_id: String,
    terminal_id: String,
    zone_id: String,
    /// Null where neither the terminal nor the question says.
    direction: Option<Direction>,
    at: Millis,
    /// Whether it was decided by what was in force then, as a late swipe.
    late: bool,
    decision: Outcome,
    /// All of them, the primary one first.
    reasons: Vec<Reason>,
    /// Granted because the zone is released.
    released: bool,
    antipassback_violated: bool,
    notes: Vec<String>,
    /// The permission clock that was read.
    clock: Option<i64>,
    stood_on: Vec<StoodOn>,
}

#[derive(Debug, Serialize)]
struct Reason {
    reason: DenialReason,
    text: String,
}

/// A row that the decision was made from.
#[derive(Debug, Serialize)]
pub(super) struct StoodOn {
    /// The table.
    pub(super) kind: String,
    pub(super) id: String,
    version: i64,
    /// Since when this state was in force; `-infinity` where the first one counts for all time
    /// before.
    since: Timestamptz,
    /// The permission clock that it came with.
    clock: i64,
}

impl StoodOn {
    /// The versions that were in force at that moment; at `infinity`, that stand.
    pub(super) async fn load(
        client: &impl GenericClient,
        question: &Question,
        at: Timestamptz,
    ) -> Result<Vec<Self>, tokio_postgres::Error> {
        let sql = include_str!("../sql/stood_on.sql");
        let rows = client.query(sql, &[&question.card_id, &question.terminal_id, &at]).await?;
        rows.iter()
            .map(|row| {
                Ok(Self {
                    kind: row.try_get("kind")?,
                    id: row.try_get("id")?,
                    version: row.try_get("version")?,
                    since: row.try_get("since")?,
                    clock: row.try_get("clock")?,
                })
            })
            .collect()
    }
}

impl Report {
    pub(super) fn new(
        question: &Question,
        verdict: &Verdict,
        facts: &Facts<'_>,
        clock: Option<i64>,
        stood_on: Vec<StoodOn>,
    ) -> Self {
        let reasons = verdict.reasons.iter();
        Self {
            card_id: question.card_id.clone(),
            terminal_id: question.terminal_id.clone(),
            zone_id: facts.found.zone_id.to_owned(),
            direction: facts.read.direction,
            at: facts.read.at,
            late: facts.read.late,
            decision: if verdict.granted() { Outcome::Granted } else { Outcome::Denied },
            reasons: reasons.map(|reason| Reason { reason, text: facts.explain(reason) }).collect(),
            released: verdict.released,
            antipassback_violated: verdict.antipassback_violated,
            notes: facts.notes(verdict),
            clock,
            stood_on,
        }
    }

    pub(super) fn is_granted(&self) -> bool {
        self.decision == Outcome::Granted
    }

    pub(super) fn render(&self) -> String {
        let Self { card_id, terminal_id, zone_id, at, .. } = self;
        let way = match self.direction {
            Some(Direction::In) => "into",
            Some(Direction::Out) => "out of",
            None => "at",
        };
        let decision = if self.is_granted() { "granted" } else { "denied" };
        let by = if self.late { "by what was in force then" } else { "by what is in force now" };
        let mut text =
            format!("{decision}: card {card_id}, terminal {terminal_id}, {way} {zone_id}, {at}\n");
        let mut reasons = Table::headless(&[0, 1]);
        for Reason { reason, text } in &self.reasons {
            reasons.row([format!("  {reason}"), text.clone()]);
        }
        text += &reasons.render();
        for note in &self.notes {
            text += &format!("  {note}\n");
        }
        let clock = self.clock.map_or_else(String::new, |clock| format!(", clock {clock}"));
        text += &format!("\n{by}{clock}:\n");
        let mut table = Table::new(["", "", "version", "in force since", "clock"], &[0, 1, 3]);
        for row in &self.stood_on {
            let since = match row.since {
                Timestamptz::MIN => "ever".to_owned(),
                since => since.to_string(),
            };
            let (kind, id) = (name(&row.kind).to_owned(), row.id.clone());
            table.row([kind, id, row.version.to_string(), since, row.clock.to_string()]);
        }
        text + &table.render()
    }
}
