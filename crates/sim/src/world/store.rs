//! The database in memory: the same rules as the store's, without SQL.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::{
    Binding, Change, Committed, Epoch, Generation, Host, HostName, Mac, Network, NetworkId, Port, PortId, PortStatus,
    Revision,
};
use server::hub::Heard;
use server::writer::Wishes;
use sync::messages::Hello;
use uuid::Uuid;

/// Answers whether a port of a network can be bound to a host now.
pub(crate) type CanBind<'a> = &'a dyn Fn(&HostName, &Network) -> bool;

#[derive(Debug, Clone)]
pub(crate) struct Store {
    pub(crate) epoch: Epoch,
    pub(crate) revision: Revision,
    pub(crate) hosts: BTreeMap<HostName, Host>,
    pub(crate) networks: BTreeMap<NetworkId, Network>,
    pub(crate) ports: BTreeMap<PortId, Stored>,
    /// Epochs that there were.
    histories: u128,
    /// When hosts were last heard of, in microseconds.
    heard: BTreeMap<HostName, i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) network: NetworkId,
    pub(crate) mac: Mac,
    pub(crate) ip: IpAddr,
    pub(crate) admin_up: bool,
    /// The host, and whether binding to it succeeded.
    pub(crate) binding: Option<(HostName, bool)>,
    /// Where it is still wired under an earlier binding.
    pub(crate) former: Option<Binding>,
    /// Hosts to which it may move.
    pub(crate) prepared: Vec<HostName>,
    pub(crate) generation: Generation,
    pub(crate) wired: bool,
    pub(crate) status: PortStatus,
}

