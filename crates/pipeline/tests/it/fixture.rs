//! Short ways to write the facts of the reference scenario.

use std::net::IpAddr;

use model::{Entry, LocalVlan, Mac, NetworkId, PortId, Segment, TunnelType};
use pipeline::{LocalPort, Modes, PatchPorts, State, Tunnel, TunnelPort};

pub(crate) const COMPUTE1: u8 = 31;
pub(crate) const COMPUTE2: u8 = 39;
pub(crate) const COMPUTE3: u8 = 41;
pub(crate) const NETWORK: u8 = 21;

pub(crate) fn host(last: u8) -> IpAddr {
    IpAddr::from([10, 0, 1, last])
}

pub(crate) fn network(number: u8) -> NetworkId {
    NetworkId::from_slice(&[number; 16]).unwrap()
}

pub(crate) fn port(number: u8) -> PortId {
    PortId::from_slice(&[number; 16]).unwrap()
}

pub(crate) fn mac(text: &str) -> Mac {
    text.parse().unwrap()
}

pub(crate) fn vlan(tag: u16) -> LocalVlan {
    LocalVlan::new(tag).unwrap()
}

pub(crate) fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

pub(crate) fn entry(id: u8, mac_text: &str, addresses: &[&str], endpoint: u8) -> Entry {
    Entry { port: port(id), mac: mac(mac_text), ips: ips(addresses), endpoint: host(endpoint) }
}

pub(crate) fn segment(tunnel_type: TunnelType, key: u64) -> Segment {
    Segment::new(tunnel_type, key).unwrap()
}

pub(crate) fn wired(net: u8, mac_text: &str, addresses: &[&str], ofport: u32) -> LocalPort {
    let (network, mac, ips) = (network(net), mac(mac_text), ips(addresses));
    LocalPort { network, mac, ips, ofport: Some(ofport), wired: true, prepared: false }
}

/// `compute1` with its bridges joined by patch ports: number 1 on `br-tun`, 2 on `br-int`.
pub(crate) fn compute1(l2_population: bool, arp_responder: bool) -> State {
    on(Modes::new(host(COMPUTE1), &TunnelType::ALL, l2_population, arp_responder).unwrap())
}

pub(crate) fn on(modes: Modes) -> State {
    let mut state = State::new(modes);
    state.set_patch_ports(PatchPorts { on_int: Some(2), on_tun: Some(1) });
    state
}

/// The switch makes every tunnel that is wanted, and deletes the others. GRE to 10.0.1.21 gets number 121, VXLAN 221.
pub(crate) fn settle_tunnels(state: &mut State) {
    let number = |tunnel: &Tunnel| {
        let last = match tunnel.remote {
            IpAddr::V4(v4) => u32::from(v4.octets()[3]),
            IpAddr::V6(_) => 0,
        };
        last + if tunnel.tunnel_type == TunnelType::Gre { 100 } else { 200 }
    };
    let pending: Vec<_> = state.tunnels_pending().collect();
    state.set_tunnel_ports(pending.into_iter().map(|tunnel| (tunnel, Some(TunnelPort::Ready(number(&tunnel))))));
}
