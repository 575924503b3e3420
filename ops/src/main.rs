//! The binary `gatelog`: reads arguments and settings, runs the command, turns its outcome into an
//! exit code.

use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use console::style;
use ops::cli::{self, Cli};
use ops::settings::Settings;
use ops::{Error, Verdict, explain};

fn main() -> ExitCode {
    let cli = Cli::parse();
    if std::env::var_os(telemetry::log::FILTER_VARIABLE).is_some() {
        telemetry::log::init();
    }
    match run(cli) {
        Ok(Verdict::Fine) => ExitCode::SUCCESS,
        Ok(Verdict::No) => ExitCode::from(1),
        Err(error) => {
            let code = error.downcast_ref::<Error>().map_or(3, Error::exit_code);
            let mark = style("error:").red().bold().for_stderr();
            eprintln!("{mark} {}", explain(error.as_ref()));
            ExitCode::from(code)
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<Verdict> {
    let settings: Settings = settings::load(cli.config.as_deref()).map_err(Error::from)?;
    if cli.print_config {
        cli::print_config(&settings)?;
        return Ok(Verdict::Fine);
    }
    let Some(command) = cli.command else {
        Cli::command().error(clap::error::ErrorKind::MissingSubcommand, "what to do?").exit();
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?;
    Ok(runtime.block_on(cli::run(command, settings, cli.json))?)
}
