use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::{Mac, PortId};

/// Neutron's flooding entry is this MAC with [`FLOODING_IP`]: "this host wants BUM traffic of the network".
/// Culvert never sends one: an endpoint floods as long as any entry of the network names it.
pub const FLOODING_MAC: Mac = Mac::ZERO;
/// See [`FLOODING_MAC`].
pub const FLOODING_IP: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// FDB entry: one published port of a network, and the tunnel endpoint behind which it is.
///
/// A port without fixed IPs has an entry too: its MAC is known and its host wants BUM traffic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    pub port: PortId,
    pub mac: Mac,
    pub ips: Vec<IpAddr>,
    pub endpoint: IpAddr,
}
