//! The judged events of a batch, sorted by what they become.

use crate::chunk::Claim;
use crate::decide::Judged;
use crate::decode::{Event, Refusal};
use crate::fold::{Fold, Key, Outcome, Standing};

/// What a batch writes, by table.
#[derive(Debug, Default)]
pub(crate) struct Sorted<'e, 'a> {
    pub(crate) rows: Vec<Judged<'e, 'a>>,
    pub(crate) collisions: Vec<Collision<'e, 'a>>,
    pub(crate) duplicates: Vec<Duplicate<'e, 'a>>,
    pub(crate) dead: Vec<Refusal<'a>>,
    /// Offsets that have their collision already; each by its claim.
    pub(crate) collisions_standing: Vec<Claim>,
}

/// A second swipe of one card in one millisecond.
#[derive(Debug)]
pub(crate) struct Collision<'e, 'a> {
    pub(crate) judged: Judged<'e, 'a>,
    pub(crate) row_offset: i64,
}

/// An event that was in the log before.
#[derive(Debug)]
pub(crate) struct Duplicate<'e, 'a> {
    pub(crate) judged: Judged<'e, 'a>,
    pub(crate) first_offset: i64,
}

impl<'e, 'a> Sorted<'e, 'a> {
    /// Folds the events, which come in log order and are of so many cards, over what stands in the
    /// tables.
    pub(crate) fn sort(
        judged: Vec<Judged<'e, 'a>>,
        dead: Vec<Refusal<'a>>,
        standing: Standing,
        cards: usize,
    ) -> Self {
        let mut fold = Fold::new(standing, cards);
        let mut sorted = Self { rows: Vec::with_capacity(judged.len()), dead, ..Self::default() };
        for judged in judged {
            let event = judged.event;
            match fold.next(key(event), event.swipe.event_id, event.offset()) {
                Outcome::Row => sorted.rows.push(judged),
                Outcome::Collision { row_offset } => {
                    sorted.collisions.push(Collision { judged, row_offset });
                }
                Outcome::RowStands => {}
                Outcome::CollisionStands => sorted.collisions_standing.push(event.claim()),
                Outcome::Duplicate { first_offset } => {
                    sorted.duplicates.push(Duplicate { judged, first_offset });
                }
            }
        }
        sorted
    }
}

/// The key at which an event has, or would have, its row.
pub(super) fn key(event: &Event<'_>) -> Key {
    (event.swipe.occurred_at, event.card)
}
