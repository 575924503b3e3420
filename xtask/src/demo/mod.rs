//! `cargo xtask demo`: two weeks of a building through the whole product, with one consumer killed
//! half-way.
//!
//! ```text
//! build ─▶ stack ─▶ setup, register ─▶ gateway + two consumers ─▶ upload ─▶ verify ─▶ summary
//!                                                           └▶ SIGKILL, takeover
//! ```

mod database;
mod figures;
mod http;
mod paint;
mod programs;
mod progress;
mod services;
mod site;
mod stay;
mod summary;
mod upload;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;
use indicatif::HumanCount;

use crate::command::run_ok;
use crate::interrupt::Interrupted;
use crate::paths::Paths;
use crate::stack::{Size, Stack, StackOptions};
use crate::suite::cargo;
use crate::ui;

use self::database::Database;
use self::figures::Figures;
use self::paint::Stream;
use self::services::Services;
use self::site::Site;

/// Lines of demo/prox-fixed.csv.
const SWIPES: u64 = 29_763;

/// Rows that they become: the file holds one line twice.
const ROWS: u64 = 29_762;

/// How often what is waited for is looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// Arguments of `cargo xtask demo`.
#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Exit after the summary instead of staying up
    #[arg(long)]
    once: bool,
    /// Print the summary as one JSON object on standard output; the rest goes to standard error
    #[arg(long)]
    json: bool,
    /// Upload this many swipes a second at most
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

impl DemoArgs {
    /// `--once`, and nothing else.
    pub(crate) fn once() -> Self {
        Self { once: true, json: false, rate: None }
    }
}

/// Builds, starts a stack, plays the demo on it and stops everything.
pub(crate) fn run(paths: &Paths, args: &DemoArgs) -> Result<()> {
    let begun = Instant::now();
    ui::heading("build");
    let mut build = cargo(paths.root());
    // Standard output is the summary's.
    build.args(["build", "--workspace", "--bins"]).stdout(std::io::stderr());
    run_ok(&mut build)?;

    ui::heading("stack");
    let stack = Stack::start(paths, StackOptions::private(Size::Everyday))?;
    let played = Site::create(paths, &stack).and_then(|site| play(&site, args, begun));
    let stopped = stack.stop();
    if played.is_ok() && stopped.is_ok() && !args.once {
        ui::done("stopped");
    }
    played.and(stopped)
}

fn play(site: &Site, args: &DemoArgs, begun: Instant) -> Result<()> {
    ui::heading("demo");
    prepare(site)?;
    let database = site.connect()?;
    let mut services =
        busy("starting one gateway and two consumers", || Services::start(site, &database))?;
    announce(&database)?;
    match show(site, &mut services, &database, args, begun) {
        Err(error) if !error.is::<Interrupted>() => Err(services.with_logs(&error)),
        outcome => outcome,
    }
}

/// Schema, topics, and who may go where.
fn prepare(site: &Site) -> Result<()> {
    let setup = busy("setting up schema and topics", || programs::setup(site))?;
    ui::done(&format!(
        "{} migrations, {} topics of {} partitions",
        setup.migrations_applied,
        setup.topics.len(),
        setup.topics.first().map_or(0, |topic| topic.partitions)
    ));
    let registered = busy("registering", || programs::register(site))?;
    ui::done(&format!(
        "{} zones, {} terminals and {} cards registered, in force from 2016-01-01",
        registered.zones.added, registered.terminals.added, registered.cards.added
    ));
    Ok(())
}

/// Shows a spinner for as long as the work takes.
fn busy<T>(text: &str, work: impl FnOnce() -> T) -> T {
    let _spinner = ui::spinner(text);
    work()
}

fn announce(database: &Database) -> Result<()> {
    let owners: Vec<String> = services::owners(database)?
        .iter()
        .map(|owner| format!("{} ({} partitions)", owner.name, owner.partitions.len()))
        .collect();
    ui::done(&format!("gateway, {} are ready", owners.join(", ")));
    Ok(())
}

fn show(
    site: &Site,
    services: &mut Services,
    database: &Database,
    args: &DemoArgs,
    begun: Instant,
) -> Result<()> {
    let upload = upload::run(site, services, database, args.rate)?;
    ui::done(&format!("{} swipes applied", HumanCount(upload.imported.logged)));
    let verified = busy("verifying the tables against the log", || programs::verify(site))?;
    let figures = Figures::collect(database, services, &upload, &verified)?;
    let stream = if args.json { Stream::Err } else { Stream::Out };
    if args.json {
        let object = serde_json::to_string(&figures).context("cannot write JSON")?;
        Stream::Out.print(&format!("{object}\n"))?;
    } else {
        let seconds = upload.imported.seconds;
        Stream::Out.print(&summary::render(&figures, seconds, args.rate, stream))?;
    }
    figures.check(&verified.findings)?;
    ui::done(&format!("all as it must be, in {}", ui::duration(begun.elapsed())));
    if !args.once {
        stay::stay(site, services, database, stream)?;
    }
    Ok(())
}
