//! Port life: `DOWN`, plugged → `BUILD`, wired and propagated (or the bound has elapsed) → `ACTIVE`.
//!
//! Derived from the directory whenever a port's facts change, never from the order of events; what differs from the
//! store's record goes to the writer.

use std::collections::BTreeSet;

use directory::propagation::{Late, Propagation};
use directory::{Directory, Dirty};
use model::{HostName, NetworkId, Port, PortId, PortStatus, Revision};
use store::WiredReport;
use tracing::{info, warn};

use super::alive::Alive;
use super::events::Now;
use super::sessions::Sessions;
use crate::writer::Writer;

/// Hosts named in the log for one late port: with a thousand of them, each of a thousand ports would be a line of kilobytes.
const NAMED: usize = 5;

#[derive(Debug)]
pub(crate) struct Life {
    propagation: Propagation,
    /// Ports in it, as it does not tell.
    waiting: BTreeSet<PortId>,
    writer: Writer,
    bound: Now,
}

/// Who has confirmed what: the sessions and who is alive, as far as port life needs them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Confirmations<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) sessions: &'a Sessions,
    pub(crate) alive: &'a Alive,
}

impl<'a> Confirmations<'a> {
    /// Hosts to which a network's entries matter: those that are interested, and those that were before the server
    /// restarted, count as alive, and have not said yet what is plugged there.
    pub(crate) fn concerned(self, network: NetworkId) -> impl Iterator<Item = &'a HostName> {
        let interested = move |host| self.directory.view(network, host).is_some();
        let silent = self.directory.silent_in(network);
        let silent = silent.filter(move |host| !interested(host) && self.is_awaited(host, network));
        self.directory.interested(network).chain(silent)
    }

    /// Whether the host has yet to confirm this network up to this revision, and can be expected to.
    pub(crate) fn lags(self, host: &HostName, network: NetworkId, revision: Revision) -> bool {
        match self.sessions.of(host) {
            Some(session) => !session.confirmed(network, revision),
            None => self.is_awaited(host, network),
        }
    }

    fn is_awaited(self, host: &HostName, network: NetworkId) -> bool {
        let silent = self.alive.is_alive(host) && self.directory.is_silent(host);
        silent && self.directory.has_wired(host, network)
    }
}

impl Life {
    /// `bound`: how long ACTIVE waits for other hosts; zero: not at all.
    pub(crate) fn new(writer: Writer, bound: Now) -> Self {
        let (propagation, waiting) = (Propagation::default(), BTreeSet::new());
        Life { propagation, waiting, writer, bound }
    }

    /// Derives again where each port is whose facts may have changed.
    pub(crate) fn refresh(&mut self, dirty: &Dirty, known: Confirmations<'_>, now: Now) {
        let directory = known.directory;
        for id in dirty.ports.iter().chain(dirty.published.keys()).copied().collect::<BTreeSet<_>>() {
            let Some(port) = directory.port(id) else {
                self.stop(id);
                continue;
            };
            match directory.status(port) {
                PortStatus::Down => self.down(port),
                // Until its host has sent an inventory nothing is known of it, and nothing is concluded.
                PortStatus::Build if port.wired && is_plugged(port, directory) => {
                    let published = dirty.published.get(&id).map(|(_, revision)| *revision);
                    if published.is_some() || !self.waiting.contains(&id) {
                        // Who has confirmed its entry has confirmed all that concerns it, whatever happened elsewhere since.
                        let entry = || directory.entry_revision(id);
                        let published = published.or_else(entry).unwrap_or(directory.revision());
                        self.wait(port, published, known, now + self.bound);
                    }
                }
                PortStatus::Build => {
                    self.stop(id);
                    self.record(port, PortStatus::Build);
                }
                PortStatus::Active => self.stop(id),
            }
        }
    }

    pub(crate) fn confirmed(&mut self, host: &HostName, network: NetworkId, revision: Revision) {
        let done = self.propagation.confirmed(host, network, revision);
        self.active(done);
    }

    pub(crate) fn uninterested(&mut self, host: &HostName, network: NetworkId) {
        let done = self.propagation.uninterested(host, network);
        self.active(done);
    }

    /// An agent that is not connected is not waited for.
    pub(crate) fn disconnected(&mut self, host: &HostName) {
        let done = self.propagation.disconnected(host);
        self.active(done);
    }

    pub(crate) fn next_deadline(&self) -> Option<Now> {
        self.propagation.next_deadline()
    }

    pub(crate) fn expire(&mut self, now: Now) {
        for Late { port, network, revision, laggards } in self.propagation.expired(now) {
            let others = laggards.len().saturating_sub(NAMED);
            let laggards = laggards.iter().take(NAMED).map(HostName::as_str).collect::<Vec<_>>().join(", ");
            warn!(%port, %network, %revision, laggards, others, "port is ACTIVE though these hosts have not confirmed it");
            self.active(vec![port]);
        }
    }

    fn wait(&mut self, port: &Port, revision: Revision, known: Confirmations<'_>, deadline: Now) {
        self.waiting.insert(port.id);
        let own = port.binding.as_ref().map(|binding| &binding.host);
        let others = known.concerned(port.network).filter(|host| Some(*host) != own && !self.bound.is_zero());
        let laggards = others.filter(|host| known.lags(host, port.network, revision));
        if self.propagation.published(port.id, port.network, revision, laggards, deadline) {
            self.active(vec![port.id]);
        } else {
            self.record(port, PortStatus::Build);
        }
    }

    fn down(&mut self, port: &Port) {
        self.stop(port.id);
        if let Some(binding) = port.binding.as_ref().filter(|_| port.wired) {
            info!(port = %port.id, host = %binding.host, "port is no longer plugged: its entries go");
            self.writer.wired(WiredReport { port: port.id, generation: binding.generation, wired: false });
        }
        self.record(port, PortStatus::Down);
    }

    fn active(&mut self, ports: Vec<PortId>) {
        for port in ports {
            self.waiting.remove(&port);
            self.writer.status(port, PortStatus::Active);
        }
    }

    fn stop(&mut self, port: PortId) {
        if self.waiting.remove(&port) {
            self.propagation.withdrawn(port);
        }
    }

    fn record(&self, port: &Port, status: PortStatus) {
        self.writer.status_from(port.status, port.id, status);
    }
}

fn is_plugged(port: &Port, directory: &Directory) -> bool {
    port.binding.as_ref().is_some_and(|binding| directory.is_plugged(&binding.host, port.id))
}
