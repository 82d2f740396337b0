//! The facts, and what follows from them, worked out from nothing each time.

use std::collections::{BTreeMap, BTreeSet};

use model::{Binding, Change, Committed, Entry, Host, HostName, Network, NetworkId, Port, PortId, Revision};

use crate::history::{host, network, port};

#[derive(Debug, Clone, Default)]
pub(crate) struct Naive {
    revision: u64,
    hosts: BTreeMap<HostName, Host>,
    networks: BTreeMap<NetworkId, Network>,
    ports: BTreeMap<PortId, Port>,
    plugged: BTreeSet<(u8, u8)>,
}

impl Naive {
    pub(crate) fn commit(&mut self, changes: &[Change]) -> Revision {
        for change in changes.iter().cloned() {
            match change {
                Change::Network(network) => drop(self.networks.insert(network.id, network)),
                Change::NetworkDeleted(id) => drop(self.networks.remove(&id)),
                Change::Port(port) => drop(self.ports.insert(port.id, port)),
                Change::PortDeleted(id) => drop(self.ports.remove(&id)),
                Change::Host(host) => drop(self.hosts.insert(host.name.clone(), host)),
                Change::HostDeleted(name) => drop(self.hosts.remove(&name)),
            }
        }
        self.revision += 1;
        Revision(self.revision)
    }

    pub(crate) fn all(&self) -> Committed {
        let hosts = self.hosts.values().cloned().map(Change::Host);
        let networks = self.networks.values().cloned().map(Change::Network);
        // Ports before their networks and hosts: the order of facts must not matter.
        let changes = self.ports.values().cloned().map(Change::Port).chain(networks).chain(hosts).collect();
        Committed { revision: Revision(self.revision), changes }
    }

    /// Facts as they were; what is plugged is as it is.
    pub(crate) fn restore(&mut self, backup: &Naive) {
        let plugged = std::mem::take(&mut self.plugged);
        *self = Naive { plugged, ..backup.clone() };
    }

    pub(crate) fn host_names(&self) -> BTreeSet<HostName> {
        self.hosts.keys().cloned().collect()
    }

    pub(crate) fn network_ids(&self) -> BTreeSet<NetworkId> {
        self.networks.keys().copied().collect()
    }

    pub(crate) fn port_ids(&self, mut wanted: impl FnMut(&Port) -> bool) -> BTreeSet<PortId> {
        self.ports.values().filter(|port| wanted(port)).map(|port| port.id).collect()
    }

    pub(crate) fn plug(&mut self, on: u8, id: u8) {
        self.plugged.insert((on, id));
    }

    pub(crate) fn unplug(&mut self, on: u8, id: u8) {
        self.plugged.remove(&(on, id));
    }

    pub(crate) fn plugged_on(&self, on: u8) -> impl Iterator<Item = u8> {
        self.plugged.iter().filter(move |(other, _)| *other == on).map(|(_, id)| *id)
    }

    pub(crate) fn interested(&self, on: u8, of: u8) -> bool {
        let bound_here = |known: &Port| is_or_was_bound(known, on) || is_prepared(known, on);
        let of_network = |known: &Port| known.network == network(of) && self.networks.contains_key(&network(of));
        self.plugged_on(on)
            .filter_map(|id| self.ports.get(&port(id)))
            .any(|known| bound_here(known) && of_network(known))
    }

    pub(crate) fn must_wire(&self, on: u8, id: u8) -> bool {
        self.ports
            .get(&port(id))
            .is_some_and(|known| must_have(known, on) && known.admin_up && self.networks.contains_key(&known.network))
    }

    pub(crate) fn must_prepare(&self, on: u8, id: u8) -> bool {
        self.ports.get(&port(id)).is_some_and(|known| {
            let there = known.binding.is_some() && known.admin_up && self.networks.contains_key(&known.network);
            (is_prepared(known, on) || is_or_was_bound(known, on)) && !must_have(known, on) && there
        })
    }

    /// In the order of ports.
    pub(crate) fn entries_for(&self, on: u8, of: u8) -> Vec<Entry> {
        let mut entries = Vec::new();
        for known in self.ports.values() {
            let Some(binding) = (if known.wired { &known.binding } else { &known.former }) else { continue };
            let Some(at) = self.hosts.get(&binding.host) else { continue };
            let published = known.admin_up && known.network == network(of);
            if published && binding.host != host(on) {
                let ips = known.ips.clone();
                entries.push(Entry { port: known.id, mac: known.mac, ips, endpoint: at.endpoint });
            }
        }
        entries
    }
}

fn is_prepared(known: &Port, on: u8) -> bool {
    known.binding.is_some() && known.prepared.contains(&host(on))
}

/// It is bound there, or was and has not arrived elsewhere.
fn must_have(known: &Port, on: u8) -> bool {
    let bound = |binding: &Option<Binding>| binding.as_ref().is_some_and(|binding| binding.host == host(on));
    bound(&known.binding) || !known.wired && bound(&known.former)
}

fn is_or_was_bound(known: &Port, on: u8) -> bool {
    known.binding.iter().chain(&known.former).any(|binding| binding.host == host(on))
}
