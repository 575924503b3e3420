//! `gatelog dlq` against a real Postgres: what it shows, changes and exits with. What a consumer makes
//! of a replay is told to it by the test; tests/guarantees has the consumer itself.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod discard;
mod edit;
mod editor;
mod export;
mod import;
mod list;
mod operators;
mod prospect;
mod replay;
mod show;
mod site;
