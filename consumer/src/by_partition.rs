//! One thing a partition, found by its number: what is asked for at every record.

/// Values by partition number. Topics have thousands of partitions at the most.
#[derive(Debug, Clone)]
pub(crate) struct ByPartition<T>(Vec<Option<T>>);

impl<T> Default for ByPartition<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> ByPartition<T> {
    pub(crate) fn get(&self, partition: i32) -> Option<&T> {
        self.0.get(usize::try_from(partition).ok()?)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, partition: i32) -> Option<&mut T> {
        self.0.get_mut(usize::try_from(partition).ok()?)?.as_mut()
    }

    /// The place of a partition's value; a negative number has that of partition 0.
    pub(crate) fn slot(&mut self, partition: i32) -> &mut Option<T> {
        let at = usize::try_from(partition).unwrap_or_default();
        if self.0.len() <= at {
            self.0.resize_with(at + 1, || None);
        }
        &mut self.0[at]
    }

    pub(crate) fn remove(&mut self, partition: i32) {
        *self.slot(partition) = None;
    }

    /// In the order of the partitions.
    pub(crate) fn values(&self) -> impl Iterator<Item = &T> {
        self.0.iter().flatten()
    }

    pub(crate) fn retain(&mut self, keep: impl Fn(&T) -> bool) {
        for slot in &mut self.0 {
            if slot.as_ref().is_some_and(|value| !keep(value)) {
                *slot = None;
            }
        }
    }
}
