use schemas::Invalid;

use crate::DENIALS_MAX;

/// What holds in a zone for every card (ONVIF Area, BACnet Access Zone).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZoneRules {
    /// Whether permissions count at all.
    pub mode: ZoneMode,
    /// What becomes of a card that is where it cannot be.
    pub antipassback: Antipassback,
    /// What becomes of a card that was denied too often; none means nothing does.
    pub lockout: Option<Lockout>,
}

impl ZoneRules {
    /// Whether a decision in this zone needs the card's track, and changes it.
    pub fn need_track(&self) -> bool {
        self.antipassback.enforcement != Enforcement::Off || self.lockout.is_some()
    }
}

/// The mode that a zone is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZoneMode {
    /// Permissions count.
    #[default]
    Normal,
    /// Lockdown: every read is denied.
    DenyAll,
    /// Fire: every read is granted, and the verdict says why.
    Released,
}

impl ZoneMode {
    /// All modes, with the words that stand in the table.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Normal, "normal"), (Self::DenyAll, "deny_all"), (Self::Released, "released")];

    /// The mode that a word of the table stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == word).map(|(mode, _)| mode)
    }

    /// The word that stands in the table.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// Anti-passback of a zone: one card lets one person in once.
///
/// Both checks look at `in` and `out` reads only; a read without direction passes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Antipassback {
    /// What a violation means. `Off`: nothing is checked and nothing remembered.
    pub enforcement: Enforcement,
    /// A card that is in the zone may not enter it again, one that has left it may not leave it
    /// again. One that was not seen at the zone before may do both.
    pub two_way: bool,
    /// A card may not enter again within so many milliseconds (49 days at most), whatever it did in
    /// between.
    pub timed_ms: Option<u32>,
}

/// What a violation of anti-passback means (ONVIF and BACnet know the same three).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Enforcement {
    /// Nothing; it is not looked for.
    #[default]
    Off,
    /// It is recorded.
    Soft,
    /// The read is denied.
    Hard,
}

impl Enforcement {
    /// All, with the words that stand in the table.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Off, "off"), (Self::Soft, "soft"), (Self::Hard, "hard")];

    /// The enforcement that a word of the table stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, name)| *name == word).map(|(enforcement, _)| enforcement)
    }

    /// The word that stands in the table.
    pub const fn as_str(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

/// Denies a card for a time once it was denied too often within a time.
///
/// The card is locked, not the door (BACnet's `DENIED_LOCKOUT` with the count kept a credential):
/// its denials at all zones with a lockout count together, and while it is locked all those zones
/// deny it. See [`CardTrack::fold`](crate::CardTrack::fold) for the denials that count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lockout {
    denials: u32,
    within_ms: u32,
    for_ms: u32,
}

impl Lockout {
    /// Locks a card for `for_ms` milliseconds once it was denied `denials` times within
    /// `within_ms`.
    ///
    /// # Errors
    ///
    /// If there are no or more than [`DENIALS_MAX`] denials, or a time is 0.
    pub fn new(denials: u32, within_ms: u32, for_ms: u32) -> Result<Self, Invalid> {
        if !(1..=DENIALS_MAX as u32).contains(&denials) {
            return Err(Invalid::new("denials", format!("must be 1 to {DENIALS_MAX}")));
        }
        for (field, ms) in [("within_ms", within_ms), ("for_ms", for_ms)] {
            if ms == 0 {
                return Err(Invalid::new(field, "must be 1 ms or more"));
            }
        }
        Ok(Self { denials, within_ms, for_ms })
    }

    /// So many denials are too many.
    pub fn denials(&self) -> u32 {
        self.denials
    }

    /// The time that they are counted in, in milliseconds.
    pub fn within_ms(&self) -> u32 {
        self.within_ms
    }

    /// The time that the card is locked for, in milliseconds.
    pub fn for_ms(&self) -> u32 {
        self.for_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_back() {
        for (mode, word) in ZoneMode::ALL {
            assert_eq!((ZoneMode::parse(word), mode.as_str()), (Some(mode), word));
        }
        for (enforcement, word) in Enforcement::ALL {
            assert_eq!(Enforcement::parse(word), Some(enforcement));
            assert_eq!(enforcement.as_str(), word);
        }
    }

    #[test]
    fn a_lockout_has_limits_and_names_them() {
        assert!(Lockout::new(20, 1, 1).is_ok());
        assert_eq!(Lockout::new(0, 1, 1).unwrap_err().to_string(), "denials: must be 1 to 20");
        assert_eq!(Lockout::new(21, 1, 1).unwrap_err().field, "denials");
        assert_eq!(Lockout::new(1, 0, 1).unwrap_err().field, "within_ms");
        assert_eq!(Lockout::new(1, 1, 0).unwrap_err().field, "for_ms");
    }
}
