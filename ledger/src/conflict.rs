//! Which events have a number that another has.

use std::collections::{BTreeSet, HashMap, HashSet};

use registry::Timestamptz;
use schemas::Millis;
use tokio_postgres::Transaction;
use uuid::Uuid;

use crate::Error;

/// Partition and offset.
type Place = (i32, i64);

/// A look for events of a day whose numbers came before, on that day or another.
#[derive(Debug)]
pub(crate) struct Lookup<'g> {
    day: i32,
    other_day: i32,
    terminal_ids: Vec<&'g str>,
    epochs: Vec<i32>,
    seqs: Vec<i64>,
    /// When the new events were, and perhaps others between them.
    span: Option<(Millis, Millis)>,
}

/// An event that has one of those numbers; in the order in which they were received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Holder {
    received_at: Timestamptz,
    at: Place,
    id: Uuid,
}

/// A day, in ms.
const DAY_MS: i64 = 86_400_000;

impl<'g> Lookup<'g> {
    pub(crate) fn new(day: i32, other_day: i32) -> Self {
        let (terminal_ids, epochs, seqs) = (Vec::new(), Vec::new(), Vec::new());
        Self { day, other_day, terminal_ids, epochs, seqs, span: None }
    }

    pub(crate) fn add(
        &mut self,
        terminal_id: &'g str,
        epoch: i32,
        (from, to): (Millis, Millis),
        seqs: impl Iterator<Item = i64>,
    ) {
        let (earliest, latest) = self.span.unwrap_or((from, to));
        self.span = Some((earliest.min(from), latest.max(to)));
        for seq in seqs {
            self.terminal_ids.push(terminal_id);
            self.epochs.push(epoch);
            self.seqs.push(seq);
        }
    }

