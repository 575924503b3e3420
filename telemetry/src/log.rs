//! The log: one line an event on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{Directive, LevelFilter};

/// Environment variable with the log's filter, as `info,rdkafka=debug`.
pub const FILTER_VARIABLE: &str = "GATELOG_LOG";

/// Starts the log: for people on a terminal, as JSON anywhere else.
///
/// Levels come from `GATELOG_LOG` (`info` where it is not set). Call it once, first thing in
/// `main`; a second call changes nothing. Parameters of statements are never shown: they are cards.
pub fn init() {
    let filter = match std::env::var(FILTER_VARIABLE) {
        Ok(text) => EnvFilter::try_new(&text).unwrap_or_else(|error| {
            eprintln!("{FILTER_VARIABLE}: {error}; using `info`");
            EnvFilter::new("info")
        }),
        Err(_) => EnvFilter::new("info"),
    };
    let filter = filter.add_directive(no_parameters());
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        builder.compact().try_init()
    } else {
        builder.json().flatten_event(true).with_current_span(false).try_init()
    };
    // A log that already runs stays as it is.
    drop(started);
}

/// At debug, the module of the client for Postgres that runs statements quotes their parameters.
fn no_parameters() -> Directive {
    let info = Directive::from(LevelFilter::INFO);
    "tokio_postgres::query=info".parse().unwrap_or(info)
}
