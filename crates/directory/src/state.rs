use std::collections::{BTreeSet, HashMap};
use std::mem;

use model::{Change, Committed, Entry, Host, HostName, Network, NetworkId, Port, PortId, Revision};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::dirty::Dirty;
use crate::endpoints::Endpoints;
use crate::entries::Entries;

/// Bounds on what the directory keeps.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Removed entries that each network remembers, so that an agent that was away is told of them one by one; who
    /// missed more gets a snapshot.
    pub tombstones: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { tombstones: 1000 }
    }
}

/// What is known of networks, ports and hosts, and what follows from it for each host.
#[derive(Debug)]
pub struct Directory {
    limits: Limits,
    pub(crate) revision: Revision,
    pub(crate) hosts: HashMap<HostName, HostState>,
    pub(crate) networks: FxHashMap<NetworkId, NetworkState>,
    pub(crate) ports: FxHashMap<PortId, Port>,
    /// Hosts on which an interface with the port's id is plugged; the port need not exist.
    pub(crate) plugged: FxHashMap<PortId, Vec<HostName>>,
    /// Which hosts a port makes interested in its network: the one that it is bound to, the one that it leaves, and those
    /// that are prepared for it.
    interests: FxHashMap<PortId, (NetworkId, Vec<HostName>)>,
    pub(crate) endpoints: Endpoints,
    /// Hosts that had ports when this directory was loaded, and that have not sent an inventory since.
    pub(crate) silent: BTreeSet<HostName>,
    /// Of those, who had wired ports of each network then.
    pub(crate) silent_in: FxHashMap<NetworkId, BTreeSet<HostName>>,
    pub(crate) dirty: Dirty,
}

#[derive(Debug, Default)]
pub(crate) struct HostState {
    pub(crate) facts: Option<Host>,
    pub(crate) bound: FxHashSet<PortId>,
    /// Ports that are bound elsewhere, and still wired here.
    pub(crate) leaving: FxHashSet<PortId>,
    pub(crate) plugged: FxHashSet<PortId>,
    /// Networks in which it is interested.
    pub(crate) interests: BTreeSet<NetworkId>,
    /// It has sent an inventory since this directory was made, so that what is not plugged is known not to be.
    pub(crate) inventoried: bool,
}

#[derive(Debug)]
pub(crate) struct NetworkState {
    pub(crate) facts: Option<Network>,
    ports: FxHashSet<PortId>,
    pub(crate) entries: Entries,
    /// Interested hosts, each with the number of ports that make it so.
    pub(crate) interested: HashMap<HostName, usize>,
}

/// Facts from the store.
impl Directory {
    pub fn new(limits: Limits) -> Self {
        Directory {
            limits,
            revision: Revision::ZERO,
            hosts: HashMap::new(),
            networks: FxHashMap::default(),
            ports: FxHashMap::default(),
            plugged: FxHashMap::default(),
            interests: FxHashMap::default(),
            endpoints: Endpoints::new(limits.tombstones),
            silent: BTreeSet::new(),
            silent_in: FxHashMap::default(),
            dirty: Dirty::default(),
        }
    }

    /// Takes all that the store holds, as of a revision, into an empty directory. What happened before is not known, so
    /// history begins here.
    pub fn load(&mut self, all: &Committed) {
        self.apply_changes(all);
        for network in self.networks.values_mut() {
            network.entries.rebase(all.revision);
        }
        self.endpoints.rebase(all.revision);
        let with_ports = self.hosts.iter().filter(|(_, state)| !state.bound.is_empty() || !state.leaving.is_empty());
        self.silent = with_ports.map(|(host, _)| host.clone()).collect();
        let wired = |host| self.wired_on(host).map(move |port| (port.network, host.clone()));
        let wired: Vec<(NetworkId, HostName)> = self.silent.iter().flat_map(wired).collect();
        for (network, host) in wired {
            self.silent_in.entry(network).or_default().insert(host);
        }
    }

