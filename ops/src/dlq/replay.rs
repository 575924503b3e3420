//! `gatelog dlq replay`: letters once more, as they are or as they were edited.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::filter::Which;
use super::prospect::{Plan, Planned, Prospect};
use super::send::{Outcome, Seen, send};
use super::{NAMED_MAX, letters, more, or_nothing};
use crate::operator::{self, Run};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict};

pub use super::send::Pace;

/// How letters are replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Letters at most.
    pub limit: u32,
    /// How fast, and how long to wait.
    pub pace: Pace,
    /// Those too that are expected to fail.
    pub force: bool,
}

#[derive(Serialize)]
struct Report {
    dry_run: bool,
    /// Whether all that were chosen were tried; else an error ended it.
    complete: bool,
    /// Whether there are more than were asked for.
    more: bool,
    /// Letters by what was expected.
    prospects: BTreeMap<Prospect, usize>,
    /// Those that were replayed, by what became of them; empty in a dry run.
    outcomes: BTreeMap<Outcome, usize>,
    letters: Vec<Line>,
    #[serde(skip)]
    waited: bool,
}

#[derive(Serialize)]
struct Line {
    #[serde(flatten)]
    letter: Planned,
    /// Null where it was not replayed.
    outcome: Option<Outcome>,
}

/// Runs the command. The answer is no where something was not applied.
///
/// # Errors
/// A letter that is not there, or Postgres' own.
pub async fn run(
    settings: &Settings,
    which: &Which,
    options: &Options,
    run: &Run,
    json: bool,
) -> Result<Verdict, Error> {
    let client = operator::session(&settings.postgres).await?;
    let plan = Plan::make(&client, which, options.limit).await?;
    let (mut outcomes, mut sent) = (BTreeMap::new(), Ok(()));
    if let Run::Apply { reason } = run {
        let goes = |letter: &&Planned| match letter.prospect {
            Prospect::Replayed | Prospect::Superseded => true,
            Prospect::Pointless => options.force && !letter.too_large,
            Prospect::UnderWay | Prospect::Settled => false,
        };
        let seen = |letter: &Planned| Seen {
            id: letter.dead_letter_id,
            version: letter.version,
            failed_again: letter.failed_again,
        };
        let chosen: Vec<Seen> = plan.letters.iter().filter(goes).map(seen).collect();
        let actor = operator::actor(&client).await?;
        (outcomes, sent) = send(&client, &chosen, (&actor, reason), options.pace).await;
    }
    let mut report = Report::new(plan, &outcomes, run.is_dry(), !options.pace.wait.is_zero());
    report.complete = sent.is_ok();
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    sent.map(|()| report.verdict())
}

impl Report {
    fn new(plan: Plan, outcomes: &BTreeMap<Uuid, Outcome>, dry_run: bool, waited: bool) -> Self {
        let count = |prospect| (prospect, plan.count(prospect));
        let prospects = Prospect::ALL.map(count).into_iter().filter(|(_, n)| *n > 0).collect();
        let of = |outcome| outcomes.values().filter(|found| **found == outcome).count();
        let by_outcome = Outcome::ALL.map(|outcome| (outcome, of(outcome)));
        let line = |letter: Planned| Line {
            outcome: outcomes.get(&letter.dead_letter_id).copied(),
            letter,
        };
        Self {
            dry_run,
            complete: true,
            more: plan.more,
            prospects,
            outcomes: by_outcome.into_iter().filter(|(_, n)| *n > 0).collect(),
            letters: plan.letters.into_iter().map(line).collect(),
            waited,
        }
    }

    fn verdict(&self) -> Verdict {
        let is_fine = |line: &Line| match (line.outcome, line.letter.prospect) {
            (Some(Outcome::Resolved | Outcome::Superseded), _) => true,
            // Nobody asked for more than to put it under way.
            (Some(Outcome::UnderWay), _) => !self.waited,
            (Some(Outcome::FailedAgain | Outcome::Overtaken | Outcome::Unknown), _) => false,
            (None, prospect) => prospect == Prospect::Settled,
        };
        let all = !self.more && self.letters.iter().all(is_fine);
        if self.dry_run || all { Verdict::Fine } else { Verdict::No }
    }

    fn render(&self) -> String {
        if self.letters.is_empty() {
            return super::NONE.to_owned();
        }
        let mut table = Table::headless(&[0, 1, 2, 3]);
        for Line { letter, outcome } in self.named().take(NAMED_MAX) {
            let what = match (outcome, &letter.why) {
                (Some(outcome), _) => outcome.as_str().to_owned(),
                (None, Some(why)) => format!("{}: {why}", letter.prospect.as_str()),
                (None, None) => letter.prospect.as_str().to_owned(),
            };
            let terminal = or_nothing(letter.terminal_id.as_ref());
            table.row([letter.dead_letter_id.to_string(), letter.cause.clone(), terminal, what]);
        }
        let mut text = table.render();
        let named = self.named().count();
        if named > NAMED_MAX {
            text += &format!("… and {} more; --json names each\n", named - NAMED_MAX);
        }
        text += &self.counts();
        if self.more {
            let sent = |line: &&Line| line.outcome.is_some();
            text +=
                more(self.dry_run, self.letters.iter().filter(sent).count() < self.letters.len());
        }
        text + &self.what_next()
    }

    /// In a dry run all; else those that need another look.
    fn named(&self) -> impl Iterator<Item = &Line> {
        self.letters.iter().filter(|line| {
            self.dry_run
                || self.letters.len() <= NAMED_MAX
                || !matches!(line.outcome, Some(Outcome::Resolved | Outcome::Superseded))
        })
    }

    fn counts(&self) -> String {
        let mut parts: Vec<String> = Vec::new();
        if self.dry_run {
            let part = |(prospect, n): (&Prospect, &usize)| format!("{n} {}", short(*prospect));
            parts.extend(self.prospects.iter().map(part));
        } else {
            parts.extend(self.outcomes.iter().map(|(what, n)| format!("{n} {}", what.as_str())));
            let skipped = |prospect| {
                let is = |line: &&Line| line.outcome.is_none() && line.letter.prospect == prospect;
                let n = self.letters.iter().filter(is).count();
                (n > 0).then(|| format!("{n} left alone: {}", short(prospect)))
            };
            parts.extend(Prospect::ALL.into_iter().filter_map(skipped));
        }
        format!("{}: {}\n", letters(self.letters.len()), parts.join(", "))
    }

    fn what_next(&self) -> String {
        if self.dry_run {
            return "dry run: nothing was changed; --apply --reason \"…\" does it\n".to_owned();
        }
        let mut text = String::new();
        if !self.complete {
            text += "an error ended it: what is under way goes its way, and the same command again \
                     takes the rest\n";
        }
        if self.outcomes.contains_key(&Outcome::FailedAgain) {
            text += "what failed again is open: `gatelog dlq show ID` says why each time\n";
        }
        if self.outcomes.contains_key(&Outcome::UnderWay) {
            text += "what is under way settles when a consumer applies it: `gatelog dlq list --state \
                     replaying`. If it stays so, no consumer runs, or Kafka cannot be reached\n";
        }
        if self.outcomes.contains_key(&Outcome::Overtaken) {
            text += "what somebody else changed: look at it again with `gatelog dlq show ID`\n";
        }
        text
    }
}

/// For a count.
const fn short(prospect: Prospect) -> &'static str {
    match prospect {
        Prospect::Superseded => "superseded",
        other => other.as_str(),
    }
}
