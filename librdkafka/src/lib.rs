//! What librdkafka can do and rust-rdkafka 0.39 does not pass on. This crate calls the C functions,
//! and is the only one of the workspace that may.

pub mod lifeline;
pub mod messages;
pub mod topic_id;

pub use lifeline::Lifeline;
pub use messages::{Header, Inbox, Message, Trouble};
