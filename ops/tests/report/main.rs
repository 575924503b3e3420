//! The page of a day, from figures that are known; and the figures, from rows that are.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod figures;
mod looks;
