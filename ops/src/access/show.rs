//! `gatelog access show`: all there is about one card.

use registry::edit::{self, Card, UserAccess};
use serde::Serialize;

use super::whereabouts::Whereabouts;
use super::{NOTHING, facts, list, or_nothing};
use crate::output;
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

/// What to do about a card that nobody has registered.
pub(super) const NO_SUCH_CARD: &str =
    "no such card; `gatelog access grant CARD ZONE --new` registers it";

#[derive(Serialize)]
struct Answer {
    card: Card,
    /// Null where the card has no permissions.
    user_access: Option<UserAccess>,
    /// Null where the card never passed a zone with anti-passback or lockout.
    card_state: Option<Whereabouts>,
}

/// Prints the card, what it may do and where it is.
///
/// # Errors
/// A card that is not there, or Postgres' own.
pub async fn run(settings: &Settings, card_id: &str, json: bool) -> Result<Verdict, Error> {
    let mut client = connect::postgres(&settings.postgres).await?;
    // One picture: an edit that commits meanwhile is in all of it or in none.
    let builder = client.build_transaction().read_only(true);
    let snapshot =
        builder.isolation_level(tokio_postgres::IsolationLevel::RepeatableRead).start().await?;
    let card: Option<Card> = edit::find(&snapshot, card_id).await?;
    let card = card.ok_or_else(|| Error::Usage(NO_SUCH_CARD.to_owned()))?;
    let user_access = edit::find(&snapshot, card_id).await?;
    let card_state = Whereabouts::load(&snapshot, card_id).await?;
    let answer = Answer { card, user_access, card_state };
    if json {
        output::print_json(&answer)?;
    } else {
        output::print(&answer.render())?;
    }
    Ok(Verdict::Fine)
}

impl Answer {
    fn render(&self) -> String {
        let Self { card, user_access, card_state } = self;
        let zones = user_access.as_ref().map_or(&[][..], |access| &access.zones);
        let schedule = user_access.as_ref().and_then(|access| access.schedule_id.clone());
        let version = or_nothing(user_access.as_ref().map(|access| access.version).as_ref());
        let mut text = facts([
            ("card", card.card_id.clone()),
            ("state", card.state.to_string()),
            ("valid from", or_nothing(card.valid_from.as_ref())),
            ("valid until", or_nothing(card.valid_until.as_ref())),
            ("zones", list(zones)),
            ("schedule", schedule.unwrap_or_else(|| "at any time".to_owned())),
            ("versions", format!("card {}, permissions {version}", card.version)),
            ("locked out", card_state.as_ref().map_or(NOTHING.to_owned(), Whereabouts::lockout)),
        ]);
        for passed in card_state.iter().flat_map(|state| state.zones.iter().rev()) {
            let what = if passed.inside { "inside" } else { "left" };
            text += &format!("{what} {} since {}\n", passed.zone_id, passed.since);
        }
        text
    }
}

impl Whereabouts {
    fn lockout(&self) -> String {
        match (self.locked_until, self.denied_at.len()) {
            (Some(until), denials) => format!("until {until}; {denials} denials since"),
            (None, 0) => NOTHING.to_owned(),
            (None, denials) => format!("no; {denials} denials may count for it"),
        }
    }
}
