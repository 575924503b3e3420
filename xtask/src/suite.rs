//! `cargo xtask test`: everything that must hold before a change goes in, the demo and a short soak
//! included.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use clap::Args;

use crate::command::run_ok;
use crate::demo::{self, DemoArgs};
use crate::paths::Paths;
use crate::soak::{self, SoakArgs};
use crate::stack::{Size, Stack, StackOptions};
use crate::steps::Steps;
use crate::ui;

/// Arguments of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct TestArgs {
    /// Handed to `cargo test --workspace`, e.g. `-- duplicates` or `-- duplicates -- --nocapture`
    #[arg(last = true)]
    extra: Vec<String>,
}

/// All targets, with the fail points that only tests compile in.
const LINT: [&str; 8] = [
    "clippy",
    "--workspace",
    "--all-targets",
    "--features",
    "consumer/fail-points",
    "--",
    "-D",
    "warnings",
];
/// The consumer with its fail points, beside the one without: the whole workspace's features, so
/// that nothing else is built twice.
pub(crate) const FAULTS: [&str; 6] = [
    "build",
    "--workspace",
    "--features",
    "consumer/fail-points",
    "--bin",
    "gatelog-consumer-faults",
];

/// Tests of one program at once, for each CPU: end to end they mostly wait, for servers and for time
/// to pass.
const TESTS_EACH_CPU: usize = 2;

/// How many tests `cargo test` runs at once, unless that is said already.
fn threads() -> Option<(&'static str, String)> {
    const NAME: &str = "RUST_TEST_THREADS";
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    std::env::var_os(NAME).is_none().then(|| (NAME, (cpus * TESTS_EACH_CPU).to_string()))
}

/// Runs the steps in order; the first that fails ends the run, after the stack is stopped.
pub(crate) fn run(paths: &Paths, args: &TestArgs) -> Result<()> {
    let mut steps = Steps::default();
    let checks: [(&'static str, &[&str]); 4] = [
        ("format", &["fmt", "--all", "--check"]),
        ("lint", &LINT),
        ("build", &["build", "--workspace"]),
        ("faults", &FAULTS),
    ];
    for (name, arguments) in checks {
        let alone = format!("cargo {}", arguments.join(" "));
        steps.step(name, &alone, || run_ok(cargo(paths.root()).args(arguments)))?;
    }

    let stack = steps.step("stack", "cargo xtask up", || {
        Stack::start(paths, StackOptions::private(Size::Test))
    })?;
    let has_own_servers = stack.broker().is_some() && stack.cluster().is_some();
    let alone = format!(
        "eval \"$(cargo xtask up)\" && GATELOG_BIN_DIR=\"{}\" cargo test --workspace {}",
        paths.binaries("debug").display(),
        args.extra.join(" ")
    );
    let tested = steps.step("tests", alone.trim_end(), || {
        run_ok(
            cargo(paths.root())
                .args(["test", "--workspace", "--no-fail-fast"])
                .args(&args.extra)
                .envs(stack.environment())
                .envs(stack.proxied_environment())
                .envs(threads())
                .env("GATELOG_BIN_DIR", paths.binaries("debug")),
        )
    });
    let stopped = steps.step("stop", "cargo xtask down", || stack.stop());
    tested.and(stopped)?;
    // The main job, as a user runs it; not where only some tests were asked for.
    if args.extra.is_empty() {
        steps.step("demo", "cargo xtask demo --once", || demo::run(paths, &DemoArgs::once()))?;
        if has_own_servers {
            steps.step("soak", soak::ALONE, || soak::run(paths, &SoakArgs::short()))?;
        } else {
            ui::note("the soak is left out: it needs servers that are processes of its own");
        }
    }
    Ok(())
}

/// The cargo that runs us.
pub(crate) fn cargo(root: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root);
    command
}
