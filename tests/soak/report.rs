//! What a run amounts to, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::audit::Findings;
use crate::fleet::CONSUMERS;
use crate::letters::Letters;
use crate::schedule::Kind;

/// Events that must have been acknowledged for each fault: a run in which nothing happens has
/// shown nothing.
const ACKNOWLEDGED_A_FAULT: usize = 50;

/// How soon the partitions of a killed consumer are to be worked again: 6 s are promised, and a
/// machine that others use may double that.
const TAKEOVER_MAX: Duration = Duration::from_secs(12);

/// What is counted while faults are brought about.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How often each kind was, and the longest time until all partitions were worked again.
    faults: BTreeMap<Kind, (usize, Duration)>,
    takeover_max: Duration,
    takeovers: usize,
    /// Sessions that were ended in the middle of a COPY.
    pub(crate) sessions_in_copy: i64,
}

impl Tally {
    /// A fault was brought about, and everything works again.
    pub(crate) fn fault(&mut self, kind: Kind, recovered: Duration) {
        let (count, longest) = self.faults.entry(kind).or_default();
        *count += 1;
        *longest = recovered.max(*longest);
    }

    /// All partitions of a killed consumer are worked by others, this long after its end.
    pub(crate) fn takeover(&mut self, took: Duration) {
        self.takeovers += 1;
        self.takeover_max = took.max(self.takeover_max);
    }

    fn count(&self, kind: Kind) -> usize {
        self.faults.get(&kind).map_or(0, |(count, _)| *count)
    }
}

/// A run that was played to its end.
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) seconds: f64,
    pub(crate) tally: Tally,
    pub(crate) acknowledged: usize,
    pub(crate) sent_again: u64,
    pub(crate) failed_attempts: u64,
    pub(crate) refused: Vec<String>,
    pub(crate) findings: Findings,
    pub(crate) letters: Letters,
    /// Changes of what a card may do.
    pub(crate) changes: u64,
    /// Commands of operators that replayed or discarded dead letters.
    pub(crate) commands: u64,
    /// Rows and collisions that share their terminal's number with another, each named as such.
    pub(crate) share_counter: i64,
    /// What `gatelog verify --json` says.
    pub(crate) verify: Value,
    /// Offsets passed by each consumer's slot.
    pub(crate) advanced: [i64; CONSUMERS],
    /// Lost replies that a consumer has recognised.
    pub(crate) recognised: usize,
}

impl Report {
    /// One object.
    pub(crate) fn json(&self) -> Value {
        let faults: BTreeMap<&str, usize> =
            self.tally.faults.iter().map(|(kind, (count, _))| (kind.name(), *count)).collect();
        let Findings { rows, collisions, duplicates, lost, doubled, out_of_order, .. } =
            self.findings;
        let Findings { decisions, untold, wrong_commands, .. } = self.findings;
        json!({
            "faults": faults,
            "seed": self.seed,
            "acknowledged": self.acknowledged,
            "rows": rows,
            "collisions": collisions,
            "duplicates": duplicates,
            "lost": lost,
            "doubled": doubled,
            "out_of_order": out_of_order,
            "decisions": decisions,
            "untold": untold,
            "wrong_commands": wrong_commands,
            "missing_commands": self.findings.missing_commands,
            "replays_opening": self.findings.replays_opening,
            "poison": self.letters.poison,
            "healed": self.letters.healed,
            "failed_again": self.letters.merged,
            "share_counter": self.share_counter,
            "permission_changes": self.changes,
            "verify": if self.verified() { "ok" } else { "differs" },
            "takeover_ms_max": self.tally.takeover_max.as_millis(),
            "seconds": (self.seconds * 10.0).round() / 10.0,
        })
    }

