//! Swipes as they are made: live ones, over all cards and terminals of a site.

use std::borrow::Cow;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use schemas::{Millis, Mode, Swipe};

use crate::site::{Site, TERMINALS};

/// Makes one swipe after another.
pub(crate) struct Feed {
    site: Site,
    random: StdRng,
    /// Each card once; after the last comes the first, so that no card has two swipes in one
    /// millisecond.
    cards: Vec<usize>,
    seqs: [u64; TERMINALS],
    /// Swipes so far.
    made: usize,
    /// Those among them that must be denied.
    denied: i64,
}

impl Feed {
    /// The same seed gives the same cards at the same terminals.
    pub(crate) fn new(site: Site, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let mut cards: Vec<usize> = (0..site.cards.len()).collect();
        cards.shuffle(&mut random);
        Self { site, random, cards, seqs: [0; TERMINALS], made: 0, denied: 0 }
    }

    /// A swipe that has just been made.
    pub(crate) fn next(&mut self) -> Swipe<'_> {
        let card = self.cards[self.made % self.cards.len()];
        let terminal = self.site.terminal_for(&mut self.random, card);
        self.made += 1;
        self.denied += i64::from(!self.site.reasons(card, terminal).is_empty());
        self.seqs[terminal] += 1;
        let event_id = uuid::Builder::from_random_bytes(self.random.random()).into_uuid();
        let age_ms = self.random.random_range(1..4);
        let received_at = Millis::now();
        let (card, reader) = (&self.site.cards[card], &self.site.terminals[terminal]);
        Swipe {
            event_id,
            card_id: Cow::Borrowed(&card.id),
            terminal_id: Cow::Borrowed(&reader.id),
            terminal_epoch: Some(1),
            terminal_seq: Some(self.seqs[terminal]),
            occurred_at: Millis::from_unix_ms(received_at.unix_ms() - age_ms as i64),
            age_ms: Some(age_ms),
            received_at,
            direction: Some(reader.direction),
            mode: Mode::Online,
            local_decision: None,
        }
    }

    /// Who swipes.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// Swipes so far.
    pub(crate) fn made(&self) -> usize {
        self.made
    }

    /// Those among them that must be denied.
    pub(crate) fn denied(&self) -> i64 {
        self.denied
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_card_comes_before_any_comes_again() {
        let mut feed = Feed::new(Site::new(0), 3);
        let all = feed.cards.len();
        let cards: HashSet<String> = (0..all).map(|_| feed.next().card_id.into_owned()).collect();
        assert_eq!((cards.len(), feed.made()), (all, all));
        assert!((1..all as i64 / 10).contains(&feed.denied()), "{}", feed.denied());
    }
}
