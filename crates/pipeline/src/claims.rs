use std::collections::{BTreeMap, BTreeSet};

/// Who claims what: a thing may have several claimants for a while (messages come in any order), and the lowest holds it.
#[derive(Debug)]
pub(crate) struct Claims<T, C>(BTreeMap<T, BTreeSet<C>>);

impl<T: Ord, C: Ord> Claims<T, C> {
    /// `false`: it was claimed by this claimant already.
    pub(crate) fn insert(&mut self, thing: T, claimant: C) -> bool {
        self.0.entry(thing).or_default().insert(claimant)
    }

    /// `false`: it was not claimed by this claimant.
    pub(crate) fn remove(&mut self, thing: &T, claimant: &C) -> bool {
        let Some(claimants) = self.0.get_mut(thing) else { return false };
        let removed = claimants.remove(claimant);
        if claimants.is_empty() {
            self.0.remove(thing);
        }
        removed
    }

    pub(crate) fn holder(&self, thing: &T) -> Option<&C> {
        self.of(thing).next()
    }

    /// All claimants, the holder first.
    pub(crate) fn of(&self, thing: &T) -> impl Iterator<Item = &C> {
        self.0.get(thing).into_iter().flatten()
    }

    pub(crate) fn things(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl<T, C> Default for Claims<T, C> {
    fn default() -> Self {
        Claims(BTreeMap::new())
    }
}