/// What an API call may change of a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PortChange<'a> {
    Host(Option<&'a HostName>),
    AdminUp(bool),
    Ip(IpAddr),
    Prepare(&'a HostName),
    Forget(&'a HostName),
}

impl Store {
    pub(crate) fn new() -> Self {
        Store {
            epoch: Epoch(Uuid::from_u128(1)),
            revision: Revision::ZERO,
            hosts: BTreeMap::new(),
            networks: BTreeMap::new(),
            ports: BTreeMap::new(),
            histories: 1,
            heard: BTreeMap::new(),
        }
    }

    /// Under another epoch from now on; revisions go on.
    pub(crate) fn begin_history(&mut self) -> Epoch {
        self.histories += 1;
        self.epoch = Epoch(Uuid::from_u128(self.histories));
        self.epoch
    }

    /// This copy takes the place of `lost`; no epoch is ever given out twice.
    pub(crate) fn in_place_of(self, lost: &Store) -> Store {
        Store { histories: lost.histories, ..self }
    }

    pub(crate) fn load(&self) -> Committed {
        let hosts = self.hosts.values().cloned().map(Change::Host);
        let networks = self.networks.values().cloned().map(Change::Network);
        let ports = self.ports.iter().map(|(id, port)| Change::Port(port.to_model(*id)));
        Committed { revision: self.revision, changes: hosts.chain(networks).chain(ports).collect() }
    }

    /// Hosts as the hub asks for them when it starts.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        let at = |host: &Host| self.heard.get(&host.name).copied().unwrap_or_default();
        let heard =
            |host: &Host| Heard { host: host.name.clone(), tunnel_types: host.tunnel_types.clone(), at: at(host) };
        self.hosts.values().map(heard).collect()
    }

    pub(crate) fn register(&mut self, hello: &Hello, now: i64) -> Option<Committed> {
        self.heard.insert(hello.host.clone(), now);
        let (name, endpoint, tunnel_types) = (hello.host.clone(), hello.endpoint, hello.tunnel_types.clone());
        let host = Host { name: name.clone(), endpoint, tunnel_types };
        let old = self.hosts.insert(name, host.clone());
        (old.as_ref() != Some(&host)).then(|| self.commit(vec![Change::Host(host)]))
    }

    pub(crate) fn create_network(&mut self, network: Network) -> Committed {
        self.networks.insert(network.id, network.clone());
        self.commit(vec![Change::Network(network)])
    }

    pub(crate) fn delete_network(&mut self, id: NetworkId) -> Option<Committed> {
        if self.ports.values().any(|port| port.network == id) {
            return None;
        }
        self.networks.remove(&id)?;
        Some(self.commit(vec![Change::NetworkDeleted(id)]))
    }

    /// `None`: refused, as the MAC is taken on the network, or the network is gone.
    pub(crate) fn create_port(
        &mut self,
        id: PortId,
        network: NetworkId,
        (mac, ip): (Mac, IpAddr),
        host: Option<&HostName>,
        can_bind: CanBind<'_>,
    ) -> Option<Committed> {
        let of = self.networks.get(&network)?;
        if self.ports.values().any(|port| port.network == network && (port.mac == mac || port.ip == ip)) {
            return None;
        }
        let binding = host.map(|host| (host.clone(), can_bind(host, of)));
        let generation = if binding.is_some() { Generation(1) } else { Generation::ZERO };
        let status = PortStatus::Down;
        let stored = Stored {
            network,
            mac,
            ip,
            admin_up: true,
            binding,
            former: None,
            prepared: Vec::new(),
            generation,
            wired: false,
            status,
        };
        self.ports.insert(id, stored);
        Some(self.commit_port(id))
    }

    pub(crate) fn change_port(
        &mut self,
        id: PortId,
        change: PortChange<'_>,
        can_bind: CanBind<'_>,
    ) -> Option<Committed> {
        let before = self.ports.get(&id)?.clone();
        let mut after = before.clone();
        match change {
            PortChange::AdminUp(up) => after.admin_up = up,
            PortChange::Ip(ip) => {
                let taken = |port: &Stored| port.network == before.network && port.ip == ip;
                if self.ports.values().any(taken) {
                    return None;
                }
                after.ip = ip;
            }
            PortChange::Prepare(host) => {
                let network = self.networks.get(&before.network)?;
                let is_there = before.binding.as_ref().is_some_and(|(there, _)| there == host);
                if is_there || before.prepared.contains(host) || !can_bind(host, network) {
                    return None;
                }
                after.prepared.push(host.clone());
            }
            PortChange::Forget(host) => after.prepared.retain(|there| there != host),
            PortChange::Host(host) => {
                let bound = |(there, bound): &&(HostName, bool)| Some(there) == host && *bound;
                let keeps = before.binding.as_ref().is_some_and(|binding| bound(&binding));
                let network = self.networks.get(&before.network)?;
                if !keeps {
                    after.binding = host.map(|host| (host.clone(), can_bind(host, network)));
                    after.prepared.retain(|there| Some(there) != host);
                }
            }
        }
        if after.binding != before.binding || before.admin_up && !after.admin_up {
            after.former = before.still_wired().filter(|_| after.admin_up && after.is_bound());
            after.generation = before.generation.next();
            (after.wired, after.status) = (false, PortStatus::Down);
        }
        let changed = after != before;
        self.ports.insert(id, after);
        changed.then(|| self.commit_port(id))
    }

    pub(crate) fn delete_port(&mut self, id: PortId) -> Option<Committed> {
        self.ports.remove(&id)?;
        Some(self.commit(vec![Change::PortDeleted(id)]))
    }

    /// What the writer does with its wishes: bindings first, then all else as one commit.
    pub(crate) fn write(&mut self, wishes: &Wishes, now: i64) -> Vec<Committed> {
        let mut commits = Vec::new();
        for host in &wishes.bind {
            let waits = |port: &Stored| port.binding.as_ref().is_some_and(|(there, bound)| there == host && !bound);
            let waiting: Vec<_> = self.ports.iter().filter(|(_, port)| waits(port)).map(|(id, _)| *id).collect();
            for id in &waiting {
                if let Some(port) = self.ports.get_mut(id) {
                    port.binding = Some((host.clone(), true));
                    port.generation = port.generation.next();
                    (port.wired, port.status) = (false, PortStatus::Down);
                }
            }
            commits.extend(self.commit_ports(&waiting));
        }
        let mut changed = Vec::new();
        for report in wishes.wired.values() {
            let Some(port) = self.ports.get_mut(&report.port) else { continue };
            let possible = port.is_bound() && (port.admin_up || !report.wired);
            let fresh = port.generation == report.generation;
            let before = (port.wired, port.former.clone());
            if possible && fresh {
                let arrived = port.wired;
                port.wired = report.wired;
                port.former = port.former.take().filter(|_| report.wired || !arrived);
            } else if !report.wired {
                port.former = port.former.take().filter(|former| former.generation != report.generation);
            }
            if before != (port.wired, port.former.clone()) {
                changed.push(report.port);
            }
        }
        for (id, status) in &wishes.statuses {
            let Some(port) = self.ports.get_mut(id) else { continue };
            let possible = match status {
                PortStatus::Down => true,
                PortStatus::Build => port.admin_up && port.is_bound(),
                PortStatus::Active => port.admin_up && port.is_bound() && port.wired,
            };
            let is_over = *status == PortStatus::Active && port.former.is_some();
            if possible && (port.status != *status || is_over) {
                port.status = *status;
                port.former = port.former.take().filter(|_| !is_over);
                changed.push(*id);
            }
        }
        commits.extend(self.commit_ports(&changed));
        self.heard.extend(wishes.heartbeats.iter().map(|host| (host.clone(), now)));
        commits
    }

    fn commit_ports(&mut self, ids: &[PortId]) -> Option<Committed> {
        let changes: Vec<_> =
            ids.iter().filter_map(|id| Some(Change::Port(self.ports.get(id)?.to_model(*id)))).collect();
        (!changes.is_empty()).then(|| self.commit(changes))
    }

    fn commit_port(&mut self, id: PortId) -> Committed {
        let changes = self.ports.get(&id).map(|port| Change::Port(port.to_model(id))).into_iter().collect();
        self.commit(changes)
    }

    fn commit(&mut self, changes: Vec<Change>) -> Committed {
        self.revision = self.revision.next();
        Committed { revision: self.revision, changes }
    }
}

impl Default for Store {
    fn default() -> Self {
        Store::new()
    }
}

impl Stored {
    pub(crate) fn is_bound(&self) -> bool {
        self.binding.as_ref().is_some_and(|(_, bound)| *bound)
    }

    /// The binding under which a host has it wired.
    fn still_wired(&self) -> Option<Binding> {
        let bound = self.binding.as_ref().filter(|_| self.wired);
        let current = bound.map(|(host, _)| Binding { host: host.clone(), generation: self.generation });
        current.or_else(|| self.former.clone())
    }

    fn to_model(&self, id: PortId) -> Port {
        let bound = self.binding.as_ref().filter(|(_, bound)| *bound);
        Port {
            id,
            network: self.network,
            mac: self.mac,
            ips: vec![self.ip],
            admin_up: self.admin_up,
            binding: bound.map(|(host, _)| Binding { host: host.clone(), generation: self.generation }),
            former: self.former.clone(),
            prepared: self.prepared.clone(),
            wired: self.wired,
            status: self.status,
        }
    }
}
