//! Local VLANs: which network has which, and which are on their way back.

use std::collections::{BTreeMap, BTreeSet};

use model::{LocalVlan, NetworkId, Segment};
use pipeline::{LocalVlans, Scope};

use super::HostState;
use crate::Error;

#[derive(Debug)]
pub(super) struct Vlans {
    pool: LocalVlans,
    places: BTreeMap<NetworkId, (Segment, LocalVlan)>,
    /// Given up, but something on the host may still use them: not to be given out again yet.
    retiring: BTreeSet<LocalVlan>,
}

impl Vlans {
    pub(super) fn new((first, last): (LocalVlan, LocalVlan)) -> Result<Self, Error> {
        let pool = LocalVlans::new(first, last)?;
        Ok(Vlans { pool, places: BTreeMap::new(), retiring: BTreeSet::new() })
    }

    pub(super) fn of(&self, network: NetworkId) -> Option<(Segment, LocalVlan)> {
        self.places.get(&network).copied()
    }

    pub(super) fn places(&self) -> impl Iterator<Item = (NetworkId, Segment, LocalVlan)> {
        self.places.iter().map(|(network, (segment, vlan))| (*network, *segment, *vlan))
    }

    /// Keeps the VLAN that a port of the network was found with. `false`: another network has it, or this one another.
    pub(super) fn adopt(&mut self, network: NetworkId, segment: Segment, vlan: LocalVlan) -> bool {
        if let Some((_, known)) = self.places.get(&network) {
            return *known == vlan;
        }
        let adopted = self.pool.adopt(vlan);
        if adopted {
            self.places.insert(network, (segment, vlan));
        }
        adopted
    }

    /// The network's VLAN, a new one if it has none. `is_used` tells of tags that others use: those are passed over.
    fn assign(
        &mut self,
        network: NetworkId,
        segment: Segment,
        is_used: impl Fn(LocalVlan) -> bool,
    ) -> Result<LocalVlan, pipeline::Error> {
        if let Some((known, vlan)) = self.places.get_mut(&network) {
            *known = segment;
            return Ok(*vlan);
        }
        loop {
            let vlan = self.pool.allocate()?;
            if is_used(vlan) {
                self.retiring.insert(vlan);
            } else {
                self.places.insert(network, (segment, vlan));
                return Ok(vlan);
            }
        }
    }

    /// A VLAN that flows were found for though no port has it: not to be given out before they are gone.
    pub(super) fn found(&mut self, vlan: LocalVlan) {
        if self.pool.adopt(vlan) {
            self.retiring.insert(vlan);
        }
    }
}

impl HostState {
    /// Gives the network a VLAN if it has none, and has its rows derived.
    pub(super) fn place(&mut self, network: NetworkId, segment: Segment) -> Result<LocalVlan, pipeline::Error> {
        let facts = &self.facts;
        let is_used = |vlan: LocalVlan| facts.tags().any(|tag| tag == vlan.get());
        let vlan = self.vlans.assign(network, segment, is_used)?;
        self.pipeline.set_network(network, segment, vlan)?;
        Ok(vlan)
    }

    /// No port here needs the network any more: its rows go, and its VLAN once they are gone.
    pub(super) fn give_up(&mut self, network: NetworkId) {
        if let Some((_, vlan)) = self.vlans.places.remove(&network) {
            // Its entries stay: should a port of it be plugged again before the server has heard, they are needed.
            let entries = self.pipeline.entries(network).collect();
            self.pipeline.remove_network(network);
            self.pipeline.apply_entries(network, entries, &[]);
            self.vlans.retiring.insert(vlan);
        }
    }

    /// Sets free the VLANs that nothing on the host uses any more: no row on a switch, no tag of a port. Says whether
    /// there were any.
    pub(super) fn settle_vlans(&mut self) -> bool {
        if self.vlans.retiring.is_empty() || !self.database.is_current() || !self.is_confirmed(self.change()) {
            return false;
        }
        // What the database says of a port is not yet what vswitchd does with it: its last VLAN is still heard there.
        if self.wiring.is_writing() {
            return false;
        }
        let mut busy: BTreeSet<LocalVlan> = self.facts.tags().filter_map(|tag| LocalVlan::new(tag).ok()).collect();
        // All rows that are not orphans have gone with the change that took them.
        busy.extend(self.tunnel.orphans.iter().filter_map(|row| match row.scope() {
            Scope::Vlan(vlan) => Some(vlan),
            _ => None,
        }));
        let free: Vec<_> = self.vlans.retiring.iter().filter(|vlan| !busy.contains(vlan)).copied().collect();
        for vlan in &free {
            self.vlans.retiring.remove(vlan);
            self.vlans.pool.release(*vlan);
        }
        self.wiring.stale |= !free.is_empty();
        !free.is_empty()
    }
}
