//! Turns the log into rows: one Postgres transaction a batch, fenced, so that each offset of the
//! log ends as exactly one thing.
//!
//! [`run`] puts it together; `pipeline.rs` is the way of a batch; `reader.rs` is what polls Kafka.

mod assignment;
mod batch;
mod chunk;
mod claim;
mod decide;
mod decode;
mod error;
mod fold;
mod metrics;
mod outlet;
mod pipeline;
mod reader;
mod run;
mod settings;
mod start;
mod store;
mod writer;

pub use error::Error;
pub use run::run;
pub use settings::Settings;

/// An error with its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        // Some errors repeat their cause in their own words.
        if !text.ends_with(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}
