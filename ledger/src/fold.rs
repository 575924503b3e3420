use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::{Client, Row, Transaction};

use crate::{Error, Seen};

/// How a round of folding goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Events whose deltas one round takes, but for those of the last one.
    pub events_max: u32,
    /// How long each of its statements may take: where counters were used again, a round looks
    /// through days of rows for their events.
    pub timeout: Duration,
}

impl Default for Round {
    fn default() -> Self {
        Self { events_max: 500_000, timeout: Duration::from_secs(600) }
    }
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// Events whose counters were taken into the ledger.
    pub events: usize,
    /// Terminals of which a number was found to be two swipes'.
    pub reused: Vec<Reused>,
    /// Events whose deltas wait still.
    pub waiting: i64,
}

/// A terminal that has given numbers twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reused {
    /// The terminal.
    pub terminal_id: String,
    /// How many events were found whose number another has, too.
    pub events: i64,
}

/// Key of the lock under which deltas are folded: whoever compares a delta with the ledger must have
/// those before it in there.
const LOCK: i64 = 7_310_306_041;
/// Bytes of a day's ranges from which on no more are added: some 45,000 of them. A door that lets one
/// in each second makes 86,400 numbers a day, which are one range; a counter that jumps about makes one
/// of each. What is not added is counted still, and found by `gatelog verify --identities`.
const SEEN_BYTES_MAX: i32 = 1_000_000;

/// The counters of one terminal, epoch and day that a round takes in.
#[derive(Debug)]
struct Group {
    terminal_id: String,
    epoch: i32,
    from: Millis,
    to: Millis,
    seqs: Vec<i64>,
}

/// Numbers that another event has on one and the same day.
#[derive(Debug, Default)]
struct Wanted<'g> {
    terminal_ids: Vec<&'g str>,
    epochs: Vec<i32>,
    seqs: Vec<i64>,
    /// When those events were that are new.
    span: Option<(Millis, Millis)>,
}

/// One round: takes deltas into the ledger, and writes a conflict for each event of theirs whose number
/// another event has. In one transaction; nothing is done while another round is under way.
///
/// # Errors
/// Postgres' own; then nothing was done.
pub async fn fold(client: &mut Client, round: &Round) -> Result<Folded, Error> {
    let transaction = client.transaction().await?;
    // Whatever suits a session's other work: days are looked through here, and arrays are long.
    let settings = format!(
        "SET LOCAL statement_timeout = {}; \
         SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; \
         SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; \
         SET LOCAL plan_cache_mode = force_custom_plan",
        round.timeout.as_millis()
    );
    transaction.batch_execute(&settings).await?;
    let mut folded = Folded::default();
    let lock = "SELECT pg_try_advisory_xact_lock($1)";
    if transaction.query_one(lock, &[&LOCK]).await?.get(0) {
        let oldest_day = "SELECT oldest_day - date 'epoch' FROM retention";
        let oldest_day: i32 = transaction.query_one(oldest_day, &[]).await?.get(0);
        let take = include_str!("sql/take_deltas.sql");
        let taken = transaction.query(take, &[&i64::from(round.events_max)]).await?;
        for (day, mut groups) in by_day(&taken)?.split_off(&oldest_day) {
            folded.events += groups.iter().map(|group| group.seqs.len()).sum::<usize>();
            take_in(&transaction, day, &mut groups, &mut folded.reused).await?;
        }
    }
    let waiting = "SELECT coalesce(sum(events), 0)::bigint FROM ledger_delta";
    folded.waiting = transaction.query_one(waiting, &[]).await?.get(0);
    transaction.commit().await?;
    Ok(folded)
}