    /// The same for people.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("\n  {:<20} {:>5}  {}\n", "fault", "times", "works again after");
        for (kind, (count, longest)) in &self.tally.faults {
            let seconds = longest.as_secs_f64();
            text += &format!("  {:<20} {count:>5}  {seconds:.1} s at most\n", kind.name());
        }
        let Findings { rows, collisions, duplicates, lost, doubled, out_of_order, .. } =
            &self.findings;
        text += &format!(
            "\n  seed {}, {:.0} s\n  {} swipes acknowledged ({} attempts got no answer, {} were sent \
             again on purpose)\n  {rows} rows, {collisions} collisions, {duplicates} duplicates\n  \
             {lost} lost, {doubled} doubled, {out_of_order} out of order\n",
            self.seed, self.seconds, self.acknowledged, self.failed_attempts, self.sent_again
        );
        text += &format!(
            "  {} decisions published, {} untold; door commands: {} wrong, {} missing, {} for replays\n",
            self.findings.decisions,
            self.findings.untold,
            self.findings.wrong_commands,
            self.findings.missing_commands,
            self.findings.replays_opening
        );
        let Letters { poison, lost, healed, unhealed, merged, .. } = &self.letters;
        text += &format!(
            "  {poison} records of poison, {} without their dead letter; {healed} letters healed, \
             {unhealed} not; {merged} replays failed again\n  {} share their number of a terminal's \
             counter, each named\n  {} changes of permissions, {} commands of operators\n",
            lost.len(),
            self.share_counter,
            self.changes,
            self.commands
        );
        text += &format!(
            "  {} takeovers of a killed consumer's partitions, {:.1} s at most\n  {} sessions ended \
             in mid-COPY, {} lost replies of a COMMIT recognised\n",
            self.tally.takeovers,
            self.tally.takeover_max.as_secs_f64(),
            self.tally.sessions_in_copy,
            self.recognised
        );
        text
    }

    fn verified(&self) -> bool {
        self.verify["ok"] == Value::Bool(true)
    }

    /// What was expected of whom and is not so.
    pub(crate) fn problems(&self, faults: usize) -> Vec<String> {
        let mut problems = Vec::new();
        let mut must = |holds: bool, problem: String| {
            if !holds {
                problems.push(problem);
            }
        };
        let found = &self.findings;
        let none = |count: usize, what: &str| (count == 0, format!("{count} {what}"));
        for (holds, problem) in [
            none(found.lost, "swipes that a gateway acknowledged are neither row nor collision"),
            none(found.doubled, "events have two outcomes of row and collision"),
            none(
                found.out_of_order,
                "rows are out of the order in which they were acknowledged or committed",
            ),
            none(found.unknown, "rows are of swipes that no terminal knows to be acknowledged"),
            none(found.unnamed, "recorded duplicates don't name their event"),
            none(found.untold, "live rows and collisions have no decision on the topic"),
            none(found.wrong_commands, "door commands are for no granted row, or not its own"),
            none(
                found.missing_commands,
                "granted live rows have no door command, in time as they were",
            ),
            none(found.replays_opening, "door commands are for what a replay has applied"),
            none(
                self.letters.undeserved,
                "events are dead letters, and nothing is wrong with them",
            ),
            none(self.letters.doubled, "records of poison have several letters that stand alone"),
            none(
                self.letters.unhealed,
                "letters of terminals that are registered now are not settled",
            ),
        ] {
            must(holds, problem);
        }
        must(self.verified(), format!("gatelog verify finds differences: {:#}", self.verify));
        must(self.refused.is_empty(), format!("a gateway refused good swipes: {:?}", self.refused));
        must(found.decisions > 0, "no decision was published".to_owned());
        for (count, what) in [
            (self.letters.poison as u64, "record of poison was published"),
            (self.letters.healed as u64, "dead letter has healed"),
            (self.letters.merged as u64, "replay has failed again"),
            (self.share_counter as u64, "number of a terminal's counter came twice"),
            (self.changes, "permission was changed"),
            (self.commands, "dead letter was replayed or discarded"),
        ] {
            must(count > 0, format!("no {what}"));
        }
        let lost = &self.letters.lost;
        must(lost.is_empty(), format!("records of poison have no dead letter: {lost:?}"));
        let least = faults * ACKNOWLEDGED_A_FAULT;
        let acknowledged = self.acknowledged;
        let too_few = format!("only {acknowledged} swipes were acknowledged, expected {least}");
        must(acknowledged >= least, too_few);
        for (slot, advanced) in self.advanced.iter().enumerate() {
            must(*advanced > 0, format!("no consumer of slot {} has applied anything", slot + 1));
        }
        let takeover = self.tally.takeover_max;
        must(
            takeover < TAKEOVER_MAX,
            format!("partitions of a killed consumer stood still for {takeover:?}"),
        );
        let happened: usize = self.tally.faults.values().map(|(count, _)| count).sum();
        must(happened == faults, format!("{happened} faults were brought about, not {faults}"));
        let replies_lost = self.tally.count(Kind::CommitReplyLost);
        must(
            replies_lost == 0 || self.recognised > 0,
            format!("{replies_lost} replies of a COMMIT were lost, and no consumer has noticed"),
        );
        problems
    }
}
