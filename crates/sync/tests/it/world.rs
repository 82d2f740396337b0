//! A server and agents with queues between them: everything that can happen to a stream, one step at a time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use directory::{Directory, Limits};
use model::{Change, Entry, Epoch, NetworkId, PortId, Revision};
use sync::agent::{Held, Update};
use sync::messages::{Interface, Interfaces, Order, ToAgent, ToServer};
use sync::server::{Effect, Session};

use crate::facts::{self, Facts, HOSTS, NETWORKS, host, network, port};

pub(crate) struct World {
    pub(crate) facts: Facts,
    pub(crate) directory: Directory,
    pub(crate) agents: Vec<Agent>,
    epoch: Epoch,
    /// A copy of the database, as it was at some time.
    backup: Facts,
    /// It was put back, and not all agents have been here since: they may ask for snapshots, and what they confirm may be
    /// of revisions that are no more.
    restored: bool,
    pub(crate) counts: Counts,
}

#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) snapshots: u32,
    pub(crate) deltas: u32,
    /// Parts of messages that did not fit one.
    pub(crate) parts: u32,
    /// Confirmations of what was not sent because there was nothing in it for the host.
    pub(crate) silent: u32,
    /// Agents that held more than a restored database had.
    pub(crate) ahead: u32,
}

/// An agent, its stream and the host state that it would have.
pub(crate) struct Agent {
    n: u8,
    pub(crate) plugged: BTreeSet<u8>,
    held: Held,
    pub(crate) entries: BTreeMap<NetworkId, BTreeMap<PortId, Entry>>,
    orders: BTreeMap<String, Order>,
    /// What OVS has been given and has not confirmed.
    programming: VecDeque<(NetworkId, Revision)>,
    pub(crate) stream: Option<Stream>,
}

pub(crate) struct Stream {
    pub(crate) session: Session,
    to_server: VecDeque<ToServer>,
    pub(crate) to_agent: VecDeque<ToAgent>,
    pub(crate) complete: bool,
}

impl World {
    pub(crate) fn new() -> Self {
        let (facts, directory) = Facts::begin();
        let agents = (0..HOSTS).map(Agent::new).collect();
        let (backup, epoch, counts) = (facts.clone(), facts::epoch(1), Counts::default());
        World { facts, directory, agents, epoch, backup, restored: false, counts }
    }

    pub(crate) fn commit(&mut self, changes: Vec<Change>) {
        self.facts.commit(&mut self.directory, changes);
        self.mark();
    }

    pub(crate) fn plug(&mut self, on: u8, id: u8) {
        let agent = &mut self.agents[usize::from(on)];
        if agent.plugged.insert(id) {
            let interface = agent.interface(id);
            agent.say(ToServer::Interfaces(Interfaces { inventory: false, present: vec![interface], gone: vec![] }));
        }
    }

    pub(crate) fn unplug(&mut self, on: u8, id: u8) {
        let agent = &mut self.agents[usize::from(on)];
        if agent.plugged.remove(&id) {
            let gone = vec![port(id).to_string()];
            agent.orders.remove(&gone[0]);
            agent.say(ToServer::Interfaces(Interfaces { inventory: false, present: vec![], gone }));
        }
    }

