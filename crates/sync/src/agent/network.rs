use std::collections::BTreeSet;
use std::net::IpAddr;

use model::{Digest, Entry, PortId, Revision};
use rustc_hash::FxHashMap;

use crate::messages::{Complete, Delta, Snapshot, Sum};

/// What the agent knows of having of one network. The entries themselves are the host state's; here is a hash of each,
/// enough to keep the sum and compare it with the server's.
#[derive(Debug, Default)]
pub(super) struct Network {
    hashes: FxHashMap<PortId, Digest>,
    sum: Sum,
    /// What it holds is all up to here; zero: not known to be anything, only a snapshot helps.
    pub(super) received: Revision,
    /// What OVS has confirmed.
    pub(super) confirmed: Revision,
    /// A snapshot of which parts have come.
    filling: Option<FxHashMap<PortId, Entry>>,
    /// Endpoints that these parts name.
    coming: BTreeSet<IpAddr>,
    /// A delta of which parts have come.
    pending: Option<Changes>,
    /// A snapshot is asked for; until it begins nothing else is of use.
    pub(super) awaited: bool,
    pub(super) damaged: u32,
}

/// Later parts override earlier ones.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) upserts: FxHashMap<PortId, Entry>,
    pub(super) removes: BTreeSet<PortId>,
}

impl Changes {
    fn add(&mut self, upserts: Vec<Entry>, removes: Vec<PortId>) {
        for entry in upserts {
            self.removes.remove(&entry.port);
            self.upserts.insert(entry.port, entry);
        }
        for port in removes {
            self.upserts.remove(&port);
            self.removes.insert(port);
        }
    }
}

/// Why what came cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Gap,
    Digest,
}

impl Network {
    pub(super) fn sum(&self) -> Sum {
        self.sum
    }

    /// A new stream: what has come in part is void.
    pub(super) fn forget_parts(&mut self) {
        (self.filling, self.pending, self.awaited, self.damaged) = (None, None, false, 0);
        self.coming.clear();
    }

    pub(super) fn coming(&self) -> impl Iterator<Item = IpAddr> {
        self.coming.iter().copied()
    }

    /// What is held is of another history, or wrong: it stays in use until a snapshot replaces it.
    pub(super) fn distrust(&mut self) {
        (self.received, self.confirmed) = (Revision::ZERO, Revision::ZERO);
    }

    pub(super) fn snapshot(&mut self, part: Snapshot) {
        if part.first {
            self.forget_pending();
            self.filling = Some(FxHashMap::default());
            self.coming.clear();
        }
        let Some(filling) = &mut self.filling else { return };
        self.coming.extend(part.entries.iter().map(|entry| entry.endpoint));
        filling.extend(part.entries.into_iter().map(|entry| (entry.port, entry)));
        for port in part.removes {
            filling.remove(&port);
        }
    }

    /// All entries, if the parts since the first are what the server sums up.
    pub(super) fn complete(&mut self, complete: Complete) -> Result<Vec<Entry>, Fault> {
        let filled = self.filling.take().ok_or(Fault::Gap)?;
        self.coming.clear();
        if Sum::of(filled.values()) != complete.sum {
            return Err(Fault::Digest);
        }
        self.set_all(filled.values());
        if complete.revision < self.confirmed {
            // What was confirmed is of a history that the server has no more.
            self.confirmed = Revision::ZERO;
        }
        self.received = complete.revision;
        self.damaged = 0;
        Ok(filled.into_values().collect())
    }

    /// What changed, once all parts are here.
    ///
    /// A delta may begin before what is held: on a new stream the agent says what OVS has confirmed, and may have received
    /// more. It names the newest state of all that changed since, so nothing is lost by taking some of it twice.
    pub(super) fn delta(&mut self, delta: Delta) -> Result<Option<Changes>, Fault> {
        if self.received == Revision::ZERO || delta.previous > self.received || delta.revision < self.received {
            return Err(Fault::Gap);
        }
        let mut changes = self.pending.take().unwrap_or_default();
        changes.add(delta.upserts, delta.removes);
        if delta.more {
            self.pending = Some(changes);
            return Ok(None);
        }
        for entry in changes.upserts.values() {
            let hash = Digest::of([entry]);
            if let Some(old) = self.hashes.insert(entry.port, hash) {
                self.subtract(old);
            }
            self.sum.count += 1;
            self.sum.digest += hash;
        }
        for port in &changes.removes {
            if let Some(old) = self.hashes.remove(port) {
                self.subtract(old);
            }
        }
        self.received = delta.revision;
        if self.sum == delta.sum { Ok(Some(changes)) } else { Err(Fault::Digest) }
    }

    fn forget_pending(&mut self) {
        self.pending = None;
        self.awaited = false;
    }

    fn subtract(&mut self, hash: Digest) {
        self.sum.count = self.sum.count.saturating_sub(1);
        self.sum.digest -= hash;
    }

    fn set_all<'a>(&mut self, entries: impl Iterator<Item = &'a Entry>) {
        self.hashes.clear();
        self.sum = Sum::default();
        for entry in entries {
            self.hashes.insert(entry.port, Digest::of([entry]));
            self.sum += entry;
        }
        self.hashes.shrink_to_fit();
    }
}
