//! `gatelog offsets`: how far the log has been read, and what its offsets became; and the two ways in
//! which an operator moves it.

pub mod accept_loss;
mod position;
pub mod reset;
mod stands;

use std::collections::BTreeMap;

use rdkafka::consumer::{BaseConsumer, Consumer};
use serde::Serialize;
use settings::Kafka;
use tokio_postgres::{Client, Row};

use crate::connect::KAFKA_TIMEOUT;
use crate::output::{self, Table};
use crate::pinned::Pinned;
use crate::settings::Settings;
use crate::{Error, Verdict, connect};

/// All partitions of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offsets {
    /// The log's topic.
    pub topic: String,
    /// The consumer group that this database belongs to; none before a consumer has run.
    pub consumer_group: Option<String>,
    /// One entry a partition, in order.
    pub partitions: Vec<Partition>,
    /// Sums over the partitions.
    pub sum: Sum,
}

/// One partition of the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Partition {
    /// Its number.
    pub partition: i32,
    /// The consumer that may advance it; none if no consumer ever has.
    pub owner: Option<String>,
    /// First offset that was read.
    pub first_offset: Option<i64>,
    /// Next offset to be read.
    pub next_offset: Option<i64>,
    /// What the offsets between them became.
    pub outcomes: Outcomes,
    /// First offset that Kafka still has.
    pub low_watermark: i64,
    /// Offset that Kafka gives to the next event.
    pub high_watermark: i64,
    /// Offsets that are yet to be read.
    pub lag: i64,
}

/// What offsets became: each is counted once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The words of the table `consumer_offset`.
pub struct Outcomes {
    pub rows: i64,
    pub collisions: i64,
    pub duplicates: i64,
    pub dead: i64,
    pub parked: i64,
    pub gaps: i64,
    pub lost: i64,
}

/// Sums over all partitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// Offsets that were read.
    pub read: i64,
    /// What they became.
    pub outcomes: Outcomes,
    /// Offsets that are yet to be read.
    pub lag: i64,
}

/// Runs the command.
///
/// # Errors
/// See [`load`].
pub async fn show(settings: &Settings, json: bool) -> Result<Verdict, Error> {
    let offsets = load(settings).await?;
    if json {
        output::print_json(&offsets)?;
    } else {
        output::print(&offsets.render())?;
    }
    Ok(Verdict::Fine)
}

/// Reads the position of each partition from Postgres and its end from Kafka, in this order, so
/// that the lag is never less than it was.
///
/// # Errors
/// A server that cannot be reached, or a topic that does not exist.
pub async fn load(settings: &Settings) -> Result<Offsets, Error> {
    let client = connect::postgres(&settings.postgres).await?;
    let pinned = Pinned::read(&client).await?;
    if let Some(pinned) = &pinned {
        pinned.must_be_ours(settings).await?;
    }
    let consumer_group = pinned.map(|pinned| pinned.consumer_group);
    let topic = settings.topic.swipes.clone();
    let positions = positions(&client).await?;
    let watermarks = watermarks(&settings.kafka, &topic).await?;
    let partitions: Vec<Partition> = watermarks
        .into_iter()
        .map(|(partition, watermarks)| {
            Partition::new(partition, positions.get(&partition), watermarks)
        })
        .collect();
    let sum = Sum::of(&partitions);
    Ok(Offsets { topic, consumer_group, partitions, sum })
}

async fn positions(client: &Client) -> Result<BTreeMap<i32, Row>, Error> {
    let rows = client.query("SELECT * FROM consumer_offset", &[]).await?;
    Ok(rows.into_iter().map(|row| (row.get("log_partition"), row)).collect())
}

/// Low and high watermark of each partition.
async fn watermarks(kafka: &Kafka, topic: &str) -> Result<BTreeMap<i32, (i64, i64)>, Error> {
    let mut config = kafka.client_config("gatelog");
    // Not a member of any group; librdkafka wants a name all the same.
    config.set("group.id", "gatelog-offsets").set("allow.auto.create.topics", "false");
    let consumer: BaseConsumer = config.create()?;
    let topic = topic.to_owned();
    tokio::task::spawn_blocking(move || {
        let metadata = consumer.fetch_metadata(Some(&topic), KAFKA_TIMEOUT)?;
        let partitions: Vec<i32> = metadata
            .topics()
            .iter()
            .filter(|found| found.error().is_none())
            .flat_map(|found| found.partitions().iter().map(|partition| partition.id()))
            .collect();
        if partitions.is_empty() {
            let problem = format!("there is no topic {topic}; `gatelog setup` makes it");
            return Err(Error::Kafka(problem));
        }
        partitions
            .into_iter()
            .map(|id| Ok((id, consumer.fetch_watermarks(&topic, id, KAFKA_TIMEOUT)?)))
            .collect()
    })
    .await?
}

