//! `bench`: measures gatelog on a running Kafka and Postgres.

use std::process::ExitCode;

use anyhow::Result;
use bench::drain;
use clap::{Args, Parser};

/// Figures, always beside a peer or a ceiling that is measured in the same run.
///
/// Started by `cargo xtask bench <name>`, which builds for release and brings a Kafka and a Postgres
/// of its own. Elsewhere GATELOG_KAFKA, GATELOG_POSTGRES and GATELOG_BIN_DIR say where they are.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
enum Command {
    Drain(Drain),
}

/// How fast a consumer empties a full log, beside raw COPY of the same rows
///
/// A number of swipes is published once. Then, --runs times and in turn: ONE consumer process
/// drains them all into a fresh database (drain), and two connections write the same rows with raw
/// binary COPY into another fresh database with the same schema (the ceiling). One more pair comes
/// first and is not counted.
///
/// drain: from the moment the consumer has claimed its partitions (consumer_offset.claimed_at) to
/// the moment the sum of consumer_offset.next_offset is seen to have reached the end of the log, by
/// Postgres' clock, looked at every 20 ms.
///
/// ceiling: from the first COPY to the answer to the last one's commit. Same session settings, rows
/// encoded in memory before the clock starts, COPYs of 50,000 rows, each its own transaction with
/// synchronous_commit=on. The order is the one in which the drain just before had written its rows:
/// the same partitions on a connection, their events interleaved the same way.
///
/// ratio: the median over the pairs of drain rate / ceiling rate. Before each measurement there is a
/// CHECKPOINT, in both cases the days of access_log exist, and afterwards both tables must hold the
/// same rows, column by column. CPU seconds are read from /proc where that can be read.
#[derive(Debug, Args)]
struct Drain {
    #[command(flatten)]
    options: drain::Options,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

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
    let Command::Drain(Drain { options, json }) = command;
    let report = drain::run(&options).await?;
    if json {
        eprint!("{report}");
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
