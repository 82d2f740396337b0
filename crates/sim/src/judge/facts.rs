//! What was asked for and what is plugged.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::setup::{MOST_HOSTS, Made, Setup, Version, ip, mac};

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
    /// Where it was before, and still is until it is where it was asked to be.
    pub left: Option<Left>,
    /// Hosts to which it may move.
    pub prepared: [bool; MOST_HOSTS],
}

/// Where a port that moves was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    pub host: u8,
    /// It worked there, and nothing has happened to it since: so it must go on working.
    pub certain: bool,
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

    /// Where a port can be reached: it is up, and plugged where it is bound; or where it was, if it is not yet there.
    pub fn place(&self, port: &Port) -> Option<u8> {
        self.places(port).next()
    }

    /// The same, and after it where it was, if it is there still: who has heard of the one and who has not do not agree.
    pub fn places(&self, port: &Port) -> impl Iterator<Item = u8> {
        let (made, up) = (port.made, port.up);
        let all = port.host.into_iter().chain(port.left.map(|left| left.host));
        all.filter(move |host| up && self.plugged.contains(&(*host, made)))
    }

    /// It may move here, and its interface is here already: it may hear and speak, but nobody else sends it anything here. An
    /// agent of the version before knows nothing of that.
    pub fn is_prepared(&self, port: &Port, host: u8) -> bool {
        let asked = port.prepared.get(usize::from(host)).is_some_and(|prepared| *prepared);
        let knows = self.setup.version(host) != Version::Previous;
        let is_there = self.plugged.contains(&(host, port.made)) && self.place(port) != Some(host);
        asked && knows && is_there && port.up && port.host.is_some()
    }

    /// It is plugged where it was asked to be.
    pub fn is_home(&self, port: &Port) -> bool {
        port.host.is_some() && self.place(port) == port.host
    }

    /// All is quiet, and this is where the database says that a port still is. That must be so if it worked there and nothing
    /// has happened to it since, and cannot be if it is not plugged there, or is where it was asked to be.
    pub fn settle_move(&mut self, made: Made, left: Option<u8>) -> Result<(), Violation> {
        let Some(port) = self.port(made).copied() else { return Ok(()) };
        let must = port.left.filter(|at| at.certain && !self.is_home(&port)).map(|at| at.host);
        let may = left.is_none_or(|at| !self.is_home(&port) && port.up && self.plugged.contains(&(at, made)));
        if !may || must.is_some_and(|must| left != Some(must)) {
            let detail = format!("{made:?} is said to be still on {left:?}; {port:?}");
            return Err(Violation::new("a port that moves stays until it has arrived", detail));
        }
        if let Some(port) = self.ports.get_mut(&made.slot) {
            port.left = left.map(|host| Left { host, certain: true });
        }
        Ok(())
    }

    /// Every port that can be reached, with its host.
    pub fn placed(&self) -> impl Iterator<Item = (u8, &Port)> {
        self.ports.values().filter_map(|port| Some((self.place(port)?, port)))
    }

    /// Something happened after which a port that moves may be still where it was, or not.
    pub fn unsettle_move(&mut self, made: Made) {
        if let Some(left) =
            self.ports.get_mut(&made.slot).filter(|port| port.made == made).and_then(|port| port.left.as_mut())
        {
            left.certain = false;
        }
    }

    /// A port was unplugged: if it was to leave that host, it has. Says whether.
    pub fn leaves(&mut self, made: Made, host: u8) -> bool {
        let port = self.ports.get_mut(&made.slot).filter(|port| port.made == made);
        port.is_some_and(|port| port.left.take_if(|left| left.host == host).is_some())
    }

    pub fn port(&self, made: Made) -> Option<&Port> {
        self.ports.get(&made.slot).filter(|port| port.made == made)
    }

    pub fn create_port(&mut self, made: Made, network: Made, host: Option<u8>) {
        let prepared = [false; MOST_HOSTS];
        self.ports.insert(made.slot, Port { made, network, address: 0, up: true, host, left: None, prepared });
        self.network_of.insert(made, network);
    }
}
