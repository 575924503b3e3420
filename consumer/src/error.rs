use thiserror::Error;
use tokio_postgres::error::SqlState;

/// What can go wrong in the consumer as a whole. What is wrong with one event is no error: it
/// becomes a dead letter.
#[derive(Debug, Error)]
pub enum Error {
    /// Postgres refused or was cut off.
    #[error("{doing}: {source}")]
    Postgres {
        /// What was being done.
        doing: &'static str,
        /// Postgres' own error.
        source: tokio_postgres::Error,
    },
    /// Postgres takes connections and says nothing.
    #[error("Postgres did not answer within postgres.connect_timeout_ms = {0} ms")]
    Unreachable(u64),
    /// A transaction took longer than `batch.timeout_ms`.
    #[error("a batch took longer than batch.timeout_ms = {0} ms")]
    BatchTimeout(u64),
    /// Permissions could not be read.
    #[error(transparent)]
    Registry(#[from] registry::Error),
    /// Dead letters could not be replayed.
    #[error(transparent)]
    DeadLetters(#[from] dead_letters::Error),
    /// The terminals' ledger could not be kept.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
    /// A round of what is done now and then took longer than it may.
    #[error("a round took longer than {0} ms")]
    RoundTimeout(u64),
    /// Kafka refused, in a way that waiting does not mend.
    #[error("{doing}: {source}")]
    Kafka {
        /// What was being done.
        doing: &'static str,
        /// librdkafka's own error.
        source: rdkafka::error::KafkaError,
    },
    /// The stored offset of a partition is not in the log: events were lost, or it is another log.
    #[error(
        "the log no longer holds, or never held, the offset that a partition goes on from ({0}); \
         compare `gatelog offsets show` with the topic; \
         `gatelog offsets accept-loss` goes on behind what is gone"
    )]
    OffsetOutOfRange(String),
    /// A bucket that was sealed before says something else now.
    #[error(
        "partitions {partitions:?}: the log says something else than when it was sealed (log_seal); \
         look with `gatelog verify` before anything else: is it the same topic?"
    )]
    LogChanged {
        /// The partitions of the seals in question.
        partitions: Vec<i32>,
    },
    /// The row that says how far a partition was read is gone, and so are days of its events.
    #[error(
        "partitions {partitions:?}: consumer_offset has lost its rows, and days were dropped since \
         the log began (dropped_sum, log_base): what became of each offset can no longer be told by \
         reading again; put these rows of consumer_offset back from a backup, with the end of the log as \
         their applied_to (what was applied since the backup stands already), then start again"
    )]
    ProgressLost {
        /// The partitions without a row.
        partitions: Vec<i32>,
    },
    /// This database belongs to another log or group.
    #[error(
        "this database belongs to {what} {stored:?}, this consumer is set to {ours:?}; \
         one database serves one log and one group"
    )]
    OtherLog {
        /// Which of them differs.
        what: &'static str,
        /// What `log_topic` holds.
        stored: String,
        /// What this consumer found or was told.
        ours: String,
    },
    /// Kafka has no such topic.
    #[error("Kafka has no topic {0}; run `gatelog setup`")]
    NoTopic(String),
    /// Kafka does not say which cluster it is.
    #[error("Kafka does not say which cluster it is")]
    NoCluster,
    /// The database has no tables, or older ones.
    #[error(
        "the database's schema is at version {found}, this program needs {needed}; \
         run `gatelog setup`"
    )]
    Schema {
        /// What the database has; 0 is nothing at all.
        found: u32,
        /// What this program needs.
        needed: u32,
    },
    /// Postgres refuses rows for one reason, from everywhere: it is the table, not the events.
    #[error(
        "Postgres refuses rows of many terminals and cards for one reason (SQLSTATE {sqlstate}): that \
         is the table's fault, so nothing is given up; look at what was changed last (a constraint, a \
         trigger, a column), this goes on by itself when it is mended"
    )]
    Systemic {
        /// What Postgres says.
        sqlstate: String,
    },
    /// Postgres refuses a batch for a row, but no row of it alone.
    #[error("Postgres refuses a batch, but none of its events alone: {0}")]
    NotIsolated(#[source] Box<Error>),
    /// A day's table was taken out of `access_log` while rows were on their way to it.
    #[error("a day of access_log was detached while it was written to")]
    DayDetached,
    /// Something that cannot be, if this program is right.
    #[error("bug: {0}")]
    Bug(String),
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The thread or task that does the work ended without a word.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
    /// `/healthz` and its neighbours cannot be served.
    #[error(
        "status.listen: {address} cannot be used; for another consumer on this machine set \
         GATELOG_CONSUMER_STATUS__LISTEN=127.0.0.1:0"
    )]
    Status {
        /// Where.
        address: std::net::SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
}

