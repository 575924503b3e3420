use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::headers::dlq;

/// The headers that a record of `gatelog.swipes.dlq.v1` has besides its original ones; key and
/// value are the original bytes.
///
/// Names: [`crate::headers::dlq`]. A field a name: partition and offset cannot be confused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetterHeaders {
    /// Topic of the original record.
    #[serde(rename = "__dlq.errors.topic")]
    pub topic: String,
    /// Partition of the original record.
    #[serde(rename = "__dlq.errors.partition")]
    pub partition: i32,
    /// Offset of the original record.
    #[serde(rename = "__dlq.errors.offset")]
    pub offset: i64,
    /// Consumer group that gave it up.
    #[serde(rename = "__dlq.errors.group")]
    pub group: String,
    /// How many times it was tried, 1 or more.
    #[serde(rename = "__dlq.errors.delivery.count")]
    #[schemars(range(min = 1))]
    pub delivery_count: u32,
    /// What went wrong, in words; at most 1,024 bytes.
    #[serde(rename = "__dlq.errors.message")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// UUIDv5 of topic id, partition, offset and stage.
    #[serde(rename = "gatelog-dlq-id")]
    pub id: Uuid,
    /// Step that failed.
    #[serde(rename = "gatelog-dlq-stage")]
    pub stage: Stage,
    /// Cause.
    #[serde(rename = "gatelog-dlq-reason")]
    pub reason: Reason,
    /// How many times it had been replayed before.
    #[serde(rename = "gatelog-dlq-replay-count")]
    pub replay_count: u32,
}

/// The step of the consumer that could not apply an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Bytes to event.
    Decode,
    /// Event to decision.
    Decide,
    /// Decision to row.
    Store,
}

/// Why an event could not be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Not a swipe: no JSON, a field missing or wrong, or headers and value that disagree.
    Undecodable,
    /// `ce_type` names no schema that this consumer knows.
    UnknownType,
    /// More bytes than an event may have.
    Oversize,
    /// Before the oldest day kept, or more than a day ahead.
    OccurredAtOutOfRange,
    /// The record's key is not its card.
    WrongKey,
    /// The record lies in another partition than its key belongs to.
    WrongPartition,
    /// No such terminal is registered.
    UnknownTerminal,
    /// Postgres refused its row, and would again.
    BadRow,
}

impl DeadLetterHeaders {
    /// As record headers, each with its name.
    pub fn to_headers(&self) -> [(&'static str, String); 10] {
        [
            (dlq::TOPIC, self.topic.clone()),
            (dlq::PARTITION, self.partition.to_string()),
            (dlq::OFFSET, self.offset.to_string()),
            (dlq::GROUP, self.group.clone()),
            (dlq::DELIVERY_COUNT, self.delivery_count.to_string()),
            (dlq::MESSAGE, self.message.clone()),
            (dlq::ID, self.id.to_string()),
            (dlq::STAGE, self.stage.as_str().to_owned()),
            (dlq::REASON, self.reason.as_str().to_owned()),
            (dlq::REPLAY_COUNT, self.replay_count.to_string()),
        ]
    }
}

impl Stage {
    /// The word in headers and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Decide => "decide",
            Self::Store => "store",
        }
    }
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Undecodable,
        Self::UnknownType,
        Self::Oversize,
        Self::OccurredAtOutOfRange,
        Self::WrongKey,
        Self::WrongPartition,
        Self::UnknownTerminal,
        Self::BadRow,
    ];

    /// Whether waiting may heal it, without anybody looking at the event: somebody registers the
    /// terminal, or the day of an event from a fast clock comes.
    pub const fn heals(self) -> bool {
        matches!(self, Self::UnknownTerminal | Self::OccurredAtOutOfRange)
    }

    /// The word in headers and tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Undecodable => "undecodable",
            Self::UnknownType => "unknown_type",
            Self::Oversize => "oversize",
            Self::OccurredAtOutOfRange => "occurred_at_out_of_range",
            Self::WrongKey => "wrong_key",
            Self::WrongPartition => "wrong_partition",
            Self::UnknownTerminal => "unknown_terminal",
            Self::BadRow => "bad_row",
        }
    }

    /// The step that finds it.
    pub const fn stage(self) -> Stage {
        match self {
            Self::UnknownTerminal => Stage::Decide,
            Self::BadRow => Stage::Store,
            _ => Stage::Decode,
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
