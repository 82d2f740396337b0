use model::{Host, HostName, Revision};

use crate::log::{Log, Position};

/// The list of tunnel endpoints, as a log of its own: what agents in full-mesh mode need.
#[derive(Debug)]
pub(crate) struct Endpoints(Log<HostName, Host>);

impl Endpoints {
    pub(crate) fn new(most_tombstones: usize) -> Self {
        Endpoints(Log::new(Revision::ZERO, most_tombstones))
    }

    pub(crate) fn set(&mut self, host: Host, revision: Revision) {
        self.0.put(host.name.clone(), host, true, revision);
    }

    pub(crate) fn remove(&mut self, host: Host, revision: Revision) {
        self.0.put(host.name.clone(), host, false, revision);
    }

    pub(crate) fn rebase(&mut self, revision: Revision) {
        self.0.rebase(revision);
    }

    pub(crate) fn revision(&self) -> Revision {
        self.0.revision()
    }

    /// Endpoints to which `host` may tunnel.
    pub(crate) fn all(&self, host: &Host) -> Vec<&Host> {
        self.0.live(None).map(|(_, other)| other).filter(|other| meets(host, other)).collect()
    }

    /// What changed for `host` after `since`: endpoints to set, and hosts to remove. `None`: it needs all of them,
    /// because history does not reach back so far, because `since` is of another history (the database was restored from
    /// an older copy), or because what it serves itself changed since.
    pub(crate) fn changes(&self, host: &Host, since: Revision) -> Option<(Vec<&Host>, Vec<HostName>)> {
        let position = Position::end_of(since);
        let own_changed = self.0.get(&host.name).is_some_and(|own| own.at > position);
        if own_changed || !self.0.reaches(position) || since > self.0.revision() {
            return None;
        }
        let (mut upserts, mut removes) = (Vec::new(), Vec::new());
        for (name, record) in self.0.since(position) {
            if record.live && meets(host, &record.value) {
                upserts.push(&record.value);
            } else {
                removes.push(name.clone());
            }
        }
        Some((upserts, removes))
    }
}

/// Another host with which it has a tunnel type in common.
fn meets(host: &Host, other: &Host) -> bool {
    host.name != other.name && host.tunnel_types.iter().any(|own| other.tunnel_types.contains(own))
}
