//! Tunnel ports: made before the first flow needs them, removed after the last has gone.

use std::collections::{BTreeMap, BTreeSet};

use model::NetworkId;
use openflow::PortNo;
use ovsdb::{PortSpec, Transaction};
use pipeline::{Scope, Tunnel, TunnelPort};
use uuid::Uuid;

use super::HostState;
use super::database::Purpose;
use crate::events::Level;

#[derive(Debug, Default)]
pub(super) struct Tunnels {
    wanted: BTreeSet<Tunnel>,
    /// The database has changed since it was compared.
    pub(super) stale: bool,
    /// Wanted by nobody; deleted once the switch has confirmed this change, with which the last flow towards it goes.
    leaving: BTreeMap<Tunnel, u64>,
    /// Deleted from the database, which has not said so yet.
    deleted: BTreeSet<Tunnel>,
    /// The change with which all rows that waited for a tunnel port are wanted.
    at: u64,
    /// As the pipeline has been told.
    told: BTreeMap<Tunnel, TunnelPort>,
    /// Wanted, but an interface that is no such tunnel has the name.
    taken: BTreeMap<Tunnel, String>,
    /// Their options have been as they should be: if they are not, somebody has changed them.
    right: BTreeSet<Tunnel>,
    /// Failures that have been said.
    said: BTreeMap<Tunnel, String>,
}

impl Tunnels {
    /// What was removed towards tunnel ports is not known any more: those that go begin anew.
    pub(super) fn stay(&mut self) {
        self.leaving.clear();
    }

    pub(super) fn told(&self) -> impl Iterator<Item = (Tunnel, TunnelPort)> {
        self.told.iter().map(|(tunnel, port)| (*tunnel, *port))
    }
}

impl HostState {
    /// Every tunnel port that the network needs is there, or has failed, and the rows that waited for it are in. A port
    /// that does not come holds up no other network.
    pub(super) fn tunnels_are_in(&self, network: NetworkId) -> bool {
        self.pipeline.tunnels_pending_of(network).next().is_none() && self.is_confirmed(self.tunnels.at)
    }

    pub(super) fn settle_tunnels(&mut self) {
        let Some(bridge) = self.facts.bridges.tunnel else { return };
        let wanted: BTreeSet<_> = self.pipeline.tunnels_wanted().chain(self.tunnels_coming()).collect();
        if wanted != self.tunnels.wanted {
            self.tunnels.wanted = wanted;
            self.tunnels.stale = true;
        }
        if std::mem::take(&mut self.tunnels.stale) {
            self.tunnels.deleted.retain(|tunnel| self.facts.tunnels.contains_key(tunnel));
            self.find_taken_names();
            self.tell_ports();
            self.add_tunnels(bridge);
        }
        self.remove_tunnels(bridge);
    }

    /// The tunnels that snapshots will need of which parts have come: Open vSwitch makes their ports while the rest comes.
    fn tunnels_coming(&self) -> impl Iterator<Item = Tunnel> {
        let coming = self.link.held().coming();
        // A network without a VLAN has a port here that is down: it needs none.
        let tunnels = coming.filter_map(|(network, remote)| {
            let (segment, _) = self.vlans.of(network)?;
            Some(Tunnel::new(segment.tunnel_type, remote))
        });
        tunnels.filter(|tunnel| self.pipeline.modes().serves(tunnel))
    }

    /// Hands what is known of tunnel ports to the pipeline.
    fn tell_ports(&mut self) {
        let mut ports: BTreeMap<Tunnel, TunnelPort> =
            self.tunnels.taken.keys().map(|tunnel| (*tunnel, TunnelPort::Failed)).collect();
        for (tunnel, fact) in &self.facts.tunnels {
            let port = match (fact.ofport, &fact.error) {
                _ if self.tunnels.deleted.contains(tunnel) => continue,
                (Some(number), _) => TunnelPort::Ready(number),
                (None, Some(_)) => TunnelPort::Failed,
                (None, None) => continue,
            };
            ports.insert(*tunnel, port);
        }
        let gone = self.tunnels.told.keys().filter(|tunnel| !ports.contains_key(tunnel)).map(|tunnel| (*tunnel, None));
        let there = ports.iter().filter(|(tunnel, port)| self.tunnels.told.get(tunnel) != Some(port));
        let changed: Vec<_> = gone.chain(there.map(|(tunnel, port)| (*tunnel, Some(*port)))).collect();
        if changed.is_empty() {
            return;
        }
        for (tunnel, port) in &changed {
            if port.is_none() && self.tunnels.wanted.contains(tunnel) && !self.tunnels.deleted.contains(tunnel) {
                self.note_lost_tunnel(*tunnel);
            }
            let reason = self.facts.tunnels.get(tunnel).and_then(|fact| fact.error.clone());
            let reason = reason.or_else(|| self.tunnels.taken.get(tunnel).cloned()).unwrap_or_default();
            if *port != Some(TunnelPort::Failed) {
                self.tunnels.said.remove(tunnel);
            } else if self.tunnels.said.insert(*tunnel, reason.clone()).as_ref() != Some(&reason) {
                self.say(Level::Error, format!("Open vSwitch cannot make the tunnel port {tunnel}: {reason}"));
            }
        }
        self.pipeline.set_tunnel_ports(changed);
        self.tunnels.told = ports;
        self.tunnels.at = self.change() + u64::from(self.pipeline.is_dirty());
        self.confirm_again([]);
    }

