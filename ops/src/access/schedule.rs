//! `gatelog access schedule`: when cards may pass.

use std::path::Path;

use access::ScheduleDefinition;
use registry::edit::{self, Schedule};

use super::change::{Change, write};
use super::edit::{Asked, run};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

/// Bytes that a definition may have; the largest possible one has about 200 kB.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// Makes a schedule, or gives it the definition that `file` holds.
///
/// # Errors
/// A file that holds no definition, with the path of what is wrong; a conflict, or Postgres' own.
pub async fn set(
    settings: &Settings,
    schedule_id: &str,
    file: &Path,
    asked: Asked,
) -> Result<Verdict, Error> {
    let wanted = read(schedule_id, file)?;
    run(settings, "set_schedule", asked, schedule_id, async |transaction| {
        let before: Option<Schedule> = edit::find(transaction, schedule_id).await?;
        let version = before.as_ref().map_or(0, |before| before.version);
        let after = Schedule { version, ..wanted.clone() };
        Ok(vec![write(transaction, before.as_ref(), after, asked.if_version).await?])
    })
    .await
}

/// Deletes a schedule that no card has.
///
/// # Errors
/// A schedule that is not there or that a card has, a conflict, or Postgres' own.
pub async fn delete(
    settings: &Settings,
    schedule_id: &str,
    asked: Asked,
) -> Result<Verdict, Error> {
    run(settings, "delete_schedule", asked, schedule_id, async |transaction| {
        let found: Option<Schedule> = edit::find(transaction, schedule_id).await?;
        let mut found = found.ok_or_else(|| edit::Error::Refused(no_such(schedule_id).into()))?;
        found.version = asked.if_version.unwrap_or(found.version);
        match edit::delete(transaction, &found).await {
            Ok(()) => Ok(vec![Change::deleted(&found)]),
            Err(edit::Error::InUse(_)) => Err(edit::Error::Refused(
                "cards have this schedule; `gatelog access schedule list` says how many. Give them \
                 another one (`gatelog access grant CARD --schedule ID`) or none (--no-schedule) \
                 first"
                    .into(),
            )),
            Err(error) => Err(error),
        }
    })
    .await
}

/// Prints one schedule.
///
/// # Errors
/// A schedule that is not there, or Postgres' own.
pub async fn show(settings: &Settings, schedule_id: &str, json: bool) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let found: Option<Schedule> = edit::find(&client, schedule_id).await?;
    let schedule = found.ok_or_else(|| Error::Usage(no_such(schedule_id)))?;
    if json {
        output::print_json(&schedule)?;
        return Ok(Verdict::Fine);
    }
    let mut text = format!("schedule {}, version {}\n", schedule.schedule_id, schedule.version);
    text += &match schedule.definition() {
        Ok(definition) => render(&definition),
        Err(error) => format!("cannot be read, so it allows nothing: {error}\n"),
    };
    output::print(&text)?;
    Ok(Verdict::Fine)
}

/// Prints all schedules, with the number of cards that each binds.
///
/// # Errors
/// Postgres' own.
pub async fn list(settings: &Settings, json: bool) -> Result<Verdict, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let schedules = Schedule::all(&client).await?;
    if json {
        let all = schedules.iter().map(|(schedule, cards)| {
            let mut entry = super::change::value(schedule);
            entry["cards"] = (*cards).into();
            entry
        });
        output::print_json(&all.collect::<Vec<_>>())?;
        return Ok(Verdict::Fine);
    }
    let header = ["schedule", "time zone", "windows", "special days", "cards", "version"];
    let mut table = Table::new(header, &[0, 1]);
    for (schedule, cards) in &schedules {
        let (zone, windows, days) = match schedule.definition() {
            Ok(d) => (d.time_zone, d.weekly.len().to_string(), d.special_days.len().to_string()),
            Err(_) => ("cannot be read".to_owned(), String::new(), String::new()),
        };
        let id = schedule.schedule_id.clone();
        table.row([id, zone, windows, days, cards.to_string(), schedule.version.to_string()]);
    }
    output::print(&table.render())?;
    Ok(Verdict::Fine)
}

fn read(schedule_id: &str, path: &Path) -> Result<Schedule, Error> {
    let unreadable = |source| Error::File { path: path.to_owned(), source };
    let bytes = std::fs::metadata(path).map_err(unreadable)?.len();
    let wrong = |problem: String| Error::Usage(format!("{}: {problem}", path.display()));
    if bytes > FILE_BYTES_MAX {
        return Err(wrong(format!("has {bytes} bytes, may have {FILE_BYTES_MAX}")));
    }
    let text = std::fs::read(path).map_err(unreadable)?;
    let mut reader = serde_json::Deserializer::from_slice(&text);
    let definition: ScheduleDefinition =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| wrong(error.to_string()))?;
    reader.end().map_err(|error| wrong(error.to_string()))?;
    Schedule::new(schedule_id, &definition).map_err(|invalid| wrong(invalid.to_string()))
}

fn render(definition: &ScheduleDefinition) -> String {
    let mut table = Table::headless(&[0, 1]);
    table.row(["time zone".to_owned(), definition.time_zone.clone()]);
    for window in &definition.weekly {
        let days: Vec<String> =
            window.days.iter().map(|day| super::change::show(&super::change::value(day))).collect();
        table.row([days.join(" "), format!("{} to {}", window.from, window.until)]);
    }
    for day in &definition.special_days {
        let open: Vec<String> =
            day.open.iter().map(|period| format!("{} to {}", period.from, period.until)).collect();
        let open = if open.is_empty() { "closed".to_owned() } else { open.join(", ") };
        table.row([day.date.clone(), open]);
    }
    table.render()
}

fn no_such(schedule_id: &str) -> String {
    format!(
        "no such schedule {schedule_id:?}; `gatelog access schedule list` shows them, `gatelog \
         access schedule set {schedule_id} FILE.json` makes it"
    )
}
