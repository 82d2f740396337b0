//! What is known, for the disk; and what was known, from there.
//!
//! What an agent has from its disk is older than what Open vSwitch has from the agent before. So it is *parked*: where Open
//! vSwitch holds anything of a network or a port, that is left alone until the server has said what is right; where it holds
//! nothing, what is parked is used at once.

use std::collections::{BTreeMap, BTreeSet};

use model::{Entry, LocalVlan, NetworkId, Revision, Segment};
use pipeline::{Bridge, Row, Scope};
use sync::agent::Update;
use sync::messages::{Ack, Complete, Endpoints, MINOR, Missing, Orders, Snapshot, ToAgent, ToServer, Welcome};

use super::HostState;
use super::facts::Plugged;
use crate::Error;
use crate::checkpoint::{Said, Writer, read};

/// Entries in one message.
const PART: usize = 1000;

/// What came from the disk and has not been said by the server since.
#[derive(Debug, Default)]
pub(super) struct Parked {
    entries: BTreeMap<NetworkId, Vec<Entry>>,
    /// Networks whose entries are in use all the same.
    loaded: BTreeSet<NetworkId>,
    /// Interface ids whose order is from there.
    orders: BTreeSet<String>,
    /// The list of endpoints is, and is not in use.
    endpoints: bool,
    /// Local VLANs of which the tunnel bridge held rows when it was last read.
    found: BTreeSet<LocalVlan>,
    /// Networks whose key it held then: that goes in last, so all else of the network was there.
    whole: BTreeSet<Segment>,
}

impl Parked {
    pub(super) fn loaded(&self) -> impl Iterator<Item = NetworkId> {
        self.loaded.iter().copied()
    }

    pub(super) fn networks(&self) -> impl Iterator<Item = NetworkId> {
        self.entries.keys().chain(&self.loaded).copied()
    }

    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.orders.is_empty() && !self.endpoints
    }

    pub(super) fn believe_order(&mut self, id: &str) {
        self.orders.remove(id);
    }

    pub(super) fn forget(&mut self, network: NetworkId) {
        self.entries.remove(&network);
        self.loaded.remove(&network);
    }
}

/// What came back from the disk, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restored {
    pub ports: usize,
    pub networks: usize,
    pub entries: usize,
    /// The host has been booted since.
    pub rebooted: bool,
}

impl HostState {
    /// Whether [`HostState::checkpoint`] has something to give that it has not given.
    pub fn is_unsaved(&self) -> bool {
        self.unsaved && self.link.held().epoch().is_some()
    }

    /// All that the server has said and that still holds, as bytes for [`HostState::restore`]. `None`: nothing new.
    pub fn checkpoint(&mut self) -> Option<Vec<u8>> {
        let epoch = self.link.held().epoch().filter(|_| self.unsaved)?;
        self.unsaved = false;
        let mut writer = Writer::begin(self.link.introduction(self.pipeline.modes().arp_responder()));
        let mut say = |message| writer.say(Said::ByServer(message));
        say(ToAgent::Welcome(Welcome { minor: MINOR, software: String::new(), epoch }));
        let networks = self.networks.values().copied().collect();
        say(ToAgent::Orders(Orders { networks, ports: self.orders.values().cloned().collect() }));
        let revision = self.link.held().endpoints_held();
        if revision > Revision::ZERO {
            let upserts = self.link.endpoints().cloned().collect();
            say(ToAgent::Endpoints(Endpoints { previous: Revision::ZERO, revision, upserts, removes: Vec::new() }));
        }
        for held in self.link.held().networks() {
            let (network, revision, sum) = (held.network, held.received, held.sum);
            let parked = self.parked.entries.get(&network).into_iter().flatten().cloned();
            let mut entries = self.pipeline.entries(network).chain(parked);
            let mut first = true;
            loop {
                let part: Vec<_> = entries.by_ref().take(PART).collect();
                let more = part.len() == PART;
                say(ToAgent::Snapshot(Snapshot { network, first, entries: part, removes: Vec::new() }));
                first = false;
                if !more {
                    break;
                }
            }
            say(ToAgent::Complete(Complete { network, revision, sum }));
        }
        for held in self.link.held().networks().filter(|held| held.confirmed > Revision::ZERO) {
            let ack = Ack { network: held.network, revision: held.confirmed, problems: Vec::new() };
            writer.say(Said::ByAgent(ToServer::Ack(ack)));
        }
        writer.say(Said::ByAgent(ToServer::Missing(Missing { ids: self.missing.iter().cloned().collect() })));
        Some(writer.finish())
    }