    /// Takes one committed transaction. Returns false, and does nothing, for one that it has already.
    pub fn apply(&mut self, committed: &Committed) -> bool {
        if committed.revision <= self.revision {
            return false;
        }
        self.apply_changes(committed);
        true
    }

    /// The last transaction taken.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    fn apply_changes(&mut self, committed: &Committed) {
        self.revision = committed.revision;
        let mut changed = BTreeSet::new();
        for change in &committed.changes {
            match change {
                Change::Network(network) => self.set_network(network.id, Some(network.clone()), &mut changed),
                Change::NetworkDeleted(network) => self.set_network(*network, None, &mut changed),
                Change::Port(port) => self.set_port(port.id, Some(port), &mut changed),
                Change::PortDeleted(port) => self.set_port(*port, None, &mut changed),
                Change::Host(host) => self.set_host(&host.name, Some(host.clone()), &mut changed),
                Change::HostDeleted(host) => self.set_host(host, None, &mut changed),
            }
        }
        for network in changed {
            if let Some(state) = self.networks.get(&network) {
                state.interested.keys().for_each(|host| self.dirty.network(host, network));
            }
        }
    }

    fn set_network(&mut self, id: NetworkId, facts: Option<Network>, changed: &mut BTreeSet<NetworkId>) {
        let state = self.network_state(id);
        if state.facts == facts {
            return;
        }
        let came_or_went = state.facts.is_some() != facts.is_some();
        state.facts = facts;
        changed.insert(id);
        if came_or_went {
            for port in state.ports.iter().copied().collect::<Vec<_>>() {
                self.refresh(port, id, changed);
                self.order_changed(port);
            }
            self.forget_network_if_empty(id);
        }
    }

    fn set_port(&mut self, id: PortId, facts: Option<&Port>, changed: &mut BTreeSet<NetworkId>) {
        let old = match facts {
            Some(port) => self.ports.insert(id, port.clone()),
            None => self.ports.remove(&id),
        };
        if old.as_ref() == facts {
            return;
        }
        self.dirty.ports.insert(id);
        if let Some(old) = &old {
            if let Some(binding) = &old.binding {
                self.host_state(&binding.host).bound.remove(&id);
            }
            if let Some(former) = &old.former {
                self.host_state(&former.host).leaving.remove(&id);
            }
            self.network_state(old.network).ports.remove(&id);
        }
        if let Some(port) = facts {
            if let Some(binding) = &port.binding {
                self.host_state(&binding.host).bound.insert(id);
            }
            if let Some(former) = &port.former {
                self.host_state(&former.host).leaving.insert(id);
            }
            self.network_state(port.network).ports.insert(id);
        }
        // A port does not change its network; if one did, its old network must lose it first.
        let (old, new) = (old.map(|port| port.network), facts.map(|port| port.network));
        for network in old.filter(|network| Some(*network) != new).into_iter().chain(new) {
            self.refresh(id, network, changed);
            self.forget_network_if_empty(network);
        }
        self.order_changed(id);
    }

    fn set_host(&mut self, name: &HostName, facts: Option<Host>, changed: &mut BTreeSet<NetworkId>) {
        let revision = self.revision;
        let state = self.host_state(name);
        if state.facts == facts {
            return;
        }
        let old = mem::replace(&mut state.facts, facts.clone());
        for port in state.bound.iter().chain(&state.leaving).copied().collect::<Vec<_>>() {
            if let Some(network) = self.ports.get(&port).map(|port| port.network) {
                self.refresh(port, network, changed);
            }
        }
        match (facts, old) {
            (Some(host), _) => self.endpoints.set(host, revision),
            (None, Some(host)) => self.endpoints.remove(host, revision),
            (None, None) => {}
        }
        self.dirty.endpoints = true;
    }
}

