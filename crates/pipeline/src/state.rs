use std::collections::{BTreeMap, BTreeSet};

use model::{LocalVlan, NetworkId, PortId, Segment};
use openflow::{Flow, PortNo};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::claims::Claims;
use crate::local::Claim;
use crate::network::{Network, Place};
use crate::tunnels::Tunnels;
use crate::{Derived, Error, LocalPort, Modes, PatchPorts, Row, Tunnel};

/// What a host must do, as far as it has been told.
///
/// Facts come in any order and any number of times: what follows from them does not depend on it. A fact that is known
/// already changes nothing and marks nothing.
#[derive(Debug)]
pub struct State {
    pub(crate) modes: Modes,
    pub(crate) patch: PatchPorts,
    pub(crate) networks: FxHashMap<NetworkId, Network>,
    pub(crate) vlans: BTreeMap<LocalVlan, NetworkId>,
    pub(crate) segments: Claims<Segment, NetworkId>,
    pub(crate) local: BTreeMap<PortId, LocalPort>,
    pub(crate) admitted: Claims<PortNo, Claim>,
    pub(crate) tunnels: Tunnels,
    pub(crate) mesh: BTreeSet<Tunnel>,
    pub(crate) dirty: FxHashSet<Row>,
}

impl State {
    /// A host that has been told nothing: only the rows that never change are wanted, and all of them are marked.
    pub fn new(modes: Modes) -> Self {
        State {
            modes,
            patch: PatchPorts::default(),
            networks: FxHashMap::default(),
            vlans: BTreeMap::new(),
            segments: Claims::default(),
            local: BTreeMap::new(),
            admitted: Claims::default(),
            tunnels: Tunnels::default(),
            mesh: BTreeSet::new(),
            dirty: Row::fixed().collect(),
        }
    }

    pub fn modes(&self) -> &Modes {
        &self.modes
    }

    /// The network is carried here, under this VLAN. An error changes nothing.
    ///
    /// A network does not change its segment or its VLAN while it is carried, and a VLAN that was given up is free only
    /// when its rows have been planned away, or a row of the one could meet frames of the other: remove, plan, set.
    pub fn set_network(&mut self, id: NetworkId, segment: Segment, vlan: LocalVlan) -> Result<(), Error> {
        let place = Place { segment, vlan };
        match self.networks.get(&id).and_then(|network| network.place) {
            Some(known) if known == place => return Ok(()),
            Some(Place { segment, vlan }) => return Err(Error::Carried { network: id, segment, vlan }),
            None => {}
        }
        if let Some(by) = self.vlans.get(&vlan) {
            return Err(Error::VlanTaken { vlan, by: *by, network: id });
        }
        if self.dirty.contains(&Row::Learned { vlan }) {
            return Err(Error::VlanGivenUp { vlan, network: id });
        }
        self.networks.entry(id).or_default().place = Some(place);
        self.vlans.insert(vlan, id);
        self.mark_claimants(segment);
        self.segments.insert(segment, id);
        self.mark_claimants(segment);
        for tunnel in self.tunnels_of(id) {
            self.want(tunnel);
        }
        Ok(())
    }

    /// The network is not carried here any more; its entries are forgotten too.
    pub fn remove_network(&mut self, id: NetworkId) {
        self.withdraw(id);
        if let Some(network) = self.networks.get_mut(&id) {
            network.entries = crate::entries::Entries::default();
        }
        self.tidy(id);
    }

    /// The VLAN under which a network is carried here.
    pub fn vlan_of(&self, id: NetworkId) -> Option<LocalVlan> {
        self.networks.get(&id)?.place.map(|place| place.vlan)
    }

    /// The network that is carried here under a VLAN.
    pub fn network_at(&self, vlan: LocalVlan) -> Option<NetworkId> {
        self.vlans.get(&vlan).copied()
    }

    /// The networks that are carried here, with their VLANs.
    pub fn networks(&self) -> impl Iterator<Item = (NetworkId, LocalVlan)> {
        self.vlans.iter().map(|(vlan, id)| (*id, *vlan))
    }

    /// Every row that there may be; [`State::derive`] says which of them there are.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        let classified = self.tunnels.numbers().chain(self.patch.on_tun).map(|port| Row::Classify { port });
        Row::fixed()
            .chain(self.admitted.things().map(|port| Row::Admit { port: *port }))
            .chain(classified)
            .chain(self.networks.values().flat_map(Network::rows))
    }

    /// Every flow that is wanted now.
    pub fn flows(&self) -> impl Iterator<Item = (Row, Flow)> {
        let rows: BTreeSet<Row> = self.rows().collect();
        rows.into_iter().filter_map(|row| match self.derive(&row) {
            Derived::Flow(flow) | Derived::Partial(flow) => Some((row, flow)),
            Derived::Pending | Derived::Absent => None,
        })
    }

    /// The rows that may differ from what they were when this was last called, in no particular order.
    pub fn take_dirty(&mut self) -> Vec<Row> {
        std::mem::take(&mut self.dirty).into_iter().collect()
    }

    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// Undoes [`State::set_network`], but for the entries.
    fn withdraw(&mut self, id: NetworkId) {
        let Some(Place { segment, vlan }) = self.networks.get(&id).and_then(|network| network.place) else { return };
        self.mark_claimants(segment);
        self.dirty.insert(Row::Learned { vlan });
        for tunnel in self.tunnels_of(id) {
            self.unwant(tunnel);
        }
        self.segments.remove(&segment, &id);
        self.mark_claimants(segment);
        self.vlans.remove(&vlan);
        if let Some(network) = self.networks.get_mut(&id) {
            network.place = None;
        }
    }

    /// The tunnels that a network's entries need.
    fn tunnels_of(&self, id: NetworkId) -> Vec<Tunnel> {
        let network = self.networks.get(&id).filter(|_| self.modes.l2_population());
        let Some((network, place)) = network.and_then(|network| Some((network, network.place?))) else {
            return Vec::new();
        };
        network.entries.endpoints().map(|remote| Tunnel::new(place.segment.tunnel_type, remote)).collect()
    }

    /// Marks all rows of all networks that claim a segment: which of them holds it may change.
    fn mark_claimants(&mut self, segment: Segment) {
        self.dirty.insert(Row::Key(segment));
        for network in self.segments.of(&segment).filter_map(|id| self.networks.get(id)) {
            self.dirty.extend(network.rows());
        }
    }

    /// Forgets a network of which nothing is known any more.
    pub(crate) fn tidy(&mut self, id: NetworkId) {
        if self.networks.get(&id).is_some_and(Network::is_empty) {
            self.networks.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Mac, TunnelType};

    use super::*;
    use crate::LocalPort;

    #[test]
    fn a_network_is_remembered_as_long_as_anything_is_known_of_it() {
        let modes = Modes::new([10, 0, 0, 1].into(), &TunnelType::ALL, true, true).unwrap();
        let (id, port) = (NetworkId::from_slice(&[1; 16]).unwrap(), PortId::from_slice(&[2; 16]).unwrap());
        let (ips, ofport) = (vec![[192, 0, 2, 1].into()], Some(5));
        let mut state = State::new(modes);
        state.set_local_port(
            port,
            LocalPort { network: id, mac: Mac([2; 6]), ips, ofport, wired: true, prepared: false },
        );
        state.remove_network(id);
        assert!(state.networks.contains_key(&id), "its port is still here");
        state.remove_local_port(port);
        assert!(state.networks.is_empty(), "nothing is left of it");
    }
}
