//! Steps of dead letters against a real Postgres: who gets a letter, and what is left to publish.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod compensate;
mod letters;
mod replay;
