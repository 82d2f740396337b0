use std::net::IpAddr;

use model::{Mac, NetworkId, PortId};
use openflow::PortNo;

use crate::entries::v4;
use crate::{Row, State};

/// The two ends of the patch between the bridges, as each bridge numbers its own; `None`: not there (yet).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PatchPorts {
    /// `patch-tun`, on `br-int`.
    pub on_int: Option<PortNo>,
    /// `patch-int`, on `br-tun`.
    pub on_tun: Option<PortNo>,
}

/// A port that is plugged on this host's `br-int`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalPort {
    pub network: NetworkId,
    pub mac: Mac,
    /// Fixed IPs of both families.
    pub ips: Vec<IpAddr>,
    /// Its number on `br-int`; `None`: the switch has not said.
    pub ofport: Option<PortNo>,
    /// It may speak: bound to this host, administratively up, tagged with its network's VLAN.
    pub wired: bool,
    /// Its binding to this host is only prepared: it may speak, and what is for it goes where its entry says.
    pub prepared: bool,
}

impl LocalPort {
    /// What is for it stays on this host.
    fn is_here(&self) -> bool {
        self.wired && !self.prepared
    }
}

/// Why something that comes in on a port of `br-int` is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    Patch,
    Port(PortId),
    Foreign,
}

impl State {
    pub fn set_patch_ports(&mut self, patch: PatchPorts) {
        let before = std::mem::replace(&mut self.patch, patch);
        if before == patch {
            return;
        }
        before.on_int.into_iter().for_each(|port| self.refuse(port, Claim::Patch));
        patch.on_int.into_iter().for_each(|port| self.admit(port, Claim::Patch));
        let ends = before.on_tun.into_iter().chain(patch.on_tun);
        self.dirty.extend(ends.map(|port| Row::Classify { port }));
        self.dirty.insert(Row::Learn);
    }

    /// Adds a port that carries an interface id, or takes what is new of it. One that is not wired is admitted nowhere.
    pub fn set_local_port(&mut self, id: PortId, port: LocalPort) {
        if self.local.get(&id) == Some(&port) {
            return;
        }
        self.remove_local_port(id);
        if port.wired {
            port.ofport.into_iter().for_each(|ofport| self.admit(ofport, Claim::Port(id)));
        }
        if port.is_here() {
            let network = self.networks.entry(port.network).or_default();
            network.wired_macs.insert(port.mac, id);
            for ip in v4(&port.ips) {
                network.wired_ips.insert(ip, id);
            }
            self.mark_local(&port);
        }
        self.local.insert(id, port);
    }

    /// The port was unplugged.
    pub fn remove_local_port(&mut self, id: PortId) {
        let Some(port) = self.local.remove(&id).filter(|port| port.wired) else { return };
        if port.is_here() {
            self.mark_local(&port);
        }
        if let Some(network) = self.networks.get_mut(&port.network) {
            network.wired_macs.remove(&port.mac, &id);
            for ip in v4(&port.ips) {
                network.wired_ips.remove(&ip, &id);
            }
        }
        port.ofport.into_iter().for_each(|ofport| self.refuse(ofport, Claim::Port(id)));
        self.tidy(port.network);
    }

    /// An interface of `br-int` without an interface id, in a VLAN of its own that no network has here: not ours to judge, so it
    /// is admitted.
    pub fn set_foreign_port(&mut self, ofport: PortNo) {
        self.admit(ofport, Claim::Foreign);
    }

    pub fn remove_foreign_port(&mut self, ofport: PortNo) {
        self.refuse(ofport, Claim::Foreign);
    }

    fn admit(&mut self, port: PortNo, claim: Claim) {
        if self.admitted.insert(port, claim) {
            self.dirty.insert(Row::Admit { port });
        }
    }

    fn refuse(&mut self, port: PortNo, claim: Claim) {
        if self.admitted.remove(&port, &claim) {
            self.dirty.insert(Row::Admit { port });
        }
    }

    /// The rows that depend on a port being wired here: its own, and those of an entry with the same address.
    fn mark_local(&mut self, port: &LocalPort) {
        let Some(place) = self.networks.get(&port.network).and_then(|network| network.place) else { return };
        self.dirty.insert(Row::Unicast { vlan: place.vlan, mac: port.mac });
        for ip in v4(&port.ips) {
            self.dirty.extend([Row::LocalIp { vlan: place.vlan, ip }, Row::Responder { vlan: place.vlan, ip }]);
        }
    }
}
