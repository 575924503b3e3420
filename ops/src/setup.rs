//! `gatelog setup`: schema, topics and the oldest day that is kept.

use std::time::Duration;

use jiff::civil::Date;
use serde::Serialize;
use tokio_postgres::Client;

use crate::settings::Settings;
use crate::topics::{self, Ensured};
use crate::{Error, Verdict, connect, output};

/// What `setup` has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The schema's version now.
    pub schema_version: u32,
    /// Migrations that were missing.
    pub migrations_applied: usize,
    /// The topics, in the order of the settings.
    pub topics: Vec<TopicReport>,
    /// Swipes of days before this one are dead-lettered.
    pub oldest_day: String,
    /// Whether that was moved.
    pub oldest_day_moved: bool,
}

/// One topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopicReport {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: u16,
    /// Whether it was missing.
    pub created: bool,
}

/// Runs the command.
///
/// # Errors
/// See [`prepare`].
pub async fn run(
    settings: &Settings,
    patience: Duration,
    keep_from: Option<Date>,
    json: bool,
) -> Result<Verdict, Error> {
    let report = prepare(settings, patience, keep_from).await?;
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    Ok(Verdict::Fine)
}

/// Waits for the servers, then makes what is missing. Doing it twice, or in several places at once,
/// is the same as doing it once.
///
/// # Errors
/// A server that does not come, topics that are otherwise than the settings say, or a `keep_from`
/// that would drop days.
pub async fn prepare(
    settings: &Settings,
    patience: Duration,
    keep_from: Option<Date>,
) -> Result<Report, Error> {
    let (mut client, ()) = tokio::try_join!(
        connect::wait_for_postgres(&settings.postgres, patience),
        connect::wait_for_kafka(&settings.kafka, patience),
    )?;
    let wanted = topics::of_settings(&settings.topic);
    let ensured = topics::ensure(&settings.kafka, &wanted).await?;
    let migrations_applied = migrations::run(&mut client).await?;
    let (oldest_day, oldest_day_moved) = keep(&client, keep_from).await?;
    let topics = wanted.into_iter().zip(ensured).map(|(topic, ensured)| TopicReport {
        name: topic.name,
        partitions: topic.partitions,
        created: ensured == Ensured::Created,
    });
    Ok(Report {
        schema_version: migrations::latest(),
        migrations_applied,
        topics: topics.collect(),
        oldest_day,
        oldest_day_moved,
    })
}

/// Moves the oldest day that is kept, and says which it is. Only to an earlier one: with a later one
/// days would have to be dropped.
async fn keep(client: &Client, from: Option<Date>) -> Result<(String, bool), Error> {
    let wanted = from.map(|day| day.to_string());
    let move_it = "UPDATE retention SET oldest_day = $1::text::date
                   WHERE oldest_day > $1::text::date
                     AND (gone_before IS NULL OR gone_before <= $1::text::date)";
    let moved = match &wanted {
        Some(day) => client.execute(move_it, &[day]).await? > 0,
        None => false,
    };
    let query = "SELECT to_char(oldest_day, 'YYYY-MM-DD'), to_char(gone_before, 'YYYY-MM-DD'),
                        gone_before > $1::text::date
                 FROM retention";
    let row = client.query_one(query, &[&wanted]).await?;
    let oldest: String = row.get(0);
    if let (Some(day), Some(gone), Some(true)) =
        (&wanted, row.get::<_, Option<&str>>(1), row.get::<_, Option<bool>>(2))
    {
        return Err(Error::Usage(format!(
            "--keep-from {day}: days before {gone} were detached or dropped (`gatelog partitions`), \
             and the proof of the log counts on it; they cannot be taken again. The earliest that \
             --keep-from can name is {gone}"
        )));
    }
    match wanted {
        Some(day) if day != oldest => Err(Error::Usage(format!(
            "--keep-from {day}: days are kept from {oldest} on, and this would drop those before \
             {day}; setup only ever keeps more"
        ))),
        _ => Ok((oldest, moved)),
    }
}

impl Report {
    fn render(&self) -> String {
        let mut text = match self.migrations_applied {
            0 => format!("schema  version {}, up to date\n", self.schema_version),
            applied => {
                format!("schema  version {}, {applied} migrations applied\n", self.schema_version)
            }
        };
        for topic in &self.topics {
            let outcome = if topic.created { "made" } else { "there already" };
            text +=
                &format!("topic   {}, {} partitions, {outcome}\n", topic.name, topic.partitions);
        }
        let moved = if self.oldest_day_moved { ", moved" } else { "" };
        text + &format!("days    kept from {}{moved}\n", self.oldest_day)
    }
}
