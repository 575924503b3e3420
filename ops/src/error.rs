use std::path::PathBuf;

use rdkafka::types::RDKafkaErrorCode;
use thiserror::Error;
use tokio_postgres::error::{DbError, SqlState};

/// Why a command could not do what it was asked.
#[derive(Debug, Error)]
pub enum Error {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] ::settings::Error),
    /// An argument, or what a file says, makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The access file cannot be imported.
    #[error(transparent)]
    Access(#[from] registry::import::Error),
    /// A topic is not as the settings want it.
    #[error(
        "topic {topic} has {found} partitions, the settings say {wanted}. The count of a topic is \
         never changed, because cards would move away from their order: set topic.partitions to \
         {found}, or name another topic"
    )]
    Partitions {
        /// The topic.
        topic: String,
        /// Partitions that it has.
        found: usize,
        /// Partitions that the settings say.
        wanted: usize,
    },
    /// Kafka cannot be reached or refused something.
    #[error("Kafka: {0}")]
    Kafka(String),
    /// Postgres cannot be reached or refused something.
    #[error("Postgres: {}{}", explain(.0), cure(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// The schema could not be brought up to date.
    #[error("{}", explain(.0))]
    Migration(#[from] migrations::Error),
    /// A server did not answer in the time that it was given.
    #[error("{server} at {address} did not answer within {seconds} s: {last}")]
    Waited {
        /// Which.
        server: &'static str,
        /// Where.
        address: String,
        /// How long it was waited for.
        seconds: u64,
        /// What the last try said.
        last: String,
    },
    /// What was to be changed has another version than was expected; the text shows both.
    #[error("{0}")]
    Conflict(String),
    /// The registry cannot be read.
    #[error(transparent)]
    Registry(registry::Error),
    /// Somebody else holds what a change needs.
    #[error("{0}")]
    Busy(&'static str),
    /// The gateway cannot be used.
    #[error("the gateway: {0}")]
    Gateway(String),
    /// Something else in the machine, such as a thread that cannot be started.
    #[error("{0}")]
    Other(String),
}

impl Error {
    /// The command's exit code: 2 where the caller has to change something, 3 where a server has
    /// not done what it was asked, 4 where somebody else was faster.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_)
            | Self::Usage(_)
            | Self::File { .. }
            | Self::Partitions { .. }
            | Self::Access(
                registry::import::Error::Unreadable(_) | registry::import::Error::Refused(_),
            ) => 2,
            Self::Conflict(_) | Self::Access(registry::import::Error::Overtaken) => 4,
            Self::Access(registry::import::Error::Postgres(_))
            | Self::Registry(_)
            | Self::Kafka(_)
            | Self::Postgres(_)
            | Self::Migration(_)
            | Self::Waited { .. }
            | Self::Busy(_)
            | Self::Gateway(_)
            | Self::Other(_) => 3,
        }
    }
}

impl From<registry::Error> for Error {
    fn from(error: registry::Error) -> Self {
        match error {
            registry::Error::Postgres(source) => Self::Postgres(source),
            registry::Error::Unreadable(_) => Self::Registry(error),
        }
    }
}

impl From<schemas::Invalid> for Error {
    fn from(invalid: schemas::Invalid) -> Self {
        Self::Usage(invalid.to_string())
    }
}

impl From<dead_letters::Error> for Error {
    fn from(error: dead_letters::Error) -> Self {
        let dead_letters::Error::Postgres(source) = error;
        Self::Postgres(source)
    }
}

/// What to do about an error of Postgres, where that is known.
fn cure(error: &tokio_postgres::Error) -> &'static str {
    match error.code() {
        Some(&SqlState::UNDEFINED_TABLE | &SqlState::INVALID_SCHEMA_NAME) => {
            "; run `gatelog setup` first"
        }
        Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
            "; this login may not: `gatelog roles` shows what readers, writers and operators may"
        }
        None => "; postgres.url or GATELOG_POSTGRES says where it is looked for",
        Some(_) => "",
    }
}

impl From<rdkafka::error::KafkaError> for Error {
    fn from(error: rdkafka::error::KafkaError) -> Self {
        Self::Kafka(match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown) => {
                "no broker answers; kafka.brokers or GATELOG_KAFKA says where it is looked for"
                    .to_owned()
            }
            Some(code) => format!("{code}"),
            None => error.to_string(),
        })
    }
}

impl From<tokio::task::JoinError> for Error {
    fn from(error: tokio::task::JoinError) -> Self {
        Self::Other(error.to_string())
    }
}

/// An error with its causes on one line. Of what Postgres reports only message and code: its detail
/// quotes values, which may be cards.
pub fn explain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = match error.downcast_ref::<DbError>() {
            Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
            None => error.to_string().trim_end_matches(": db error").to_owned(),
        };
        if part != "db error" && !text.contains(&part) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&part);
        }
        next = error.source();
    }
    text
}
