use std::mem;

use model::{Binding, Entry, Host, HostName, Network, NetworkId, Port, PortId, PortStatus, Revision};

use crate::Directory;
use crate::dirty::Dirty;
use crate::entries::NetworkView;
use crate::order::{Isolated, Order, port_of};

/// What follows.
impl Directory {
    /// What the host must do with an interface that has this id.
    pub fn order(&self, host: &HostName, id: &str) -> Order<'_> {
        port_of(id).map_or(Order::Isolate(Isolated::Unknown), |port| self.port_order(host, port))
    }

    /// As [`Directory::order`].
    pub fn port_order(&self, host: &HostName, port: PortId) -> Order<'_> {
        let Some(port) = self.ports.get(&port) else { return Order::Isolate(Isolated::Unknown) };
        let is_here = |binding: &&Binding| binding.host == *host;
        let former = port.former.as_ref().filter(is_here);
        let wired = port.binding.as_ref().filter(is_here).or(former.filter(|_| !port.wired));
        // What has arrived where it is bound is heard where it was, for who has not heard of that.
        let prepared = port.prepared.contains(host) || former.is_some();
        match (wired, &port.binding) {
            (None, None) => Order::Isolate(Isolated::Unbound),
            (None, Some(binding)) if !prepared => Order::Isolate(Isolated::BoundTo(binding.host.clone())),
            _ if !port.admin_up => Order::Isolate(Isolated::AdminDown),
            _ if self.network(port.network).is_none() => Order::Isolate(Isolated::NoNetwork),
            (Some(binding), _) => Order::Wire(port, binding.generation),
            (None, Some(_)) => Order::Prepare(port),
        }
    }

    /// The network's entries as this host sees them; `None` if it is not interested, so that nobody else is told.
    pub fn view<'a>(&'a self, network: NetworkId, host: &HostName) -> Option<NetworkView<'a>> {
        let state = self.networks.get(&network)?;
        let (host, _) = state.interested.get_key_value(host)?;
        Some(NetworkView { entries: &state.entries, host })
    }

    /// Networks in which the host is interested, in order.
    pub fn networks_of(&self, host: &HostName) -> impl Iterator<Item = NetworkId> {
        self.hosts.get(host).into_iter().flat_map(|state| state.interests.iter().copied())
    }

    /// Hosts that are interested in the network.
    pub fn interested(&self, network: NetworkId) -> impl Iterator<Item = &HostName> {
        self.networks.get(&network).into_iter().flat_map(|state| state.interested.keys())
    }

    /// Hosts that had wired ports of the network when the server started, and have not said since what is plugged. Whether
    /// they are interested in it is not known; they were if they [have](Directory::has_wired) one still.
    pub fn silent_in(&self, network: NetworkId) -> impl Iterator<Item = &HostName> {
        let hosts = self.silent_in.get(&network);
        hosts.into_iter().flatten().filter(|host| self.is_silent(host))
    }

    pub fn is_silent(&self, host: &HostName) -> bool {
        self.silent.contains(host)
    }

    /// The ports that are wired on the host, as far as the store knows.
    pub(crate) fn wired_on(&self, host: &HostName) -> impl Iterator<Item = &Port> {
        self.bound_to(host).filter(|port| port.wired).chain(self.leaving(host))
    }

    /// Whether a port of the network is wired on the host, as far as the store knows.
    pub fn has_wired(&self, host: &HostName, network: NetworkId) -> bool {
        self.wired_on(host).any(|port| port.network == network)
    }

    pub fn network(&self, id: NetworkId) -> Option<&Network> {
        self.networks.get(&id)?.facts.as_ref()
    }

    pub fn networks(&self) -> impl Iterator<Item = &Network> {
        self.networks.values().filter_map(|state| state.facts.as_ref())
    }

    pub fn port(&self, id: PortId) -> Option<&Port> {
        self.ports.get(&id)
    }

    pub fn ports(&self) -> impl Iterator<Item = &Port> {
        self.ports.values()
    }

    /// Ports that are bound to the host, plugged or not.
    pub fn bound_to(&self, host: &HostName) -> impl Iterator<Item = &Port> {
        let bound = self.hosts.get(host).into_iter().flat_map(|state| &state.bound);
        bound.filter_map(|port| self.ports.get(port))
    }

    /// Ports that are bound elsewhere by now, and still wired on the host.
    pub fn leaving(&self, host: &HostName) -> impl Iterator<Item = &Port> {
        let leaving = self.hosts.get(host).into_iter().flat_map(|state| &state.leaving);
        leaving.filter_map(|port| self.ports.get(port))
    }

    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.get(name)?.facts.as_ref()
    }

    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values().filter_map(|state| state.facts.as_ref())
    }

    /// Whether an interface with the port's id is plugged on the host, as far as the host has said.
    pub fn is_plugged(&self, host: &HostName, port: PortId) -> bool {
        self.hosts.get(host).is_some_and(|state| state.plugged.contains(&port))
    }

    /// Hosts on which an interface with the port's id is plugged, bound there or not.
    pub fn plugged_on(&self, port: PortId) -> &[HostName] {
        self.plugged.get(&port).map_or(&[], Vec::as_slice)
    }

    /// The published entry of a port, and its host.
    pub fn entry(&self, port: PortId) -> Option<(&HostName, &Entry)> {
        self.networks.get(&self.ports.get(&port)?.network)?.entries.get(port)
    }

    /// The revision at which a port's entry was published as it is; `None`: it is not.
    pub fn entry_revision(&self, port: PortId) -> Option<Revision> {
        self.networks.get(&self.ports.get(&port)?.network)?.entries.revision_of(port)
    }

    /// Revision of the list of tunnel endpoints.
    pub fn endpoints_revision(&self) -> Revision {
        self.endpoints.revision()
    }

    /// Endpoints to which the host may tunnel in full-mesh mode: those with a tunnel type in common.
    pub fn endpoints(&self, host: &HostName) -> Vec<&Host> {
        self.host(host).map(|host| self.endpoints.all(host)).unwrap_or_default()
    }

    /// What changed in that list after `since`: endpoints to set and hosts to remove. `None`: only the whole list helps.
    pub fn endpoint_changes(&self, host: &HostName, since: Revision) -> Option<(Vec<&Host>, Vec<HostName>)> {
        self.endpoints.changes(self.host(host)?, since)
    }

    /// Where a port is in its life, as far as facts tell. A wired port is `BUILD` until [`crate::propagation`] says
    /// otherwise, and stays `ACTIVE` once it was. Of a host that has not sent its inventory since the server started
    /// nothing is concluded: a lost agent is not a lost port.
    pub fn status(&self, port: &Port) -> PortStatus {
        let Some(binding) = port.binding.as_ref().filter(|_| port.admin_up) else { return PortStatus::Down };
        let plugged = self.is_plugged(&binding.host, port.id);
        let inventoried = self.hosts.get(&binding.host).is_some_and(|state| state.inventoried);
        match (plugged, inventoried) {
            (true, _) if port.wired => port.status.max(PortStatus::Build),
            (true, _) => PortStatus::Build,
            (false, true) => PortStatus::Down,
            (false, false) => port.status,
        }
    }

    /// What changed since this was last called.
    pub fn take_dirty(&mut self) -> Dirty {
        mem::take(&mut self.dirty)
    }
}
