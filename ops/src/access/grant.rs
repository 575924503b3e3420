//! `gatelog access grant` and `revoke`: where a card may go, and when.

use registry::Timestamptz;
use registry::edit::{self, Card, Schedule, UserAccess, Zone};
use schemas::Millis;
use tokio_postgres::Transaction;

use super::change::{Change, write};
use super::edit::{Asked, run};
use super::show::NO_SUCH_CARD;
use crate::settings::Settings;
use crate::{Error, Verdict};

/// Zones that one card may have.
const ZONES_MAX: usize = 1_000;

/// What to allow. What is not said stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Grant {
    /// The card.
    pub card_id: String,
    /// Zones that it may enter, beside those that it may enter already.
    pub zones: Vec<String>,
    /// When it may; none inside is at any time.
    pub schedule: Option<Option<String>>,
    /// From when on it is valid; none inside is from ever.
    pub valid_from: Option<Option<Millis>>,
    /// Until when it is valid; none inside is for ever.
    pub valid_until: Option<Option<Millis>>,
    /// Whether a card that nobody knows is registered.
    pub new: bool,
}

/// What to forbid.
#[derive(Debug, Clone)]
pub enum Revoke {
    /// These zones.
    Zones(Vec<String>),
    /// All that the card has.
    All,
}

/// Allows what `grant` says. `asked.if_version` is that of the card's permissions.
///
/// # Errors
/// A card, zone or schedule that is not there, a conflict, or Postgres' own.
pub async fn grant(settings: &Settings, grant: &Grant, asked: Asked) -> Result<Verdict, Error> {
    run(settings, "grant", asked, &grant.card_id, async |transaction| {
        must_exist(transaction, grant).await?;
        let mut changes: Vec<_> = register(transaction, grant).await?.into_iter().collect();
        let before: Option<UserAccess> = edit::find(transaction, &grant.card_id).await?;
        let mut after = before.clone().unwrap_or_else(|| UserAccess::new(&grant.card_id));
        after.add(&grant.zones);
        if after.zones.len() > ZONES_MAX {
            return Err(refused(format!("a card may have {ZONES_MAX} zones at most")));
        }
        if let Some(schedule_id) = &grant.schedule {
            after.schedule_id.clone_from(schedule_id);
        }
        changes.push(write(transaction, before.as_ref(), after, asked.if_version).await?);
        Ok(changes)
    })
    .await
}

/// Forbids what `revoke` says. `asked.if_version` is that of the card's permissions.
///
/// # Errors
/// A card that is not there, a conflict, or Postgres' own.
pub async fn revoke(
    settings: &Settings,
    card_id: &str,
    revoke: &Revoke,
    asked: Asked,
) -> Result<Verdict, Error> {
    run(settings, "revoke", asked, card_id, async |transaction| {
        if edit::find::<Card>(transaction, card_id).await?.is_none() {
            return Err(edit::Error::Refused(NO_SUCH_CARD.into()));
        }
        let before: Option<UserAccess> = edit::find(transaction, card_id).await?;
        let mut after = before.clone().unwrap_or_else(|| UserAccess::new(card_id));
        match revoke {
            Revoke::Zones(zones) => {
                // Misspelt, it would be called revoked, and the card would keep what it has.
                for zone_id in zones.iter().filter(|zone_id| !after.zones.contains(zone_id)) {
                    must_be_a_zone(transaction, zone_id).await?;
                }
                after.remove(zones);
            }
            Revoke::All => after.zones.clear(),
        }
        Ok(vec![write(transaction, before.as_ref(), after, asked.if_version).await?])
    })
    .await
}

async fn must_exist(transaction: &Transaction<'_>, grant: &Grant) -> Result<(), edit::Error> {
    for zone_id in &grant.zones {
        must_be_a_zone(transaction, zone_id).await?;
    }
    if let Some(Some(schedule_id)) = &grant.schedule
        && edit::find::<Schedule>(transaction, schedule_id).await?.is_none()
    {
        return Err(refused(format!(
            "no such schedule {schedule_id:?}; `gatelog access schedule list` shows them, `gatelog \
             access schedule set {schedule_id} FILE.json` makes it"
        )));
    }
    Ok(())
}

async fn must_be_a_zone(transaction: &Transaction<'_>, zone_id: &str) -> Result<(), edit::Error> {
    if edit::find::<Zone>(transaction, zone_id).await?.is_some() {
        return Ok(());
    }
    Err(refused(format!(
        "no such zone {zone_id:?}; `gatelog access zone list` shows them, `gatelog access zone set \
         {zone_id} --new --name NAME` registers it"
    )))
}

/// The card itself: new, or with another validity.
async fn register(
    transaction: &Transaction<'_>,
    grant: &Grant,
) -> Result<Option<Change>, edit::Error> {
    let before: Option<Card> = edit::find(transaction, &grant.card_id).await?;
    if before.is_none() && !grant.new {
        return Err(edit::Error::Refused(NO_SUCH_CARD.into()));
    }
    let mut after = before.clone().unwrap_or_else(|| Card::new(&grant.card_id));
    if let Some(from) = grant.valid_from {
        after.valid_from = from.map(Timestamptz);
    }
    if let Some(until) = grant.valid_until {
        after.valid_until = until.map(Timestamptz);
    }
    if matches!((after.valid_from, after.valid_until), (Some(from), Some(until)) if from >= until) {
        return Err(edit::Error::Refused(
            "the card would end before it begins: --until must be later than --from, or than the \
             valid_from that it has"
                .into(),
        ));
    }
    if before.as_ref() == Some(&after) {
        return Ok(None);
    }
    write(transaction, before.as_ref(), after, None).await.map(Some)
}

fn refused(text: String) -> edit::Error {
    edit::Error::Refused(text.into())
}
