//! The hub's state: directory, sessions and port life, and what follows from what they hear. Pure.

use directory::{Directory, Limits};
use model::{Change, Committed, HostName, Port, PortId};
use store::WiredReport;
use sync::messages::Question;
use sync::server::Closing;
use tracing::{debug, info};

use super::admit::Applicants;
use super::alive::{Alive, Heard};
use super::events::{Command, Event, Now};
use super::history::Database;
use super::life::{Confirmations, Life};
use super::problems::Problems;
use super::sessions::Sessions;
use crate::hosts::Hosts;
use crate::writer::Writer;

/// How the hub is to behave.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub limits: Limits,
    /// How long ACTIVE waits for other hosts; zero: not at all.
    pub propagation: Now,
    /// How long a host without a stream counts as alive.
    pub alive: Now,
}

/// What the server knows and what it owes to whom.
///
/// Facts come in by [`State::committed`], [`State::handle`] and the like; [`State::settle`] gives what is to be done.
#[derive(Debug)]
pub struct State {
    pub(super) directory: Directory,
    pub(super) sessions: Sessions,
    pub(super) applicants: Applicants,
    pub(super) life: Life,
    pub(super) alive: Alive,
    pub(super) problems: Problems,
    pub(super) writer: Writer,
    pub(super) database: Database,
    /// A [`Command::BeginHistory`] is under way.
    pub(super) history_begins: bool,
    pub(super) commands: Vec<Command>,
}

impl State {
    /// From all that the store holds.
    pub fn new(all: &Committed, database: Database, bounds: Bounds, hosts: Hosts, writer: Writer) -> Self {
        let mut directory = Directory::new(bounds.limits);
        directory.load(all);
        State {
            directory,
            sessions: Sessions::default(),
            applicants: Applicants::default(),
            life: Life::new(writer.clone(), bounds.propagation),
            alive: Alive::new(hosts, bounds.alive),
            problems: Problems::default(),
            writer,
            database,
            history_begins: false,
            commands: Vec::new(),
        }
    }

    /// A host that the last server heard of a moment ago counts as alive for the bound. `clock`: microseconds since 1970.
    pub fn heard_of_before(&mut self, hosts: impl IntoIterator<Item = Heard>, clock: i64, now: Now) {
        self.alive.heard_of_before(hosts, clock, now);
    }

    /// Takes a commit of the store; one that came already does nothing.
    pub fn committed(&mut self, commit: &Committed, now: Now) {
        for change in &commit.changes {
            match change {
                Change::HostDeleted(host) => self.host_deleted(host, now),
                Change::PortDeleted(port) => self.problems.deleted(*port),
                Change::Port(port) => self.end_move_from_the_dead(port),
                _ => {}
            }
        }
        if !self.directory.apply(commit) {
            debug!(revision = %commit.revision, "a commit came twice");
        }
    }

    /// Takes the whole state anew, after commits were missed.
    pub fn replaced(&mut self, all: &Committed, now: Now) {
        let commit = with_deletions(all, &self.directory);
        self.committed(&commit, now);
    }

    /// Takes what happened on a stream.
    pub fn handle(&mut self, event: Event, now: Now) {
        match event {
            Event::Opened { id, hello } => self.opened(id, hello),
            Event::Said { id, message } => self.heard(id, message, now),
            Event::Room { id } => self.room(id),
            Event::Closed { id, reason } => {
                self.applicants.gone(id);
                if let Some(host) = self.sessions.closed(id) {
                    info!(%host, reason, "the stream of a host is gone: its ports stay as they are");
                    self.stream_lost(&host, now);
                }
            }
        }
    }

    /// Whether the host has a stream to be asked on.
    pub fn ask(&mut self, host: &HostName, question: Question) -> bool {
        self.sessions.ask(host, question)
    }

    /// When [`State::expire`] has something to do.
    pub fn next_deadline(&self) -> Option<Now> {
        [self.life.next_deadline(), self.alive.next_deadline()].into_iter().flatten().min()
    }

    pub fn expire(&mut self, now: Now) {
        self.life.expire(now);
        for host in self.alive.expire(now) {
            self.life.disconnected(&host);
            self.directory.leaving(&host).for_each(|port| self.end_move_from_the_dead(port));
        }
    }

    /// A port stays where it was until its new host has wired it; not on a host that is dead.
    fn end_move_from_the_dead(&self, port: &Port) {
        if let Some(former) = port.former.as_ref().filter(|former| !self.alive.is_alive(&former.host)) {
            info!(port = %port.id, host = %former.host, "a port leaves a host that is not alive: its entries there go");
            self.writer.wired(WiredReport { port: port.id, generation: former.generation, wired: false });
        }
    }

