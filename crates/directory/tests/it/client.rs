//! A host that follows the directory by deltas where it can, and looks only where it is told that something changed.

use std::collections::{BTreeMap, BTreeSet};

use directory::{Directory, EntryChange, HostDirty, NetworkView, Sum};
use model::{Entry, HostName, NetworkId, PortId, Revision};

pub(crate) struct Client {
    host: HostName,
    held: BTreeMap<NetworkId, Held>,
    dirty: BTreeSet<NetworkId>,
    /// What it holds may be of revisions that the server has no more.
    foreign: BTreeSet<NetworkId>,
    counts: Counts,
}

#[derive(Default)]
struct Held {
    revision: Revision,
    entries: BTreeMap<PortId, Entry>,
}

impl Held {
    fn all(view: NetworkView<'_>) -> Self {
        let entries = view.entries(None).map(|entry| (entry.port, entry.clone())).collect();
        Held { revision: view.revision(), entries }
    }
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) snapshots: u32,
    pub(crate) deltas: u32,
    /// Snapshots because history did not reach back.
    pub(crate) compacted: u32,
    /// Snapshots because a delta led to another sum than the server's.
    pub(crate) differed: u32,
    /// Removals of ports that are the host's own now.
    pub(crate) moved: u32,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.snapshots += other.snapshots;
        self.deltas += other.deltas;
        self.compacted += other.compacted;
        self.differed += other.differed;
        self.moved += other.moved;
    }
}

impl Client {
    pub(crate) fn new(host: HostName) -> Self {
        Client {
            host,
            held: BTreeMap::new(),
            dirty: BTreeSet::new(),
            foreign: BTreeSet::new(),
            counts: Counts::default(),
        }
    }

    pub(crate) fn mark(&mut self, dirty: &HostDirty) {
        self.dirty.extend(&dirty.networks);
    }

    /// Loses what it holds, and starts over.
    pub(crate) fn forget(&mut self) {
        self.dirty.extend(self.held.keys());
        self.held.clear();
    }

    /// The server's facts are older ones from now on.
    pub(crate) fn history_was_replaced(&mut self) {
        self.foreign.extend(self.held.keys());
        self.dirty.extend(self.held.keys());
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    pub(crate) fn entries(&self, network: NetworkId) -> Option<Vec<Entry>> {
        self.held.get(&network).map(|held| held.entries.values().cloned().collect())
    }

    pub(crate) fn catch_up(&mut self, directory: &Directory) {
        for network in std::mem::take(&mut self.dirty) {
            let foreign = self.foreign.remove(&network);
            let Some(view) = directory.view(network, &self.host) else {
                self.held.remove(&network);
                continue;
            };
            let held = self.held.get(&network);
            let resume = held.and_then(|held| view.resume(held.revision, Some(Sum::of(held.entries.values()))));
            let Some(position) = resume else {
                self.counts.snapshots += 1;
                self.counts.compacted += u32::from(held.is_some());
                self.held.insert(network, Held::all(view));
                continue;
            };
            let held = self.held.entry(network).or_default();
            let changes: Vec<_> = view.changes(position, position).collect();
            assert!(changes.is_sorted_by_key(|(position, _)| *position));
            let changed = !changes.is_empty();
            self.counts.deltas += u32::from(changed);
            // A client that is sent nothing keeps its revision.
            if changed {
                held.revision = view.revision();
            }
            for (_, change) in changes {
                match change {
                    EntryChange::Upsert(entry) => drop(held.entries.insert(entry.port, entry.clone())),
                    EntryChange::Remove(port) => {
                        let gone = held.entries.remove(&port).is_some();
                        let own = directory.entry(port).is_some_and(|(host, _)| *host == self.host);
                        self.counts.moved += u32::from(gone && own);
                    }
                }
            }
            let same = Sum::of(held.entries.values()) == view.sum();
            // Where there was nothing to send, nothing would tell it.
            assert!(same || (foreign && changed), "{network} on {}", self.host);
            if !same {
                self.counts.differed += 1;
                self.held.insert(network, Held::all(view));
            }
        }
    }
}
