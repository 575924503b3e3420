//! `bench`: measures gatelog on a running Kafka and Postgres.

mod cli;

use std::fmt::Display;
use std::process::ExitCode;

use anyhow::{Context, Result};
use bench::{age, backoff, card_month, decide, drain, lake, latency, reupload, verify};
use clap::Parser;
use serde::Serialize;

use crate::cli::Command;

#[tokio::main]
async fn main() -> ExitCode {
    match run(Command::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<()> {
    match command {
        Command::Drain(with) => print(&drain::run(&with.options).await?, with.json),
        Command::Age(with) => print(&age::run(&with.options).await?, with.json),
        Command::Verify(with) => print(&verify::run(&with.options).await?, with.json),
        Command::Lake(with) => print(&lake::run(&with.options).await?, with.json),
        Command::Latency(with) => print(&latency::run(&with.options).await?, with.json),
        Command::Decide(with) => print(&decide::run(&with.options).await?, with.json),
        Command::Reupload(with) => print(&reupload::run(&with.options).await?, with.json),
        Command::CardMonth(with) => print(&card_month::run(&with.options).await?, with.json),
        Command::Backoff(with) => {
            let report = backoff::run(&with.options);
            std::fs::write(&with.plot, report.plot())
                .with_context(|| format!("cannot write {}", with.plot.display()))?;
            print(&report, with.json)
        }
    }
}

fn print(report: &(impl Display + Serialize), json: bool) -> Result<()> {
    if json {
        eprint!("{report}");
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
