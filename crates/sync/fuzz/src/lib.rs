//! What the targets share: how bytes are cut into messages, and a small world for them to be about.

use model::{
    Binding, Change, Committed, Entry, Epoch, Generation, Host, HostName, Mac, Network, NetworkId, Port, PortId,
    PortStatus, Revision, Segment, TunnelType,
};
use sync::messages::Hello;
use uuid::Uuid;

/// Each message has its length before it, in two bytes.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (message, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        bytes = rest;
        Some(message)
    })
}

/// Writes inputs to begin with, one for each stream of messages, where `FUZZ_SEEDS` says.
pub fn seed(streams: impl IntoIterator<Item = Vec<Vec<u8>>>) {
    let Some(dir) = std::env::var_os("FUZZ_SEEDS") else { return };
    for (number, stream) in streams.into_iter().enumerate() {
        let framed = stream.iter().flat_map(|message| {
            let length = u16::try_from(message.len()).expect("a short message");
            length.to_be_bytes().into_iter().chain(message.iter().copied())
        });
        let path = std::path::Path::new(&dir).join(format!("seed-{number}"));
        std::fs::write(path, framed.collect::<Vec<u8>>()).expect("a directory to write to");
    }
}

pub fn host(number: u8) -> HostName {
    format!("host-{number}").parse().expect("a host's name")
}

pub fn network(number: u8) -> NetworkId {
    NetworkId(Uuid::from_bytes([0x10 + number; 16]))
}

pub fn port(number: u8) -> PortId {
    PortId(Uuid::from_bytes([0x20 + number; 16]))
}

pub fn epoch() -> Epoch {
    Epoch(Uuid::from_bytes([1; 16]))
}

pub fn entry(number: u8) -> Entry {
    Entry { port: port(number), mac: Mac([2, 0, 0, 0, 0, number]), ips: vec![ip(number)], endpoint: endpoint(2) }
}

pub fn hello() -> Hello {
    Hello::new(host(1), endpoint(1))
}

/// Two hosts, two networks, and six ports: three bound to each host.
pub fn world() -> Committed {
    let hosts = [1, 2].map(|number| {
        let types = TunnelType::ALL.to_vec();
        Change::Host(Host { name: host(number), endpoint: endpoint(number), tunnel_types: types })
    });
    let networks = [(0, TunnelType::Gre), (1, TunnelType::Vxlan)].map(|(number, tunnel_type)| {
        let segment = Segment { tunnel_type, key: 6 };
        Change::Network(Network { id: network(number), segment, mtu: 1450 })
    });
    let ports = (0..6).map(|number| {
        Change::Port(Port {
            id: port(number),
            network: network(number / 2 % 2),
            mac: entry(number).mac,
            ips: entry(number).ips,
            admin_up: true,
            binding: Some(Binding { host: host(1 + number % 2), generation: Generation(1) }),
            former: None,
            prepared: vec![],
            wired: number % 2 == 1,
            status: PortStatus::Active,
        })
    });
    Committed { revision: Revision(9), changes: hosts.into_iter().chain(networks).chain(ports).collect() }
}

fn endpoint(number: u8) -> std::net::IpAddr {
    [10, 0, 0, number].into()
}

fn ip(number: u8) -> std::net::IpAddr {
    [192, 168, 0, number].into()
}
