//! What cards did before, folded in log order while a batch is decided.

use std::collections::HashMap;

use access::{CardTrack, Read, Verdict};
use foldhash::fast::RandomState;
use registry::Slot;

/// The tracks of the cards of a batch that pass zones which look at them. Whatever is folded in is
/// kept only with the batch: a second decision starts over from what stands.
#[derive(Debug, Default)]
pub(crate) struct Tracks {
    of: HashMap<Slot, Tracked, RandomState>,
}

#[derive(Debug)]
struct Tracked {
    track: CardTrack,
    moved: bool,
}

impl Tracks {
    /// What stands for a card.
    pub(crate) fn put(&mut self, card: Slot, track: CardTrack) {
        self.of.insert(card, Tracked { track, moved: false });
    }

    pub(crate) fn of(&self, card: Slot) -> Option<&CardTrack> {
        self.of.get(&card).map(|tracked| &tracked.track)
    }

    /// Adds what a card has just done.
    pub(crate) fn fold(&mut self, card: Slot, read: &Read<'_>, verdict: &Verdict) {
        if let Some(tracked) = self.of.get_mut(&card) {
            tracked.moved |= tracked.track.fold(read, verdict);
        }
    }

    /// The cards whose track is another than what stands.
    pub(crate) fn moved(&self) -> impl Iterator<Item = (Slot, &CardTrack)> {
        let moved = self.of.iter().filter(|(_, tracked)| tracked.moved);
        moved.map(|(card, tracked)| (*card, &tracked.track))
    }
}