/// Keeping what follows in step with the facts.
impl Directory {
    /// Derives again what one port means for one network: whose interest it is, and its entry.
    pub(crate) fn refresh(&mut self, id: PortId, network: NetworkId, changed: &mut BTreeSet<NetworkId>) {
        let revision = self.revision;
        let entry = self.entry_of(id, network);
        let entries = &mut self.network_state(network).entries;
        let newly = match entry {
            Some((host, entry)) => entries.publish(entry, &host, revision),
            None => entries.withdraw(id, revision).then_some(false),
        };
        if let Some(newly) = newly {
            changed.insert(network);
            self.dirty.ports.insert(id);
            if newly {
                self.dirty.published.insert(id, (network, revision));
            }
        }
        self.set_interest(id, network);
    }

    /// The entry that a port has on this network: it is up, and its host's endpoint is known. That is the host that has it
    /// wired: until its new one has, it can be reached where it was.
    fn entry_of(&self, id: PortId, network: NetworkId) -> Option<(HostName, Entry)> {
        let port = self.ports.get(&id).filter(|port| port.network == network && port.admin_up)?;
        self.network(network)?;
        let wired = if port.wired { &port.binding } else { &port.former };
        let host = self.host(&wired.as_ref()?.host)?;
        let entry = Entry { port: id, mac: port.mac, ips: port.ips.clone(), endpoint: host.endpoint };
        Some((host.name.clone(), entry))
    }

    /// The hosts that a port makes interested in this network: it is bound there, was before or may be next, and is plugged there.
    fn interests_of(&self, id: PortId, network: NetworkId) -> Vec<HostName> {
        let port = self.ports.get(&id).filter(|port| port.network == network && self.network(network).is_some());
        let bound = port.into_iter().flat_map(|port| port.binding.iter().chain(&port.former));
        let prepared = port.into_iter().filter(|port| port.binding.is_some()).flat_map(|port| &port.prepared);
        let mut hosts = Vec::new();
        for host in bound.map(|binding| &binding.host).chain(prepared).filter(|host| self.is_plugged(host, id)) {
            if !hosts.contains(host) {
                hosts.push(host.clone());
            }
        }
        hosts
    }

    fn set_interest(&mut self, id: PortId, network: NetworkId) {
        let wanted = self.interests_of(id, network);
        let held = self.interests.get(&id).filter(|(held, _)| *held == network);
        let held = held.map(|(_, hosts)| hosts.clone()).unwrap_or_default();
        if held == wanted {
            return;
        }
        if wanted.is_empty() {
            self.interests.remove(&id);
        } else {
            self.interests.insert(id, (network, wanted.clone()));
        }
        for host in held.iter().filter(|host| !wanted.contains(host)) {
            let ports = self.network_state(network).interested.entry(host.clone()).or_default();
            *ports = ports.saturating_sub(1);
            if *ports == 0 {
                self.network_state(network).interested.remove(host);
                self.host_state(host).interests.remove(&network);
                self.dirty.network(host, network);
            }
        }
        for host in wanted.into_iter().filter(|host| !held.contains(host)) {
            let ports = self.network_state(network).interested.entry(host.clone()).or_default();
            *ports += 1;
            if *ports == 1 {
                self.host_state(&host).interests.insert(network);
                self.dirty.network(&host, network);
            }
        }
    }

    fn order_changed(&mut self, port: PortId) {
        for host in self.plugged.get(&port).into_iter().flatten() {
            self.dirty.order(host, port);
        }
    }

    pub(crate) fn host_state(&mut self, name: &HostName) -> &mut HostState {
        self.hosts.entry(name.clone()).or_default()
    }

    fn network_state(&mut self, id: NetworkId) -> &mut NetworkState {
        let (at, tombstones) = (self.revision, self.limits.tombstones);
        self.networks.entry(id).or_insert_with(|| NetworkState {
            facts: None,
            ports: FxHashSet::default(),
            entries: Entries::new(at, tombstones),
            interested: HashMap::new(),
        })
    }

    fn forget_network_if_empty(&mut self, id: NetworkId) {
        if self.networks.get(&id).is_some_and(|state| state.facts.is_none() && state.ports.is_empty()) {
            self.networks.remove(&id);
        }
    }
}
