//! The bytes of each version of the protocol that was, and of one that will be: they are read as they were meant. The rules
//! are in `proto/sync.proto`.

use std::net::IpAddr;

use model::{Digest, Entry, Epoch, Generation, Mac, NetworkId, PortId, Revision, Segment, TunnelType};
use sync::messages::*;
use uuid::Uuid;

/// What this version says.
const CURRENT: &str = include_str!("../golden/1.1.txt");
/// The same without what may be absent.
const PREVIOUS: &str = include_str!("../golden/1.0.txt");
/// The same with a field that nobody knows at the end of each message and of each message in it, and messages of kinds that
/// nobody knows between them.
const NEXT: &str = include_str!("../golden/1.next.txt");

fn network() -> NetworkId {
    NetworkId(Uuid::from_u128(1))
}

fn port() -> PortId {
    PortId(Uuid::from_u128(2))
}

fn an_entry() -> Entry {
    let ips = vec![IpAddr::from([192, 168, 0, 1]), "2001:db8::1".parse().unwrap()];
    Entry { port: port(), mac: Mac([2, 0, 0, 0, 0, 1]), ips, endpoint: IpAddr::from([10, 0, 0, 1]) }
}

/// Of what a peer of the version before leaves out there is nothing, if `late` is not set.
fn from_agent(late: bool) -> Vec<(&'static str, ToServer)> {
    let held = HeldNetwork {
        network: network(),
        revision: Revision(300),
        sum: late.then_some(Sum { count: 3, digest: Digest(0x0102_0304_0506_0708) }),
    };
    let hello = Hello {
        minor: u32::from(late),
        software: "culvert 0.1.0".to_owned(),
        host: "compute1".parse().unwrap(),
        endpoint: IpAddr::from([10, 0, 0, 1]),
        tunnel_types: TunnelType::ALL.to_vec(),
        l2_population: true,
        arp_responder: true,
        boot_id: "b".to_owned(),
        epoch: Some(Epoch(Uuid::from_u128(3))),
        held: vec![held],
        endpoints_held: Revision(5),
    };
    let order_held = late.then_some(Digest(7));
    let present = vec![Interface { id: port().to_string(), order_held, wired: Some(Generation(8)) }];
    let why = |text: &str| if late { text.to_owned() } else { String::new() };
    let problems = late.then(|| RowProblem { port: port(), reason: "full".to_owned() }).into_iter().collect();
    let missing = late.then(|| ("missing", ToServer::Missing(Missing { ids: vec!["x".to_owned()] })));
    let said = vec![
        ("hello", ToServer::Hello(hello)),
        ("interfaces", ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec!["x".to_owned()] })),
        (
            "report",
            ToServer::Report(PortReport {
                port: port(),
                generation: Generation(1),
                wired: true,
                reason: why("told so"),
            }),
        ),
        ("ack", ToServer::Ack(Ack { network: network(), revision: Revision(9), problems })),
        ("resync", ToServer::Resync(Resync { network: Some(network()), reason: "gap".to_owned() })),
        ("answer", ToServer::Answer(Answer { question: 1, text: "because".to_owned() })),
    ];
    said.into_iter().chain(missing).collect()
}