    /// Finds what changed for whom, as far as those have room, and derives again where ports are. Returns what is to be
    /// done, in order.
    pub fn settle(&mut self, now: Now) -> Vec<Command> {
        let dirty = self.directory.take_dirty();
        for (host, changed) in &dirty.hosts {
            self.sessions.mark(host, changed);
        }
        if dirty.endpoints {
            self.sessions.mark_endpoints();
        }
        for (host, effects) in self.sessions.drain(&self.directory, &mut self.commands) {
            self.apply(&host, effects, now);
        }
        let known = Confirmations { directory: &self.directory, sessions: &self.sessions, alive: &self.alive };
        self.life.refresh(&dirty, known, now);
        for (host, changed) in &dirty.hosts {
            for network in &changed.networks {
                if self.directory.view(*network, host).is_none() {
                    self.life.uninterested(host, *network);
                } else if let Some(revision) = self.sessions.confirmed_up_to(host, *network) {
                    self.life.confirmed(host, *network, revision);
                }
            }
        }
        std::mem::take(&mut self.commands)
    }

    pub(super) fn confirmations(&self) -> Confirmations<'_> {
        Confirmations { directory: &self.directory, sessions: &self.sessions, alive: &self.alive }
    }

    /// Ends every stream with a status that says so.
    pub fn close_all(&mut self, closing: &Closing) -> Vec<Command> {
        info!(streams = self.sessions.len(), "closing the streams of all agents");
        self.sessions.close_all(closing, &mut self.commands);
        std::mem::take(&mut self.commands)
    }

    /// Whether the port was plugged on the host when its Open vSwitch lost its database, and has not been since.
    pub(super) fn is_missing(&self, host: &HostName, port: PortId) -> bool {
        self.sessions.of(host).is_some_and(|session| session.is_missing(port))
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Hosts with a stream.
    pub fn connected(&self) -> impl Iterator<Item = HostName> {
        self.sessions.hosts()
    }
}

/// The whole state as one commit over what the directory has: what it no longer lists is deleted.
fn with_deletions(all: &Committed, directory: &Directory) -> Committed {
    let (mut hosts, mut networks, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    for change in &all.changes {
        match change {
            Change::Host(host) => hosts.push(&host.name),
            Change::Network(network) => networks.push(network.id),
            Change::Port(port) => ports.push(port.id),
            Change::HostDeleted(_) | Change::NetworkDeleted(_) | Change::PortDeleted(_) => {}
        }
    }
    let (hosts, networks, ports) = (set(hosts), set(networks), set(ports));
    let mut changes = all.changes.clone();
    let gone = directory.ports().filter(|port| !ports.contains(&port.id));
    changes.extend(gone.map(|port| Change::PortDeleted(port.id)));
    let gone = directory.networks().filter(|network| !networks.contains(&network.id));
    changes.extend(gone.map(|network| Change::NetworkDeleted(network.id)));
    let gone = directory.hosts().filter(|host| !hosts.contains(&&host.name));
    changes.extend(gone.map(|host| Change::HostDeleted(host.name.clone())));
    Committed { revision: all.revision, changes }
}

fn set<T: std::hash::Hash + Eq>(items: Vec<T>) -> std::collections::HashSet<T> {
    items.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use model::{HostName, Network, NetworkId, Revision, Segment, TunnelType};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_a_whole_state_no_longer_lists_is_deleted() {
        let host = |name: &str| {
            let name: HostName = name.parse().unwrap();
            Change::Host(model::Host { name, endpoint: [10, 0, 1, 1].into(), tunnel_types: vec![TunnelType::Gre] })
        };
        let network = |id, key| {
            let segment = Segment { tunnel_type: TunnelType::Gre, key };
            Change::Network(Network { id: NetworkId(Uuid::from_u128(id)), segment, mtu: 1458 })
        };
        let mut directory = Directory::new(Limits::default());
        directory.load(&Committed { revision: Revision(1), changes: vec![host("a"), network(1, 1), network(2, 2)] });
        let all = Committed { revision: Revision(5), changes: vec![host("b"), network(2, 3)] };
        assert!(directory.apply(&with_deletions(&all, &directory)));
        let hosts: Vec<_> = directory.hosts().map(|host| host.name.as_str()).collect();
        let keys: Vec<_> = directory.networks().map(|network| network.segment.key).collect();
        assert_eq!((hosts, keys), (vec!["b"], vec![3]));
    }
}
