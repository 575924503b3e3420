//! Items whose memory lies far apart, looked at some at a time before each is worked on.
//!
//! A batch of fifty thousand events and what is known of their cards is larger than a core's own
//! cache. One that is worked on after the other, each waits for its memory; a loop that does
//! nothing but look waits for several at once.

use std::hint::black_box;
use std::slice::Iter;

/// Looked at at once: they stay in the nearest cache until their turn comes.
pub(crate) const AT_ONCE: usize = 32;

/// Goes through `items`, and calls `look` with each some time before its turn; what that returns is
/// of no use, but for having been read.
pub(crate) fn warmed<'t, T, F>(items: &'t [T], look: F) -> Warmed<'t, T, F>
where
    F: Fn(&T) -> usize,
{
    Warmed { warm: [].iter(), cold: items, look }
}

/// Calls `look` with each of a few items, and with nothing between.
pub(crate) fn look_at<T>(items: &[T], look: impl Fn(&T) -> usize) {
    black_box(items.iter().map(look).fold(0, |all, one| all ^ one));
}

/// See [`warmed`].
pub(crate) struct Warmed<'t, T, F> {
    warm: Iter<'t, T>,
    cold: &'t [T],
    look: F,
}

impl<'t, T, F: Fn(&T) -> usize> Iterator for Warmed<'t, T, F> {
    type Item = &'t T;

    fn next(&mut self) -> Option<&'t T> {
        if let Some(item) = self.warm.next() {
            return Some(item);
        }
        let (next, cold) = self.cold.split_at(self.cold.len().min(AT_ONCE));
        look_at(next, &self.look);
        (self.warm, self.cold) = (next.iter(), cold);
        self.warm.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.warm.len() + self.cold.len();
        (left, Some(left))
    }
}

impl<T, F: Fn(&T) -> usize> ExactSizeIterator for Warmed<'_, T, F> {}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn each_comes_once_in_order_and_was_looked_at() {
        for count in [0, 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE - 1] {
            let items: Vec<usize> = (0..count).collect();
            let looked = Cell::new(0);
            let look = |item: &usize| {
                looked.set(looked.get() + 1);
                *item
            };
            let all = warmed(&items, look);
            assert_eq!(all.len(), count);
            for (nth, item) in all.enumerate() {
                assert_eq!(nth, *item);
                assert!(looked.get() > nth, "{nth} of {count} was not looked at before");
            }
            assert_eq!(looked.get(), count);
        }
    }
}
