//! What a run starts from: how many hosts, networks and ports, and who is who.

use std::net::{IpAddr, Ipv4Addr};

use model::{HostName, Mac, NetworkId, PortId, Segment, TunnelType};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::rng::Rng;

/// The sizes and modes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    pub hosts: u8,
    pub networks: u8,
    pub ports: u8,
    /// Local VLANs of each host: as few as networks, or plenty.
    pub local_vlans: u16,
    /// Removed entries that the server remembers of each network.
    pub tombstones: usize,
    /// Hosts' Open vSwitch takes bundles.
    #[serde(default = "yes")]
    pub bundles: bool,
    /// What each host speaks.
    #[serde(default)]
    pub versions: [Version; MOST_HOSTS],
    /// Hosts without `l2_population`: a full mesh of tunnels, and MACs learned from frames.
    #[serde(default)]
    pub mesh: [bool; MOST_HOSTS],
}

/// Hosts that there are at most.
pub const MOST_HOSTS: usize = 4;

/// The version of the protocol that an agent speaks; the server speaks the current one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Version {
    /// Without what came late.
    Previous,
    #[default]
    Current,
    /// With fields and kinds of messages that nobody knows yet.
    Next,
}

impl Setup {
    /// What a host speaks.
    pub fn version(&self, host: u8) -> Version {
        self.versions.get(usize::from(host)).copied().unwrap_or_default()
    }

    pub fn is_mesh(&self, host: u8) -> bool {
        self.mesh.get(usize::from(host)).copied().unwrap_or_default()
    }

    /// Messages that one host may be sent at a time: a change of each network at most, however many there were.
    pub fn most_in_a_batch(&self) -> usize {
        // Welcome, orders, endpoints and the end of all; of a network a snapshot with its end, or that it is dropped.
        4 + 2 * usize::from(self.networks)
    }

    pub fn of(rng: &mut Rng) -> Self {
        let networks = 2 + rng.slot(2);
        Setup {
            hosts: 2 + rng.slot(3),
            networks,
            ports: 4 + rng.slot(5),
            local_vlans: if rng.chance(2) { networks.into() } else { 4094 },
            tombstones: [2, 1000][rng.below(2)],
            bundles: !rng.chance(4),
            versions: Version::draw(rng),
            mesh: draw_mesh(rng),
        }
    }
}

fn yes() -> bool {
    true
}

/// Some hosts in one of four runs.
fn draw_mesh(rng: &mut Rng) -> [bool; MOST_HOSTS] {
    let some = rng.chance(4);
    [(); MOST_HOSTS].map(|()| some && rng.next_bit())
}

impl Version {
    /// All the same in half of the runs, else as it comes.
    fn draw(rng: &mut Rng) -> [Version; MOST_HOSTS] {
        let mixed = rng.next_bit();
        let all = [Version::Current, Version::Previous, Version::Next];
        [(); MOST_HOSTS].map(|()| if mixed { all[rng.below(3)] } else { Version::Current })
    }
}

/// One that was made in a slot: each that is made there later is another, with the same addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Made {
    pub slot: u8,
    pub nth: u16,
}

pub fn host_name(host: u8) -> HostName {
    match format!("host{host}").parse() {
        Ok(name) => name,
        Err(_) => unreachable!("letters and digits"),
    }
}

/// `nth`: how often it has been given another.
pub fn endpoint(host: u8, nth: u8) -> IpAddr {
    Ipv4Addr::new(10, 0, nth, host + 1).into()
}

pub fn network_id(network: Made) -> NetworkId {
    NetworkId(Uuid::from_u128(0x1_0000_0000 | u128::from(network.slot) << 16 | u128::from(network.nth)))
}

pub fn port_id(port: Made) -> PortId {
    PortId(Uuid::from_u128(0x2_0000_0000 | u128::from(port.slot) << 16 | u128::from(port.nth)))
}

/// Network 0 by VXLAN, 1 by GRE and so on, with the same keys on both.
pub fn segment(network: u8) -> Segment {
    let tunnel_type = if network.is_multiple_of(2) { TunnelType::Vxlan } else { TunnelType::Gre };
    Segment { tunnel_type, key: 7 + u32::from(network / 2) }
}

/// Two ports in three slots share theirs, each on a network of its own: a frame that strays would be taken.
pub fn mac(port: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, 1 + port % 3 + 16 * (port / 6)])
}

/// `nth`: which of a port's addresses.
pub fn ip(port: u8, nth: u8) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, 1 + port + 64 * (nth % 2))
}

/// The interface that a VM of this port is plugged by.
pub fn interface(port: Made) -> String {
    format!("tap{}-{}", port.slot, port.nth)
}
