//! Names with a number each, and what is known of them.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use smol_str::SmolStr;

use super::Slot;

/// Names, their numbers, and what was loaded for them; those that were used longest ago are given
/// up first.
///
/// What every event asks for lies close together, and apart from what was loaded: a number in the
/// table, and the name in its place where it is short (23 bytes), with the round.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    hasher: RandomState,
    /// Found by name.
    numbers: HashTable<u32>,
    /// By number, as are the values.
    names: Vec<Name>,
    /// None is not loaded.
    values: Vec<Option<T>>,
    /// Numbers that stand for no name now.
    free: Vec<u32>,
    round: u32,
}

/// Two of them to a line of memory.
#[derive(Debug, Default)]
#[repr(align(32))]
struct Name {
    /// Empty is a number that stands for none now: no id is empty.
    name: SmolStr,
    /// The round it was asked for last.
    used: u32,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self {
            hasher: RandomState::default(),
            numbers: HashTable::new(),
            names: Vec::new(),
            values: Vec::new(),
            free: Vec::new(),
            round: 0,
        }
    }
}

impl<T> Numbered<T> {
    /// All numbers are below it.
    pub(super) fn len(&self) -> usize {
        self.names.len()
    }

    /// Starts a round that will ask for `more` names at most, and makes room for them among `max`:
    /// at least half goes, so that this is not done each time.
    pub(super) fn begin(&mut self, more: usize, max: usize) {
        self.round = self.round.wrapping_add(1);
        // A batch must fit, whatever its size.
        let max = max.max(more);
        let known = self.numbers.len();
        if known + more <= max {
            return;
        }
        // Fewer than are known, or there would be room.
        let keep = (max / 2).min(max.saturating_sub(more));
        let mut ages: Vec<u32> = self.numbers.iter().map(|number| self.age(*number)).collect();
        let goes = *ages.select_nth_unstable(keep).1;
        // Of one age all go if not all can stay. Numbers are below the length of `names`, which is
        // bounded far below 2^32.
        for number in 0..self.names.len() as u32 {
            if self.age(number) >= goes {
                self.give_up(number);
            }
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.known_number(name) {
            self.names[slot.index()].used = self.round;
            return slot;
        }
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.names.push(Name::default());
                self.values.push(None);
                (self.names.len() - 1) as u32
            }
        };
        let at = number as usize;
        self.names[at] = Name { name: name.into(), used: self.round };
        self.values[at] = None;
        let Self { hasher, numbers, names, .. } = self;
        let hash = |number: &u32| hasher.hash_one(names[*number as usize].name.as_str());
        numbers.insert_unique(hash(&number), number, hash);
        Slot(number)
    }

    /// The number of a name that has one.
    pub(super) fn known_number(&self, name: &str) -> Option<Slot> {
        let hash = self.hasher.hash_one(name);
        self.numbers
            .find(hash, |number| self.names[*number as usize].name == name)
            .copied()
            .map(Slot)
    }

    /// What memory finding a name's number would need, without that.
    pub(super) fn look_at(&self, name: &str) -> usize {
        let hash = self.hasher.hash_one(name);
        let found = self.numbers.find(hash, |_| true);
        found.map_or(0, |number| self.names[*number as usize].used as usize)
    }

    pub(super) fn name(&self, slot: Slot) -> &str {
        &self.names[slot.index()].name
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.values.get(slot.index())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.values.get_mut(slot.index())?.as_mut()
    }

    pub(super) fn put(&mut self, slot: Slot, value: T) {
        self.values[slot.index()] = Some(value);
    }

    /// What was loaded, of all names.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.values.iter().flatten()
    }

    /// Forgets what was loaded for all names, or for these; numbers stay.
    pub(super) fn forget(&mut self, names: Option<&[&str]>) {
        match names {
            None => self.values.iter_mut().for_each(|value| *value = None),
            Some(names) => {
                for name in names {
                    if let Some(slot) = self.known_number(name) {
                        self.values[slot.index()] = None;
                    }
                }
            }
        }
    }

    /// Those of `slots` of which nothing is loaded, each once.
    pub(super) fn missing(&self, slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
        let mut asked = vec![false; self.names.len()];
        slots
            .filter(|slot| {
                let new = self.get(*slot).is_none() && !asked[slot.index()];
                asked[slot.index()] |= new;
                new
            })
            .collect()
    }

    /// All names of which nothing is loaded.
    pub(super) fn all_missing(&self) -> Vec<Slot> {
        self.numbers.iter().map(|n| Slot(*n)).filter(|slot| self.get(*slot).is_none()).collect()
    }

    /// Rounds since it was asked for.
    fn age(&self, number: u32) -> u32 {
        self.round.wrapping_sub(self.names[number as usize].used)
    }

    fn give_up(&mut self, number: u32) {
        let name = std::mem::take(&mut self.names[number as usize].name);
        // This is a number that is free already.
        if name.is_empty() {
            return;
        }
        let hash = self.hasher.hash_one(name.as_str());
        if let Ok(found) = self.numbers.find_entry(hash, |other| *other == number) {
            found.remove();
        }
        self.values[number as usize] = None;
        self.free.push(number);
    }
}

const _: () = assert!(size_of::<Name>() == 32, "a name takes more than half a line");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_stay_and_the_bound_holds() {
        let mut numbered = Numbered::<u32>::default();
        for round in 0..100_u32 {
            numbered.begin(10, 40);
            for n in 0..10 {
                // Three names in every round, seven of this one.
                let name = if n < 3 { format!("often {n}") } else { format!("{round} {n}") };
                let slot = numbered.number(&name);
                assert_eq!(numbered.name(slot), name);
                if numbered.get(slot).is_none() {
                    let first = round == 0 || n >= 3;
                    assert!(
                        first,
                        "round {round}: {name} was given up, and it is used all the time"
                    );
                    numbered.put(slot, round);
                }
            }
            assert!(numbered.numbers.len() <= 40, "{} names", numbered.numbers.len());
            assert!(numbered.len() <= 40, "{} numbers", numbered.len());
        }
    }

    #[test]
    fn all_goes_where_a_round_needs_all_the_room() {
        let mut numbered = Numbered::<u32>::default();
        numbered.begin(4, 4);
        for name in ["a", "b", "c", "d"] {
            numbered.number(name);
        }
        numbered.begin(4, 4);
        assert_eq!(numbered.numbers.len(), 0);
        let slots = ["e", "f", "g", "h"].map(|name| numbered.number(name).index());
        assert!(slots.iter().all(|slot| *slot < 4), "numbers are used again: {slots:?}");
    }

    #[test]
    fn a_batch_that_is_larger_than_all_room_fits() {
        let mut numbered = Numbered::<u32>::default();
        numbered.begin(100, 10);
        for n in 0..100 {
            numbered.number(&n.to_string());
        }
        numbered.begin(100, 10);
        assert_eq!(numbered.numbers.len(), 0);
    }

    #[test]
    fn forgetting_keeps_numbers() {
        let mut numbered = Numbered::default();
        let (a, b) = (numbered.number("a"), numbered.number("b"));
        for slot in [a, b] {
            numbered.put(slot, 1);
        }
        numbered.forget(Some(&["a", "nobody"]));
        assert_eq!((numbered.get(a), numbered.get(b)), (None, Some(&1)));
        assert_eq!(numbered.missing([a, b, a].into_iter()), [a]);
        assert_eq!(numbered.all_missing(), [a]);
        numbered.forget(None);
        assert_eq!(numbered.get(b), None);
        assert_eq!(numbered.known_number("a"), Some(a));
    }
}
