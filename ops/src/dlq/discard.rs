//! `gatelog dlq discard`: letters that are given up for good.

use std::collections::BTreeMap;

use dead_letters::{Action, By};
use serde::Serialize;
use tokio_postgres::Client;
use uuid::Uuid;

use super::conflict::{self, Clash};
use super::filter::Which;
use super::prospect::{Plan, Planned, Prospect};
use super::{NAMED_MAX, letters, more, or_nothing};
use crate::operator::{self, Run};
use crate::output::{self, Table};
use crate::settings::Settings;
use crate::{Error, Verdict};

/// What became of a letter, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Discarded,
    /// A replay of it is under way.
    UnderWay,
    Settled,
    /// Somebody else changed it meanwhile.
    Overtaken,
}

#[derive(Serialize)]
struct Report {
    dry_run: bool,
    /// Whether there are more than were asked for.
    more: bool,
    discarded: usize,
    letters: Vec<Line>,
}

#[derive(Serialize)]
struct Line {
    dead_letter_id: Uuid,
    version: i64,
    cause: String,
    terminal_id: Option<String>,
    end: End,
}

/// Letters of one statement.
const AT_ONCE: usize = 500;

/// Runs the command. The answer is no where a letter that could still be settled otherwise was left
/// alone. `if_version` is for one letter.
///
/// # Errors
/// A letter that is not there, another version than `if_version`, or Postgres' own.
pub async fn run(
    settings: &Settings,
    which: &Which,
    limit: u32,
    if_version: Option<i64>,
    run: &Run,
    json: bool,
) -> Result<Verdict, Error> {
    let client = operator::session(&settings.postgres).await?;
    let plan = Plan::make(&client, which, limit).await?;
    if let (Some(expected), [letter]) = (if_version, plan.letters.as_slice())
        && letter.version != expected
    {
        let clash = Clash::load(&client, letter.dead_letter_id, expected).await?;
        return conflict::refuse(&clash, None, json);
    }
    let more = plan.more;
    let mut lines: Vec<Line> = plan.letters.into_iter().map(Line::of).collect();
    if let Run::Apply { reason } = run {
        discard(&client, &mut lines, reason).await?;
    }
    if let (Some(expected), [Line { end: End::Overtaken, dead_letter_id, .. }]) =
        (if_version, lines.as_slice())
    {
        let clash = Clash::load(&client, *dead_letter_id, expected).await?;
        return conflict::refuse(&clash, None, json);
    }
    let discarded = lines.iter().filter(|line| line.end == End::Discarded).count();
    let report = Report { dry_run: run.is_dry(), more, discarded, letters: lines };
    if json {
        output::print_json(&report)?;
    } else {
        output::print(&report.render())?;
    }
    let is_fine = |line: &Line| matches!(line.end, End::Discarded | End::Settled);
    let all = !more && report.letters.iter().all(is_fine);
    Ok(if report.dry_run || all { Verdict::Fine } else { Verdict::No })
}

async fn discard(client: &Client, lines: &mut [Line], reason: &str) -> Result<(), Error> {
    let actor = operator::actor(client).await?;
    let by = By { actor: &actor, action: Action::Discard, reason: Some(reason) };
    for chunk in lines.chunks_mut(AT_ONCE) {
        let goes = chunk.iter().filter(|line| line.end == End::Discarded);
        let wanted: Vec<(Uuid, i64)> =
            goes.map(|line| (line.dead_letter_id, line.version)).collect();
        let done = dead_letters::discard(client, &wanted, &by).await?;
        let lost =
            |line: &&mut Line| line.end == End::Discarded && !done.contains(&line.dead_letter_id);
        let lost: Vec<&mut Line> = chunk.iter_mut().filter(lost).collect();
        // Either somebody changed it, or its replay has been read by a consumer and may come yet.
        let ids: Vec<Uuid> = lost.iter().map(|line| line.dead_letter_id).collect();
        let sql = "SELECT dead_letter_id, version FROM dead_letter WHERE dead_letter_id = ANY ($1)";
        let now = client.query(sql, &[&ids]).await?;
        let now: BTreeMap<Uuid, i64> = now.iter().map(|row| (row.get(0), row.get(1))).collect();
        for line in lost {
            let is_same = now.get(&line.dead_letter_id) == Some(&line.version);
            line.end = if is_same { End::UnderWay } else { End::Overtaken };
        }
    }
    Ok(())
}

impl Line {
    fn of(letter: Planned) -> Self {
        Self {
            dead_letter_id: letter.dead_letter_id,
            version: letter.version,
            cause: letter.cause,
            terminal_id: letter.terminal_id,
            end: match letter.prospect {
                Prospect::Replayed | Prospect::Superseded | Prospect::Pointless => End::Discarded,
                Prospect::UnderWay => End::UnderWay,
                Prospect::Settled => End::Settled,
            },
        }
    }
}

impl Report {
    fn render(&self) -> String {
        if self.letters.is_empty() {
            return super::NONE.to_owned();
        }
        let mut table = Table::headless(&[0, 1, 2, 3]);
        for line in self.letters.iter().take(NAMED_MAX) {
            table.row([
                line.dead_letter_id.to_string(),
                line.cause.clone(),
                or_nothing(line.terminal_id.as_ref()),
                line.end.as_str(self.dry_run).to_owned(),
            ]);
        }
        let mut text = table.render();
        if self.letters.len() > NAMED_MAX {
            let rest = self.letters.len() - NAMED_MAX;
            text += &format!("… and {rest} more; --json names each\n");
        }
        let verb = if self.dry_run { "would be discarded" } else { "discarded" };
        text += &format!("{}: {} {verb}\n", letters(self.letters.len()), self.discarded);
        if self.more {
            text += more(self.dry_run, self.discarded < self.letters.len());
        }
        if self.dry_run {
            text += "dry run: nothing was changed; --apply --reason \"…\" does it\n";
        }
        text
    }
}

impl End {
    const fn as_str(self, dry_run: bool) -> &'static str {
        match self {
            Self::Discarded if dry_run => "would be discarded",
            Self::Discarded => "discarded",
            Self::UnderWay => "left alone: a replay of it is under way",
            Self::Settled => "left alone: settled",
            Self::Overtaken => "changed by somebody else: look at it again",
        }
    }
}
