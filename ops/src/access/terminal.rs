//! `gatelog access terminal`: which zone a reader guards, and which way its door leads.

use registry::edit::{self, Passage, Terminal, Word, Zone};

use super::change::{Change, write};
use super::edit::{Asked, run};
use super::facts;
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

/// What to change in a terminal. What is not said stays as it is.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// The zone that it guards.
    pub zone_id: Option<String>,
    /// Which way its door leads.
    pub direction: Option<Passage>,
    /// Whether it may be one that nobody knows.
    pub new: bool,
}

/// Changes what `place` says.
///
/// # Errors
/// A terminal or zone that is not there, a conflict, or Postgres' own.
pub async fn set(
    settings: &Settings,
    terminal_id: &str,
    place: &Place,
    asked: Asked,
) -> Result<Verdict, Error> {
    run(settings, "set_terminal", asked, terminal_id, async |transaction| {
        if let Some(zone_id) = &place.zone_id
            && edit::find::<Zone>(transaction, zone_id).await?.is_none()
        {
            let text = format!("no such zone {zone_id:?}; `gatelog access zone list` shows them");
            return Err(edit::Error::Refused(text.into()));
        }
        let before: Option<Terminal> = edit::find(transaction, terminal_id).await?;
        let after = match (&before, &place.zone_id, place.direction) {
            (Some(before), zone_id, direction) => Terminal {
                zone_id: zone_id.clone().unwrap_or_else(|| before.zone_id.clone()),
                direction: direction.map_or(before.direction, Word),
                ..before.clone()
            },
            (None, Some(zone_id), Some(direction)) if place.new => Terminal {
                terminal_id: terminal_id.to_owned(),
                zone_id: zone_id.clone(),
                direction: Word(direction),
                version: 0,
            },
            (None, ..) => return Err(edit::Error::Refused(no_such(terminal_id).into())),
        };
        Ok(vec![write(transaction, before.as_ref(), after, asked.if_version).await?])
    })
    .await
}

/// Deletes a terminal: what it sends from then on is dead-lettered.
///
/// # Errors
/// A terminal that is not there, a conflict, or Postgres' own.
pub async fn delete(
    settings: &Settings,
    terminal_id: &str,
    asked: Asked,
) -> Result<Verdict, Error> {
    run(settings, "delete_terminal", asked, terminal_id, async |transaction| {
        let found: Option<Terminal> = edit::find(transaction, terminal_id).await?;
        let mut found = found.ok_or_else(|| edit::Error::Refused(no_such(terminal_id).into()))?;
        found.version = asked.if_version.unwrap_or(found.version);
        edit::delete(transaction, &found).await?;
        Ok(vec![Change::deleted(&found)])
    })
    .await
}

/// Prints one terminal.
///
/// # Errors
/// A terminal that is not there, or Postgres' own.
pub async fn show(settings: &Settings, terminal_id: &str, json: bool) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let found: Option<Terminal> = edit::find(&client, terminal_id).await?;
    let terminal = found.ok_or_else(|| Error::Usage(no_such(terminal_id)))?;
    if json {
        output::print_json(&terminal)?;
    } else {
        output::print(&facts([
            ("terminal", terminal.terminal_id.clone()),
            ("zone", terminal.zone_id.clone()),
            ("direction", terminal.direction.to_string()),
            ("version", terminal.version.to_string()),
        ]))?;
    }
    Ok(Verdict::Fine)
}

/// Prints all terminals.
///
/// # Errors
/// Postgres' own.
pub async fn list(settings: &Settings, json: bool) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let terminals = Terminal::all(&client).await?;
    if json {
        output::print_json(&terminals)?;
        return Ok(Verdict::Fine);
    }
    let mut table = Table::new(["terminal", "zone", "direction", "version"], &[0, 1, 2]);
    for terminal in &terminals {
        let (id, zone) = (terminal.terminal_id.clone(), terminal.zone_id.clone());
        table.row([id, zone, terminal.direction.to_string(), terminal.version.to_string()]);
    }
    output::print(&table.render())?;
    Ok(Verdict::Fine)
}

/// What to do about a terminal that nobody has registered.
pub(super) fn no_such(terminal_id: &str) -> String {
    format!(
        "no such terminal {terminal_id:?}; `gatelog access terminal list` shows them, `gatelog \
         access terminal set {terminal_id} --new --zone ZONE --direction in|out|both` registers it"
    )
}
