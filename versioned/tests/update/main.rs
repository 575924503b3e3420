//! What updates do to a real Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod keys;
mod one_writer;
mod pass;
mod two_writers;
