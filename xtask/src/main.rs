//! `cargo xtask`: the development stack (Kafka and Postgres) and what runs on it.

mod bench;
mod command;
mod demo;
mod interrupt;
mod paths;
mod soak;
mod stack;
mod steps;
mod suite;
mod ui;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::paths::Paths;

/// Starts Kafka and Postgres and runs the demo, the tests and the benches on them.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

/// One variant a command; each has a module with a `run`.
#[derive(Subcommand)]
enum Task {
    /// Start Kafka and Postgres in the background and print the exports for a shell:
    /// eval "$(cargo xtask up)"
    Up(up::UpArgs),
    /// Stop what `up` started and delete its data
    Down,
    /// Format check, lints, build and all tests, on a stack of their own
    Test(suite::TestArgs),
    /// Two weeks of a building through the whole product, with one consumer killed half-way
    Demo(demo::DemoArgs),
    /// Build for release and run one bench on a stack of its own
    Bench(bench::BenchArgs),
    /// Everything at work while faults come one after the other; then nothing may be lost or doubled
    Soak(soak::SoakArgs),
}

impl Task {
    fn run(self, paths: &Paths) -> Result<()> {
        stack::sweep(paths)?;
        match self {
            Self::Up(args) => up::up(paths, &args),
            Self::Down => up::down(paths),
            Self::Test(args) => suite::run(paths, &args),
            Self::Demo(args) => demo::run(paths, &args),
            Self::Bench(args) => bench::run(paths, &args),
            Self::Soak(args) => soak::run(paths, &args),
        }
    }
}

fn main() -> ExitCode {
    let task = Cli::parse().task;
    let outcome = interrupt::install().and_then(|()| Paths::discover()).and_then(|p| task.run(&p));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.is::<interrupt::Interrupted>() => {
            ui::warn("interrupted");
            ExitCode::from(130)
        }
        Err(error) => {
            ui::failure(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}
