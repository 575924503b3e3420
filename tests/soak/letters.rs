//! The dead letters against what was published to become one.

use std::collections::{BTreeMap, HashSet};

use anyhow::Result;
use tokio_postgres::Client;

use crate::ledger::Poison;

/// What was found.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Letters {
    /// Records of poison that Kafka has acknowledged.
    pub(crate) poison: usize,
    /// Of these, without their dead letter.
    pub(crate) lost: Vec<String>,
    /// Dead letters of neither poison nor a terminal that was not registered.
    pub(crate) undeserved: usize,
    /// Poison with two dead letters that stand each for itself.
    pub(crate) doubled: usize,
    /// Dead letters whose cause has healed, and which were applied since.
    pub(crate) healed: usize,
    /// The same, and still waiting.
    pub(crate) unhealed: usize,
    /// Replays that have failed again.
    pub(crate) merged: usize,
}

/// A row of `dead_letter`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Letter {
    place: (i32, i64),
    state: String,
    mark: Option<u64>,
    is_of_a_stranger: bool,
}

/// Reads the dead letters and holds them against the poison.
pub(crate) async fn audit_letters(client: &Client, poison: &[Poison]) -> Result<Letters> {
    let rows = client.query(include_str!("sql/letters.sql"), &[]).await?;
    let letters: Vec<Letter> = rows
        .iter()
        .map(|row| Letter {
            place: (row.get(0), row.get(1)),
            state: row.get(2),
            mark: row.get::<_, Option<i64>>(3).and_then(|mark| u64::try_from(mark).ok()),
            is_of_a_stranger: row.get(4),
        })
        .collect();
    Ok(compare(&letters, poison))
}

fn compare(letters: &[Letter], poison: &[Poison]) -> Letters {
    let mut found = Letters::default();
    let mut alone: BTreeMap<u64, usize> = BTreeMap::new();
    for letter in letters {
        match (letter.mark, letter.state.as_str()) {
            (_, "merged") => found.merged += 1,
            (Some(mark), _) => *alone.entry(mark).or_default() += 1,
            (None, _) if !letter.is_of_a_stranger => found.undeserved += 1,
            (None, "open" | "replaying") => found.unhealed += 1,
            (None, _) => found.healed += 1,
        }
    }
    found.doubled = alone.values().filter(|letters| **letters > 1).count();
    let places: HashSet<(i32, i64, Option<u64>)> =
        letters.iter().map(|letter| (letter.place.0, letter.place.1, letter.mark)).collect();
    for Poison { mark, kind, place, .. } in poison {
        let Some((partition, offset)) = *place else { continue };
        found.poison += 1;
        if !places.contains(&(partition, offset, Some(*mark))) {
            found.lost.push(format!("{kind} at {partition}:{offset}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(offset: i64, state: &str, mark: Option<u64>, is_of_a_stranger: bool) -> Letter {
        Letter { place: (0, offset), state: state.to_owned(), mark, is_of_a_stranger }
    }

    #[test]
    fn each_thing_is_counted() {
        let letters = [
            letter(1, "open", Some(1), false),
            letter(2, "merged", Some(1), false),
            letter(3, "open", Some(3), false),
            letter(4, "open", Some(3), false), // a replay's, which should be merged
            letter(5, "resolved", None, true),
            letter(6, "open", None, true),
            letter(7, "open", None, false), // nobody knows why
        ];
        let poison = [(1, Some((0, 1))), (3, Some((0, 3))), (4, Some((0, 9))), (5, None)];
        let poison = poison.map(|(mark, place)| {
            let event_id = uuid::Uuid::from_u128(u128::from(mark));
            Poison { mark, kind: "any", event_id, place }
        });
        let expected = Letters {
            poison: 3,
            lost: vec!["any at 0:9".to_owned()],
            undeserved: 1,
            doubled: 1,
            healed: 1,
            unhealed: 1,
            merged: 1,
        };
        assert_eq!(compare(&letters, &poison), expected);
    }
}
