//! Deltas into the ledger, on a real Postgres.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod conflicts;
mod deltas;
mod world;
