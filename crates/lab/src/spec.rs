use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Error, LabName, NodeName};

/// Where labs keep their state unless told otherwise.
pub const DEFAULT_BASE: &str = "/run/culvert-lab";

/// The server's address on the management network, 10.0.0.0/24.
pub const SERVER_ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 11);

/// What a lab is to be. Addresses are inside its namespaces: labs may have the same ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub name: LabName,
    /// The directory that holds a state directory per lab.
    pub base: PathBuf,
    pub hosts: Vec<HostSpec>,
    /// The binary that [`Lab::start_server`](crate::Lab::start_server) and [`Host::start_agent`](crate::Host::start_agent) run.
    pub culvert: PathBuf,
}

/// A host of a lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSpec {
    pub name: NodeName,
    /// The tunnel endpoint's address, on the underlay 10.0.1.0/24 (MTU 1500).
    pub endpoint: Ipv4Addr,
    /// The address on the management network 10.0.0.0/24, where the server is.
    pub management: Ipv4Addr,
}

impl Spec {
    /// A lab of the three hosts of the reference scenario: `compute1`, `compute2` and `network`.
    pub fn new(name: LabName) -> Result<Self, Error> {
        let hosts = [("compute1", 31), ("compute2", 39), ("network", 21)];
        let hosts = hosts.into_iter().map(|(name, last)| HostSpec::new(name, last)).collect::<Result<_, _>>()?;
        let culvert = std::env::current_exe().map_err(Error::io("find the running binary under", "/proc/self/exe"))?;
        Ok(Spec { name, base: DEFAULT_BASE.into(), hosts, culvert })
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let mut seen = BTreeSet::new();
        if self.hosts.is_empty() {
            return Err(Error::Hosts("a host".to_owned()));
        }
        for host in &self.hosts {
            for what in [host.name.to_string(), host.endpoint.to_string(), host.management.to_string()] {
                if !seen.insert(what.clone()) || what == SERVER_ADDRESS.to_string() {
                    return Err(Error::Hosts(what));
                }
            }
        }
        Ok(())
    }
}

impl HostSpec {
    /// A host with the endpoint 10.0.1.`last` and the management address 10.0.0.`last`.
    pub fn new(name: &str, last: u8) -> Result<Self, Error> {
        let endpoint = Ipv4Addr::new(10, 0, 1, last);
        Ok(HostSpec { name: name.parse()?, endpoint, management: Ipv4Addr::new(10, 0, 0, last) })
    }

    /// The MAC address of `br-ul`, made of the endpoint's: so each host knows all others' before they run.
    pub(crate) fn endpoint_mac(&self) -> model::Mac {
        let [a, b, c, d] = self.endpoint.octets();
        model::Mac([2, 0, a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_must_differ() {
        let mut spec = Spec::new("x".parse().unwrap()).unwrap();
        assert!(spec.check().is_ok());
        spec.hosts.push(HostSpec::new("other", 31).unwrap());
        assert!(matches!(spec.check(), Err(Error::Hosts(what)) if what == "10.0.1.31"));
        spec.hosts.clear();
        assert!(spec.check().is_err());
    }
}
