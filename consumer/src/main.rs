//! `gatelog-consumer`: turns the log of swipes into rows.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use consumer::Settings;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info};

/// Turns the log of swipes into rows: one of a group of any number, up to the log's partitions.
///
/// Every setting has a default that works with `cargo xtask up`. Set others in a TOML file or by
/// environment variables: GATELOG_KAFKA=host:port,… and GATELOG_POSTGRES=postgres://… for the
/// servers, GATELOG_CONSUMER_<SECTION>__<KEY> for anything that --print-config shows, as in
/// GATELOG_CONSUMER_BATCH__ROWS_MAX=10000. GATELOG_LOG filters the log (default: info).
///
/// SIGTERM: finishes the batch at hand and leaves the group. Exit codes: 0 stopped as asked,
/// 1 stopped by an error that waiting does not mend, 2 bad settings.
#[derive(Debug, Parser)]
#[command(name = "gatelog-consumer", version)]
struct Arguments {
    /// TOML file with settings.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Prints the settings that would be used, with secrets hidden, and ends.
    #[arg(long)]
    print_config: bool,
    /// Writes the address of /healthz, /readyz and /metrics to this file once it is bound.
    #[arg(long, value_name = "FILE")]
    port_file: Option<PathBuf>,
}

pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let loaded = settings::load::<Settings>(arguments.config.as_deref());
    let settings = match loaded.and_then(|s| settings::print(&s).map(|text| (s, text))) {
        Ok((_, text)) if arguments.print_config => {
            print!("{text}");
            return ExitCode::SUCCESS;
        }
        Ok((settings, _)) => settings,
        Err(error) => {
            eprintln!("gatelog-consumer: {error}");
            return ExitCode::from(2);
        }
    };
    telemetry::log::init();
    match start(settings, arguments.port_file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error!(error = consumer::chain(error.as_ref()), "stopped");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn start(settings: Settings, port_file: Option<PathBuf>) -> anyhow::Result<()> {
    let (stop, stopping) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        info!("finishing the batch at hand");
        stop.send_replace(true);
    });
    let listening = |address: std::net::SocketAddr| {
        info!(%address, "/healthz, /readyz and /metrics");
        if let Some(path) = port_file
            && let Err(error) = std::fs::write(&path, address.to_string())
        {
            error!(%error, path = %path.display(), "writing the port file");
        }
    };
    consumer::run(settings, stopping, listening).await?;
    Ok(())
}
