//! Names with a number each, and what is known of them.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::Slot;

/// Names, their numbers, and what was loaded for them; those that were used longest ago are given
/// up first.
#[derive(Debug)]
pub(super) struct Numbered<T> {
    numbers: HashMap<Box<str>, u32, RandomState>,
    entries: Vec<Entry<T>>,
    /// Numbers that stand for no name now.
    free: Vec<u32>,
    round: u32,
}

#[derive(Debug)]
struct Entry<T> {
    name: Box<str>,
    /// None is not loaded.
    value: Option<T>,
    /// The round it was asked for last.
    used: u32,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { numbers: HashMap::default(), entries: Vec::new(), free: Vec::new(), round: 0 }
    }
}

impl<T> Numbered<T> {
    /// All numbers are below it.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
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
        let mut ages: Vec<u32> = self.known().map(|entry| self.age(entry)).collect();
        let goes = *ages.select_nth_unstable(keep).1;
        // Of one age all go if not all can stay.
        for number in 0..self.entries.len() {
            if self.age(&self.entries[number]) >= goes {
                self.give_up(number);
            }
        }
    }

    pub(super) fn number(&mut self, name: &str) -> Slot {
        if let Some(number) = self.numbers.get(name) {
            self.entries[*number as usize].used = self.round;
            return Slot(*number);
        }
        let entry = Entry { name: name.into(), value: None, used: self.round };
        let number = match self.free.pop() {
            Some(number) => {
                self.entries[number as usize] = entry;
                number
            }
            None => {
                self.entries.push(entry);
                // Bounded far below 2^32.
                (self.entries.len() - 1) as u32
            }
        };
        self.numbers.insert(name.into(), number);
        Slot(number)
    }

    /// The number of a name that has one.
    pub(super) fn known_number(&self, name: &str) -> Option<Slot> {
        self.numbers.get(name).copied().map(Slot)
    }

    pub(super) fn name(&self, slot: Slot) -> &str {
        &self.entries[slot.index()].name
    }

    pub(super) fn get(&self, slot: Slot) -> Option<&T> {
        self.entries.get(slot.index())?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        self.entries.get_mut(slot.index())?.value.as_mut()
    }

    pub(super) fn put(&mut self, slot: Slot, value: T) {
        self.entries[slot.index()].value = Some(value);
    }

    /// What was loaded, of all names.
    pub(super) fn values(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(|entry| entry.value.as_ref())
    }

    /// Forgets what was loaded for all names, or for these; numbers stay.
    pub(super) fn forget(&mut self, names: Option<&[&str]>) {
        match names {
            None => self.entries.iter_mut().for_each(|entry| entry.value = None),
            Some(names) => {
                for name in names {
                    if let Some(number) = self.numbers.get(*name) {
                        self.entries[*number as usize].value = None;
                    }
                }
            }
        }
    }

    /// Those of `slots` of which nothing is loaded, each once.
    pub(super) fn missing(&self, slots: impl Iterator<Item = Slot>) -> Vec<Slot> {
        let mut asked = vec![false; self.entries.len()];
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
        self.numbers.values().map(|n| Slot(*n)).filter(|slot| self.get(*slot).is_none()).collect()
    }

    fn known(&self) -> impl Iterator<Item = &Entry<T>> {
        self.entries.iter().filter(|entry| !entry.name.is_empty())
    }

    /// Rounds since it was asked for.
    fn age(&self, entry: &Entry<T>) -> u32 {
        self.round.wrapping_sub(entry.used)
    }

    fn give_up(&mut self, number: usize) {
        let name = std::mem::take(&mut self.entries[number].name);
        // No id is empty: this is a number that is free already.
        if name.is_empty() {
            return;
        }
        self.numbers.remove(&name);
        self.entries[number].value = None;
        // Below the length of `entries`, which numbers are made from.
        self.free.push(number as u32);
    }
}

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
