//! How a replay of a letter would go, as far as that can be known.

use serde::Serialize;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::filter::Which;
use crate::Error;

/// How a replay would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Prospect {
    /// It would be published once more; what the consumer makes of it is seen then.
    Replayed,
    /// Its identity is a row, or a collision, already: a replay would only find that.
    Superseded,
    /// What was wrong with it is wrong still.
    Pointless,
    /// A replay of it is under way.
    UnderWay,
    /// It has come to its end.
    Settled,
}

/// A letter that was chosen.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Planned {
    pub(super) dead_letter_id: Uuid,
    pub(super) state: String,
    pub(super) version: i64,
    pub(super) cause: String,
    pub(super) stage: String,
    pub(super) terminal_id: Option<String>,
    /// Replays of it that failed so far.
    pub(super) failed_again: i32,
    pub(super) prospect: Prospect,
    /// Why it is pointless, and what to do.
    pub(super) why: Option<String>,
}

/// The letters that were chosen.
#[derive(Debug)]
pub(super) struct Plan {
    /// The oldest first: a card's in the order in which they were given up.
    pub(super) letters: Vec<Planned>,
    /// Whether there are more than were asked for.
    pub(super) more: bool,
}

const PROSPECT: &str = concat!(
    include_str!("sql/prospect.sql"),
    include_str!("sql/which.sql"),
    "ORDER BY d.created_at, d.log_partition, d.log_offset LIMIT $9"
);

impl Plan {
    /// Reads the letters, `limit` at most, and what stands against each.
    pub(super) async fn make(client: &Client, which: &Which, limit: u32) -> Result<Self, Error> {
        let chosen = which.parameters(client).await?;
        let one_more = i64::from(limit) + 1;
        let mut parameters = chosen.list();
        parameters.push(&one_more);
        let rows = client.query(PROSPECT, &parameters).await?;
        let more = rows.len() > limit as usize;
        let letters = rows.iter().take(limit as usize).map(Planned::of).collect();
        Ok(Self { letters, more })
    }

    pub(super) fn count(&self, prospect: Prospect) -> usize {
        self.letters.iter().filter(|letter| letter.prospect == prospect).count()
    }
}

impl Prospect {
    pub(super) const ALL: [Self; 5] =
        [Self::Replayed, Self::Superseded, Self::Pointless, Self::UnderWay, Self::Settled];

    /// Of one letter, before anything is done.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Replayed => "would be replayed",
            Self::Superseded => "superseded: its identity is a row already",
            Self::Pointless => "pointless",
            Self::UnderWay => "already under way",
            Self::Settled => "settled",
        }
    }
}

impl Planned {
    fn of(row: &Row) -> Self {
        let state: String = row.get("state");
        let mut letter = Self {
            dead_letter_id: row.get("dead_letter_id"),
            version: row.get("version"),
            cause: row.get("reason"),
            stage: row.get("stage"),
            terminal_id: row.get("terminal_id"),
            failed_again: row.get("replay_count"),
            prospect: Prospect::Replayed,
            why: None,
            state,
        };
        letter.why = letter.stands_against(row);
        letter.prospect = if row.get("under_way") {
            Prospect::UnderWay
        } else if letter.state != "open" && letter.state != "replaying" {
            Prospect::Settled
        } else if row.get("is_there") {
            Prospect::Superseded
        } else if letter.why.is_some() {
            Prospect::Pointless
        } else {
            Prospect::Replayed
        };
        if letter.prospect != Prospect::Pointless {
            letter.why = None;
        }
        letter
    }

    /// Why what was wrong is wrong still.
    fn stands_against(&self, row: &Row) -> Option<String> {
        let amended: bool = row.get("amended");
        match self.cause.as_str() {
            "undecodable" | "oversize" | "wrong_key" if !amended => {
                Some("the same bytes would fail again: edit or discard it".to_owned())
            }
            "unknown_terminal" if !row.get::<_, bool>("registered") => Some(format!(
                "terminal {} is still not registered: gatelog access terminal set",
                self.terminal_id.as_deref().unwrap_or_default()
            )),
            "occurred_at_out_of_range" if row.get::<_, Option<bool>>("in_range") == Some(false) => {
                Some("occurred_at still lies outside what is kept".to_owned())
            }
            _ => None,
        }
    }
}
