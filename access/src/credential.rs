use schemas::Millis;
use smallvec::SmallVec;

/// What a card is allowed, as it stood at some time.
///
/// Two cache lines, and none elsewhere for a card of up to eight zones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Whether it may be used at all.
    pub state: CardState,
    /// Not before this moment.
    pub valid_from: Option<Millis>,
    /// Not from this moment on.
    pub valid_until: Option<Millis>,
    /// Zones it may enter.
    pub zones: ZoneList,
    /// When it may; none means at any time.
    pub schedule: Option<ScheduleNumber>,
}

/// A zone, by the number that the holder of the permissions gave its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneNumber(pub u32);

/// A schedule, by the number that the holder of the permissions gave its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleNumber(pub u32);

/// A set of zones: each once, up to eight of them in place.
///
/// Sorted and halved, which takes 2 to 5 ns for up to 32 zones; looking through them until one fits
/// takes 4 to 12 ns, because where it ends can't be predicted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ZoneList(SmallVec<[ZoneNumber; 8]>);

impl ZoneList {
    /// Whether `zone` is one of them.
    pub fn contains(&self, zone: ZoneNumber) -> bool {
        self.0.binary_search(&zone).is_ok()
    }

    /// The zones in ascending order.
    pub fn as_slice(&self) -> &[ZoneNumber] {
        &self.0
    }
}

impl FromIterator<ZoneNumber> for ZoneList {
    fn from_iter<I: IntoIterator<Item = ZoneNumber>>(zones: I) -> Self {
        let mut zones: SmallVec<_> = zones.into_iter().collect();
        zones.sort_unstable();
        zones.dedup();
        Self(zones)
    }
}

/// The state of a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardState {
    /// May be used.
    Enabled,
    /// Switched off by an administrator.
    Disabled,
    /// Reported lost.
    Lost,
    /// Reported stolen.
    Stolen,
    /// Blocked, by an administrator or by a rule.
    Blocked,
    /// Marked as expired, whatever its validity says.
    Expired,
}

impl CardState {
    /// All states, with the words that stand in the table.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Enabled, "enabled"),
        (Self::Disabled, "disabled"),
        (Self::Lost, "lost"),
        (Self::Stolen, "stolen"),
        (Self::Blocked, "blocked"),
        (Self::Expired, "expired"),
    ];

    /// The state that a word of the table stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == word).map(|(state, _)| state)
    }

    /// The word that stands in the table.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_back() {
        for (state, word) in CardState::ALL {
            assert_eq!(CardState::parse(word), Some(state));
            assert_eq!(state.as_str(), word);
        }
        assert_eq!(CardState::parse("Enabled"), None);
    }

    #[test]
    fn a_list_knows_its_zones_whatever_its_length_and_order() {
        for length in [0, 1, 2, 8, 9, 200] {
            let list: ZoneList =
                (0..length).rev().chain(0..length).map(|n| ZoneNumber(2 * n)).collect();
            assert_eq!(list.as_slice().len(), length as usize);
            for n in 0..2 * length + 2 {
                let expected = n % 2 == 0 && n < 2 * length;
                assert_eq!(list.contains(ZoneNumber(n)), expected, "{n} of {length}");
            }
        }
    }

    #[test]
    fn a_credential_fits_two_cache_lines() {
        assert!(size_of::<Credential>() <= 128, "{}", size_of::<Credential>());
        let eight: ZoneList = (0..8).map(ZoneNumber).collect();
        assert!(!eight.0.spilled());
    }
}
