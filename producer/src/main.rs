//! `gatelog-gateway`: swipes in over HTTP, into Kafka, and the answer back.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser};
use producer::{Error, Settings, environment_help, run, until_signal};
use tracing::error;

/// Takes card swipes over HTTP and answers once Kafka has them.
#[derive(Debug, Parser)]
#[command(name = "gatelog-gateway", version)]
struct Arguments {
    /// Settings in TOML; every key has a default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print the settings in force as TOML, secrets hidden, and exit.
    #[arg(long)]
    print_config: bool,
    /// Write the address listened on to PATH, once it is; for `http.listen` with port 0.
    #[arg(long, value_name = "PATH")]
    port_file: Option<PathBuf>,
}

const EXAMPLES: &str = r#"Examples:
  gatelog-gateway
  GATELOG_KAFKA=kafka-1:9092,kafka-2:9092 gatelog-gateway --config gateway.toml
  gatelog-gateway --print-config > gateway.toml
  curl http://127.0.0.1:8080/v1/swipes -H 'Content-Type: application/json' -d '
    {"card_id": "c1", "terminal_id": "t1", "mode": "online", "age_ms": 12,
     "occurred_at": "2026-01-02T03:04:05.678Z"}'

Exit codes: 0 stopped by a signal, 1 cannot go on, 2 wrong settings."#;

fn main() -> ExitCode {
    telemetry::log::init();
    let arguments = arguments();
    let settings: Settings = match settings::load(arguments.config.as_deref()) {
        Ok(settings) => settings,
        Err(error) => return wrong(&error),
    };
    if arguments.print_config {
        let printed = settings::print(&settings).map(|text| print!("{text}"));
        return printed.map_or_else(|error| wrong(&error), |()| ExitCode::SUCCESS);
    }
    match serve(settings, &arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // What librdkafka finds wrong with its settings, it finds when it is made.
        Err(error @ Error::Producer(_)) => wrong(&error),
        Err(error) => {
            error!(%error, "the gateway ends");
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Arguments {
    let help = format!("{EXAMPLES}\n\n{}", environment_help());
    let matches = Arguments::command().after_help(help).get_matches();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn wrong(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("gatelog-gateway: {error}");
    ExitCode::from(2)
}

fn serve(settings: Settings, arguments: &Arguments) -> Result<(), Error> {
    let mut threads = tokio::runtime::Builder::new_multi_thread();
    let runtime = threads.enable_all().build().map_err(Error::Start)?;
    let outcome = runtime.block_on(async {
        let signal = until_signal()?;
        run(settings, arguments.port_file.as_deref(), signal).await
    });
    // A question to Kafka may still be open in a thread of its own: the end doesn't wait for it.
    runtime.shutdown_background();
    outcome
}
