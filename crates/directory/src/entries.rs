use std::collections::HashMap;
use std::sync::Arc;

use model::{Entry, HostName, PortId, Revision};

use crate::Sum;
use crate::log::{Log, Position};

/// The published entries of one network.
#[derive(Debug)]
pub(crate) struct Entries {
    log: Log<PortId, Published>,
    total: Sum,
    own: OwnSums,
    base: Option<Base>,
}

#[derive(Debug)]
struct Published {
    entry: Entry,
    host: HostName,
    /// When the entry last ceased to be at another host than `host`: hosts do not hold their own entries, so a host to
    /// which a port has moved must be told to remove the one that it had.
    left: Revision,
}

/// Each host's own share of the network's sum.
type OwnSums = Arc<HashMap<HostName, Sum>>;

/// The sums as they were when history began (the load at the server's start). An agent whose sum is one of these holds
/// that very set, whatever revision it got it at, and needs only what came after: a restart of the server is no reason
/// for snapshots. Shares its map with the current one until the network changes.
#[derive(Debug)]
struct Base {
    at: Position,
    total: Sum,
    own: OwnSums,
}

impl Entries {
    pub(crate) fn new(at: Revision, most_tombstones: usize) -> Self {
        Entries { log: Log::new(at, most_tombstones), total: Sum::default(), own: OwnSums::default(), base: None }
    }

    /// Sets a port's entry. Returns whether the port is newly published, or at another host than before; `None` if
    /// nothing changed.
    pub(crate) fn publish(&mut self, entry: Entry, host: &HostName, revision: Revision) -> Option<bool> {
        let (mut left, mut new) = (Revision::ZERO, true);
        if let Some(old) = self.log.get(&entry.port) {
            let same_host = old.value.host == *host;
            if old.live && same_host && old.value.entry == entry {
                return None;
            }
            new = !(old.live && same_host);
            left = match (same_host, old.live) {
                (true, _) => old.value.left,
                (false, true) => revision,
                (false, false) => old.at.revision(),
            };
            if old.live {
                let (old_host, old_entry) = (old.value.host.clone(), old.value.entry.clone());
                self.subtract(&old_host, &old_entry);
            }
        }
        self.total += &entry;
        *Arc::make_mut(&mut self.own).entry(host.clone()).or_default() += &entry;
        self.put(entry.port, Published { entry, host: host.clone(), left }, true, revision);
        Some(new)
    }

    /// Withdraws a port's entry, and returns whether there was one.
    pub(crate) fn withdraw(&mut self, port: PortId, revision: Revision) -> bool {
        let Some(old) = self.log.get(&port).filter(|record| record.live) else { return false };
        let last = Published { entry: old.value.entry.clone(), host: old.value.host.clone(), left: old.value.left };
        self.subtract(&last.host, &last.entry);
        self.put(port, last, false, revision);
        true
    }

    /// Starts history over at `revision`; see [`Base`].
    pub(crate) fn rebase(&mut self, revision: Revision) {
        self.log.rebase(revision);
        let at = Position::end_of(self.log.revision());
        self.base = Some(Base { at, total: self.total, own: Arc::clone(&self.own) });
    }

    pub(crate) fn get(&self, port: PortId) -> Option<(&HostName, &Entry)> {
        let record = self.log.get(&port).filter(|record| record.live)?;
        Some((&record.value.host, &record.value.entry))
    }

    pub(crate) fn revision_of(&self, port: PortId) -> Option<Revision> {
        Some(self.log.get(&port).filter(|record| record.live)?.at.revision())
    }

    fn put(&mut self, port: PortId, published: Published, live: bool, revision: Revision) {
        self.log.put(port, published, live, revision);
        self.base.take_if(|base| !self.log.reaches(base.at));
    }

    fn subtract(&mut self, host: &HostName, entry: &Entry) {
        self.total -= entry;
        let own = Arc::make_mut(&mut self.own);
        if let Some(sum) = own.get_mut(host) {
            *sum -= entry;
            if sum.count == 0 {
                own.remove(host);
            }
        }
    }
}

/// A network's entries as one interested host sees them: all but its own.
#[derive(Debug, Clone, Copy)]
pub struct NetworkView<'a> {
    pub(crate) entries: &'a Entries,
    pub(crate) host: &'a HostName,
}

/// What became of an entry since some position. Level-triggered: the newest state of it, not each step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryChange<'a> {
    Upsert(&'a Entry),
    /// The host may hold an entry of this port, and must not.
    Remove(PortId),
}

impl<'a> NetworkView<'a> {
    /// Revision of the last change of the network's entries, the host's own included.
    pub fn revision(self) -> Revision {
        self.entries.log.revision()
    }

    /// Of all entries but the host's own.
    pub fn sum(self) -> Sum {
        self.entries.total - self.entries.own.get(self.host).copied().unwrap_or_default()
    }

    /// From where a host that holds `revision` catches up by [`NetworkView::changes`]; `None`: it needs a snapshot,
    /// because history does not reach back so far, or because it holds `revision` of another history: the database was
    /// restored from an older copy, and the host was told of what is no longer in it. `held` is the sum of what it
    /// holds, if it knows: the same sum means the same set, whatever the revision.
    pub fn resume(self, revision: Revision, held: Option<Sum>) -> Option<Position> {
        if revision > self.revision() {
            return None;
        }
        let position = Position::end_of(revision);
        if self.entries.log.reaches(position) {
            // A change that is sent carries the new sum, and the host compares; where there is none it is done here.
            let same = held == Some(self.sum()) || self.changes(position, position).next().is_some();
            return same.then_some(position);
        }
        let held = held?;
        if held == self.sum() {
            return Some(Position::end_of(self.revision()));
        }
        let base = self.entries.base.as_ref()?;
        let then = base.total - base.own.get(self.host).copied().unwrap_or_default();
        (held == then).then_some(base.at)
    }

    /// Whether a reader at `position` can still go on from there; if not it needs a snapshot.
    pub fn reaches(self, position: Position) -> bool {
        self.entries.log.reaches(position)
    }

    /// Entries in the order of their ports, from after `after`.
    pub fn entries(self, after: Option<PortId>) -> impl Iterator<Item = &'a Entry> {
        let live = self.entries.log.live(after);
        live.filter(move |(_, published)| published.host != *self.host).map(|(_, published)| &published.entry)
    }

    /// What changed after `since`, in the order of the last change of each, with the position after each. A host that has
    /// read a part goes on from there; `held` stays where it began: what it held then is what may have to be removed.
    pub fn changes(self, since: Position, held: Position) -> impl Iterator<Item = (Position, EntryChange<'a>)> {
        self.entries.log.since(since).filter_map(move |(port, record)| {
            let published = &record.value;
            let change = match (record.live, published.host == *self.host) {
                (true, false) => EntryChange::Upsert(&published.entry),
                (false, false) => EntryChange::Remove(*port),
                (_, true) if published.left > held.revision() => EntryChange::Remove(*port),
                (_, true) => return None,
            };
            Some((record.at, change))
        })
    }
}
