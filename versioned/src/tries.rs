use std::num::NonZeroU32;

/// How often to read, modify and update before a conflict is the end of it.
///
/// A loop and not a function that takes a closure: what such a closure borrows (a client, for its
/// transactions) would keep the whole from running on another task. Each try reads anew and begins
/// a transaction of its own; how long to wait between two is the caller's to say.
///
/// ```
/// # use std::num::NonZeroU32;
/// # use versioned::{Error, Outcome, Tries};
/// # async fn add_zone(_: &mut tokio_postgres::Client) -> Result<Outcome, Error> {
/// #     Ok(Outcome::Changed(2))
/// # }
/// # async fn wait(_conflicts: u32) {}
/// # async fn example(mut client: tokio_postgres::Client, most: NonZeroU32) -> Result<Outcome, Error> {
/// let mut tries = Tries::at_most(most);
/// loop {
///     match add_zone(&mut client).await {
///         Err(Error::Conflict(_)) if tries.again() => wait(tries.conflicts()).await,
///         end => return end,
///     }
/// }
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Tries {
    most: NonZeroU32,
    conflicts: u32,
}

impl Tries {
    /// So many in all, the first included.
    pub fn at_most(most: NonZeroU32) -> Self {
        Self { most, conflicts: 0 }
    }

    /// Counts a conflict; whether there is another try.
    pub fn again(&mut self) -> bool {
        self.conflicts = self.conflicts.saturating_add(1);
        self.conflicts < self.most.get()
    }

    /// Conflicts until now: how often was tried again, or once more where the tries are used up.
    pub fn conflicts(&self) -> u32 {
        self.conflicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_try_counts() {
        let mut tries = Tries::at_most(NonZeroU32::new(3).unwrap());
        assert_eq!([tries.again(), tries.again(), tries.again()], [true, true, false]);
        assert_eq!(tries.conflicts(), 3);
        assert!(!Tries::at_most(NonZeroU32::MIN).again());
    }
}
