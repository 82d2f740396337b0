//! What is cast of networks, and what the agent hears of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{NetworkId, Revision};
use sync::messages::{Endpoints, HostComplete, ToAgent};

use super::Session;
use super::orders::Plugged;
use crate::casts::{Cast, Pair, Pairs};
use crate::events::Effect;
use crate::network::Network;

impl Session {
    pub(super) fn take_cast(&mut self, cast: Cast) {
        match cast {
            Cast::Add(networks) => {
                self.take_pairs(networks, |network, endpoint, pairs| network.table.add(endpoint, pairs));
            }
            Cast::Remove(networks) => {
                self.take_pairs(networks, |network, endpoint, pairs| network.table.remove(endpoint, pairs));
            }
            Cast::Change(networks) => {
                for (id, endpoints) in networks {
                    let Some(network) = self.networks.get_mut(&id) else { continue };
                    for (endpoint, changed) in &endpoints {
                        network.table.change(*endpoint, changed);
                    }
                    network.judge_soon();
                }
            }
            Cast::Port(port) => {
                self.take_own(&port);
                if let Some(network) = self.networks.get_mut(&port.network) {
                    network.push(port);
                }
            }
            Cast::PortGone(id) => {
                self.take_gone(id);
                self.networks.values_mut().for_each(|network| network.push_gone(id));
            }
            Cast::Network(facts) => {
                let network = self.networks.get_mut(&facts.id);
                let newer = |network: &&mut Network| {
                    network.facts.as_ref().is_none_or(|known| known.revision <= facts.revision)
                };
                if let Some(network) = network.filter(newer) {
                    network.facts = Some(facts);
                }
            }
            Cast::Tunnel { tunnel_type, address, gone: true } => self.endpoints.remove(tunnel_type, address),
            Cast::Tunnel { tunnel_type, address, gone: false } => self.endpoints.add(tunnel_type, address),
            Cast::Other => {}
        }
    }

    fn take_pairs(&mut self, networks: BTreeMap<NetworkId, Pairs>, take: impl Fn(&mut Network, IpAddr, &[Pair])) {
        for (id, endpoints) in networks {
            let Some(network) = self.networks.get_mut(&id) else { continue };
            for (endpoint, pairs) in &endpoints {
                take(network, *endpoint, pairs);
            }
            network.judge_soon();
        }
    }

    pub(super) fn say_again(&mut self, id: NetworkId) {
        if let Some(network) = self.networks.get_mut(&id).filter(|network| network.revision.is_some()) {
            let messages = network.snapshot(id, self.identity.local_ip, &mut self.revision);
            self.effects.extend(messages.map(Effect::Say));
        }
    }

    pub(super) fn settle_networks(&mut self) {
        let wired = self.wired_networks();
        for (id, network) in &mut self.networks {
            if !wired.contains(id) {
                if network.segment.is_some() {
                    network.drop_ports();
                    self.effects.push(Effect::Say(ToAgent::Dropped(*id)));
                }
                continue;
            }
            if !self.identity.l2_population || network.segment.is_none() {
                continue;
            }
            if network.revision.is_none() && network.need_ports.is_met() {
                let messages = network.snapshot(*id, self.identity.local_ip, &mut self.revision);
                self.effects.extend(messages.map(Effect::Say));
            } else {
                let told = network.tell(*id, self.identity.local_ip, &mut self.revision);
                self.effects.extend(told.map(Effect::Say));
            }
        }
        let named: BTreeSet<_> = self.plugged.values().filter_map(Plugged::network).collect();
        self.networks.retain(|id, _| named.contains(id));
    }

    pub(super) fn settle_endpoints(&mut self) {
        let complete = self.identity.tunnel_types.iter().all(|it| self.endpoints.is_complete(*it));
        if self.identity.l2_population || !complete {
            return;
        }
        let list = self.endpoints.list(self.identity.local_ip);
        if self.endpoints_told.as_ref() != Some(&list) {
            self.revision = self.revision.next();
            let (previous, revision) = (Revision::ZERO, self.revision);
            let removes = Vec::new();
            self.say(ToAgent::Endpoints(Endpoints { previous, revision, upserts: list.clone(), removes }));
            self.endpoints_told = Some(list);
        }
    }

    /// Once all is known of what is plugged here, and told, what is of others may go.
    pub(super) fn settle_complete(&mut self) {
        let mesh = self.identity.l2_population || self.endpoints_told.is_some();
        let told = self.plugged.values().all(|plugged| plugged.told.is_some());
        let wired = self.wired_networks();
        let l2_population = self.identity.l2_population;
        let revision = |id| {
            let revision = self.networks.get(&id).and_then(|network| network.revision);
            if l2_population { Some((id, revision?)) } else { Some((id, Revision::ZERO)) }
        };
        let networks: Option<Vec<_>> = wired.into_iter().map(revision).collect();
        let Some(networks) = networks.filter(|_| self.inventory && !self.complete && mesh && told) else { return };
        self.complete = true;
        self.say(ToAgent::HostComplete(HostComplete { revision: self.revision, networks }));
        self.effects.push(Effect::Info("the server has said all there is to know for this host".to_owned()));
    }
}