    /// A new stream; what was under way on an old one is lost.
    pub(crate) fn connect(&mut self, on: u8) {
        let agent = &mut self.agents[usize::from(on)];
        let hello = agent.held.begin(facts::hello(on));
        let ahead = hello.held.iter().any(|held| held.revision > self.directory.revision());
        if ahead && hello.epoch == Some(self.epoch) {
            // As the hub does.
            assert!(self.restored, "a database that was not restored has all that was ever said");
            self.counts.ahead += 1;
            self.epoch = next(self.epoch);
        }
        let session = Session::new(&hello, self.epoch, "test");
        let present = agent.plugged.iter().map(|id| agent.interface(*id)).collect();
        let inventory = ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec![] });
        let to_server = VecDeque::from([inventory]);
        agent.stream = Some(Stream { session, to_server, to_agent: VecDeque::new(), complete: false });
    }

    pub(crate) fn disconnect(&mut self, on: u8) {
        self.agents[usize::from(on)].stream = None;
    }

    pub(crate) fn restart_agent(&mut self, on: u8) {
        let agent = &mut self.agents[usize::from(on)];
        let plugged = std::mem::take(&mut agent.plugged);
        *agent = Agent { plugged, ..Agent::new(on) };
    }

    pub(crate) fn restart_server(&mut self, restored: bool) {
        self.directory = Directory::new(Limits { tombstones: 3 });
        self.directory.load(&self.facts.all());
        self.directory.take_dirty();
        (0..HOSTS).for_each(|on| self.disconnect(on));
        if restored {
            self.epoch = next(self.epoch);
        }
    }

    pub(crate) fn back_up(&mut self) {
        self.backup = self.facts.clone();
    }

    /// The server restarts on an older copy of its database, which says the same epoch.
    pub(crate) fn restore(&mut self) {
        (self.facts, self.restored) = (self.backup.clone(), true);
        self.restart_server(false);
    }

    /// The server reads one message of this agent.
    pub(crate) fn server_reads(&mut self, on: u8) -> Vec<Effect> {
        let Some(stream) = &mut self.agents[usize::from(on)].stream else { return vec![] };
        let Some(message) = stream.to_server.pop_front() else { return vec![] };
        let effects = stream.session.on_message(message, &mut self.directory);
        for effect in &effects {
            // On a stream that loses nothing there is nothing to mend, unless the server forgot.
            let mends = matches!(effect, Effect::Resync { .. });
            assert!(!matches!(effect, Effect::Violation(_)) && (!mends || self.restored), "{effect:?}");
        }
        self.mark();
        effects
    }

    pub(crate) fn drain(&mut self, on: u8, budget: usize) -> Vec<Effect> {
        let agent = &mut self.agents[usize::from(on)];
        let Some(stream) = &mut agent.stream else { return vec![] };
        let drained = stream.session.drain(&self.directory, budget);
        for message in &drained.messages {
            if let Some(about) = network_of(message) {
                assert!(self.directory.view(about, &host(on)).is_some(), "host {on} is told of {about}");
            }
            self.counts.snapshots += u32::from(matches!(message, ToAgent::Complete(_)));
            self.counts.deltas += u32::from(matches!(message, ToAgent::Delta(delta) if !delta.more));
            self.counts.parts += u32::from(matches!(message, ToAgent::Delta(delta) if delta.more));
            self.counts.parts += u32::from(matches!(message, ToAgent::Snapshot(snapshot) if !snapshot.first));
        }
        self.counts.silent +=
            u32::from(drained.effects.iter().any(|effect| matches!(effect, Effect::Confirmed { .. })));
        stream.to_agent.extend(drained.messages);
        drained.effects
    }

    pub(crate) fn agent_reads(&mut self, on: u8) {
        let agent = &mut self.agents[usize::from(on)];
        if let Some(message) = agent.stream.as_mut().and_then(|stream| stream.to_agent.pop_front()) {
            agent.receive(message);
        }
    }

    /// OVS answers a barrier.
    pub(crate) fn ovs_confirms(&mut self, on: u8) {
        let agent = &mut self.agents[usize::from(on)];
        let next = agent.programming.pop_front();
        if let Some(ack) = next.and_then(|(network, revision)| agent.held.confirm(network, revision, vec![])) {
            agent.say(ack);
        }
    }

    /// Everybody connects and reads all there is.
    pub(crate) fn settle(&mut self) {
        for on in 0..HOSTS {
            if self.agents[usize::from(on)].stream.is_none() {
                self.connect(on);
            }
        }
        for _ in 0..10_000 {
            let mut quiet = true;
            for on in 0..HOSTS {
                self.server_reads(on);
                self.drain(on, 100);
                self.agent_reads(on);
                self.ovs_confirms(on);
                let agent = &self.agents[usize::from(on)];
                let idle = |stream: &Stream| {
                    stream.to_server.is_empty() && stream.to_agent.is_empty() && !stream.session.has_work()
                };
                let idle = agent.stream.as_ref().is_some_and(idle);
                quiet &= idle && agent.programming.is_empty();
            }
            if quiet {
                self.restored = false;
                return;
            }
        }
        unreachable!("no end to it");
    }

    /// What must hold at every moment: a host that counts as having confirmed the newest has it.
    pub(crate) fn check_confirmed(&self) {
        if self.restored {
            return;
        }
        for agent in &self.agents {
            let Some(stream) = &agent.stream else { continue };
            for of in 0..NETWORKS {
                let Some(view) = self.directory.view(network(of), &host(agent.n)) else { continue };
                if stream.session.confirmed(network(of), view.revision()) {
                    let expected = self.facts.entries_for(agent.n, of);
                    assert_eq!(agent.entries.get(&network(of)), Some(&expected), "confirmed by host {}", agent.n);
                }
            }
        }
    }

    /// What must hold when all is quiet.
    pub(crate) fn check_settled(&self) {
        for agent in &self.agents {
            assert!(agent.stream.as_ref().is_some_and(|stream| stream.complete && stream.session.is_complete()));
            let interests = self.facts.interests(agent.n, &agent.plugged);
            assert_eq!(
                agent.entries.keys().copied().collect::<BTreeSet<_>>(),
                interests,
                "networks of host {}",
                agent.n
            );
            for of in (0..NETWORKS).filter(|of| interests.contains(&network(*of))) {
                let expected = self.facts.entries_for(agent.n, of);
                assert_eq!(agent.entries[&network(of)], expected, "host {}, network {of}", agent.n);
                let session = &agent.stream.as_ref().unwrap().session;
                let revision = self.directory.view(network(of), &host(agent.n)).unwrap().revision();
                assert!(session.confirmed(network(of), revision), "host {} has confirmed network {of}", agent.n);
            }
            for id in &agent.plugged {
                let id = port(*id).to_string();
                let expected = Order::from(self.directory.order(&host(agent.n), &id));
                assert_eq!(agent.orders.get(&id), Some(&expected), "order for {id} on host {}", agent.n);
            }
        }
    }

    pub(crate) fn mark(&mut self) {
        let dirty = self.directory.take_dirty();
        for agent in &mut self.agents {
            if let (Some(stream), Some(dirty)) = (&mut agent.stream, dirty.hosts.get(&host(agent.n))) {
                stream.session.mark(dirty);
            }
        }
    }
}

