use std::collections::BTreeMap;
use std::time::Duration;

use registry::Timestamptz;
use tokio_postgres::{Client, Row, Transaction};

use crate::conflict::Wanted;
use crate::delta::{Columns, Group, INSERT};
use crate::seen::Seen;
use crate::{Error, numbers};

/// How a round of folding goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Events whose deltas one round takes, but for those of the last one.
    pub events_max: u32,
    /// Times that a round looks through a day for numbers that came before; what is left then, is left
    /// to the next one. At least one.
    pub lookups_max: u32,
    /// How many times as long as a round took none is made, by nobody.
    pub rest: u32,
    /// How long each of its statements may take.
    pub timeout: Duration,
}

impl Default for Round {
    fn default() -> Self {
        let timeout = Duration::from_secs(120);
        Self { events_max: 500_000, lookups_max: 8, rest: 4, timeout }
    }
}

/// What a round came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folded {
    /// Events whose counters were taken into the ledger.
    pub events: usize,
    /// Terminals of which a number was found to be two swipes'.
    pub reused: Vec<Reused>,
    /// Whether it took as much as it may, so that there may be more.
    pub is_full: bool,
    /// Events whose deltas wait still.
    pub waiting: i64,
}

/// A terminal that has given numbers twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reused {
    /// The terminal.
    pub terminal_id: String,
    /// How many of its events were found to have a number that another has.
    pub events: i64,
}

/// Deltas of one round, at most.
const DELTAS_MAX: i64 = 10_000;
/// Numbers of one row of the ledger: so it stays small, however many gaps there are.
const BLOCK: i64 = 1_000;

/// By terminal and epoch.
type Groups = BTreeMap<(String, i32), Group>;

/// The numbers of one terminal, epoch and day that go into one row.
#[derive(Debug)]
struct Entry<'g> {
    counter: (&'g str, i32),
    group: &'g Group,
    block: i64,
    /// In order; one an event.
    seqs: &'g [i64],
}

/// One round: takes deltas into the ledger, and writes a conflict for each event of theirs whose number
/// another event has. In one transaction; nothing is done while another round is under way or rests.
///
/// # Errors
/// Postgres' own; then nothing was done.
pub async fn fold(client: &mut Client, round: &Round) -> Result<Folded, Error> {
    let transaction = client.transaction().await?;
    // Whatever suits a session's other work: days are looked through here, for long arrays.
    let settings = format!(
        "SET LOCAL statement_timeout = {}; \
         SET LOCAL enable_seqscan = on; SET LOCAL enable_bitmapscan = on; \
         SET LOCAL enable_hashjoin = on; SET LOCAL enable_mergejoin = on; \
         SET LOCAL plan_cache_mode = force_custom_plan",
        round.timeout.as_millis()
    );
    transaction.batch_execute(&settings).await?;
    let mut folded = Folded::default();
    // Whoever compares a delta with the ledger must have those before it in there.
    let turn = "SELECT FROM ledger_fold WHERE next_at <= now() FOR UPDATE SKIP LOCKED";
    if transaction.query_opt(turn, &[]).await?.is_some() {
        folded = fold_all(&transaction, round).await?;
        let rest = "UPDATE ledger_fold \
                    SET next_at = clock_timestamp() + $1 * (clock_timestamp() - now())";
        transaction.execute(rest, &[&f64::from(round.rest)]).await?;
    }
    let waiting = "SELECT coalesce(sum(events), 0)::bigint FROM ledger_delta";
    folded.waiting = transaction.query_one(waiting, &[]).await?.get(0);
    transaction.commit().await?;
    Ok(folded)
}

