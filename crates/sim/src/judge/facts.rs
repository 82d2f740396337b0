//! What was asked for and what is plugged.

use std::collections::{BTreeMap, BTreeSet};

use crate::setup::{Made, Setup, ip, mac};

#[derive(Debug, Clone)]
pub struct Facts {
    pub setup: Setup,
    pub networks: BTreeMap<u8, Made>,
    pub ports: BTreeMap<u8, Port>,
    /// Host and port by whose id an interface is plugged.
    pub plugged: BTreeSet<(u8, Made)>,
    /// The network of every port that ever was.
    pub network_of: BTreeMap<Made, Made>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Port {
    pub made: Made,
    pub network: Made,
    /// Which of its addresses it has.
    pub address: u8,
    pub up: bool,
    /// Where it was asked to be.
    pub host: Option<u8>,
}

impl Port {
    pub fn mac(&self) -> u64 {
        mac(self.made.slot).to_u64()
    }

    pub fn ip(&self) -> u32 {
        ip(self.made.slot, self.address).into()
    }
}

impl Facts {
    pub fn new(setup: Setup) -> Self {
        let (networks, ports, plugged) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Facts { setup, networks, ports, plugged, network_of: BTreeMap::new() }
    }

    /// Where a port can be reached: it is up, and plugged where it is bound.
    pub fn place(&self, port: &Port) -> Option<u8> {
        port.host.filter(|host| port.up && self.plugged.contains(&(*host, port.made)))
    }

    /// Every port that can be reached, with its host.
    pub fn placed(&self) -> impl Iterator<Item = (u8, &Port)> {
        self.ports.values().filter_map(|port| Some((self.place(port)?, port)))
    }

    pub fn port(&self, made: Made) -> Option<&Port> {
        self.ports.get(&made.slot).filter(|port| port.made == made)
    }

    pub fn create_port(&mut self, made: Made, network: Made, host: Option<u8>) {
        self.ports.insert(made.slot, Port { made, network, address: 0, up: true, host });
        self.network_of.insert(made, network);
    }
}