    /// A name that a port elsewhere has would fail the transaction and with it all other ports: it fails alone.
    fn find_taken_names(&mut self) {
        let missing = self.tunnels.wanted.iter().filter(|tunnel| !self.facts.tunnels.contains_key(tunnel));
        let missing: BTreeMap<String, Tunnel> = missing.map(|tunnel| (tunnel.name(), *tunnel)).collect();
        self.tunnels.taken.clear();
        if missing.is_empty() {
            return;
        }
        let replica = &self.database.replica;
        for (uuid, interface) in replica.interfaces() {
            if let Some(tunnel) = missing.get(&interface.name) {
                let bridge = replica.bridge_of_interface(*uuid).map_or("no bridge", |(_, bridge)| &bridge.name);
                self.tunnels.taken.insert(*tunnel, format!("an interface of that name exists already, on {bridge}"));
            }
        }
    }

    /// One transaction for all ports that are wanted and missing, or there with other options.
    fn add_tunnels(&mut self, bridge: Uuid) {
        if !self.database.is_free(&Purpose::AddTunnels) {
            return;
        }
        let mut transaction = Transaction::new();
        let mut specs = Vec::new();
        let mut changed = Vec::new();
        for tunnel in &self.tunnels.wanted {
            let options = tunnel.options(self.pipeline.modes());
            if let Some(fact) = self.facts.tunnels.get(tunnel).filter(|_| !self.tunnels.deleted.contains(tunnel)) {
                let options = options.iter().map(|(key, value)| (*key, Some(value.as_str())));
                let before = transaction.len();
                transaction.set_interface_options(&self.database.replica, fact.interface, options);
                // What was there when the agent came may be an earlier version's, or a stock agent's.
                changed.extend((transaction.len() > before && self.tunnels.right.contains(tunnel)).then_some(*tunnel));
            } else if !self.tunnels.deleted.contains(tunnel) && !self.tunnels.taken.contains_key(tunnel) {
                specs.push(PortSpec {
                    name: tunnel.name(),
                    interface_type: tunnel.tunnel_type.to_string(),
                    options: options.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
                    ..PortSpec::default()
                });
            }
        }
        for tunnel in changed {
            self.note_changed_tunnel(tunnel);
        }
        if transaction.is_empty() {
            self.tunnels.right = self.facts.tunnels.keys().copied().collect();
        }
        transaction.add_ports(&bridge.into(), &specs);
        self.transact(Purpose::AddTunnels, transaction.into_operations());
    }

    /// Ports that nobody wants, in two steps: first all flows towards them, and what was learned; then the ports.
    fn remove_tunnels(&mut self, bridge: Uuid) {
        let surplus = self.surplus();
        self.tunnels.leaving.retain(|tunnel, _| surplus.contains_key(tunnel));
        // Before everything is known nothing is surplus; and what waits for a new tunnel may still use an old one.
        let orphans = self.tunnel.orphans.iter().any(|row| row.scope() != Scope::Base);
        let waiting = self.pipeline.tunnels_pending().next().is_some();
        if surplus.is_empty() || !self.link.host_complete() || orphans || waiting || !self.is_adopted() {
            return;
        }
        for (tunnel, (_, ofport)) in &surplus {
            if !self.tunnels.leaving.contains_key(tunnel) {
                let after = ofport.map_or(self.change(), |port| self.unlearn_port(port));
                self.tunnels.leaving.insert(*tunnel, after);
            }
        }
        if !self.database.is_free(&Purpose::RemoveTunnels) {
            return;
        }
        let ready = |tunnel: &Tunnel| self.tunnels.leaving.get(tunnel).is_some_and(|after| self.is_confirmed(*after));
        let gone: BTreeMap<Tunnel, Uuid> =
            surplus.iter().filter(|(tunnel, _)| ready(tunnel)).map(|(tunnel, (port, _))| (*tunnel, *port)).collect();
        let mut transaction = Transaction::new();
        transaction.delete_ports(bridge, gone.values().copied());
        self.tunnels.deleted.extend(gone.into_keys());
        // Now no flow names them, and no tunnel is waited for. Once the database says that they are gone one may be, and what
        // is held until it comes would be taken to name them.
        self.tell_ports();
        self.transact(Purpose::RemoveTunnels, transaction.into_operations());
    }

    /// Tunnel ports that are there and not wanted, with their port numbers.
    fn surplus(&self) -> BTreeMap<Tunnel, (Uuid, Option<PortNo>)> {
        let is_surplus =
            |tunnel: &Tunnel| !self.tunnels.wanted.contains(tunnel) && !self.tunnels.deleted.contains(tunnel);
        let surplus = self.facts.tunnels.iter().filter(|(tunnel, _)| is_surplus(tunnel));
        surplus.map(|(tunnel, fact)| (*tunnel, (fact.port, fact.ofport))).collect()
    }

    /// Its deletion failed, or its outcome is unknown: what the database says counts.
    pub(super) fn forget_deletions(&mut self) {
        self.tunnels.deleted.clear();
        self.tunnels.stale = true;
    }
}
