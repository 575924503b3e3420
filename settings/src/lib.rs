//! Configuration: one TOML file a binary, overridden by environment variables, refused at start
//! with the key's path if anything in it is unknown, wrong or contradictory.
//!
//! A binary's settings are a struct with `#[serde(default, deny_unknown_fields)]` on every level;
//! its defaults are the one place where a default stands.
//!
//! Environment, for a binary whose prefix is `GATELOG_CONSUMER_`:
//! - `GATELOG_CONSUMER_BATCH__ROWS_MAX=5000` sets `batch.rows_max` (two underscores between levels);
//! - `GATELOG_KAFKA=host:port,…` sets `kafka.brokers` and `GATELOG_POSTGRES=postgres://…` sets
//!   `postgres.url`, for every binary that has them.

mod kafka;
mod load;
mod postgres;
mod secret;

pub use kafka::{Kafka, SaslMechanism, SecurityProtocol};
pub use load::{Error, Settings, load, load_from, print};
pub use postgres::Postgres;
pub use secret::Secret;
