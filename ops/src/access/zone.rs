//! `gatelog access zone`: what holds in a zone for every card.

use access::{Enforcement, Lockout, ZoneMode};
use registry::edit::{self, Word, Zone};
use tokio_postgres::Transaction;

use super::change::{Change, write};
use super::edit::{Asked, run};
use super::{NOTHING, duration, facts};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

/// What a change of rules counts as in the metrics.
const SET: &str = "set_zone";

/// What to change in a zone. What is not said stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    /// For people.
    pub name: Option<String>,
    /// Whether permissions count at all.
    pub mode: Option<ZoneMode>,
    /// What becomes of a card that is where it cannot be.
    pub antipassback: Option<Enforcement>,
    /// Whether a card that is inside may not enter, nor one that is outside leave.
    pub two_way: Option<bool>,
    /// Within which time in ms a card may not enter twice; none inside is no such time.
    pub timed_ms: Option<Option<i32>>,
    /// What becomes of a card that was denied too often; none inside is nothing.
    pub lockout: Option<Option<Lockout>>,
}

/// Which zones to change.
#[derive(Debug, Clone)]
pub enum Which {
    /// Every one that is registered.
    All,
    /// One; `new` registers it if nobody knows it.
    One {
        /// Its id.
        zone_id: String,
        /// Whether it may be one that nobody knows.
        new: bool,
    },
}

/// Changes what `rules` says: one zone, or all in one transaction.
///
/// # Errors
/// A zone that is not there, a conflict, or Postgres' own.
pub async fn set(
    settings: &Settings,
    which: &Which,
    rules: &Rules,
    asked: Asked,
) -> Result<Verdict, Error> {
    match which {
        Which::All => {
            let set = async |transaction: &Transaction<'_>| set_all(transaction, rules).await;
            run(settings, SET, asked, "", set).await
        }
        Which::One { zone_id, new } => {
            run(settings, SET, asked, zone_id, async |transaction| {
                let before: Option<Zone> = edit::find(transaction, zone_id).await?;
                if before.is_none() && !new {
                    return Err(edit::Error::Refused(no_such(zone_id).into()));
                }
                // Without a name it has its id's.
                let mut after = before.clone().unwrap_or_else(|| Zone::new(zone_id, zone_id));
                rules.put(&mut after);
                Ok(vec![write(transaction, before.as_ref(), after, asked.if_version).await?])
            })
            .await
        }
    }
}

async fn set_all(transaction: &Transaction<'_>, rules: &Rules) -> Result<Vec<Change>, edit::Error> {
    let mut changes = Vec::new();
    for before in Zone::hold_all(transaction).await? {
        let mut after = before.clone();
        rules.put(&mut after);
        changes.push(write(transaction, Some(&before), after, None).await?);
    }
    Ok(changes)
}

/// Prints one zone.
///
/// # Errors
/// A zone that is not there, or Postgres' own.
pub async fn show(settings: &Settings, zone_id: &str, json: bool) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let zone: Option<Zone> = edit::find(&client, zone_id).await?;
    let zone = zone.ok_or_else(|| Error::Usage(no_such(zone_id)))?;
    if json {
        output::print_json(&zone)?;
    } else {
        output::print(&facts([
            ("zone", zone.zone_id.clone()),
            ("name", zone.name.clone()),
            ("mode", zone.mode.to_string()),
            ("anti-passback", antipassback(&zone)),
            ("lockout", lockout(&zone)),
            ("version", zone.version.to_string()),
        ]))?;
    }
    Ok(Verdict::Fine)
}

/// Prints all zones.
///
/// # Errors
/// Postgres' own.
pub async fn list(settings: &Settings, json: bool) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let zones = Zone::all(&client).await?;
    if json {
        output::print_json(&zones)?;
        return Ok(Verdict::Fine);
    }
    let header = ["zone", "mode", "anti-passback", "lockout", "version", "name"];
    let mut table = Table::new(header, &[0, 1, 2, 3, 5]);
    for zone in &zones {
        let rules = [zone.mode.to_string(), antipassback(zone), lockout(zone)];
        let [mode, antipassback, lockout] = rules;
        let (id, name) = (zone.zone_id.clone(), zone.name.clone());
        table.row([id, mode, antipassback, lockout, zone.version.to_string(), name]);
    }
    output::print(&table.render())?;
    Ok(Verdict::Fine)
}

impl Rules {
    fn put(&self, zone: &mut Zone) {
        if let Some(name) = &self.name {
            zone.name.clone_from(name);
        }
        zone.mode = self.mode.map_or(zone.mode, Word);
        zone.antipassback = self.antipassback.map_or(zone.antipassback, Word);
        zone.antipassback_two_way = self.two_way.unwrap_or(zone.antipassback_two_way);
        zone.antipassback_timed_ms = self.timed_ms.unwrap_or(zone.antipassback_timed_ms);
        if let Some(lockout) = &self.lockout {
            let part = |part: fn(&Lockout) -> u32| {
                lockout.as_ref().and_then(|lockout| i32::try_from(part(lockout)).ok())
            };
            zone.lockout_denials = part(Lockout::denials);
            zone.lockout_within_ms = part(Lockout::within_ms);
            zone.lockout_for_ms = part(Lockout::for_ms);
        }
    }
}

fn antipassback(zone: &Zone) -> String {
    let mut text = zone.antipassback.to_string();
    if zone.antipassback != Word(Enforcement::Off) {
        if zone.antipassback_two_way {
            text += ", two-way";
        }
        if let Some(ms) = zone.antipassback_timed_ms {
            text += &format!(", {} between entries", duration(ms));
        }
    }
    text
}

fn lockout(zone: &Zone) -> String {
    match (zone.lockout_denials, zone.lockout_within_ms, zone.lockout_for_ms) {
        (Some(denials), Some(within), Some(lasts)) => {
            format!("{denials} denials in {}: {}", duration(within), duration(lasts))
        }
        _ => NOTHING.to_owned(),
    }
}

fn no_such(zone_id: &str) -> String {
    format!(
        "no such zone {zone_id:?}; `gatelog access zone list` shows them, --new with `zone set` \
         registers it"
    )
}