impl Agent {
    fn new(n: u8) -> Self {
        Agent {
            n,
            plugged: BTreeSet::new(),
            held: Held::new(),
            entries: BTreeMap::new(),
            orders: BTreeMap::new(),
            programming: VecDeque::new(),
            stream: None,
        }
    }

    pub(crate) fn say(&mut self, message: ToServer) {
        if let Some(stream) = &mut self.stream {
            stream.to_server.push_back(message);
        }
    }

    fn interface(&self, id: u8) -> Interface {
        let id = port(id).to_string();
        let order_held = self.orders.get(&id).map(Order::digest);
        Interface { id, order_held, wired: None }
    }

    fn receive(&mut self, message: ToAgent) {
        let received = self.held.receive(message).unwrap();
        for reply in received.replies {
            self.say(reply);
        }
        match received.update {
            Some(Update::Entries { network, replace, upserts, removes, revision }) => {
                let entries = self.entries.entry(network).or_default();
                if replace {
                    entries.clear();
                }
                entries.retain(|port, _| !removes.contains(port));
                entries.extend(upserts.into_iter().map(|entry| (entry.port, entry)));
                self.programming.push_back((network, revision));
            }
            Some(Update::Orders(orders)) => {
                let ids = orders
                    .ports
                    .into_iter()
                    .filter(|order| self.plugged.iter().any(|id| port(*id).to_string() == order.id));
                self.orders.extend(ids.map(|order| (order.id, order.order)).collect::<Vec<_>>());
            }
            Some(Update::Dropped(network)) => {
                self.entries.remove(&network);
                self.programming.retain(|(under_way, _)| *under_way != network);
            }
            Some(Update::HostComplete(networks)) => {
                self.entries.retain(|network, _| networks.contains(network));
                self.stream.as_mut().unwrap().complete = true;
            }
            Some(Update::Endpoints { .. } | Update::Question(_)) | None => {}
        }
    }
}

fn network_of(message: &ToAgent) -> Option<NetworkId> {
    match message {
        ToAgent::Snapshot(snapshot) => Some(snapshot.network),
        ToAgent::Complete(complete) => Some(complete.network),
        ToAgent::Delta(delta) => Some(delta.network),
        _ => None,
    }
}

fn next(epoch: Epoch) -> Epoch {
    facts::epoch(epoch.0.as_bytes()[0] + 1)
}
