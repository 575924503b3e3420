//! How a replay of a letter would go, as far as that can be known.

use dead_letters::REPLAY_BYTES_MAX;
use futures::TryStreamExt;
use registry::Timestamptz;
use serde::Serialize;
use tokio_postgres::{Client, Row};
use uuid::Uuid;

use super::filter::Which;
use super::letter::Says;
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
    /// Of the event that a replay would send.
    pub(super) terminal_id: Option<String>,
    /// Replays of it that failed so far.
    pub(super) failed_again: i32,
    pub(super) prospect: Prospect,
    /// Why it is pointless, and what to do.
    pub(super) why: Option<String>,
    #[serde(skip)]
    amended: bool,
    /// No topic would take it: not even by force.
    #[serde(skip)]
    pub(super) too_large: bool,
    #[serde(skip)]
    under_way: bool,
    /// What a replay sends: of an edited letter, the event that was made of it.
    #[serde(skip)]
    sends: Option<Says>,
}

/// What is known of the event that a replay would send.
#[derive(Debug, Clone, Copy)]
struct Stands {
    is_there: bool,
    registered: bool,
    in_range: bool,
}

/// Letters whose events are looked up in one statement.
const AT_ONCE: usize = 1_000;

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
        parameters.push(&REPLAY_BYTES_MAX);
        // One row in memory at a time: each may have an edited event.
        let rows = client.query_raw(PROSPECT, parameters).await?;
        let mut rows = std::pin::pin!(rows);
        let mut letters = Vec::new();
        while let Some(row) = rows.try_next().await? {
            letters.push(Planned::of(&row));
        }
        let more = letters.len() > limit as usize;
        letters.truncate(limit as usize);
        for some in letters.chunks_mut(AT_ONCE) {
            judge(client, some).await?;
        }
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

/// Looks up what the letters would send, and judges each.
async fn judge(client: &Client, letters: &mut [Planned]) -> Result<(), Error> {
    let all = || letters.iter().filter_map(|letter| letter.sends.as_ref());
    let events: Vec<Uuid> = all().map(|says| says.event_id).collect();
    let cards: Vec<&str> = all().map(|says| says.card_id.as_str()).collect();
    let terminals: Vec<&str> = all().map(|says| says.terminal_id.as_str()).collect();
    let times: Vec<Timestamptz> = all().map(|says| Timestamptz(says.occurred_at)).collect();
    let sql = include_str!("sql/stands.sql");
    let rows = client.query(sql, &[&events, &cards, &terminals, &times]).await?;
    let mut stands = rows.iter().map(Stands::of);
    for letter in letters {
        let stands = if letter.sends.is_some() { stands.next() } else { None };
        letter.judge(stands);
    }
    Ok(())
}

impl Stands {
    fn of(row: &Row) -> Self {
        Self {
            is_there: row.get("is_there"),
            registered: row.get("registered"),
            in_range: row.get("in_range"),
        }
    }
}

impl Planned {
    fn of(row: &Row) -> Self {
        let amended: Option<&[u8]> = row.get("amended_value");
        let sends = match amended {
            Some(value) => Says::of(Some(value)),
            None => Says::from_columns(row),
        };
        Self {
            dead_letter_id: row.get("dead_letter_id"),
            state: row.get("state"),
            version: row.get("version"),
            cause: row.get("reason"),
            stage: row.get("stage"),
            terminal_id: sends.as_ref().map(|says| says.terminal_id.clone()),
            failed_again: row.get("replay_count"),
            prospect: Prospect::Replayed,
            why: None,
            amended: amended.is_some(),
            too_large: row.get("too_large"),
            under_way: row.get("under_way"),
            sends,
        }
    }

    fn judge(&mut self, stands: Option<Stands>) {
        let why = self.stands_against(stands);
        self.prospect = if self.under_way {
            Prospect::UnderWay
        } else if self.state != "open" && self.state != "replaying" {
            Prospect::Settled
        } else if stands.is_some_and(|stands| stands.is_there) {
            Prospect::Superseded
        } else if why.is_some() {
            Prospect::Pointless
        } else {
            Prospect::Replayed
        };
        self.why = why.filter(|_| self.prospect == Prospect::Pointless);
    }

    /// Why it would fail, once more or for another reason. An edited letter is judged by the event
    /// that was made of it: what was wrong with the original says nothing of that.
    fn stands_against(&self, stands: Option<Stands>) -> Option<String> {
        if self.too_large {
            return Some(
                "it is too large to be published once more: edit or discard it".to_owned(),
            );
        }
        let same_bytes = matches!(self.cause.as_str(), "undecodable" | "oversize" | "wrong_key");
        if same_bytes && !self.amended {
            return Some("the same bytes would fail again: edit or discard it".to_owned());
        }
        let stands = stands?;
        if !stands.in_range {
            return Some("its occurred_at lies outside what is kept".to_owned());
        }
        (!stands.registered).then(|| {
            let terminal = self.terminal_id.as_deref().unwrap_or_default();
            format!(
                "terminal {terminal} is not registered: gatelog access terminal set {terminal} --new \
                 --zone ZONE --direction in|out|both"
            )
        })
    }
}
