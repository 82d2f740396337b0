//! What is plugged here, and what is to become of it.

use std::collections::BTreeSet;

use model::{Generation, NetworkId, PortId, Segment};
use sync::messages::{Interfaces, NetworkInfo, Order, Orders, PortOrder, ToAgent, Wire};

use super::Session;
use crate::facts::{Place, PortFacts, Status};
use crate::network::Need;

/// Ports in one question.
const MOST_PORTS: usize = 100;

/// An interface with an id.
#[derive(Debug)]
pub(super) struct Plugged {
    /// None: its id is no port's.
    pub(super) port: Option<PortId>,
    pub(super) need: Need,
    /// None: the server has no such port, or has not said yet.
    facts: Option<PortFacts>,
    /// The last order, if the agent has one.
    pub(super) told: Option<Order>,
}

impl Plugged {
    pub(super) fn network(&self) -> Option<NetworkId> {
        self.facts.as_ref().map(|facts| facts.network)
    }

    fn is_known(&self) -> bool {
        self.need.is_met() || self.facts.is_some() || self.told.is_some()
    }
}

impl Session {
    pub(super) fn on_interfaces(&mut self, interfaces: &Interfaces) {
        if interfaces.inventory {
            self.plugged.clear();
            self.inventory = true;
        }
        for id in &interfaces.gone {
            // What the server has never heard of as wired here is no matter of this host's.
            if let Some(facts) = self.plugged.remove(id).and_then(|plugged| plugged.facts) {
                self.reports.owe(facts.id, false);
            }
        }
        for interface in &interfaces.present {
            let port: Option<PortId> = interface.id.parse().ok();
            let need = if port.is_some() { Need::Wanted } else { Need::Met };
            self.plugged.insert(interface.id.clone(), Plugged { port, need, facts: None, told: None });
        }
        if interfaces.inventory {
            let plugged = self.plugged.values().filter_map(|plugged| plugged.port).collect();
            self.reports.inventory(&plugged);
        }
    }

    pub(super) fn ports_to_ask(&mut self) -> Option<Vec<PortId>> {
        let wanted = self.plugged.values_mut().filter(|plugged| plugged.need == Need::Wanted);
        let mut ids = Vec::new();
        for plugged in wanted.take(MOST_PORTS) {
            plugged.need = Need::Asked;
            ids.extend(plugged.port);
        }
        (!ids.is_empty()).then_some(ids)
    }

    pub(super) fn ask_again(&mut self, ids: &[PortId]) {
        let asked = |plugged: &&mut super::Plugged| plugged.port.is_some_and(|port| ids.contains(&port));
        self.plugged.values_mut().filter(asked).for_each(|plugged| plugged.need = Need::Wanted);
    }

    pub(super) fn take_ports(&mut self, ids: &[PortId], ports: &[PortFacts]) {
        let there: BTreeSet<_> = ports.iter().map(|port| port.id).collect();
        for plugged in self.plugged.values_mut() {
            let Some(port) = plugged.port.filter(|port| ids.contains(port)) else { continue };
            // One that was plugged again since is asked for again: it is not asked for now.
            if matches!(plugged.need, Need::Asked | Need::Again) {
                plugged.need.met();
                if !there.contains(&port) {
                    plugged.facts = None;
                }
            }
        }
        for port in ports {
            self.take_own(port);
        }
    }

    /// What is said of a port, if it is plugged here and this is news.
    pub(super) fn take_own(&mut self, port: &PortFacts) {
        let host = self.identity.host.as_str();
        for plugged in self.plugged.values_mut().filter(|plugged| plugged.port == Some(port.id)) {
            if plugged.facts.as_ref().is_some_and(|known| known.revision > port.revision) {
                continue;
            }
            plugged.facts = Some(port.clone());
            // It is wired here, and the server has forgotten that: it was bound anew, perhaps.
            if port.status == Status::Down && port.place(host) == Place::Here {
                self.reports.remind(port.id);
            }
        }
    }

    /// A port is no more.
    pub(super) fn take_gone(&mut self, id: PortId) {
        for plugged in self.plugged.values_mut().filter(|plugged| plugged.port == Some(id)) {
            (plugged.facts, plugged.need) = (None, Need::Met);
        }
        self.reports.forget(id);
    }

    /// Orders that are not what the agent was told.
    pub(super) fn settle_orders(&mut self) {
        let networks: BTreeSet<_> = self.plugged.values().filter_map(Plugged::network).collect();
        for id in networks {
            self.networks.entry(id).or_default();
        }
        let mut orders = Orders::default();
        let revision = self.revision.next();
        let ids: Vec<_> = self.plugged.keys().cloned().collect();
        for id in ids {
            let Some((order, info)) = self.plugged.get(&id).and_then(|plugged| self.order(plugged)) else { continue };
            if let Some(network) = info.and_then(|info| self.networks.get_mut(&info.network).zip(Some(info))) {
                let (network, info) = network;
                network.fresh |= network.segment.is_none();
                network.segment = Some(info.segment);
            }
            let Some(plugged) = self.plugged.get_mut(&id).filter(|plugged| plugged.told.as_ref() != Some(&order))
            else {
                continue;
            };
            plugged.told = Some(order.clone());
            orders.networks.extend(info.filter(|info| !orders.networks.contains(info)));
            orders.ports.push(PortOrder { id, revision, order });
        }
        if !orders.ports.is_empty() {
            self.revision = revision;
            self.say(ToAgent::Orders(orders));
        }
    }

    /// None: that is not known yet.
    fn order(&self, plugged: &Plugged) -> Option<(Order, Option<NetworkInfo>)> {
        let no = |reason: &str| Some((Order::Isolate(reason.to_owned()), None));
        if plugged.port.is_none() {
            return no("its interface id is no port's");
        }
        let Some(port) = &plugged.facts else {
            return if plugged.is_known() { no("Neutron has no such port") } else { None };
        };
        let prepared = match port.place(self.identity.host.as_str()) {
            Place::Here => false,
            Place::Soon => true,
            Place::No(reason) => return no(&reason),
        };
        let network = self.networks.get(&port.network)?;
        let Some(facts) = &network.facts else {
            return if network.need_facts.is_met() { no("Neutron has no such network") } else { None };
        };
        let segment: Segment = match facts.segment(port, self.identity.host.as_str()) {
            Ok(segment) => segment,
            Err(reason) => return no(&reason),
        };
        let generation = if prepared { Generation::ZERO } else { Generation(self.stream) };
        let (mac, ips) = (port.mac, port.ips.clone());
        let wire = Wire { port: port.id, network: port.network, generation, mac, ips, prepared };
        Some((Order::Wire(wire), Some(NetworkInfo { network: port.network, segment, mtu: facts.mtu })))
    }

    /// Networks of which a port is to be wired here.
    pub(super) fn wired_networks(&self) -> BTreeSet<NetworkId> {
        let wired = self.plugged.values().filter_map(|plugged| match &plugged.told {
            Some(Order::Wire(wire)) => Some(wire.network),
            _ => None,
        });
        wired.collect()
    }
}