    /// Looks those events up, and writes a conflict for each that was not named yet; how many, of each
    /// number's terminal.
    pub(crate) async fn name(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Vec<(&'g str, usize)>, Error> {
        let mut holders = vec![BTreeSet::new(); self.seqs.len()];
        let day_of = |day: i32, ms: i64| Millis::from_unix_ms(i64::from(day) * DAY_MS + ms);
        let whole = (day_of(self.other_day, 0), day_of(self.other_day, DAY_MS - 1));
        self.read(transaction, self.other_day, whole, &mut holders).await?;
        if let Some(span) = self.span.filter(|_| self.day != self.other_day) {
            self.read(transaction, self.day, span, &mut holders).await?;
        }
        let named = named(transaction, &holders).await?;
        let mut conflicts = Vec::new();
        let mut of_terminals = Vec::new();
        for (holders, terminal_id) in holders.iter().zip(&self.terminal_ids) {
            let before = conflicts.len();
            pair(holders, &named, &mut conflicts);
            of_terminals.push((*terminal_id, conflicts.len() - before));
        }
        insert(transaction, &conflicts).await?;
        of_terminals.retain(|(_, conflicts)| *conflicts > 0);
        Ok(of_terminals)
    }

    /// Adds the events of each number that a day has in this time. They are looked for in the day's own
    /// table: a lock on the whole of `access_log` would stand in the way of whoever takes a day out of it.
    async fn read(
        &self,
        transaction: &Transaction<'_>,
        day: i32,
        (from, to): (Millis, Millis),
        holders: &mut [BTreeSet<Holder>],
    ) -> Result<(), Error> {
        let table = transaction.query_one(include_str!("sql/table_of_day.sql"), &[&day]).await?;
        // What was there is gone with its day.
        let Some(table) = table.get::<_, Option<&str>>(0) else { return Ok(()) };
        let sql = include_str!("sql/holders.sql").replace("{table}", table);
        let (from, to) = (Timestamptz(from), Timestamptz(to));
        let rows = transaction
            .query(&sql, &[&self.terminal_ids, &self.epochs, &self.seqs, &from, &to])
            .await?;
        for row in &rows {
            let number: i64 = row.get(0);
            let of_number = usize::try_from(number - 1).ok().and_then(|nth| holders.get_mut(nth));
            if let Some(of_number) = of_number {
                let (received_at, id) = (row.get(1), row.get(2));
                of_number.insert(Holder { received_at, id, at: (row.get(3), row.get(4)) });
            }
        }
        Ok(())
    }
}

/// Conflicts that these events have already: each with the other.
async fn named(
    transaction: &Transaction<'_>,
    holders: &[BTreeSet<Holder>],
) -> Result<HashMap<Place, Place>, Error> {
    let (partitions, offsets): (Vec<i32>, Vec<i64>) =
        holders.iter().flatten().map(|holder| holder.at).unzip();
    let sql = include_str!("sql/named.sql");
    let rows = transaction.query(sql, &[&partitions, &offsets]).await?;
    Ok(rows.iter().map(|row| ((row.get(0), row.get(1)), (row.get(2), row.get(3)))).collect())
}

/// Who of a number's events is a conflict, and with which other. The first that was received has the
/// number; each other that has no conflict is one with that. If none of them names the first, as when it
/// came to be known last, it is one itself. Events of one id are another kind of conflict, so an event
/// is one only with those of another id.
fn pair(
    holders: &BTreeSet<Holder>,
    named: &HashMap<Place, Place>,
    conflicts: &mut Vec<(Place, Place)>,
) {
    let Some(first) = holders.first() else { return };
    let Some(second) = holders.iter().find(|other| other.id != first.id) else { return };
    let rival = |of: &Holder| if of.id == first.id { second } else { first };
    let mut is_named: HashSet<Place> =
        holders.iter().filter_map(|holder| named.get(&holder.at)).copied().collect();
    for holder in holders.iter().skip(1).chain([first]) {
        if named.contains_key(&holder.at) || (holder == first && is_named.contains(&first.at)) {
            continue;
        }
        let rival = rival(holder).at;
        conflicts.push((holder.at, rival));
        is_named.insert(rival);
    }
}

async fn insert(transaction: &Transaction<'_>, conflicts: &[(Place, Place)]) -> Result<(), Error> {
    let (at, other): (Vec<Place>, Vec<Place>) = conflicts.iter().copied().unzip();
    let (partitions, offsets): (Vec<i32>, Vec<i64>) = at.into_iter().unzip();
    let (others, other_offsets): (Vec<i32>, Vec<i64>) = other.into_iter().unzip();
    let sql = include_str!("sql/insert_conflicts.sql");
    transaction.execute(sql, &[&partitions, &offsets, &others, &other_offsets]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn holder(offset: i64, received_ms: i64, id: u128) -> Holder {
        let received_at = Timestamptz(Millis::from_unix_ms(received_ms));
        Holder { received_at, at: (0, offset), id: Uuid::from_u128(id) }
    }

    /// Offsets of the conflicts of these events; those in `before` are there.
    fn paired(holders: &[Holder], before: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let place = |offset| (0, offset);
        let named = before.iter().map(|(at, other)| (place(*at), place(*other))).collect();
        let mut conflicts = Vec::new();
        pair(&holders.iter().copied().collect(), &named, &mut conflicts);
        conflicts.iter().map(|(at, other)| (at.1, other.1)).collect()
    }

    #[test]
    fn the_first_that_was_received_has_it() {
        let three = [holder(7, 30, 1), holder(5, 20, 2), holder(9, 10, 3)];
        assert_eq!(paired(&three, &[]), [(5, 9), (7, 9)]);
        assert_eq!(paired(&three, &[(5, 9)]), [(7, 9)]);
        assert_eq!(paired(&three, &[(5, 9), (7, 9)]), []);
        // The first is the one that is new: the others have been told of each other.
        assert_eq!(paired(&three, &[(7, 5)]), [(5, 9)]);
        assert_eq!(paired(&three, &[(7, 5), (5, 2)]), [(9, 5)]);
    }

    #[test]
    fn one_id_is_no_rival_of_itself() {
        let one_id = [holder(1, 10, 1), holder(2, 20, 1)];
        assert_eq!(paired(&one_id, &[]), []);
        let another = [one_id[0], one_id[1], holder(3, 30, 2)];
        assert_eq!(paired(&another, &[]), [(2, 3), (3, 1)]);
        assert_eq!(paired(&[holder(1, 10, 1)], &[]), []);
    }

    proptest! {
        /// Once all have been looked at, in whatever parts, each is named and none is a conflict twice.
        #[test]
        fn all_are_named(order in Just((0..8_i64).collect::<Vec<_>>()).prop_shuffle(), cut in 1_usize..8) {
            let all: Vec<Holder> = order.iter().map(|offset| holder(*offset, 10 * offset, *offset as u128)).collect();
            let mut before = Vec::new();
            for upto in (cut + 1..=8).step_by(cut).chain([8]) {
                before.extend(paired(&all[..upto], &before));
            }
            let mut named: Vec<i64> = before.iter().flat_map(|(at, other)| [*at, *other]).collect();
            named.sort_unstable();
            named.dedup();
            prop_assert_eq!(named, (0..8).collect::<Vec<_>>());
            let mut at: Vec<i64> = before.iter().map(|(at, _)| *at).collect();
            at.sort_unstable();
            at.dedup();
            prop_assert_eq!(at.len(), before.len());
        }
    }
}