/// What to do about a failed transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Class {
    /// The server is away or overloaded: wait, reconnect, do the same again.
    Outage,
    /// Somebody was in the way: do the same again soon.
    Contention,
    /// A row stands where the probe saw none: probe everything, once.
    KeyTaken,
    /// One of the rows is refused, and would be again: the others must not wait for it.
    BadRow,
    /// Anything that is not known to pass: stop and say so, never skip an event.
    Bug,
}

impl Error {
    /// Names what was being done when Postgres refused.
    pub(crate) fn postgres(doing: &'static str) -> impl FnOnce(tokio_postgres::Error) -> Self {
        move |source| Self::Postgres { doing, source }
    }

    /// Names what was being done when Kafka refused.
    pub(crate) fn kafka(doing: &'static str) -> impl FnOnce(rdkafka::error::KafkaError) -> Self {
        move |source| Self::Kafka { doing, source }
    }

    /// What Postgres itself said, if it said anything.
    pub(crate) fn db_error(&self) -> Option<&tokio_postgres::error::DbError> {
        match self {
            Self::Postgres { source, .. } | Self::Registry(registry::Error::Postgres(source)) => {
                source.as_db_error()
            }
            _ => None,
        }
    }

    /// Whether waiting mends it, by itself or by others.
    pub(crate) fn passes(&self) -> bool {
        matches!(self.class(), Class::Outage | Class::Contention)
    }

    pub(crate) fn class(&self) -> Class {
        match self {
            // A day was dropped since it was looked for.
            Self::Postgres { doing, source }
                if [PROBING, WRITING_A_DAY].contains(doing)
                    && source.code() == Some(&SqlState::UNDEFINED_TABLE) =>
            {
                Class::Contention
            }
            // What is to become of its events is found out anew.
            Self::DayDetached => Class::Contention,
            Self::Postgres { source, .. } | Self::Registry(registry::Error::Postgres(source)) => {
                class(source)
            }
            Self::NotIsolated(_) => Class::BadRow,
            Self::BatchTimeout(_)
            | Self::Systemic { .. }
            | Self::Unreachable(_)
            | Self::Kafka { .. }
            | Self::NoTopic(_)
            | Self::NoCluster => Class::Outage,
            _ => Class::Bug,
        }
    }
}

fn class(error: &tokio_postgres::Error) -> Class {
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) {
        return Class::KeyTaken;
    }
    match failure::of_postgres(error) {
        // A stale plan is prepared anew with the connection. Whether an unknown commit was made, the
        // fence of the next try finds out.
        failure::Class::Outage | failure::Class::StalePlan => Class::Outage,
        failure::Class::Contention => Class::Contention,
        failure::Class::BadRow => Class::BadRow,
        failure::Class::Bug => Class::Bug,
    }
}

/// What [`Error::Postgres`] calls the look at what stands already.
pub(crate) const PROBING: &str = "probing keys";
/// The same of rows on their way to the table of their day.
pub(crate) const WRITING_A_DAY: &str = "writing a day of access_log";
