//! `cargo xtask bench`: figures, on a stack of its own that has room.

use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::command::run_ok;
use crate::paths::Paths;
use crate::stack::{Size, Stack, StackOptions};
use crate::suite::cargo;
use crate::ui;

/// Arguments of `cargo xtask bench`.
#[derive(Args)]
pub(crate) struct BenchArgs {
    /// Which bench: `drain` (a full log into Postgres, beside raw COPY of the same rows)
    #[arg(value_parser = ["drain"])]
    name: String,
    /// Handed to the bench
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

/// Builds for release, starts a stack of the bench size and runs the bench on it.
pub(crate) fn run(paths: &Paths, args: &BenchArgs) -> Result<()> {
    ui::heading("build for release");
    run_ok(cargo(paths.root()).args(["build", "--release", "--workspace", "--bins"]))?;

    let stack = Stack::start(paths, StackOptions::private(Size::Bench))?;
    ui::heading(&format!("bench {}", args.name));
    let binaries = paths.binaries("release");
    let measured = run_ok(
        Command::new(binaries.join("bench"))
            .arg(&args.name)
            .args(&args.args)
            .current_dir(paths.root())
            .envs(stack.environment())
            .env("GATELOG_BIN_DIR", &binaries),
    );
    measured.and(stack.stop())
}
