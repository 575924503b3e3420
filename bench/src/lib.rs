//! Figures, always as a ratio to a peer or a ceiling that is measured in the same run.
//!
//! Each bench is a function from its options to a report, so that a test can run it small; the
//! binary `bench` prints the reports. Every run checks what it measured: a figure of something that
//! did not happen as it should is an error.

pub mod age;
pub mod backoff;
pub mod card_month;
mod ceiling;
mod consumer;
mod course;
mod cpu;
mod database;
pub mod decide;
pub mod drain;
mod ground;
pub mod lake;
pub mod latency;
mod log;
mod metrics;
mod open_loop;
mod outcome;
mod progress;
pub mod reupload;
mod servers;
mod site;
mod stats;
pub mod verify;
mod workload;
