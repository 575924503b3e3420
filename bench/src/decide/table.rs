//! Decisions, as people read them.

use std::fmt;

use super::{AtWay, ChangesMade, DecidedAtRate, DrainRun, Ratio, Report};
use crate::open_loop::AtRate;
use crate::stats::median;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.drains.is_empty() {
            self.write_drains(f)?;
        }
        if !self.rates.is_empty() {
            self.write_rates(f)?;
        }
        Ok(())
    }
}

impl Report {
    fn write_drains(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { swipes, runs, partitions, .. } = self;
        writeln!(f, "{swipes} swipes, {partitions} partitions, {runs} rounds; medians")?;
        let columns = "ratio to live             published/s  batches  conflicts  decided twice";
        writeln!(f, "drained         events/s  {columns}  CPU: consumer  Postgres")?;
        self.drains.iter().try_for_each(|at| at.row(f, *swipes))?;
        writeln!(f, "CPU in s a million swipes")?;
        self.drains.iter().try_for_each(|at| at.write_changes(f))
    }

    fn write_rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, warm_up_s, partitions, .. } = self;
        writeln!(
            f,
            "swipe to decision: {seconds} s a rate after {warm_up_s} s of warm-up, {partitions} \
             partitions; ms"
        )?;
        AtRate::head(f)?;
        self.rates.iter().try_for_each(|at| at.rows(f))?;
        self.rates.iter().try_for_each(|at| at.committed.warning(f))?;
        for DecidedAtRate { committed, ratio_p50, ratio_p99, .. } in &self.rates {
            let rate = committed.rate;
            writeln!(f, "{rate}/s: decided by committed: p50 {ratio_p50:.2}, p99 {ratio_p99:.2}")?;
        }
        if self.not_live > 0 {
            writeln!(f, "! {} swipes came too late to be live", self.not_live)?;
        }
        Ok(())
    }
}

impl AtWay {
    fn row(&self, f: &mut fmt::Formatter<'_>, swipes: u32) -> fmt::Result {
        let Self { way, events_per_s, ratio: Ratio { median, min, max }, decided_twice, .. } = self;
        let whole = |of: fn(&DrainRun) -> Option<f64>| self.middle(of, 0);
        let published = whole(|run| run.published_per_s);
        let batches = whole(|run| Some(run.batches as f64));
        let conflicts = whole(|run| Some(run.conflicts as f64));
        let a_million = 1e6 / f64::from(swipes);
        let cpu =
            |of: fn(&DrainRun) -> Option<f64>| self.middle(|run| Some(of(run)? * a_million), 2);
        let (client, postgres) = (cpu(|run| run.cpu.client_s), cpu(|run| run.cpu.postgres_s));
        let (span, twice) = (format!("({min:.3} to {max:.3})"), decided_twice * 100.0);
        writeln!(
            f,
            "{way:<14} {events_per_s:>9.0}  {median:>5.3} {span:<18} {published:>12} \
             {batches:>8} {conflicts:>10} {twice:>12.0} % {client:>14} {postgres:>9}"
        )
    }

    /// What there is of all its drains, in the middle.
    fn middle(&self, of: impl Fn(&DrainRun) -> Option<f64>, digits: usize) -> String {
        let found: Vec<f64> = self.runs.iter().filter_map(of).collect();
        if found.is_empty() {
            return "-".to_owned();
        }
        format!("{:.digits$}", median(found.into_iter()))
    }

    fn write_changes(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Some(ratio), Some(block_max_ms)) = (self.changes_ratio, self.block_max_ms) else {
            return Ok(());
        };
        let beside: Vec<&ChangesMade> =
            self.runs.iter().filter_map(|run| run.changes.as_ref()).collect();
        let alone: Vec<&ChangesMade> =
            self.runs.iter().filter_map(|run| run.changes_alone.as_ref()).collect();
        let middle =
            |of: &[&ChangesMade], what: fn(&ChangesMade) -> f64| median(of.iter().map(|c| what(c)));
        let (made, made_alone) =
            (middle(&beside, |c| c.made_per_s), middle(&alone, |c| c.made_per_s));
        writeln!(f, "{}: {made:.1}/s made, {made_alone:.1}/s alone: {ratio:.3}; ms", self.way)?;
        let changes = |of: &[&ChangesMade]| {
            let max = of.iter().map(|c| c.zones.from_start.max_ms).fold(0.0, f64::max);
            let p50 = middle(of, |c| c.zones.from_start.p50_ms);
            format!(
                "p50 {p50:.1}, p99 {:.1}, max {max:.1}",
                middle(of, |c| c.zones.from_start.p99_ms)
            )
        };
        writeln!(
            f,
            "  a change, from its start   {} (alone {})",
            changes(&beside),
            changes(&alone)
        )?;
        let p50 = middle(&beside, |c| c.blocks.from_due.p50_ms);
        let p99 = middle(&beside, |c| c.blocks.from_due.p99_ms);
        let blocks: u64 = beside.iter().map(|c| c.blocks.from_due.count).sum();
        writeln!(
            f,
            "  a stolen card, from due    p50 {p50:.1}, p99 {p99:.1}, max {block_max_ms:.1}; all \
             {blocks} of them"
        )
    }
}

impl fmt::Display for DrainRun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seconds, events_per_s, batches, conflicts, .. } = self;
        write!(f, "{events_per_s:.0}/s, {seconds:.2} s; {batches} batches, {conflicts} conflicts")?;
        if let Some(published_s) = self.published_s {
            write!(f, "; published after {published_s:.2} s")?;
        }
        if let Some(changes) = &self.changes {
            write!(f, "; {:.1} changes/s", changes.made_per_s)?;
        }
        Ok(())
    }
}
