//! `cargo xtask bench`: figures, on a stack of its own that has room where servers are measured.

use std::process::Command;

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::command::run_ok;
use crate::paths::Paths;
use crate::stack::{Size, Stack, StackOptions};
use crate::suite::cargo;
use crate::ui;

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Which bench
    name: Name,
    /// Handed to the bench; `cargo xtask bench NAME -- --help` says what it takes, and what exactly
    /// is measured
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// The benches, by the names that the binary `bench` gives them.
#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// How fast a full log becomes rows, beside raw COPY of the same rows
    Drain,
    /// Whether a drain of 20 million rows keeps its pace, beside raw COPY of the same rows
    Age,
    /// How fast events are read that were in the log before, beside raw COPY of the duplicates
    Reupload,
    /// From publish to commit at fixed rates, beside Kafka's acknowledgement and a bare commit
    Latency,
    /// Live decisions a second while permissions change, and from swipe to decision
    Decide,
    /// How fast a log is proved, beside merely reading log and table
    Verify,
    /// How fast a view becomes Parquet files, beside merely reading it; and whether DuckDB reads them
    Lake,
    /// How soon one card's month is found, and what its index costs those who write
    CardMonth,
    /// What jitter is good for: a thousand clients that fail at once, simulated
    Backoff,
}

impl Name {
    fn as_str(self) -> &'static str {
        match self {
            Self::Drain => "drain",
            Self::Age => "age",
            Self::Reupload => "reupload",
            Self::Latency => "latency",
            Self::Decide => "decide",
            Self::Verify => "verify",
            Self::Lake => "lake",
            Self::CardMonth => "card-month",
            Self::Backoff => "backoff",
        }
    }

    /// Whether it measures Kafka or Postgres, and not a simulation.
    fn needs_servers(self) -> bool {
        !matches!(self, Self::Backoff)
    }
}

/// Builds for release, starts a stack of the bench size where one is needed, and runs the bench.
pub(crate) fn run(paths: &Paths, args: &BenchArgs) -> Result<()> {
    ui::heading("build for release");
    // The whole workspace's features in both cases, so that nothing is built twice.
    let programs: &[&str] =
        if args.name.needs_servers() { &["--bins"] } else { &["--bin", "bench"] };
    run_ok(cargo(paths.root()).args(["build", "--release", "--workspace"]).args(programs))?;

    let binaries = paths.binaries("release");
    let mut bench = Command::new(binaries.join("bench"));
    bench.arg(args.name.as_str()).args(&args.args).current_dir(paths.root());
    if args.args.iter().any(|arg| matches!(arg.as_str(), "--help" | "-h")) {
        return run_ok(&mut bench);
    }
    if !args.name.needs_servers() {
        ui::heading(&format!("bench {}", args.name.as_str()));
        return run_ok(&mut bench);
    }
    let stack = Stack::start(paths, StackOptions::private(Size::Bench))?;
    ui::heading(&format!("bench {}", args.name.as_str()));
    let measured = run_ok(bench.envs(stack.environment()).env("GATELOG_BIN_DIR", &binaries));
    measured.and(stack.stop())
}
