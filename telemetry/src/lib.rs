//! How a gatelog process is seen from outside: its log, its traces' context, and the pages
//! `/healthz`, `/readyz` and `/metrics`.
//!
//! Nothing here knows what a swipe is. Card ids and payloads must not be given to it.

pub mod log;
pub mod optimistic_lock;
pub mod status;
pub mod textfile;
pub mod trace;
