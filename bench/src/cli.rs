//! The command line: what is measured, from when to when.

use std::path::PathBuf;

use bench::{age, backoff, card_month, decide, drain, lake, latency, reupload, verify};
use clap::{Args, Parser};

/// Figures, always beside a peer or a ceiling that is measured in the same run.
///
/// Started by `cargo xtask bench <name>`, which builds for release and brings a Kafka and a Postgres
/// of its own. Elsewhere GATELOG_KAFKA, GATELOG_POSTGRES and GATELOG_BIN_DIR say where they are.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub(crate) enum Command {
    Drain(Drain),
    Age(Age),
    Reupload(Reupload),
    Latency(Latency),
    Decide(Decide),
    Verify(Verify),
    Lake(Lake),
    CardMonth(CardMonth),
    Backoff(Backoff),
}

/// How fast a consumer empties a full log, beside raw COPY of the same rows
///
/// A number of swipes is published once. Then, --runs times and in turn: ONE consumer process
/// drains them all into a fresh database (drain), and two connections write the same rows with raw
/// binary COPY into another fresh database with the same schema (the ceiling). One more pair comes
/// first and is not counted.
///
/// drain: from the moment the consumer has claimed its partitions (consumer_offset.claimed_at) to
/// the moment the sum of consumer_offset.next_offset is seen to have reached the end of the log, by
/// Postgres' clock, looked at every 20 ms.
///
/// ceiling: from the first COPY to the answer to the last one's commit. Same session settings, rows
/// encoded in memory before the clock starts, COPYs of 50,000 rows, each its own transaction with
/// synchronous_commit=on. The order is that of the log: 3,800 events of each partition of a
/// connection in turn, as fetches of 1 MiB bring them. The consumer keeps its partitions closer
/// together in time, and sorts a batch, which its index takes faster; --ceiling drain gives COPY the
/// same advantage: the order in which the drain just before has written its rows.
///
/// ratio: the median over the pairs of drain rate / ceiling rate. Before each measurement there is a
/// CHECKPOINT, in both cases the days of access_log (--days) exist, and afterwards both tables must
/// hold the same rows, column by column. CPU seconds are read from /proc where that can be read.
#[derive(Debug, Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    pub(crate) options: drain::Options,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Whether a drain keeps its pace while the table grows, beside raw COPY of the same rows
///
/// Millions of swipes, spread evenly over --days days, are published once. ONE consumer process
/// drains them all into a fresh database, then two connections write the same rows, in the order
/// in which the drain wrote them, with raw binary COPY into another fresh database. Before both,
/// as a warm-up that is not counted, all rows are copied once: it makes the WAL files that the other
/// two then use.
///
/// drain: consumer_offset is looked at every 20 ms; when a million was passed lies on a straight
/// line between the looks before and after. The first million is timed from the first commit that
/// is seen, by the rows that are left of it then, so that the consumer's start does not flatter the
/// last.
///
/// COPY: from the first COPY of a million to the answer to its last commit. Each million is encoded
/// before its clock starts, so that not all of them lie in memory; these pauses are not counted.
/// They give Postgres time to write out, which helps COPY and makes the bar below higher. COPYs of
/// 50,000 rows, each its own transaction with synchronous_commit=on.
///
/// Holds if the drain's rate of the last million / rate of the first is 0.8 at least, or the COPY's
/// own quotient if that is lower. Afterwards both tables must hold the same rows. 20 millions take
/// some 2 GB of memory, and on disk 6 GB in Kafka and 12 GB in Postgres, WAL included; all of it is
/// deleted as soon as it has served.
#[derive(Debug, Args)]
pub(crate) struct Age {
    #[command(flatten)]
    pub(crate) options: age::Options,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How fast events are read that were in the log before, beside raw COPY of the duplicates
///
/// In each run a number of swipes is published into a fresh log and drained into a fresh database
/// by ONE consumer process (first drain: all become rows). Then the very same events are published
/// again, after the first, and a new consumer process of the same group drains them (second drain:
/// all must be duplicates, and access_log must not change). One more run comes first and is not
/// counted.
///
/// drains: each from the moment its consumer has claimed its partitions (consumer_offset.claimed_at)
/// to the moment the sum of consumer_offset.next_offset is seen to have reached the end of the log,
/// by Postgres' clock, looked at every 20 ms. The events are published before the consumer starts.
///
/// ceiling: the rows that the second drain wrote into duplicate_event, in its order, by raw binary
/// COPY over two connections into the empty duplicate_event of another database: from the first
/// COPY to the answer to the last one's commit. Rows encoded in memory before the clock starts,
/// COPYs of 50,000 rows, each its own transaction with synchronous_commit=on. It is what merely
/// writing the duplicates down costs; finding out that they are duplicates comes on top.
///
/// ratio: the median over the runs of second drain / ceiling; ratio_to_first: of second drain /
/// first drain. Before each measurement there is a CHECKPOINT, and both tables of duplicates must be
/// the same afterwards.
#[derive(Debug, Args)]
pub(crate) struct Reupload {
    #[command(flatten)]
    pub(crate) options: reupload::Options,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long after its publishing a swipe is committed, at fixed rates, beside bare commits
///
/// Live swipes of all cards at all terminals are published at a fixed rate, open loop: each has its
/// moment on a schedule, and is sent then, whatever became of those before it. ONE consumer process
/// applies them. Rate after rate, each after a warm-up at the same rate that is not counted.
///
/// committed: from the moment at which an event was DUE (not from when it was sent: a sender that
/// waits must not hide what it waits for) to the moment at which another connection sees that its
/// partition's consumer_offset.next_offset has passed it. That connection looks every ms; a commit
/// is seen when the answer is there, so up to one look (look_gap) after it happened. What the looks
/// cost Postgres is in the figures, too.
///
/// acknowledged: from the same moment to the delivery report of librdkafka: the part of the way that
/// is Kafka's. Producer settings are the gateway's (acks=all, idempotence, lz4, linger).
/// acknowledged_to_committed: from there to the commit, event by event: the consumer's part, and
/// Postgres'.
///
/// bare_commit: small INSERTs of one row by one prepared statement with synchronous_commit=on, one
/// after another, each from its start to its answer, before the consumer starts: the floor of any
/// commit.
///
/// sender_late: from the moment at which an event was due to the moment at which librdkafka had it.
/// It is part of all other times. sender_behind marks a rate where its p99 is more than a tenth of
/// the p99 of committed, or where less than 99 % of the rate were sent: such figures are about the
/// sender, too.
///
/// Afterwards every swipe must be a row with the decision that it must have.
#[derive(Debug, Args)]
pub(crate) struct Latency {
    #[command(flatten)]
    pub(crate) options: latency::Options,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How many live decisions a second, while permissions change, and how soon each is on its topic
///
/// DRAINS. A number of live swipes is published once, as they are made. Then, --runs times and in
/// turn, ONE consumer process drains them into a fresh database: as late ones (a live window of
/// 100 ms), live (a window of an hour, within which all drains must be over), live beside each number
/// of --changes a second, and live with anti-passback that records (two-way) and a lockout in every
/// zone, so that each swipe moves its card's state. One live drain comes first and is not counted.
///
/// events_per_s: from the moment the consumer has claimed its partitions to the moment the sum of
/// consumer_offset.next_offset is seen to have reached the end of the log, by Postgres' clock, looked
/// at every 20 ms. published_per_s: from the same moment until the consumer has counted Kafka's
/// acknowledgement of every decision, looked at every 20 ms, too. ratio: events_per_s by that of the
/// round's live drain without changes, the median over the rounds.
///
/// batches, conflicts, retries: what the consumer counted from its start to the last decision
/// (optimistic_lock_failure_total and optimistic_lock_retry_count of operation decide).
/// decided_twice: retries by batches.
///
/// Changes go on from the moment at which all partitions are seen to be claimed to the moment at
/// which the end is seen. Open loop: each is due at its moment and made by the first of --sessions
/// that is free then, a transaction of its own with synchronous_commit=on, which gives a random card
/// four other zones. Two a second of them block a stolen card instead, in a session that does nothing
/// else. What was due and not begun before the end is not made; made_per_s is what was. from_due:
/// from when a change was due to the answer to its commit; from_start: from when a session began it.
///
/// changes_alone, their peer: when the drain is over and the consumer gone, after a CHECKPOINT, the
/// same schedule once more for --alone-s, on the same database with nothing beside it.
///
/// RATES. Live swipes at a fixed rate, as in `bench latency`, with its times: committed,
/// acknowledged, sender_late and so on. decided: from the moment at which an event was DUE to the
/// moment at which a plain consumer of the topic of decisions has its decision in hand, the first
/// time. committed_to_decided: from the commit, when it was seen, to there, event by event: what the
/// outbox adds, less what the look was late (look_gap at most). The live window is 60 s here.
///
/// Afterwards every swipe must be a row, live or not as it should be, with the decision that the
/// permissions say which were in force at the permission clock that the row names; and every swipe of
/// the rates must have its decision on the topic.
#[derive(Debug, Args)]
pub(crate) struct Decide {
    #[command(flatten)]
    pub(crate) options: decide::Options,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How fast `gatelog verify` proves a log, beside merely reading log and table
///
/// A number of swipes is published and drained once, by ONE consumer process, which then stops.
/// Then, --runs times and in turn: `gatelog verify --json` (verify), and a bare read of what any
/// verifier must read at least (the ceiling). One more pair comes first and is not counted.
///
/// verify: from the start of the process to its end, so connecting is part of it. It must report ok,
/// every event and every outcome.
///
/// ceiling: one connection reads access_log with COPY (SELECT * FROM access_log) TO STDOUT (FORMAT
/// binary), one plain consumer reads all partitions of the log from their beginnings; both at the
/// same time, and both throw away what they read. From the start of both to the end of the later.
///
/// ratio: the median over the pairs of verify rate / ceiling rate. Before the first measurement
/// there is a VACUUM ANALYZE of access_log and a CHECKPOINT.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    #[command(flatten)]
    pub(crate) options: verify::Options,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How fast a view becomes Parquet files, beside merely reading it; and whether DuckDB reads them
///
/// Rows of four days are made once. Then, --runs times and in turn: `gatelog export access_event
/// --again` (export), and one connection reads the same view with COPY (SELECT * FROM
/// analyst.access_event ORDER BY occurred_at, card_id) TO STDOUT (FORMAT binary) and throws away what
/// it reads (the ceiling). One more pair comes first and is not counted.
///
/// export: from the start of the process to its end, so connecting, sorting, compression and fsync
/// are part of it. memory: VmHWM of the process, looked at every 5 ms.
///
/// ratio: the median over the pairs of export rate / ceiling rate. Before the first measurement there
/// is a VACUUM ANALYZE of access_log and a CHECKPOINT.
///
/// Afterwards DuckDB, which pip fetches from PyPI into a virtual environment of its own, reads
/// access_event/*/*.parquet with hive_partitioning. Counts, sums, bounds and types a day must be what
/// Postgres says; otherwise there is no report.
#[derive(Debug, Args)]
pub(crate) struct Lake {
    #[command(flatten)]
    pub(crate) options: lake::Options,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// How soon one card's month is found, and what its index costs those who write
///
/// 30 days that are over are filled with rows, spread evenly, of up to 50,000 cards (one for every ten
/// rows where there are few), and vacuumed. Then, --runs times, --live-rows rows are written into the
/// day after them, the live one, by raw binary COPY over two connections in the order of time, COPYs
/// of 50,000 rows, each its own transaction with synchronous_commit=on: alone; beside the worker
/// (`gatelog partitions index`, which indexes the 30 days); and alone, but with such an index on the
/// live day itself. One more round comes first and is not counted. Before each there is a CHECKPOINT,
/// and the live day is empty.
///
/// alone, indexed: from the first COPY to the answer to the last one's commit. beside: the same, of
/// the COPYs that were over before the worker was, and the one after; where there are too few rows,
/// beside_rows and index_s tell. index_s: from the worker's start to its end, beside that writing.
///
/// months: with every day indexed and the live day written, for --cards random cards, all columns of
/// the card's month through analyst.access_event, in the order of time, and the same from the bare
/// access_log: from asking to the last row, with planning and the way to here. In turn; which of
/// the two comes first changes from card to card, because the second finds its pages in memory. The
/// rows of all these months must be as many as a sequential scan of everything finds.
///
/// without: three of the months before there is an index, the middle one.
#[derive(Debug, Args)]
pub(crate) struct CardMonth {
    #[command(flatten)]
    pub(crate) options: card_month::Options,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What jitter is good for: a thousand clients that fail at once, simulated
///
/// All clients call in the first 10 ms, in which the server serves nobody. From then on it serves the
/// first requests of each 10 ms, up to --capacity, and refuses the others at once; who is refused
/// waits as the product does (crate resilience) and calls again, until all are served. Once they wait
/// without jitter: base, doubled after each failure, up to the cap. Once with full jitter: a random
/// time up to that. No try limit, no deadline, no network: simulated time, and no server is needed.
///
/// calls: all requests, the first failures included. most in 10 ms: not counting the first failures.
/// half done, last done: when half of the clients, and all of them, were served, from the moment at
/// which they failed.
///
/// floor: a server that is never idle from its first 10 ms on, and clients of which each calls twice,
/// once in vain. of the floor: last done / that of the floor.
///
/// The same seed gives the same figures, and the same plot to the byte.
#[derive(Debug, Args)]
pub(crate) struct Backoff {
    #[command(flatten)]
    pub(crate) options: backoff::Options,
    /// Where the plot is written, an SVG
    #[arg(long, value_name = "FILE", default_value = "docs/backoff.svg")]
    pub(crate) plot: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}
