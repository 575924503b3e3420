//! `cargo xtask soak`: everything at work while faults come one after the other.
//!
//! What is done and what must hold is the program `soak` in `tests/soak`, a child of ours. The
//! servers stay ours, so that nothing is left running however a run ends: the child asks for what
//! it wants done to them, a line each way.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;
use rustix::process::Signal;

use crate::command::{Heard, Talk, run_ok};
use crate::interrupt::Interrupted;
use crate::paths::Paths;
use crate::stack::{self, Answer, Stack, StackOptions};
use crate::suite::{FAULTS, cargo};
use crate::ui;

/// How to run what `cargo xtask test` runs.
pub(crate) const ALONE: &str = "cargo xtask soak --faults 25 --seed 1";

/// Arguments of `cargo xtask soak`.
#[derive(Args)]
pub(crate) struct SoakArgs {
    /// How many faults
    #[arg(long, value_name = "N", default_value_t = 25)]
    faults: u32,
    /// From which the faults are drawn: the same number, the same faults
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Print the result as one JSON object on standard output
    #[arg(long)]
    json: bool,
}

impl SoakArgs {
    /// Those of [`ALONE`].
    pub(crate) fn short() -> Self {
        Self { faults: 25, seed: 1, json: false }
    }
}

/// Builds, starts a stack, runs the soak on it and stops everything.
pub(crate) fn run(paths: &Paths, args: &SoakArgs) -> Result<()> {
    if let Some(variable) = stack::first_named() {
        bail!(
            "{variable} is set, but the soak kills its servers and puts them back: it needs \
             servers of its own; `unset {variable}`"
        );
    }
    ui::heading("build");
    let mut build = cargo(paths.root());
    // Standard output is the result's.
    build.args(["build", "--workspace", "--bins"]).stdout(std::io::stderr());
    run_ok(&mut build)?;
    // The consumer that dies where it is told to.
    run_ok(cargo(paths.root()).args(FAULTS).stdout(std::io::stderr()))?;

    let stack = Stack::start(paths, StackOptions::harmed())?;
    ui::heading(&format!("{} faults, seed {}", args.faults, args.seed));
    let soaked = soak(paths, &stack, args).map_err(|error| {
        if error.is::<Interrupted>() {
            return error;
        }
        match keep_logs(paths, &stack, args.seed) {
            Ok(kept) => error.context(format!("all logs are kept in {}", kept.display())),
            Err(lost) => error.context(format!("the logs could not be kept: {lost:#}")),
        }
    });
    soaked.and(stack.stop())
}

/// Copies the logs of all programs and servers out of the stack's folder, which is deleted.
fn keep_logs(paths: &Paths, stack: &Stack, seed: u64) -> Result<PathBuf> {
    let kept = paths.soak_logs().join(format!("seed-{seed}"));
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    fs::create_dir_all(&kept)?;
    for entry in fs::read_dir(stack.folder()?.path())? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log")
            && let Some(name) = path.file_name()
        {
            fs::copy(&path, kept.join(name))?;
        }
    }
    Ok(kept)
}

fn soak(paths: &Paths, stack: &Stack, args: &SoakArgs) -> Result<()> {
    let binaries = paths.binaries("debug");
    let folder = stack.folder()?.path();
    let mut program = Command::new(binaries.join("soak"));
    program
        .args(["--faults", &args.faults.to_string(), "--seed", &args.seed.to_string()])
        .arg("--folder")
        .arg(folder)
        .envs(stack.environment())
        .envs(stack.proxied_environment())
        .env("GATELOG_BIN_DIR", &binaries);
    // Found by its pid file, should we be killed.
    let mut talk = Talk::start(&mut stack::recorded(folder, "soak", &program))?;
    loop {
        match talk.listen()? {
            Heard::End(status) if status.success() => return Ok(()),
            Heard::End(status) => bail!("the soak ended with {status}"),
            Heard::Line(line) => hear(stack, &mut talk, &line, args.json)?,
        }
    }
}

/// A result to print, or something to be done to a server, with an answer.
fn hear(stack: &Stack, talk: &mut Talk, line: &str, json: bool) -> Result<()> {
    if let Some(report) = line.strip_prefix("report ") {
        if json {
            println!("{report}");
        }
        return Ok(());
    }
    let answer = match act(stack, line) {
        Ok(()) => "ok".to_owned(),
        Err(error) if error.is::<Interrupted>() => return Err(error),
        Err(error) => format!("error {error:#}"),
    };
    talk.say(&answer);
    Ok(())
}

fn act(stack: &Stack, wish: &str) -> Result<()> {
    let cluster = stack.cluster().context("Postgres is no process of ours")?;
    let broker = stack.broker().context("Kafka is no process of ours")?;
    match wish {
        "postgres stop-immediate" => cluster.stop(Signal::QUIT),
        "postgres start" => cluster.serve(Answer::Only),
        "postgres copy" => cluster.copy(),
        "postgres put-back" => cluster.put_back(),
        "kafka stop" => broker.stop(Signal::TERM),
        "kafka kill" => broker.stop(Signal::KILL),
        "kafka start" => broker.serve(),
        _ => bail!("nobody knows how to: {wish}"),
    }
}
