//! `gatelog access` against a real Postgres: what it writes, prints, and exits with.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conflicts;
mod edits;
mod import;
mod site;
mod why;