    /// Takes what an earlier process of this agent left, before anything else is handed in. An error changes nothing.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<Restored, Error> {
        let (hello, said) = read(bytes)?;
        let own = self.link.introduction(hello.arp_responder);
        if hello.host != own.host {
            return Err(Error::CheckpointOfHost(hello.host));
        }
        if hello.l2_population != own.l2_population {
            return Err(Error::CheckpointOfMode);
        }
        let mut entries = 0;
        for said in said {
            match said {
                // What does not fit, as a digest that differs, is left out: the server sends it anew.
                Said::ByServer(message) => {
                    let received = self.link.receive(message);
                    if let Some(update) = received.ok().and_then(|received| received.update) {
                        entries += self.take_back(update);
                    }
                }
                Said::ByAgent(ToServer::Ack(ack)) => drop(self.link.confirm(ack.network, ack.revision, Vec::new())),
                Said::ByAgent(ToServer::Missing(missing)) => self.missing = missing.ids.into_iter().collect(),
                Said::ByAgent(_) => {}
            }
        }
        Ok(Restored {
            ports: self.orders.len(),
            networks: self.networks.len(),
            entries,
            rebooted: hello.boot_id != own.boot_id,
        })
    }

    /// How many entries there were in it.
    fn take_back(&mut self, update: Update) -> usize {
        match update {
            // Which interfaces are there is not known yet: orders for those that are not go when it is.
            Update::Orders(orders) => {
                self.networks.extend(orders.networks.into_iter().map(|info| (info.network, info)));
                for order in orders.ports {
                    self.parked.orders.insert(order.id.clone());
                    self.orders.insert(order.id.clone(), order);
                }
                0
            }
            Update::Entries { network, upserts, .. } => {
                let entries = upserts.len();
                self.parked.entries.insert(network, upserts);
                entries
            }
            Update::Endpoints { replace, upserts, removes } => {
                self.link.learn_endpoints(replace, upserts, &removes);
                self.parked.endpoints = true;
                0
            }
            Update::Dropped(_) | Update::HostComplete(_) | Update::Question(_) => 0,
        }
    }

    /// A bridge has been read: what is parked may be needed.
    pub(super) fn look_for_parked(&mut self, bridge: Bridge) {
        self.wiring.stale |= !self.parked.is_empty();
        if bridge == Bridge::Tunnel {
            let vlan = |row: &Row| if let Scope::Vlan(vlan) = row.scope() { Some(vlan) } else { None };
            let key = |row: &Row| if let Row::Key(segment) = row { Some(*segment) } else { None };
            self.parked.found = self.installed.rows().filter_map(vlan).collect();
            self.parked.whole = self.installed.rows().filter_map(key).collect();
        }
    }

    /// Whether an interface's order counts: the server has spoken of it, or nothing is left of what an agent made of the
    /// interface, and then it counts from now on.
    pub(super) fn is_believed(&mut self, id: &str, plugged: &Plugged) -> bool {
        let believed = !self.parked.orders.contains(id) || self.is_new(plugged);
        if believed {
            self.parked.believe_order(id);
        }
        believed
    }

    fn is_new(&self, plugged: &Plugged) -> bool {
        // Until then it is not known which VLANs have rows of a network that was here before.
        if !(self.integration.compared && self.tunnel.compared) {
            return false;
        }
        match plugged.adopted() {
            // Its tag outlived the switch, its flows did not.
            Some(_) => !plugged.ofport.is_some_and(|port| self.installed.holds(&Row::Admit { port })),
            // As somebody has just plugged it, or as it is when only its device was gone; not as an agent parks a port.
            None => plugged.is_access() || plugged.had_no_device(),
        }
    }

    /// A bridge has been compared for the first time: what is new on the host can be told from what was there.
    pub(super) fn compared_with_parked(&mut self) {
        self.wiring.stale |= !self.parked.is_empty();
    }

    /// Takes into use what is parked of networks of which the tunnel bridge holds nothing, or not all: an agent that was
    /// rebuilding it died.
    pub(super) fn load_missing(&mut self) {
        if !self.tunnel.is_ready() {
            return;
        }
        let is_there = |(segment, vlan)| self.parked.found.contains(&vlan) && self.parked.whole.contains(&segment);
        let is_missing = |network: &NetworkId| self.vlans.of(*network).is_some_and(|place| !is_there(place));
        let missing: Vec<_> = self.parked.entries.keys().copied().filter(is_missing).collect();
        for network in missing {
            self.believe_entries(network);
            self.parked.loaded.insert(network);
        }
        if self.parked.endpoints && self.parked.whole.is_empty() {
            self.believe_endpoints();
        }
    }

    /// The server has spoken of this network: what is parked of it is where that begins.
    pub(super) fn believe_entries(&mut self, network: NetworkId) {
        self.parked.loaded.remove(&network);
        if let Some(entries) = self.parked.entries.remove(&network) {
            self.pipeline.replace_entries(network, entries);
        }
    }

    pub(super) fn believe_endpoints(&mut self) {
        self.parked.endpoints = false;
        self.pipeline.set_endpoints(self.link.mesh());
    }

    /// The server has nothing to add: what is left is right.
    pub(super) fn believe_rest(&mut self) {
        self.parked.orders.clear();
        if self.parked.endpoints {
            self.believe_endpoints();
        }
    }
}