impl Partition {
    fn new(partition: i32, position: Option<&Row>, (low, high): (i64, i64)) -> Self {
        let next_offset = position.map(|row| row.get("next_offset"));
        Self {
            partition,
            // A partition that nobody has claimed yet has a row without a name.
            owner: position
                .map(|row| row.get("owner_name"))
                .filter(|name: &String| !name.is_empty()),
            first_offset: position.map(|row| row.get("first_offset")),
            next_offset,
            outcomes: position.map(Outcomes::read).unwrap_or_default(),
            low_watermark: low,
            high_watermark: high,
            lag: (high - next_offset.unwrap_or(low)).max(0),
        }
    }
}

impl Outcomes {
    fn read(row: &Row) -> Self {
        Self {
            rows: row.get("rows"),
            collisions: row.get("collisions"),
            duplicates: row.get("duplicates"),
            dead: row.get("dead"),
            parked: row.get("parked"),
            gaps: row.get("gaps"),
            lost: row.get("lost"),
        }
    }

    const fn cells(&self) -> [i64; 7] {
        let Self { rows, collisions, duplicates, dead, parked, gaps, lost } = *self;
        [rows, collisions, duplicates, dead, parked, gaps, lost]
    }
}

impl Sum {
    fn of(partitions: &[Partition]) -> Self {
        let mut sum = Self::default();
        for partition in partitions {
            let outcomes = &partition.outcomes;
            sum.outcomes.rows += outcomes.rows;
            sum.outcomes.collisions += outcomes.collisions;
            sum.outcomes.duplicates += outcomes.duplicates;
            sum.outcomes.dead += outcomes.dead;
            sum.outcomes.parked += outcomes.parked;
            sum.outcomes.gaps += outcomes.gaps;
            sum.outcomes.lost += outcomes.lost;
            sum.lag += partition.lag;
        }
        sum.read = sum.outcomes.cells().iter().sum();
        sum
    }
}

impl Offsets {
    fn render(&self) -> String {
        let group = self.consumer_group.as_deref().unwrap_or("none yet");
        let mut text = format!(
            "topic {}, consumer group {group}: {} offsets read, {} to go\n",
            self.topic, self.sum.read, self.sum.lag
        );
        let header = [
            "partition",
            "last owner",
            "first",
            "next",
            "rows",
            "collisions",
            "duplicates",
            "dead",
            "parked",
            "gaps",
            "lost",
            "high",
            "lag",
        ];
        let mut table = Table::new(header, &[1]);
        let dash = |value: Option<i64>| value.map_or("-".to_owned(), |value| value.to_string());
        for partition in &self.partitions {
            let owner = partition.owner.clone().unwrap_or_else(|| "-".to_owned());
            let ends = [dash(partition.first_offset), dash(partition.next_offset)];
            let high = partition.high_watermark.to_string();
            let name = partition.partition.to_string();
            table.row(row(name, owner, ends, &partition.outcomes, high, partition.lag));
        }
        let ends = [String::new(), String::new()];
        let (outcomes, lag) = (&self.sum.outcomes, self.sum.lag);
        table.row(row("sum".to_owned(), String::new(), ends, outcomes, String::new(), lag));
        text += &table.render();
        text
    }
}

fn row(
    name: String,
    owner: String,
    [first, next]: [String; 2],
    outcomes: &Outcomes,
    high: String,
    lag: i64,
) -> [String; 13] {
    let [rows, collisions, duplicates, dead, parked, gaps, lost] =
        outcomes.cells().map(|cell| cell.to_string());
    let lag = lag.to_string();
    [name, owner, first, next, rows, collisions, duplicates, dead, parked, gaps, lost, high, lag]
}
