//! Turns the log into rows: one Postgres transaction a batch, fenced, so that each offset of the
//! log ends as exactly one thing.
//!
//! [`run`] puts it together; `pipeline.rs` is the way of a batch; `reader.rs` is what polls Kafka.

mod assignment;
mod balance;
mod batch;
mod bookkeeper;
mod by_partition;
mod chunk;
mod claim;
mod claims;
mod compensator;
mod decide;
mod decode;
mod error;
mod fault;
mod fold;
mod follow;
mod intake;
mod isolate;
mod lanes;
mod metrics;
mod outbox;
mod outlet;
mod pipeline;
mod position;
mod progress;
mod quarantine;
mod reader;
mod replays;
mod rounds;
mod run;
mod settings;
mod start;
mod store;
mod systemic;
mod tracks;
mod turns;
mod warm;
mod writer;

pub use error::Error;
pub use run::run;
pub use settings::Settings;

/// An error with its causes, in one line. Of what Postgres reports only message and SQLSTATE: its
/// detail quotes rows, and so cards.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let part = match error.downcast_ref::<tokio_postgres::error::DbError>() {
            Some(db) => format!("{} (SQLSTATE {})", db.message(), db.code().code()),
            None => error.to_string(),
        };
        // Some errors repeat their cause in their own words.
        if !text.contains(&part) {
            let separator = if text.is_empty() { "" } else { ": " };
            text += separator;
            text += &part;
        }
        next = error.source();
    }
    text
}
