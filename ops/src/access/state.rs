//! `gatelog access block` and `enable`: whether a card may be used at all.

use access::CardState;
use registry::edit::{self, Card, Word};

use super::change::write;
use super::edit::{Asked, run};
use super::show::NO_SUCH_CARD;
use crate::settings::Settings;
use crate::{Error, Verdict};

/// Puts the card into `state`. `asked.if_version` is that of the card itself.
///
/// # Errors
/// A card that is not there, a conflict, or Postgres' own.
pub async fn set(
    settings: &Settings,
    card_id: &str,
    state: CardState,
    asked: Asked,
) -> Result<Verdict, Error> {
    run(settings, "set_card_state", asked, card_id, async |transaction| {
        let before: Option<Card> = edit::find(transaction, card_id).await?;
        let Some(before) = before else {
            return Err(edit::Error::Refused(NO_SUCH_CARD.into()));
        };
        let after = Card { state: Word(state), ..before.clone() };
        Ok(vec![write(transaction, Some(&before), after, asked.if_version).await?])
    })
    .await
}