async fn fold_all(transaction: &Transaction<'_>, round: &Round) -> Result<Folded, Error> {
    let oldest_day = "SELECT oldest_day - date 'epoch' FROM retention";
    let oldest_day: i32 = transaction.query_one(oldest_day, &[]).await?.get(0);
    let take = include_str!("sql/take_deltas.sql");
    let taken = transaction.query(take, &[&i64::from(round.events_max), &DELTAS_MAX]).await?;
    let mut days: BTreeMap<i32, Groups> = BTreeMap::new();
    let mut events = 0;
    for delta in &taken {
        events += read(delta, &mut days)?;
    }
    let is_full = taken.len() as i64 == DELTAS_MAX || events >= round.events_max as usize;
    let mut folded = Folded { is_full, ..Folded::default() };
    let mut lookups = (round.lookups_max as usize).max(1);
    let mut left = Columns::default();
    days.values_mut().flat_map(Groups::values_mut).for_each(|group| group.seqs.sort());
    // What days that are gone gave, nobody asks for.
    for (day, groups) in days.range(oldest_day..) {
        let entries = entries(groups);
        let put_off = match lookups {
            0 => entries.iter().map(|entry| Seen::of(entry.seqs.iter().copied())).collect(),
            _ => name(transaction, *day, oldest_day, &entries, &mut lookups, &mut folded).await?,
        };
        folded.events += write(transaction, *day, &entries, &put_off, &mut left).await?;
    }
    if !left.is_empty() {
        transaction.execute(INSERT, &left.parameters()).await?;
    }
    Ok(folded)
}

/// Sorts a delta by day, terminal and epoch; how many events it is of.
fn read(delta: &Row, days: &mut BTreeMap<i32, Groups>) -> Result<usize, Error> {
    let unreadable = || Error::Unreadable(delta.get("id"));
    let (terminal_ids, epochs): (Vec<&str>, Vec<i32>) =
        (delta.try_get("terminal_ids")?, delta.try_get("terminal_epochs")?);
    let (from, to): (Vec<Timestamptz>, Vec<Timestamptz>) =
        (delta.try_get("occurred_from")?, delta.try_get("occurred_to")?);
    let (ends, seqs): (Vec<i32>, &[u8]) = (delta.try_get("ends")?, delta.try_get("seqs")?);
    let (mut start, mut events) = (0, 0);
    let counters = terminal_ids.into_iter().zip(epochs);
    for ((counter, (Timestamptz(from), Timestamptz(to))), end) in
        counters.zip(from.into_iter().zip(to)).zip(ends)
    {
        let end = usize::try_from(end).map_err(|_| unreadable())?;
        let encoded = seqs.get(start..end).ok_or_else(unreadable)?;
        let groups = days.entry(from.unix_day()).or_default();
        let group =
            groups.entry((counter.0.to_owned(), counter.1)).or_insert_with(|| Group::at(from));
        group.reach(from, to);
        let before = group.seqs.len();
        numbers::decode(encoded, &mut group.seqs).ok_or_else(unreadable)?;
        events += group.seqs.len() - before;
        start = end;
    }
    Ok(events)
}

fn entries(groups: &Groups) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    for ((terminal_id, epoch), group) in groups {
        for seqs in group.seqs.chunk_by(|a, b| a / BLOCK == b / BLOCK) {
            let block = seqs[0] / BLOCK;
            entries.push(Entry { counter: (terminal_id, *epoch), group, block, seqs });
        }
    }
    entries
}

