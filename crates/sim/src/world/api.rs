//! API calls. They need a server and a database; what is refused changes nothing.

use std::collections::BTreeSet;

use model::{Network, TunnelType};

use super::World;
use super::store::{PortChange, Stored};
use crate::judge::{Left, Port};
use crate::setup::{Made, host_name, ip, mac, network_id, port_id, segment};

impl World {
    fn answers(&self) -> bool {
        self.server.is_some() && !self.store_fails
    }

    pub(super) fn create_network(&mut self, slot: u8) {
        if !self.answers() || self.facts.networks.contains_key(&slot) || slot >= self.setup.networks {
            return;
        }
        let network = Made { slot, nth: next(&mut self.networks_made, slot) };
        let commit = self.store.create_network(Network { id: network_id(network), segment: segment(slot), mtu: 1450 });
        self.facts.networks.insert(slot, network);
        self.committed(Some(commit));
    }

    pub(super) fn delete_network(&mut self, slot: u8) {
        let Some(network) = self.facts.networks.get(&slot).copied().filter(|_| self.answers()) else { return };
        let commit = self.store.delete_network(network_id(network));
        if commit.is_some() {
            self.facts.networks.remove(&slot);
        }
        self.committed(commit);
    }

    pub(super) fn create_port(&mut self, slot: u8, network: u8, host: Option<u8>) {
        let Some(network) = self.facts.networks.get(&network).copied().filter(|_| self.answers()) else { return };
        if self.facts.ports.contains_key(&slot) || slot >= self.setup.ports {
            return;
        }
        let port = Made { slot, nth: next(&mut self.ports_made, slot) };
        let (name, addresses) = (host.map(host_name), (mac(slot), ip(slot, 0).into()));
        let hosts = self.server.as_ref().map(|server| server.hosts.clone());
        let can_bind = |host: &_, network: &Network| can_bind(hosts.as_ref(), host, network.segment.tunnel_type);
        let id = network_id(network);
        let commit = self.store.create_port(port_id(port), id, addresses, name.as_ref(), &can_bind);
        if commit.is_some() {
            self.facts.create_port(port, network, host);
            self.moment.changed(port, self.steps);
            self.moment.note_interests(&self.facts, false);
        }
        self.committed(commit);
    }

    pub(super) fn delete_port(&mut self, slot: u8) {
        let Some(port) = self.facts.ports.get(&slot).map(|port| port.made).filter(|_| self.answers()) else { return };
        let commit = self.store.delete_port(port_id(port));
        self.facts.ports.remove(&slot);
        self.moment.unplugged(port);
        self.committed(commit);
    }

    pub(super) fn bind(&mut self, slot: u8, host: Option<u8>) {
        let name = host.map(host_name);
        if !self.change(slot, PortChange::Host(name.as_ref())) {
            return;
        }
        let Some(port) = self.facts.ports.get(&slot).copied() else { return };
        let bound = self.store.ports.get(&port_id(port.made)).is_some_and(Stored::is_bound);
        // Without bundles the rows of a port that moves change one by one.
        let works = bound && self.setup.bundles && self.moment.works(port.made) && !self.in_mesh(&port, host);
        let place = self.facts.place(&port).filter(|place| works && self.hears(*place));
        let certain = place.map(|host| Left { host, certain: true });
        let left = certain.or_else(|| Some(Left { host: self.still_at(port.made)?, certain: false }));
        match left {
            Some(Left { certain: true, .. }) => self.moment.moves(port.made, self.steps),
            _ => self.moment.changed(port.made, self.steps),
        }
        let mut moved = Port { host, left, ..port };
        if let Some(prepared) = host.and_then(|host| moved.prepared.get_mut(usize::from(host))) {
            *prepared = false;
        }
        self.facts.ports.insert(slot, moved);
        let learns = |(host, from): (u8, &Port)| self.setup.is_mesh(host).then_some(from.made);
        let learners: BTreeSet<Made> = self.facts.placed().filter_map(learns).collect();
        self.moment.out_of_sight(port.made, |from| learners.contains(&from));
        if host.is_some_and(|host| self.facts.plugged.contains(&(host, port.made))) {
            self.arrives(port.made);
        }
        self.moment.note_interests(&self.facts, false);
    }

    /// The port is, or goes, where others are not known by what the server says.
    fn in_mesh(&self, port: &Port, host: Option<u8>) -> bool {
        self.facts.places(port).chain(host).any(|host| self.setup.is_mesh(host))
    }

    /// A binding is prepared on a host, or is to be forgotten.
    pub(super) fn prepare(&mut self, slot: u8, host: u8, prepared: bool) {
        let name = host_name(host);
        if !self.change(slot, if prepared { PortChange::Prepare(&name) } else { PortChange::Forget(&name) }) {
            return;
        }
        if let Some(there) = self.facts.ports.get_mut(&slot).and_then(|port| port.prepared.get_mut(usize::from(host))) {
            *there = prepared;
        }
        self.moment.note_interests(&self.facts, false);
    }

    pub(super) fn set_up(&mut self, slot: u8, up: bool) {
        if !self.change(slot, PortChange::AdminUp(up)) {
            return;
        }
        if let Some(port) = self.facts.ports.get_mut(&slot) {
            port.up = up;
            port.left = port.left.filter(|_| up);
            self.moment.changed(port.made, self.steps);
        }
    }

    pub(super) fn readdress(&mut self, slot: u8) {
        let Some(port) = self.facts.ports.get(&slot).copied() else { return };
        if !self.change(slot, PortChange::Ip(ip(slot, port.address + 1).into())) {
            return;
        }
        if let Some(port) = self.facts.ports.get_mut(&slot) {
            port.address = (port.address + 1) % 2;
            self.moment.readdressed(port.made);
        }
    }

    /// Where the database says that a port still is, which was bound elsewhere.
    pub(super) fn still_at(&self, port: Made) -> Option<u8> {
        let former = self.store.ports.get(&port_id(port))?.former.as_ref()?;
        (0..self.setup.hosts).find(|host| host_name(*host) == former.host)
    }

    /// Says whether the port is different now.
    fn change(&mut self, slot: u8, change: PortChange<'_>) -> bool {
        let Some(port) = self.facts.ports.get(&slot).map(|port| port.made).filter(|_| self.answers()) else {
            return false;
        };
        let hosts = self.server.as_ref().map(|server| server.hosts.clone());
        let can_bind = |host: &_, network: &Network| can_bind(hosts.as_ref(), host, network.segment.tunnel_type);
        let commit = self.store.change_port(port_id(port), change, &can_bind);
        let changed = commit.is_some();
        self.committed(commit);
        changed
    }
}

fn can_bind(hosts: Option<&server::hosts::Hosts>, host: &model::HostName, tunnel_type: TunnelType) -> bool {
    hosts.is_some_and(|hosts| hosts.can_bind(host, tunnel_type))
}

fn next(made: &mut std::collections::BTreeMap<u8, u16>, slot: u8) -> u16 {
    let nth = made.entry(slot).or_default();
    *nth += 1;
    *nth
}
