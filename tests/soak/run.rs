//! One run: set up, harm, heal, hold to account.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use support::{World, eventually};

use crate::audit::{Findings, audit, audit_decisions};
use crate::faults::Stage;
use crate::fleet::{CONSUMERS, Fleet};
use crate::ledger::Ledger;
use crate::letters::audit_letters;
use crate::network::Network;
use crate::report::{Report, Tally};
use crate::schedule::{Fault, Kind, schedule};
use crate::servers::{Servers, tell};
use crate::swipes::Sender;
use crate::terminals::Terminals;
use crate::troubles::{STRANGERS, Troubles};
use crate::watch::{Sight, Watch, connect};

/// Longest time until all partitions are worked again after a fault.
const RECOVER_WITHIN: Duration = Duration::from_secs(60);
/// Longest time until every terminal has the acknowledgement it waits for.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(60);
/// Events that are applied before the first fault.
const WARM: i64 = 200;

/// Plays a run to its end. What does not hold is an error, with how to see it again.
pub(crate) async fn run(count: usize, seed: u64, folder: &Path, servers: Servers) -> Result<()> {
    let begun = Instant::now();
    let faults = schedule(seed, count, &Kind::ALL);
    let ledger = Arc::new(Ledger::default());
    let mut stage = set(seed, folder, servers, &ledger).await.context("setting up")?;
    stage.puts_back = faults.iter().any(|fault| fault.kind == Kind::PostgresPutBack);
    let sender = Sender::new(stage.fleet.addresses())?;
    let terminals = Terminals::start(seed, &sender, &ledger, &stage.troubles.strangers);
    let played = play(&mut stage, &faults, &ledger).await;
    let outcome = match played {
        Ok(()) => finish(&mut stage, terminals).await,
        failed => failed,
    };
    let again = format!("seed {seed}; again: cargo xtask soak --faults {count} --seed {seed}");
    if let Err(error) = outcome {
        bail!("{error:#}\n{}\n{again}", stage.fleet.logs());
    }
    let report = account(stage, seed, &ledger, begun, folder).await.context(again.clone())?;
    eprintln!("{}", report.render());
    tell(&format!("report {}", report.json()))?;
    let problems = report.problems(faults.len());
    ensure!(problems.is_empty(), "{}\n{again}", problems.join("\n  "));
    Ok(())
}

async fn set(seed: u64, folder: &Path, servers: Servers, ledger: &Arc<Ledger>) -> Result<Stage> {
    let world = World::in_folder(PARTITIONS, folder).await?;
    let address = world.postgres_address()?;
    let postgres = world.postgres_at(&address);
    let network = Network::start(&address).await?;
    let fleet = Fleet::start(world, &network).await?;
    let watch = Watch::start(postgres.clone());
    let (log, commands) = (fleet.world.log.clone(), fleet.world.commands()?);
    let troubles = Troubles::start(seed, &postgres, log, PARTITIONS, commands, ledger).await?;
    Ok(Stage {
        fleet,
        network,
        servers,
        watch,
        troubles,
        tally: Tally::default(),
        postgres,
        copied_at: None,
        put_back_at: None,
        puts_back: false,
    })
}

/// Partitions of the log: each has several cards.
const PARTITIONS: u16 = 6;