/// Sorts deltas by days, and each day's by terminal and epoch.
fn by_day(deltas: &[Row]) -> Result<BTreeMap<i32, Vec<Group>>, Error> {
    let mut days: BTreeMap<i32, BTreeMap<(&str, i32), Group>> = BTreeMap::new();
    for delta in deltas {
        let (terminal_ids, epochs): (Vec<&str>, Vec<i32>) =
            (delta.try_get("terminal_ids")?, delta.try_get("terminal_epochs")?);
        let (from, to): (Vec<Timestamptz>, Vec<Timestamptz>) =
            (delta.try_get("occurred_from")?, delta.try_get("occurred_to")?);
        let (ends, seqs): (Vec<i32>, Vec<i64>) = (delta.try_get("ends")?, delta.try_get("seqs")?);
        let mut start = 0;
        for ((((terminal_id, epoch), Timestamptz(from)), Timestamptz(to)), end) in
            terminal_ids.into_iter().zip(epochs).zip(from).zip(to).zip(ends)
        {
            let end = usize::try_from(end).unwrap_or_default();
            let new =
                || Group { terminal_id: terminal_id.to_owned(), epoch, from, to, seqs: Vec::new() };
            let day = days.entry(from.unix_day()).or_default();
            let group = day.entry((terminal_id, epoch)).or_insert_with(new);
            group.from = group.from.min(from);
            group.to = group.to.max(to);
            group.seqs.extend(seqs.get(start..end).unwrap_or_default());
            start = end;
        }
    }
    Ok(days.into_iter().map(|(day, groups)| (day, groups.into_values().collect())).collect())
}

/// Takes in what deltas say of a day.
async fn take_in(
    transaction: &Transaction<'_>,
    day: i32,
    groups: &mut [Group],
    reused: &mut Vec<Reused>,
) -> Result<(), Error> {
    let events: Vec<i64> = groups.iter().map(|group| group.seqs.len() as i64).collect();
    let (seen, repeated): (Vec<Seen>, Vec<Vec<i64>>) =
        groups.iter_mut().map(|group| Seen::of(&mut group.seqs)).unzip();
    let terminal_ids: Vec<&str> = groups.iter().map(|group| &group.terminal_id[..]).collect();
    let epochs: Vec<i32> = groups.iter().map(|group| group.epoch).collect();

    let overlaps = include_str!("sql/overlaps.sql");
    let overlaps = transaction.query(overlaps, &[&terminal_ids, &epochs, &seen]).await?;
    let mut found: HashSet<(usize, i64)> = HashSet::new();
    let mut on_days: BTreeMap<i32, Wanted<'_>> = BTreeMap::new();
    // Where another event has it matters once: on the latest day that is known, as one that nobody has
    // named yet is the only one; and only then on the day itself.
    let mut want = |other_day, nth: usize, seq| {
        if let Some(group) = groups.get(nth)
            && found.insert((nth, seq))
        {
            on_days.entry(other_day).or_default().add(group, seq);
        }
    };
    for row in &overlaps {
        let number: i64 = row.get(0);
        let both: Seen = row.try_get(2)?;
        let nth = usize::try_from(number - 1).unwrap_or(usize::MAX);
        both.numbers().for_each(|seq| want(row.get(1), nth, seq));
    }
    for (nth, seqs) in repeated.iter().enumerate() {
        seqs.iter().for_each(|seq| want(day, nth, *seq));
    }
    for (other_day, wanted) in &on_days {
        reused.extend(wanted.name(transaction, *other_day).await?);
    }
    let write = include_str!("sql/write_ledger.sql");
    transaction
        .execute(write, &[&day, &terminal_ids, &epochs, &seen, &events, &SEEN_BYTES_MAX])
        .await?;
    Ok(())
}

impl<'g> Wanted<'g> {
    fn add(&mut self, group: &'g Group, seq: i64) {
        self.terminal_ids.push(&group.terminal_id);
        self.epochs.push(group.epoch);
        self.seqs.push(seq);
        let (from, to) = self.span.unwrap_or((group.from, group.to));
        self.span = Some((from.min(group.from), to.max(group.to)));
    }

    /// Writes a conflict for each new event whose number an event of that day has, too.
    async fn name(
        &self,
        transaction: &Transaction<'_>,
        other_day: i32,
    ) -> Result<Vec<Reused>, Error> {
        let Some((from, to)) = self.span else { return Ok(Vec::new()) };
        let (from, to) = (Timestamptz(from), Timestamptz(to));
        let name = include_str!("sql/name_conflicts.sql");
        let rows = transaction
            .query(name, &[&self.terminal_ids, &self.epochs, &self.seqs, &from, &to, &other_day])
            .await?;
        let reused = rows.iter().map(|row| Reused { terminal_id: row.get(0), events: row.get(1) });
        Ok(reused.collect())
    }
}
