//! What Neutron is told of ports: that they are wired, or not any more.

use std::collections::{BTreeMap, BTreeSet};

use model::{NetworkId, PortId};

use super::orders::Plugged;
use crate::Ask;
use crate::ask::Devices;
use crate::network::Network;

/// Ports in one report, as stock agents have it: the server takes its time for each.
const MOST: usize = 20;

/// Told until the server has taken it. One report is under way at a time: they must not overtake each other.
#[derive(Debug, Default)]
pub(super) struct Reports {
    due: BTreeMap<PortId, bool>,
    sent: BTreeMap<PortId, bool>,
    /// Ports that the server has taken as wired here. It keeps that while nobody talks to it.
    up: BTreeSet<PortId>,
}

impl Reports {
    pub(super) fn owe(&mut self, port: PortId, wired: bool) {
        self.due.insert(port, wired);
    }

    pub(super) fn count(&self) -> usize {
        self.up.len()
    }

    /// A new stream: what is wired is said anew on it.
    pub(super) fn start_over(&mut self) {
        self.due.clear();
        self.sent.clear();
    }

    /// All that is plugged: the rest went while nobody listened.
    pub(super) fn inventory(&mut self, plugged: &BTreeSet<PortId>) {
        self.due.extend(self.up.iter().filter(|port| !plugged.contains(port)).map(|port| (*port, false)));
    }

    pub(super) fn remind(&mut self, port: PortId) {
        if self.up.contains(&port) && !self.sent.contains_key(&port) {
            self.due.entry(port).or_insert(true);
        }
    }

    pub(super) fn forget(&mut self, port: PortId) {
        self.due.remove(&port);
        self.up.remove(&port);
    }

    pub(super) fn next(
        &mut self,
        l2_population: bool,
        networks: &BTreeMap<NetworkId, Network>,
        plugged: &BTreeMap<String, Plugged>,
    ) -> Option<Ask> {
        if self.due.is_empty() || !self.sent.is_empty() {
            return None;
        }
        while self.sent.len() < MOST
            && let Some((port, wired)) = self.due.pop_first()
        {
            self.sent.insert(port, wired);
        }
        let of = |wanted: bool| self.sent.iter().filter(move |(_, wired)| **wired == wanted).map(|(port, _)| *port);
        let (up, down) = (of(true).collect(), of(false).collect());
        let sent = networks_of(&self.sent, plugged);
        // As a stock agent asks for the first port of a network: the server does not see from its own count alone that this host
        // knows nothing of it, and that others must flood to it.
        let refresh = l2_population && sent.iter().any(|id| networks.get(id).is_some_and(|network| network.fresh));
        Some(Ask::Devices { up, down, refresh })
    }

    pub(super) fn answered(
        &mut self,
        answer: &Devices,
        networks: &mut BTreeMap<NetworkId, Network>,
        plugged: &BTreeMap<String, Plugged>,
    ) {
        for id in networks_of(&self.sent, plugged) {
            networks.entry(id).and_modify(|network| network.fresh = false);
        }
        for (port, wired) in std::mem::take(&mut self.sent) {
            let failed = if wired { &answer.failed_devices_up } else { &answer.failed_devices_down };
            if failed.contains(&port) {
                self.due.entry(port).or_insert(wired);
            } else if wired {
                self.up.insert(port);
            } else {
                self.up.remove(&port);
            }
        }
    }

    pub(super) fn failed(&mut self) {
        for (port, wired) in std::mem::take(&mut self.sent) {
            self.due.entry(port).or_insert(wired);
        }
    }
}

/// Networks of the ports that are said to be wired.
fn networks_of(sent: &BTreeMap<PortId, bool>, plugged: &BTreeMap<String, Plugged>) -> BTreeSet<NetworkId> {
    let wired = |plugged: &&Plugged| plugged.port.is_some_and(|port| sent.get(&port) == Some(&true));
    plugged.values().filter(wired).filter_map(Plugged::network).collect()
}
