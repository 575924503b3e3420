//! Deltas, as a round takes them.

use std::collections::BTreeMap;

use registry::Timestamptz;
use tokio_postgres::Row;

use crate::delta::Group;
use crate::{Error, numbers};

/// What came of a day, by terminal and epoch.
pub(crate) type Groups = BTreeMap<(String, i32), Group>;

/// What a round has taken, by days; each group's numbers in order.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) days: BTreeMap<i32, Groups>,
    pub(crate) events: usize,
}

impl Taken {
    pub(crate) fn read(deltas: &[Row]) -> Result<Self, Error> {
        let mut taken = Self::default();
        for delta in deltas {
            let id = delta.try_get("id")?;
            let unreadable = |source| Error::Unreadable { id, source };
            let added = taken.add(delta).map_err(|error| unreadable(Some(error)))?;
            added.ok_or_else(|| unreadable(None))?;
        }
        let groups = taken.days.values_mut().flat_map(Groups::values_mut);
        // Each batch's are in order already, and lie behind each other: a stable sort merges such runs.
        groups.for_each(|group| group.seqs.sort());
        Ok(taken)
    }

    /// Adds a delta; none if its columns do not fit each other.
    fn add(&mut self, delta: &Row) -> Result<Option<()>, tokio_postgres::Error> {
        let terminal_ids: Vec<&str> = delta.try_get("terminal_ids")?;
        let epochs: Vec<i32> = delta.try_get("terminal_epochs")?;
        let from: Vec<Timestamptz> = delta.try_get("occurred_from")?;
        let to: Vec<Timestamptz> = delta.try_get("occurred_to")?;
        let ends: Vec<i32> = delta.try_get("ends")?;
        let mut rest: &[u8] = delta.try_get("seqs")?;
        let groups = terminal_ids.len();
        if [epochs.len(), from.len(), to.len(), ends.len()] != [groups; 4] {
            return Ok(None);
        }
        let mut start = 0;
        for (nth, terminal_id) in terminal_ids.into_iter().enumerate() {
            let bytes = ends[nth].checked_sub(start).and_then(|bytes| usize::try_from(bytes).ok());
            let Some((encoded, behind)) = bytes.and_then(|bytes| rest.split_at_checked(bytes))
            else {
                return Ok(None);
            };
            (rest, start) = (behind, ends[nth]);
            let (Timestamptz(from), Timestamptz(to)) = (from[nth], to[nth]);
            let day = self.days.entry(from.unix_day()).or_default();
            let group = day.entry((terminal_id.to_owned(), epochs[nth]));
            let group = group.or_insert_with(|| Group::at(from));
            group.reach(from, to);
            let before = group.seqs.len();
            if numbers::decode(encoded, &mut group.seqs).is_none() {
                return Ok(None);
            }
            self.events += group.seqs.len() - before;
        }
        Ok(rest.is_empty().then_some(()))
    }
}