/// Names the events of a day whose number another event has. Of each entry, the numbers of which that
/// is not known yet: they must not be in the ledger before it is.
async fn name(
    transaction: &Transaction<'_>,
    day: i32,
    oldest_day: i32,
    entries: &[Entry<'_>],
    lookups: &mut usize,
    folded: &mut Folded,
) -> Result<Vec<Seen>, Error> {
    let mut unknown: Vec<Seen> =
        entries.iter().map(|entry| Seen::of(entry.seqs.iter().copied())).collect();
    // Where another event has a number matters once: on the latest day that is known, as one that
    // nobody has named yet is the only one.
    let mut found: BTreeMap<i32, Vec<(usize, Seen)>> = BTreeMap::new();
    let mut asked: Vec<usize> = (0..entries.len()).collect();
    while !asked.is_empty() && found.len() < *lookups {
        let hits = overlaps(transaction, entries, &unknown, &asked, oldest_day).await?;
        asked = hits.iter().map(|(nth, ..)| *nth).collect();
        for (nth, other_day, seqs) in hits {
            unknown[nth].remove(&seqs);
            found.entry(other_day).or_default().push((nth, seqs));
        }
    }
    // Only of those that were asked for in vain is known that nobody had them before.
    let mut put_off = vec![Seen::default(); entries.len()];
    for nth in asked {
        put_off[nth] = std::mem::take(&mut unknown[nth]);
    }
    for (nth, entry) in entries.iter().enumerate() {
        let twice = entry.seqs.windows(2).filter(|two| two[0] == two[1]).map(|two| two[0]);
        let twice = Seen::of(twice.filter(|seq| unknown[nth].holds(*seq)));
        if !twice.is_empty() {
            found.entry(day).or_default().push((nth, twice));
        }
    }
    for (other_day, hits) in found {
        if *lookups == 0 {
            for (nth, seqs) in hits {
                let both = put_off[nth].numbers().chain(seqs.numbers());
                let mut both: Vec<i64> = both.collect();
                both.sort_unstable();
                put_off[nth] = Seen::of(both);
            }
            continue;
        }
        *lookups -= 1;
        let mut wanted = Wanted::default();
        for (nth, seqs) in &hits {
            let Entry { counter, group, .. } = entries[*nth];
            wanted.add(counter, (group.from, group.to), seqs.numbers());
        }
        folded.reused.extend(wanted.name(transaction, day, other_day).await?);
    }
    Ok(put_off)
}

/// Of each of these entries the numbers that are in the ledger already, on the latest day of which some
/// are.
async fn overlaps(
    transaction: &Transaction<'_>,
    entries: &[Entry<'_>],
    unknown: &[Seen],
    asked: &[usize],
    oldest_day: i32,
) -> Result<Vec<(usize, i32, Seen)>, Error> {
    let of = || asked.iter().map(|nth| &entries[*nth]);
    let terminal_ids: Vec<&str> = of().map(|entry| entry.counter.0).collect();
    let epochs: Vec<i32> = of().map(|entry| entry.counter.1).collect();
    let blocks: Vec<i64> = of().map(|entry| entry.block).collect();
    let seen: Vec<&Seen> = asked.iter().map(|nth| &unknown[*nth]).collect();
    let sql = include_str!("sql/overlaps.sql");
    let rows =
        transaction.query(sql, &[&terminal_ids, &epochs, &blocks, &seen, &oldest_day]).await?;
    let mut overlaps = Vec::with_capacity(rows.len());
    for row in &rows {
        let number: i64 = row.get(0);
        let nth = usize::try_from(number - 1).ok().and_then(|nth| asked.get(nth));
        if let Some(nth) = nth {
            overlaps.push((*nth, row.get(1), row.try_get(2)?));
        }
    }
    Ok(overlaps)
}

/// Writes entries but for the numbers that are put off: those are left. How many events are written.
async fn write<'g>(
    transaction: &Transaction<'_>,
    day: i32,
    entries: &[Entry<'g>],
    put_off: &[Seen],
    left: &mut Columns<'g>,
) -> Result<usize, Error> {
    let (mut terminal_ids, mut epochs, mut blocks) = (Vec::new(), Vec::new(), Vec::new());
    let (mut seen, mut events) = (Vec::new(), Vec::new());
    for (entry, put_off) in entries.iter().zip(put_off) {
        let Entry { counter, group, block, seqs } = *entry;
        let (off, kept): (Vec<i64>, Vec<i64>) =
            seqs.iter().copied().partition(|seq| put_off.holds(*seq));
        if !off.is_empty() {
            left.push(counter.0, counter.1, (group.from, group.to), &off);
        }
        if !kept.is_empty() {
            terminal_ids.push(counter.0);
            epochs.push(counter.1);
            blocks.push(block);
            events.push(kept.len() as i64);
            seen.push(Seen::of(kept));
        }
    }
    let sql = include_str!("sql/write_ledger.sql");
    transaction.execute(sql, &[&day, &terminal_ids, &epochs, &blocks, &seen, &events]).await?;
    Ok(events.iter().sum::<i64>() as usize)
}
