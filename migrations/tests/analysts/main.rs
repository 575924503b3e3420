//! What analysts read, on a real Postgres: answers known by thought, and what is read for them.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod building;
mod comments;
mod events;
mod plans;
mod spans;
mod track;
mod whereabouts;
