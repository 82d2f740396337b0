use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use model::Revision;

/// A place in a log: after the `nth` change of a revision. A commit can change many records at one revision, and a
/// reader may have room for some of them only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    revision: Revision,
    nth: u32,
}

impl Position {
    /// After everything that changed at `revision` or before.
    pub fn end_of(revision: Revision) -> Self {
        Position { revision, nth: u32::MAX }
    }

    pub fn revision(self) -> Revision {
        self.revision
    }
}

/// Records by key, in the order in which they were last touched; removed ones stay as tombstones up to a bound.
///
/// A reader that stands at a position not older than `compacted` catches up by the records touched since; for an older
/// one a tombstone may be missing, and only the whole set helps.
#[derive(Debug)]
pub(crate) struct Log<K, V> {
    records: BTreeMap<K, Record<V>>,
    touched: BTreeMap<Position, K>,
    tombstones: BTreeMap<Position, K>,
    most_tombstones: usize,
    last: Position,
    compacted: Position,
}

#[derive(Debug)]
pub(crate) struct Record<V> {
    pub(crate) at: Position,
    pub(crate) live: bool,
    /// Of a tombstone: the value that it had last.
    pub(crate) value: V,
}

impl<K: Ord + Clone, V> Log<K, V> {
    /// An empty log whose history begins at `at`: who holds something from before must start over.
    pub(crate) fn new(at: Revision, most_tombstones: usize) -> Self {
        Log {
            records: BTreeMap::new(),
            touched: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            most_tombstones,
            last: Position::end_of(at),
            compacted: Position::end_of(at),
        }
    }

    /// Revision of the last change.
    pub(crate) fn revision(&self) -> Revision {
        self.last.revision
    }

    /// Whether a reader at `position` can catch up by [`Log::since`].
    pub(crate) fn reaches(&self, position: Position) -> bool {
        position >= self.compacted
    }

    pub(crate) fn get(&self, key: &K) -> Option<&Record<V>> {
        self.records.get(key)
    }

    /// Sets a record, alive or as a tombstone; `revision` is not below that of any change before.
    pub(crate) fn put(&mut self, key: K, value: V, live: bool, revision: Revision) {
        let nth = if revision == self.last.revision { self.last.nth.wrapping_add(1) } else { 0 };
        self.last = Position { revision, nth };
        let at = self.last;
        if let Some(old) = self.records.insert(key.clone(), Record { at, live, value }) {
            self.touched.remove(&old.at);
            self.tombstones.remove(&old.at);
        }
        if !live {
            self.tombstones.insert(at, key.clone());
        }
        self.touched.insert(at, key);
        while self.tombstones.len() > self.most_tombstones {
            self.forget_oldest_tombstone();
        }
    }

    /// Live records in the order of their keys.
    pub(crate) fn live(&self, after: Option<K>) -> impl Iterator<Item = (&K, &V)> {
        let start = after.map_or(Unbounded, Excluded);
        self.records
            .range((start, Unbounded))
            .filter(|(_, record)| record.live)
            .map(|(key, record)| (key, &record.value))
    }

    /// Records touched after `position`, each once, in the order of their last touch.
    pub(crate) fn since(&self, position: Position) -> impl Iterator<Item = (&K, &Record<V>)> {
        let keys = self.touched.range((Excluded(position), Unbounded)).map(|(_, key)| key);
        keys.filter_map(|key| self.records.get_key_value(key))
    }

    /// Starts history over at `revision` with what is live now (after a load: what was before is not known).
    pub(crate) fn rebase(&mut self, revision: Revision) {
        while !self.tombstones.is_empty() {
            self.forget_oldest_tombstone();
        }
        self.last = self.last.max(Position::end_of(revision));
        self.compacted = self.last;
    }

    fn forget_oldest_tombstone(&mut self) {
        if let Some((at, key)) = self.tombstones.pop_first() {
            self.records.remove(&key);
            self.touched.remove(&at);
            self.compacted = self.compacted.max(at);
        }
    }
}
