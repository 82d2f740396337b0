//! Random facts and reports in a small world, so that they meet often.

use std::net::IpAddr;

use model::{
    Binding, Change, Generation, Host, HostName, Mac, Network, NetworkId, Port, PortId, PortStatus, Segment, TunnelType,
};
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

pub(crate) const HOSTS: u8 = 3;
pub(crate) const NETWORKS: u8 = 2;
pub(crate) const PORTS: u8 = 5;

#[derive(Debug, Clone)]
pub(crate) enum Event {
    Commit(Vec<Change>),
    Seen(u8, u8),
    Gone(u8, u8),
    Inventory(u8, Vec<u8>),
    Restart,
    BackUp,
    /// The server starts anew on an older copy of the facts.
    Restore,
    CatchUp(u8),
    /// A client loses what it holds.
    Forget(u8),
}

pub(crate) fn host(n: u8) -> HostName {
    format!("host-{n}").parse().unwrap()
}

pub(crate) fn network(n: u8) -> NetworkId {
    NetworkId(Uuid::from_bytes([0x10 + n; 16]))
}

pub(crate) fn port(n: u8) -> PortId {
    PortId(Uuid::from_bytes([0x20 + n; 16]))
}

pub(crate) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        20 => vec(change(), 1..4).prop_map(Event::Commit),
        20 => (0..HOSTS, 0..PORTS).prop_map(|(on, id)| Event::Seen(on, id)),
        2 => (0..HOSTS, 0..PORTS).prop_map(|(on, id)| Event::Gone(on, id)),
        1 => (0..HOSTS, vec(0..PORTS, 0..5)).prop_map(|(on, ids)| Event::Inventory(on, ids)),
        1 => Just(Event::Restart),
        1 => Just(Event::BackUp),
        1 => Just(Event::Restore),
        20 => (0..HOSTS).prop_map(Event::CatchUp),
        1 => (0..HOSTS).prop_map(Event::Forget),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    // Most ports stay on one network, as all do in life.
    let of = prop_oneof![9 => Just(0), 1 => 0..NETWORKS];
    let port_change = (0..PORTS, of, proptest::option::weighted(0.9, 0..HOSTS), 0..8_u8, 0..4_u8, 0..3_u8);
    let left = proptest::option::weighted(0.3, 0..HOSTS);
    let next = proptest::option::weighted(0.3, 0..HOSTS);
    prop_oneof![
        30 => (port_change, left, next).prop_map(|((id, of, on, up, wired, ips), left, next)| {
            prepared(next, leaving(left, port_fact(id, of, on, up > 0, wired > 0, ips)))
        }),
        2 => (0..PORTS).prop_map(|id| Change::PortDeleted(port(id))),
        3 => (0..NETWORKS).prop_map(network_fact),
        1 => (0..NETWORKS).prop_map(|id| Change::NetworkDeleted(network(id))),
        4 => (0..HOSTS, 0..2_u8).prop_map(|(n, variant)| host_fact(n, variant)),
        1 => (0..HOSTS).prop_map(|n| Change::HostDeleted(host(n))),
    ]
}

pub(crate) fn network_fact(n: u8) -> Change {
    let segment = Segment::new(TunnelType::Vxlan, u64::from(n) + 1).unwrap();
    Change::Network(Network { id: network(n), segment, mtu: 1450 })
}

pub(crate) fn host_fact(n: u8, variant: u8) -> Change {
    let endpoint = IpAddr::from([10, 0, variant, n]);
    Change::Host(Host { name: host(n), endpoint, tunnel_types: TunnelType::ALL.to_vec() })
}

pub(crate) fn typed_host_fact(n: u8, types: &[&str]) -> Change {
    let tunnel_types = types.iter().map(|name| name.parse().unwrap()).collect();
    Change::Host(Host { name: host(n), endpoint: IpAddr::from([10, 0, 0, n]), tunnel_types })
}

pub(crate) fn port_fact(id: u8, of: u8, on: Option<u8>, admin_up: bool, wired: bool, ips: u8) -> Change {
    Change::Port(Port {
        id: port(id),
        network: network(of),
        mac: Mac([2, 0, 0, 0, 0, id]),
        ips: (0..ips).map(|n| IpAddr::from([192, 168, n, id])).collect(),
        admin_up,
        binding: on.map(|n| Binding { host: host(n), generation: Generation(u64::from(n) + 1) }),
        former: None,
        prepared: vec![],
        wired,
        status: PortStatus::Down,
    })
}

/// The same port, still wired where it was before.
pub(crate) fn leaving(left: Option<u8>, fact: Change) -> Change {
    let former = left.map(|n| Binding { host: host(n), generation: Generation(0) });
    match fact {
        Change::Port(port) => Change::Port(Port { former, ..port }),
        other => other,
    }
}

/// The same port, which may move there.
pub(crate) fn prepared(next: Option<u8>, fact: Change) -> Change {
    match fact {
        Change::Port(port) => Change::Port(Port { prepared: next.map(host).into_iter().collect(), ..port }),
        other => other,
    }
}

pub(crate) fn active_port_fact(id: u8, of: u8, on: u8) -> Change {
    match port_fact(id, of, Some(on), true, true, 1) {
        Change::Port(port) => Change::Port(Port { status: PortStatus::Active, ..port }),
        other => other,
    }
}
