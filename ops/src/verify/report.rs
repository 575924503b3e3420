//! What a run has found and what it says nothing about, for programs and for people.

use serde::Serialize;

use super::compare::Compared;
use super::findings::{Finding, Findings};
use super::scope::Scope;
use super::snapshot::Snapshot;
use super::{Options, overlap};
use crate::output::Table;

/// The proof, or what speaks against it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Whether every event that was applied has exactly one outcome, as it was sent, and log,
    /// seals and tables say the same.
    pub ok: bool,
    /// The log's topic.
    pub topic: String,
    /// Events of the log that were held against seals and tables.
    pub events: u64,
    /// Outcomes that were found in the tables.
    pub outcomes: u64,
    /// Events without an outcome.
    pub missing: u64,
    /// Events with more than one.
    pub doubled: u64,
    /// Events whose outcome says something else than the log.
    pub altered: u64,
    /// Events that Kafka has deleted before any consumer applied them.
    pub unread: u64,
    /// Outcomes, gaps and losses of offsets where the log has none, and offsets that are neither
    /// event nor recorded gap.
    pub invented: u64,
    /// Duplicates and collisions that name an event which is not where they say.
    pub unresolved: u64,
    /// Partitions whose runs of duplicates do not add up to their duplicates; not looked at with
    /// `--since`.
    pub runs_wrong: u64,
    /// Partitions whose totals in `consumer_offset` are not what the tables hold.
    pub totals_wrong: u64,
    /// Seals that say something else than the log or, where Kafka has it no longer, the tables.
    pub seals_wrong: u64,
    /// Places where a seal is missing or does not follow from the one before.
    pub chain_broken: u64,
    /// Buckets whose kept sums of dropped days are not what is missing in the tables.
    pub dropped_wrong: u64,
    /// Buckets that differ but were too many to be opened: their events are not named.
    pub not_opened: u64,
    /// Events that claim to be another one; none where that was not asked.
    pub identities: Option<u64>,
    /// Seals that follow from the one before.
    pub seals: u64,
    /// Offsets that Kafka no longer has, whose seals and tables say the same.
    pub proved_by_seals: i64,
    /// Offsets of which nothing is proved: Kafka no longer has them and nothing sealed is left.
    pub unproved: i64,
    /// Offsets whose loss an operator accepted.
    pub lost: i64,
    /// The first of what is wrong, one by one: up to 100 of each kind.
    pub findings: Vec<Finding>,
    /// How much more of it is counted, and not named.
    pub not_named: u64,
    /// Offsets that wait in Kafka for a consumer.
    pub waiting: i64,
    /// What was verified, by partition.
    pub partitions: Vec<Partition>,
    /// What this run says nothing about.
    pub not_checked: Vec<String>,
    /// How long it took.
    pub seconds: f64,
    /// Events of the log in that time.
    pub events_per_s: u64,
}

/// Offsets of one partition that were verified: from `first_offset` to before `next_offset`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[allow(missing_docs)] // The words of the table `consumer_offset`.
pub struct Partition {
    pub partition: i32,
    pub first_offset: i64,
    pub next_offset: i64,
}

/// What was counted besides findings.
pub(super) struct Counted {
    pub(super) events: u64,
    pub(super) outcomes: u64,
    pub(super) seals: u64,
    /// Offsets that wait for a consumer.
    pub(super) unread: i64,
    pub(super) seconds: f64,
}

impl Report {
    pub(super) fn new(
        snapshot: &Snapshot,
        scope: &Scope,
        options: &Options,
        compared: &Compared,
        counted: &Counted,
        findings: Findings,
    ) -> Self {
        let before_base: i64 = scope
            .parts()
            .filter_map(|(partition, _)| Some(snapshot.positions.get(&partition)?.before_base))
            .sum();
        let identities = findings.count("event_id_reused") + findings.count("counter_reused");
        let partition = |(partition, part): (i32, &super::scope::Part)| Partition {
            partition,
            first_offset: part.span.first,
            next_offset: part.span.next,
        };
        Self {
            ok: findings.is_empty(),
            topic: snapshot.log.topic.clone(),
            events: counted.events,
            outcomes: counted.outcomes,
            missing: findings.count("missing"),
            doubled: findings.count("doubled"),
            altered: findings.count("altered"),
            unread: findings.count("unread"),
            invented: findings.count("invented"),
            unresolved: findings.count("unresolved"),
            runs_wrong: findings.count("runs"),
            totals_wrong: findings.count("totals"),
            seals_wrong: findings.count("seal"),
            chain_broken: findings.count("chain"),
            dropped_wrong: findings.count("dropped"),
            not_opened: findings.count("bucket"),
            identities: options.identities.then_some(identities),
            seals: counted.seals,
            proved_by_seals: compared.by_seals,
            unproved: compared.unproved + before_base,
            lost: compared.lost,
            not_named: findings.not_named(),
            findings: findings.named(),
            waiting: counted.unread,
            partitions: scope.parts().map(partition).collect(),
            not_checked: not_checked(
                snapshot,
                scope,
                options,
                compared,
                before_base,
                counted.unread,
            ),
            seconds: counted.seconds,
            events_per_s: (counted.events as f64 / counted.seconds.max(0.001)) as u64,
        }
    }

