use std::net::{IpAddr, Ipv4Addr};

use model::{
    Binding, Change, Committed, Generation, Host, HostName, Mac, Network, NetworkId, Port, PortId, PortStatus,
    Revision, Segment, TunnelType,
};
use uuid::Uuid;

/// One VXLAN network with a port on the host that is measured and many on others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World {
    pub(crate) ports: u32,
    /// Hosts that the remote ports are on, and so tunnel ports.
    pub(crate) peers: u32,
}

pub(crate) const NETWORK: NetworkId = NetworkId(Uuid::from_u128(0x6e65_7477_6f72_6b00_0000_0000_0000_0001));
/// The port on the host that is measured.
pub(crate) const LOCAL_PORT: PortId = PortId(Uuid::from_u128(0x6c6f_6361_6c00_0000_0000_0000_0000_0001));

impl World {
    /// All of it, as of revision 1. The local port is not wired.
    pub(crate) fn committed(self, local: &HostName) -> anyhow::Result<Committed> {
        let segment = Segment::new(TunnelType::Vxlan, 1001)?;
        let mut changes = vec![Change::Network(Network { id: NETWORK, segment, mtu: 1450 })];
        for peer in 0..self.peers {
            let endpoint = IpAddr::V4(Ipv4Addr::from_bits(0x0a02_0001 + peer));
            changes.push(Change::Host(Host {
                name: peer_name(peer)?,
                endpoint,
                tunnel_types: vec![TunnelType::Vxlan],
            }));
        }
        changes.push(Change::Port(local_port(local, false)));
        for index in 0..self.ports {
            let host = peer_name(index % self.peers)?;
            // An odd factor makes ids that differ and look as random as real ones.
            let id = u128::from(index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
            changes.push(Change::Port(port(PortId(Uuid::from_u128(id)), host, index, true)));
        }
        Ok(Committed { revision: Revision(1), changes })
    }
}

/// The port on the host that is measured, as the store would have it.
pub(crate) fn local_port(host: &HostName, wired: bool) -> Port {
    port(LOCAL_PORT, host.clone(), 0x00ff_ffff, wired)
}

fn port(id: PortId, host: HostName, index: u32, wired: bool) -> Port {
    let [_, a, b, c] = index.to_be_bytes();
    Port {
        id,
        network: NETWORK,
        mac: Mac([0xfa, 0x16, 0x3e, a, b, c]),
        ips: vec![IpAddr::V4(Ipv4Addr::from_bits(0x1400_0000 + index))],
        admin_up: true,
        binding: Some(Binding { host, generation: Generation(1) }),
        former: None,
        prepared: Vec::new(),
        wired,
        status: PortStatus::Down,
    }
}

fn peer_name(index: u32) -> anyhow::Result<HostName> {
    Ok(format!("peer{index}").parse()?)
}
