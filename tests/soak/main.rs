//! The soak: terminals, gateways and consumers at work while everything around them fails, again
//! and again; then everything is healed, and each event that a terminal was told to be safe must
//! be in the tables exactly once and in its order.
//!
//! Run by `cargo xtask soak`, whose child this is: the servers are xtask's, which stops and starts
//! them when it is asked to.
//!
//! ```text
//! terminals ─▶ gateways ─▶ proxy ─▶ Kafka ─▶ proxy ─▶ consumers ─▶ proxy ─▶ Postgres
//!     │                     ▲         ▲                    ▲                   ▲        ▲
//!     └ what was            │         └─── faults, one after the other ────────┘        │
//!       acknowledged        └──── poison, replays ──── troubles ──── permissions ───────┘
//! ```

mod audit;
mod faults;
mod fleet;
mod ledger;
mod letters;
mod network;
mod report;
mod run;
mod schedule;
mod servers;
mod swipes;
mod terminals;
mod troubles;
mod watch;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use crate::servers::Servers;

/// Faults, and what must hold all the same. Run by `cargo xtask soak`.
#[derive(Parser)]
struct Arguments {
    /// How many faults
    #[arg(long)]
    faults: usize,
    /// From which everything is drawn
    #[arg(long)]
    seed: u64,
    /// Where programs keep their logs
    #[arg(long)]
    folder: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let (servers, mut orphaned) = Servers::connect();
    let outcome = tokio::select! {
        outcome = run::run(arguments.faults, arguments.seed, &arguments.folder, servers) => outcome,
        _ = orphaned.wait_for(|gone| *gone) => Err(anyhow::anyhow!("xtask is gone")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("✘ {error:#}");
            ExitCode::FAILURE
        }
    }
}