    /// The one line that matters.
    pub fn line(&self) -> String {
        let verdict = if self.ok { "ok" } else { "NOT ok" };
        format!(
            "{verdict}: {} events, {} outcomes: {} missing, {} doubled, {} altered, {} invented",
            self.events, self.outcomes, self.missing, self.doubled, self.altered, self.invented
        )
    }

    pub(super) fn render(&self) -> String {
        let mut text = format!("{}\n", self.line());
        let more = [
            (self.unread, "events that Kafka deleted before anybody read them"),
            (self.seals_wrong, "seals that say something else"),
            (self.chain_broken, "breaks of the chain of seals"),
            (self.dropped_wrong, "buckets whose dropped days do not add up"),
            (self.unresolved, "duplicates or collisions of nothing"),
            (self.runs_wrong, "partitions with wrong runs of duplicates"),
            (self.totals_wrong, "partitions with wrong totals"),
            (self.not_opened, "more buckets that differ"),
            (self.identities.unwrap_or_default(), "events that claim to be another"),
        ];
        let more: Vec<String> = more
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        if !more.is_empty() {
            text += &format!("also: {}\n", more.join(", "));
        }
        let (seals, seconds, rate) = (self.seals, self.seconds, self.events_per_s);
        text += &format!("{seals} seals in a chain; {seconds:.1} s, {rate} events/s\n");
        if !self.findings.is_empty() {
            text += &self.table();
        }
        if self.not_named > 0 {
            text += &format!("and {} more: the first 100 of each kind are named\n", self.not_named);
        }
        for what in &self.not_checked {
            text += &format!("not checked: {what}\n");
        }
        text
    }

    fn table(&self) -> String {
        let mut table = Table::new(["what", "partition", "offset", "tables"], &[0, 3]);
        for finding in &self.findings {
            let offset = finding.offset.map_or_else(|| "-".to_owned(), |o| o.to_string());
            let mut tables = finding.tables.join(", ");
            if let Some(other) = finding.other {
                tables += &format!("as partition {}, offset {}", other.partition, other.offset);
            }
            table.row([finding.kind.to_owned(), finding.partition.to_string(), offset, tables]);
        }
        table.render()
    }
}

fn not_checked(
    snapshot: &Snapshot,
    scope: &Scope,
    options: &Options,
    compared: &Compared,
    before_base: i64,
    waiting: i64,
) -> Vec<String> {
    let mut not = vec![
        "decisions: zone, reasons, live or late, permission clock".to_owned(),
        "headers, reasons and messages of dead letters".to_owned(),
    ];
    let mut say = |count: i64, what: &str| {
        if count > 0 {
            not.push(format!("{count} {what}"));
        }
    };
    say(waiting, "offsets that wait in Kafka: no consumer has applied them yet");
    say(
        compared.by_seals,
        "offsets against Kafka, which has them no longer; tables and seals agree",
    );
    say(compared.unproved, "offsets at all: Kafka has them no longer, and they were not sealed");
    say(before_base, "offsets at all: all days that they lie in were dropped, seals and sums too");
    let dropped = scope.parts().filter_map(|(partition, _)| snapshot.positions.get(&partition));
    let dropped: u64 = dropped.flat_map(|p| p.dropped.values()).map(|d| d.sum().events).sum();
    let dropped = i64::try_from(dropped).unwrap_or(i64::MAX);
    say(
        dropped,
        "outcomes of dropped days one by one: the sums that are kept of them were compared",
    );
    say(compared.lost, "offsets that Kafka lost; an operator accepted that");
    let again = |partition: i32| {
        let position = snapshot.positions.get(&partition)?;
        (position.applied_to > position.next).then_some(position.next)
    };
    let again: Vec<String> = scope
        .parts()
        .filter_map(|(partition, _)| Some(format!("{partition} from {}", again(partition)?)))
        .collect();
    if !again.is_empty() {
        not.push(format!("what is being read again: partition {}", again.join(", ")));
    }
    not.push("identity_conflict and terminal_ledger, which consumers keep".to_owned());
    if !options.identities {
        not.push("one identity twice, where batches apart held it; --identities does".to_owned());
    }
    not.extend(left_out(snapshot, scope, options));
    not
}

/// What a filter left out.
fn left_out(snapshot: &Snapshot, scope: &Scope, options: &Options) -> Vec<String> {
    let mut not = Vec::new();
    let others = snapshot.positions.keys().filter(|partition| !options.wants(**partition)).count();
    if others > 0 {
        not.push(format!("{others} other partitions (--partition)"));
    }
    if options.identities && (others > 0 || options.since.is_some()) {
        not.push("identities that an event which is left out has, too (--identities)".to_owned());
    }
    let Some(since) = options.since else { return not };
    let applied: i64 = scope.parts().map(|(_, part)| overlap(part.span, part.span)).sum();
    let left = applied - scope.offsets();
    not.push(format!("{left} offsets in buckets whose seals say: nothing since {since} (--since)"));
    if let Some(floor) = scope.floor {
        not.push(format!("outcomes of those buckets that stand before {floor} (--since)"));
    }
    not.push(
        "running totals and runs of duplicates, which are of all offsets (--since)".to_owned(),
    );
    not
}
