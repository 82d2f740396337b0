use directory::{Directory, Limits};
use model::{
    Binding, Change, Committed, Epoch, Generation, Host, HostName, Mac, Network, NetworkId, Port, PortId, PortStatus,
    Revision, Segment, TunnelType,
};
use sync::messages::{Hello, Interface, Interfaces, ToAgent, ToServer};
use sync::server::Session;
use uuid::Uuid;

use super::*;

const HOSTS: u64 = 200;
/// All on one host more: about 260 KiB for each of the others.
const PORTS: u64 = 4000;
const NETWORK: NetworkId = NetworkId(Uuid::from_u128(1));

fn host(n: u64) -> HostName {
    format!("host{n}").parse().unwrap()
}

fn port(n: u64, host: HostName) -> Change {
    let [.., b, c, d] = n.to_be_bytes();
    Change::Port(Port {
        id: PortId(Uuid::from_u128(n.into())),
        network: NETWORK,
        mac: Mac([2, 0, 0, b, c, d]),
        ips: vec![[10, b, c, d].into()],
        admin_up: true,
        binding: Some(Binding { host, generation: Generation(1) }),
        former: None,
        prepared: vec![],
        wired: true,
        status: PortStatus::Active,
    })
}

/// Each host with a port of its own, and an agent that has said so.
fn crowd() -> (Directory, Sessions) {
    let address = |n: u64| std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(n).unwrap()).into();
    let hosts = (0..=HOSTS)
        .map(|n| Change::Host(Host { name: host(n), endpoint: address(n), tunnel_types: vec![TunnelType::Vxlan] }));
    let segment = Segment { tunnel_type: TunnelType::Vxlan, key: 1 };
    let network = Change::Network(Network { id: NETWORK, segment, mtu: 1450 });
    let own = (0..HOSTS).map(|n| port(n, host(n)));
    let others = (0..PORTS).map(|n| port(HOSTS + n, host(HOSTS)));
    let mut directory = Directory::new(Limits::default());
    let changes = hosts.chain([network]).chain(own).chain(others).collect();
    directory.load(&Committed { revision: Revision(1), changes });
    let mut sessions = Sessions::default();
    for n in 0..HOSTS {
        let hello = Hello::new(host(n), address(n));
        sessions.insert(ConnectionId(n), Session::new(&hello, Epoch(Uuid::nil()), "test"), true);
        let id = Uuid::from_u128(n.into()).to_string();
        let present = vec![Interface { id, order_held: None, wired: None }];
        let inventory = ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec![] });
        sessions.on_message(ConnectionId(n), inventory, &mut directory);
    }
    (directory, sessions)
}

/// Entries given to each agent of those who got anything.
fn drain(sessions: &mut Sessions, directory: &Directory) -> HashMap<ConnectionId, usize> {
    let mut commands = Vec::new();
    sessions.drain(directory, &mut commands);
    let sent = commands.into_iter().map(|command| match command {
        Command::Send { id, messages, .. } => (id, messages.iter().map(entries).sum()),
        other => panic!("{other:?}"),
    });
    sent.collect()
}

fn entries(message: &ToAgent) -> usize {
    match message {
        ToAgent::Snapshot(snapshot) => snapshot.entries.len(),
        _ => 0,
    }
}

#[test]
fn a_crowd_that_wants_everything_at_once_is_given_it_in_bounds_and_the_slow_do_not_starve_the_others() {
    let (directory, mut sessions) = crowd();
    let mut got = drain(&mut sessions, &directory);
    assert_eq!(got.len() as u64, HOSTS);
    assert!(got.values().all(|entries| *entries > 0), "each is given something");
    let most = UNDER_WAY + usize::try_from(HOSTS).unwrap() * 2 * LEAST;
    assert!((UNDER_WAY / 2..most).contains(&sessions.under_way), "{}", sessions.under_way);

    // The first hundred, who have most of it, never read.
    let reads = HOSTS / 2..HOSTS;
    let all = usize::try_from(HOSTS + PORTS - 1).unwrap();
    for _ in 0..100 {
        reads.clone().for_each(|n| sessions.room(ConnectionId(n)));
        for (id, entries) in drain(&mut sessions, &directory) {
            *got.get_mut(&id).unwrap() += entries;
        }
        assert!(sessions.under_way < most, "{}", sessions.under_way);
    }
    for n in reads.clone() {
        assert_eq!(got[&ConnectionId(n)], all, "host{n}");
    }

    // What they had is free again when they go, and who stays has had everything.
    for n in 0..HOSTS / 2 {
        sessions.closed(ConnectionId(n));
    }
    reads.for_each(|n| sessions.room(ConnectionId(n)));
    assert_eq!((drain(&mut sessions, &directory).len(), sessions.under_way), (0, 0));
}