async fn play(stage: &mut Stage, faults: &[Fault], ledger: &Ledger) -> Result<()> {
    let bar = progress(faults.len());
    let warm = stage.watch.until(RECOVER_WITHIN, |sight| sight.advanced >= WARM).await;
    ensure!(warm, "no swipe is applied, before any fault");
    for (number, fault) in faults.iter().enumerate() {
        let Fault { kind, lasts, .. } = *fault;
        bar.set_message(format!("{}, {} acknowledged", kind.name(), ledger.len()));
        let begun = Instant::now();
        let place = || format!("fault {} of {}, {kind:?}", number + 1, faults.len());
        stage.harm(fault).await.with_context(place)?;
        let harmed = Instant::now();
        recover(stage, fault, harmed).await.with_context(place)?;
        if stage.put_back_at.is_some() {
            stage.troubles.hold(false);
        }
        stage.tally.fault(kind, harmed.elapsed());
        if bar.is_hidden() {
            let (harm, heal) = (harmed - begun, harmed.elapsed());
            eprintln!(
                "  {:>3} {:<20} {:>5} ms of it; took {:.1} s, works again after {:.1} s",
                number + 1,
                kind.name(),
                lasts.as_millis(),
                harm.as_secs_f64(),
                heal.as_secs_f64()
            );
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(())
}

/// Waits until every partition is worked again and the next fault is due.
async fn recover(stage: &mut Stage, fault: &Fault, since: Instant) -> Result<()> {
    let due = stage.watch.advanced() + fault.after_events;
    let worked = |sight: &Sight| {
        sight.partitions.values().all(|p| p.worked.is_some_and(|worked| worked > since))
    };
    let recovered =
        stage.watch.until(RECOVER_WITHIN, |sight| sight.advanced >= due && worked(sight)).await;
    if !recovered {
        let sight = stage.watch.now();
        let still: Vec<_> = sight
            .partitions
            .iter()
            .filter(|(_, p)| p.worked.is_none_or(|worked| worked <= since))
            .map(|(number, p)| format!("{number} of {} at {}", p.owner, p.next_offset))
            .collect();
        bail!(
            "{} s later {} of {} events due are applied, and these partitions stand still: {still:?}",
            RECOVER_WITHIN.as_secs(),
            fault.after_events - (due - sight.advanced),
            fault.after_events
        );
    }
    stage.fleet.all_run()
}

/// Nothing is harmed any more: all that terminals wait for is acknowledged, all of it applied, and
/// what was dead for want of a registered terminal has come to life.
async fn finish(stage: &mut Stage, terminals: Terminals) -> Result<()> {
    terminals.stop(ACKNOWLEDGE_WITHIN).await?;
    stage.troubles.stop(ACKNOWLEDGE_WITHIN).await?;
    let world = &mut stage.fleet.world;
    world.reconnect().await?;
    world.caught_up().await.context("the lag does not go to 0")?;
    eventually("the letters of terminals that are registered now are settled", async || {
        let sql = "SELECT count(*) FROM dead_letter \
                   WHERE terminal_id LIKE $1 || '%' AND state IN ('open', 'replaying')";
        let left: i64 = world.db.query_one(sql, &[&STRANGERS]).await?.get(0);
        Ok((left == 0).then_some(()))
    })
    .await?;
    world.caught_up().await.context("the lag does not go to 0")?;
    world.outbox_is_empty().await?;
    stage.fleet.all_run()
}

async fn account(
    stage: Stage,
    seed: u64,
    ledger: &Ledger,
    begun: Instant,
    folder: &Path,
) -> Result<Report> {
    let acknowledged = ledger.acknowledged();
    let client = connect(&stage.postgres).await?;
    let findings =
        audit(&client, &acknowledged, &ledger.poisons()).await.context("reading the tables")?;
    let former_life = stage.copied_at.zip(stage.put_back_at);
    let told = audit_decisions(&client, &stage.fleet.world, former_life)
        .await
        .context("reading decisions")?;
    let Findings { decisions, untold, wrong_commands, missing_commands, replays_opening, .. } =
        told;
    let findings = Findings {
        decisions,
        untold,
        wrong_commands,
        missing_commands,
        replays_opening,
        ..findings
    };
    let letters = audit_letters(&client, &ledger.poisons()).await.context("reading letters")?;
    let share_counter =
        stage.fleet.world.ledger_is_whole().await.context("the terminals' ledger")?;
    let (_, verify) = stage.fleet.world.verify().await?;
    let recognised = stage.fleet.said(folder, "a commit whose reply was lost had landed")?;
    let sight = stage.watch.now();
    let mut advanced = [0; CONSUMERS];
    for (name, count) in &sight.advanced_by {
        let slot = (0..CONSUMERS).find(|slot| name.starts_with(&format!("soak-{}.", slot + 1)));
        if let Some(slot) = slot {
            advanced[slot] += count;
        }
    }
    let (sent_again, failed_attempts) = ledger.troubles();
    Ok(Report {
        seed,
        seconds: begun.elapsed().as_secs_f64(),
        tally: stage.tally,
        acknowledged: acknowledged.len(),
        sent_again,
        failed_attempts,
        refused: ledger.refused(),
        findings,
        letters,
        changes: stage.troubles.counts.changes.load(Ordering::Relaxed),
        commands: stage.troubles.counts.commands.load(Ordering::Relaxed),
        share_counter,
        verify,
        advanced,
        recognised,
    })
}

/// Drawn on a terminal only.
fn progress(faults: usize) -> ProgressBar {
    let bar = ProgressBar::new(faults as u64);
    match ProgressStyle::with_template(
        "  faults {bar:40.cyan/dim} {pos}/{len} {elapsed}  {msg:.dim}",
    ) {
        Ok(style) => bar.with_style(style.progress_chars("━╸─")),
        Err(_) => bar,
    }
}