fn from_server(late: bool) -> Vec<(&'static str, ToAgent)> {
    let (previous, revision) = (Revision(299), Revision(300));
    let sum = Sum { count: 1, digest: Digest(0x0102_0304_0506_0708) };
    let wire = Wire {
        port: port(),
        network: network(),
        generation: Generation(1),
        mac: Mac([2; 6]),
        ips: vec![IpAddr::from([192, 168, 0, 1])],
        prepared: late,
    };
    let isolate = Order::Isolate(if late { "bound to compute2".to_owned() } else { String::new() });
    let orders = [(port().to_string(), Order::Wire(wire)), ("tap".to_owned(), isolate)];
    let segment = Segment::new(TunnelType::Gre, 7).unwrap();
    let info = NetworkInfo { network: network(), segment, mtu: if late { 1450 } else { 0 } };
    let endpoint = Endpoint {
        host: "compute2".parse().unwrap(),
        address: IpAddr::from([10, 0, 0, 2]),
        tunnel_types: vec![TunnelType::Vxlan],
    };
    let welcome = Welcome { minor: u32::from(late), software: String::new(), epoch: Epoch(Uuid::from_u128(3)) };
    let (network, removes) = (network(), vec![port()]);
    let kind = QuestionKind::ExplainDrop { tunnel_type: TunnelType::Vxlan, key: 6, from: None };
    vec![
        ("welcome", ToAgent::Welcome(welcome)),
        (
            "orders",
            ToAgent::Orders(Orders {
                networks: vec![info],
                ports: orders.map(|(id, order)| PortOrder { id, revision, order }).to_vec(),
            }),
        ),
        (
            "snapshot",
            ToAgent::Snapshot(Snapshot { network, first: true, entries: vec![an_entry()], removes: removes.clone() }),
        ),
        ("complete", ToAgent::Complete(Complete { network, revision, sum })),
        (
            "delta",
            ToAgent::Delta(Delta {
                network,
                previous,
                revision,
                upserts: vec![an_entry()],
                removes: removes.clone(),
                sum,
                more: false,
            }),
        ),
        ("dropped", ToAgent::Dropped(network)),
        ("host_complete", ToAgent::HostComplete(HostComplete { revision, networks: vec![(network, revision)] })),
        (
            "endpoints",
            ToAgent::Endpoints(Endpoints {
                previous,
                revision,
                upserts: vec![endpoint],
                removes: vec!["compute3".parse().unwrap()],
            }),
        ),
        ("question", ToAgent::Question(Question { question: 1, kind })),
    ]
}

/// Lines of a name and bytes in hexadecimal; those of the name `unknown` are of a kind that nobody knows.
fn bytes(golden: &str, side: &str) -> Vec<(String, Vec<u8>)> {
    let lines = golden.lines().filter_map(|line| line.strip_prefix(side)?.strip_prefix(' ')?.split_once(' '));
    let byte = |hex: &str, at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    lines.map(|(name, hex)| (name.to_owned(), (0..hex.len()).step_by(2).map(|at| byte(hex, at)).collect())).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[test]
fn this_version_says_what_it_always_said() {
    let agent = from_agent(true).into_iter().map(|(name, message)| format!("agent {name} {}", hex(&message.encode())));
    let server =
        from_server(true).into_iter().map(|(name, message)| format!("server {name} {}", hex(&message.encode())));
    let said: Vec<String> = agent.chain(server).collect();
    let golden: Vec<&str> = CURRENT.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(said, golden, "the bytes of 1.1 are read by others: add fields, and a file for the new version");
}

/// Reads all bytes of both sides, and says how many were of a kind that nobody knows.
fn read(golden: &str, late: bool) -> usize {
    let mut unknown = 0;
    let mut agent = from_agent(late).into_iter();
    for (name, bytes) in bytes(golden, "agent") {
        match ToServer::decode(&bytes).unwrap() {
            Some(message) => assert_eq!(Some((&*name, message)), agent.next()),
            None => unknown += usize::from(name == "unknown"),
        }
    }
    let mut server = from_server(late).into_iter();
    for (name, bytes) in bytes(golden, "server") {
        match ToAgent::decode(&bytes).unwrap() {
            Some(message) => assert_eq!(Some((&*name, message)), server.next()),
            None => unknown += usize::from(name == "unknown"),
        }
    }
    assert_eq!((agent.next(), server.next()), (None, None), "all of it is read");
    unknown
}

#[test]
fn what_each_version_says_is_read_as_it_was_meant() {
    assert_eq!(read(CURRENT, true), 0);
    assert_eq!(read(PREVIOUS, false), 0);
    assert_eq!(read(NEXT, true), 16, "one before each message");
}
