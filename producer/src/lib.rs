//! The gateway: terminals' swipes come in over HTTP and are answered once Kafka has them.
//!
//! ```text
//! POST /v1/swipes ──────→ swipes ─┐                                     ┌→ 200, partition, offset
//!                                 ├→ body → key → Event → Publisher ────┤
//! POST /v1/swipes:batch → batch ──┘      one record a swipe, acks=all   └→ problem document
//! ```
//!
//! A 200 means that the event stands in the log. Everything else is a problem document (RFC 9457),
//! and sending the same event again, with the same key, is always harmless.

mod batch;
mod body;
mod environment;
mod error;
mod event;
mod gateway;
mod key;
mod lines;
mod metrics;
mod problem;
mod publish;
mod quiet;
mod ready;
mod routes;
mod run;
mod server;
mod settings;
mod swipes;

pub use environment::environment_help;
pub use error::Error;
pub use event::Event;
pub use gateway::Gateway;
pub use metrics::Metrics;
pub use problem::{Kind as ProblemKind, Problem};
pub use publish::{Flight, Position, Publisher};
pub use ready::Readiness;
pub use routes::router;
pub use run::{run, until_signal};
pub use settings::{Http, Publish, Ready, Settings, Topic};
