//! Who may go where in a bench: the same site every time.

use rand::RngExt;
use rand::rngs::StdRng;
use schemas::{DenialReason, Direction, Reasons};

/// Cards of a site; a trial with few swipes has one for every ten swipes, as registering more would
/// take longer than what is tried.
const CARDS_MAX: usize = 50_000;
const SWIPES_A_CARD: usize = 10;
const CARDS_MIN: usize = 1_000;
/// Terminals of the site.
pub(crate) const TERMINALS: usize = 200;
const ZONES: usize = 20;
/// Zones on a card's list.
const ZONES_A_CARD: usize = 4;
/// Share of swipes at a zone that is not on the card's list.
const DENIED: f64 = 0.03;

/// Cards, terminals and zones.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) cards: Vec<Card>,
    pub(crate) terminals: Vec<Terminal>,
    pub(crate) zones: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct Card {
    pub(crate) id: String,
    /// Indices of the zones it may enter.
    pub(crate) zones: [usize; ZONES_A_CARD],
}

#[derive(Debug)]
pub(crate) struct Terminal {
    pub(crate) id: String,
    /// Index of its zone.
    pub(crate) zone: usize,
    pub(crate) direction: Direction,
}

impl Site {
    /// The site for so many swipes.
    pub(crate) fn new(swipes: usize) -> Self {
        let cards = (swipes / SWIPES_A_CARD).clamp(CARDS_MIN, CARDS_MAX);
        Self {
            cards: (0..cards).map(card).collect(),
            terminals: (0..TERMINALS).map(terminal).collect(),
            zones: (0..ZONES).map(|i| format!("zone-{i:02}")).collect(),
        }
    }

    /// The terminal at which a card is swiped: mostly one that it may pass.
    pub(crate) fn terminal_for(&self, random: &mut StdRng, card: usize) -> usize {
        let zones = &self.cards[card].zones;
        let zone = if random.random_bool(DENIED) {
            let others: Vec<usize> = (0..ZONES).filter(|zone| !zones.contains(zone)).collect();
            others[random.random_range(0..others.len())]
        } else {
            zones[random.random_range(0..zones.len())]
        };
        // Terminals are dealt to the zones in turn.
        zone + ZONES * random.random_range(0..TERMINALS / ZONES)
    }

    /// Why a card must be denied at a terminal; empty where it must be granted.
    pub(crate) fn reasons(&self, card: usize, terminal: usize) -> Reasons {
        let mut reasons = Reasons::NONE;
        if !self.cards[card].zones.contains(&self.terminals[terminal].zone) {
            reasons.insert(DenialReason::Unauthorized);
        }
        reasons
    }

    /// By card: the partition of the log that it belongs to.
    pub(crate) fn partitions(&self, partitions: u16) -> Vec<u16> {
        let owed =
            |card: &Card| schemas::partition_of(card.id.as_bytes(), i32::from(partitions)) as u16;
        self.cards.iter().map(owed).collect()
    }
}

/// An id like the serial number of a MIFARE card: seven bytes, of which six are spread evenly, by
/// an odd factor, so that no two are alike.
fn card(index: usize) -> Card {
    let spread = (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) & 0xffff_ffff_ffff;
    Card { id: format!("04{spread:012X}"), zones: std::array::from_fn(|i| (index + i * 3) % ZONES) }
}

fn terminal(index: usize) -> Terminal {
    let zone = index % ZONES;
    let direction = match index / ZONES % 2 {
        0 => Direction::In,
        _ => Direction::Out,
    };
    Terminal { id: format!("reader-{index:03}"), zone, direction }
}
