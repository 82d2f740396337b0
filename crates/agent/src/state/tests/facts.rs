//! Short ways to write what the server says, and to read what the state answers.

use model::{Entry, Epoch, Generation, Mac, NetworkId, PortId, Revision, Segment, TunnelType};
use sync::messages::{
    Complete, Delta, HostComplete, NetworkInfo, Order, Orders, PortOrder, PortReport, Snapshot, Sum, ToAgent, ToServer,
    Welcome, Wire,
};
use uuid::Uuid;

use super::world::World;

pub(super) const A: u128 = 0xa;
pub(super) const B: u128 = 0xb;

pub(super) fn network(id: u128) -> NetworkId {
    NetworkId(Uuid::from_u128(id))
}

pub(super) fn port(id: u8) -> PortId {
    PortId(Uuid::from_u128(id.into()))
}

pub(super) fn id(number: u8) -> String {
    port(number).to_string()
}

pub(super) fn mac(number: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, number])
}

pub(super) fn entry(number: u8, endpoint: u8) -> Entry {
    let ips = vec![[10, 0, 0, number].into()];
    Entry { port: port(number), mac: mac(number), ips, endpoint: [10, 0, 1, endpoint].into() }
}

pub(super) fn welcome() -> ToAgent {
    ToAgent::Welcome(Welcome { minor: 1, software: "test".to_owned(), epoch: Epoch(Uuid::from_u128(1)) })
}

/// Wires these ports, each on its network.
pub(super) fn orders(ports: &[(u8, u128)]) -> ToAgent {
    let info = |id: u128| {
        let segment = Segment { tunnel_type: TunnelType::Gre, key: u32::try_from(id).unwrap() };
        NetworkInfo { network: network(id), segment, mtu: 1458 }
    };
    let order = |(number, on): &(u8, u128)| {
        let ips = vec![[10, 0, 0, *number].into()];
        let wire = Wire {
            port: port(*number),
            network: network(*on),
            generation: Generation(1),
            mac: mac(*number),
            ips,
            prepared: false,
        };
        PortOrder { id: id(*number), revision: Revision(1), order: Order::Wire(wire) }
    };
    ToAgent::Orders(Orders {
        networks: ports.iter().map(|(_, on)| info(*on)).collect(),
        ports: ports.iter().map(order).collect(),
    })
}

/// The same, of ports that may move here.
pub(super) fn prepared_orders(ports: &[(u8, u128)]) -> ToAgent {
    let ToAgent::Orders(mut orders) = orders(ports) else { unreachable!("what it makes") };
    for order in &mut orders.ports {
        if let Order::Wire(wire) = &mut order.order {
            (wire.prepared, wire.generation) = (true, Generation::ZERO);
        }
    }
    ToAgent::Orders(orders)
}

pub(super) fn isolate(number: u8) -> ToAgent {
    let order = Order::Isolate("bound to compute2".to_owned());
    ToAgent::Orders(Orders {
        networks: vec![],
        ports: vec![PortOrder { id: id(number), revision: Revision(2), order }],
    })
}

pub(super) fn snapshot(id: u128, revision: u64, entries: &[Entry]) -> [ToAgent; 2] {
    let network = network(id);
    [
        ToAgent::Snapshot(Snapshot { network, first: true, entries: entries.to_vec(), removes: vec![] }),
        ToAgent::Complete(Complete { network, revision: Revision(revision), sum: Sum::of(entries) }),
    ]
}

pub(super) fn delta(
    id: u128,
    (previous, revision): (u64, u64),
    upserts: &[Entry],
    removes: &[u8],
    all: &[Entry],
) -> ToAgent {
    ToAgent::Delta(Delta {
        network: network(id),
        previous: Revision(previous),
        revision: Revision(revision),
        upserts: upserts.to_vec(),
        removes: removes.iter().map(|number| port(*number)).collect(),
        sum: Sum::of(all),
        more: false,
    })
}

pub(super) fn host_complete(networks: &[u128]) -> ToAgent {
    let networks = networks.iter().map(|id| (network(*id), Revision(1))).collect();
    ToAgent::HostComplete(HostComplete { revision: Revision(9), networks })
}

/// A host with port 1 of network A wired, and one remote port behind 10.0.1.21.
pub(super) fn wired() -> World {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    tell_all(&mut world);
    world
}

pub(super) fn tell_all(world: &mut World) {
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21)]));
    world.tell([host_complete(&[A])]);
}

pub(super) fn reports(world: &World) -> Vec<&PortReport> {
    let report = |message: &'_ ToServer| matches!(message, ToServer::Report(_));
    let reports = world.sent.iter().filter(|message| report(message));
    reports.filter_map(|message| if let ToServer::Report(report) = message { Some(report) } else { None }).collect()
}

pub(super) fn acks(world: &World) -> Vec<(NetworkId, u64, usize)> {
    let ack = |message: &ToServer| match message {
        ToServer::Ack(ack) => Some((ack.network, ack.revision.0, ack.problems.len())),
        _ => None,
    };
    world.sent.iter().filter_map(ack).collect()
}

pub(super) fn position(world: &World, what: &str) -> usize {
    let found = world.story.iter().position(|line| line.contains(what));
    found.unwrap_or_else(|| panic!("no \"{what}\" in {:#?}", world.story))
}

/// The OpenFlow port of an interface.
pub(super) fn number(world: &World, name: &str) -> u32 {
    u32::try_from(world.find("Interface", name).as_u128()).unwrap()
}
