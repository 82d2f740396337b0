//! Messages to protobuf and back: parsed once, here, and valid ever after. Errors name the field.

mod agent;
mod server;

use std::net::IpAddr;

use model::{Entry, HostName, Mac, NetworkId, PortId, TunnelType};

use crate::{Error, proto};

/// A message of a kind that this version does not know; the peer is newer. It is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnknownKind;

pub(crate) type Parsed<T> = Result<Result<T, UnknownKind>, Error>;

fn network_id(bytes: &[u8], field: &'static str) -> Result<NetworkId, Error> {
    NetworkId::from_slice(bytes).map_err(|source| Error::Field { field, source })
}

fn port_id(bytes: &[u8], field: &'static str) -> Result<PortId, Error> {
    PortId::from_slice(bytes).map_err(|source| Error::Field { field, source })
}

fn port_ids(all: &[Vec<u8>], field: &'static str) -> Result<Vec<PortId>, Error> {
    all.iter().map(|bytes| port_id(bytes, field)).collect()
}

fn host_name(text: String, field: &'static str) -> Result<HostName, Error> {
    HostName::try_from(text).map_err(|source| Error::Field { field, source })
}

fn mac(bytes: &[u8], field: &'static str) -> Result<Mac, Error> {
    bytes.try_into().map(Mac).map_err(|_| Error::Length { field, length: bytes.len() })
}

/// Four bytes for IPv4, sixteen for IPv6.
fn ip(bytes: &[u8], field: &'static str) -> Result<IpAddr, Error> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| v6()).map_err(|_| Error::Length { field, length: bytes.len() })
}

fn ips(all: &[Vec<u8>], field: &'static str) -> Result<Vec<IpAddr>, Error> {
    all.iter().map(|bytes| ip(bytes, field)).collect()
}

fn ip_bytes(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn tunnel_type(value: i32) -> Option<TunnelType> {
    match proto::TunnelType::try_from(value) {
        Ok(proto::TunnelType::Gre) => Some(TunnelType::Gre),
        Ok(proto::TunnelType::Vxlan) => Some(TunnelType::Vxlan),
        Ok(proto::TunnelType::Unspecified) | Err(_) => None,
    }
}

/// Of a list, the types that this version knows: a newer peer may serve more.
fn tunnel_types(values: &[i32]) -> Vec<TunnelType> {
    values.iter().filter_map(|value| tunnel_type(*value)).collect()
}

fn tunnel_number(tunnel_type: TunnelType) -> i32 {
    match tunnel_type {
        TunnelType::Gre => proto::TunnelType::Gre as i32,
        TunnelType::Vxlan => proto::TunnelType::Vxlan as i32,
    }
}

fn tunnel_numbers(types: &[TunnelType]) -> Vec<i32> {
    types.iter().copied().map(tunnel_number).collect()
}

fn entry(entry: &proto::Entry) -> Result<Entry, Error> {
    Ok(Entry {
        port: port_id(&entry.port, "entry.port")?,
        mac: mac(&entry.mac, "entry.mac")?,
        ips: ips(&entry.ips, "entry.ips")?,
        endpoint: ip(&entry.endpoint, "entry.endpoint")?,
    })
}

fn entries(all: &[proto::Entry]) -> Result<Vec<Entry>, Error> {
    all.iter().map(entry).collect()
}

fn entry_message(entry: &Entry) -> proto::Entry {
    proto::Entry {
        port: entry.port.as_bytes().to_vec(),
        mac: entry.mac.0.to_vec(),
        ips: entry.ips.iter().copied().map(ip_bytes).collect(),
        endpoint: ip_bytes(entry.endpoint),
    }
}

fn bytes_of_ports(ports: &[PortId]) -> Vec<Vec<u8>> {
    ports.iter().map(|port| port.as_bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use model::{Digest, Epoch, Generation, Revision, Segment};
    use prost::Message;
    use uuid::Uuid;

    use super::*;
    use crate::messages::*;

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

    fn sum() -> Sum {
        Sum { count: 3, digest: Digest(u64::MAX) }
    }

    fn hello() -> Hello {
        Hello {
            minor: 1,
            software: "culvert".to_owned(),
            host: "compute1".parse().unwrap(),
            endpoint: "fd00::1".parse().unwrap(),
            tunnel_types: TunnelType::ALL.to_vec(),
            l2_population: true,
            arp_responder: true,
            boot_id: "b".to_owned(),
            epoch: Some(Epoch(Uuid::from_u128(3))),
            held: [None, Some(sum())]
                .map(|sum| HeldNetwork { network: network(), revision: Revision(4), sum })
                .to_vec(),
            endpoints_held: Revision(5),
        }
    }

    fn from_agents() -> Vec<ToServer> {
        let interfaces = [(None, None), (Some(Digest(7)), Some(Generation(8)))];
        let present = interfaces.map(|(order_held, wired)| Interface { id: "tap".to_owned(), order_held, wired });
        let problems = vec![RowProblem { port: port(), reason: "why".to_owned() }];
        let resync = |network| ToServer::Resync(Resync { network, reason: "gap".to_owned() });
        vec![
            ToServer::Hello(hello()),
            ToServer::Hello(Hello { epoch: None, held: vec![], ..hello() }),
            ToServer::Interfaces(Interfaces { inventory: true, present: present.to_vec(), gone: vec!["x".to_owned()] }),
            ToServer::Report(PortReport {
                port: port(),
                generation: Generation(1),
                wired: true,
                reason: String::new(),
            }),
            ToServer::Ack(Ack { network: network(), revision: Revision(9), problems }),
            resync(None),
            resync(Some(network())),
            ToServer::Answer(Answer { question: 1, text: "because".to_owned() }),
        ]
    }

    fn from_server() -> Vec<ToAgent> {
        let wire = Wire {
            port: port(),
            network: network(),
            generation: Generation(1),
            mac: Mac([2; 6]),
            ips: vec![IpAddr::from([192, 168, 0, 1])],
            prepared: true,
        };
        let orders = [(port().to_string(), Order::Wire(wire)), ("tap".to_owned(), Order::Isolate("why".to_owned()))];
        let segment = Segment::new(TunnelType::Gre, u64::from(u32::MAX)).unwrap();
        let (previous, revision) = (Revision(1), Revision(2));
        let endpoint = Endpoint {
            host: "compute2".parse().unwrap(),
            address: IpAddr::from([10, 0, 0, 2]),
            tunnel_types: vec![TunnelType::Vxlan],
        };
        let question = |from| {
            let kind = QuestionKind::ExplainDrop { tunnel_type: TunnelType::Vxlan, key: 6, from };
            ToAgent::Question(Question { question: 1, kind })
        };
        vec![
            ToAgent::Welcome(Welcome { minor: 1, software: String::new(), epoch: Epoch(Uuid::from_u128(3)) }),
            ToAgent::Orders(Orders {
                networks: vec![NetworkInfo { network: network(), segment, mtu: 1450 }],
                ports: orders.map(|(id, order)| PortOrder { id, revision, order }).to_vec(),
            }),
            ToAgent::Snapshot(Snapshot {
                network: network(),
                first: true,
                entries: vec![an_entry()],
                removes: vec![port()],
            }),
            ToAgent::Complete(Complete { network: network(), revision, sum: sum() }),
            ToAgent::Delta(Delta {
                network: network(),
                previous,
                revision,
                upserts: vec![an_entry()],
                removes: vec![port()],
                sum: sum(),
                more: true,
            }),
            ToAgent::Dropped(network()),
            ToAgent::HostComplete(HostComplete { revision, networks: vec![(network(), revision)] }),
            ToAgent::Endpoints(Endpoints {
                previous,
                revision,
                upserts: vec![endpoint],
                removes: vec!["compute3".parse().unwrap()],
            }),
            question(None),
            question(Some(IpAddr::from([10, 0, 0, 2]))),
        ]
    }

    #[test]
    fn what_is_written_is_read_back() {
        for message in from_agents() {
            let bytes = proto::AgentMessage::from(message.clone()).encode_to_vec();
            let read = ToServer::parse(proto::AgentMessage::decode(&bytes[..]).unwrap()).unwrap();
            assert_eq!(read, Ok(message));
        }
        for message in from_server() {
            let bytes = proto::ServerMessage::from(message.clone()).encode_to_vec();
            let read = ToAgent::parse(proto::ServerMessage::decode(&bytes[..]).unwrap()).unwrap();
            assert_eq!(read, Ok(message));
        }
    }

    /// A field that no version has yet: number 99, two bytes.
    const UNKNOWN_FIELD: [u8; 5] = [0x9a, 0x06, 2, 0xaa, 0xbb];

    #[test]
    fn what_only_a_newer_peer_knows_is_ignored() {
        // A kind of message: told apart from an empty one of a known kind, so that it can be counted.
        let kind = proto::ServerMessage::decode(&UNKNOWN_FIELD[..]).unwrap();
        assert_eq!(ToAgent::parse(kind).unwrap(), Err(UnknownKind));
        let kind = proto::AgentMessage::decode(&UNKNOWN_FIELD[..]).unwrap();
        assert_eq!(ToServer::parse(kind).unwrap(), Err(UnknownKind));
        // A field beside those that are known, at both levels.
        let mut inner = proto::Dropped { network: network().as_bytes().to_vec() }.encode_to_vec();
        inner.extend(UNKNOWN_FIELD);
        let mut outer = vec![6 << 3 | 2, u8::try_from(inner.len()).unwrap()];
        outer.extend(inner);
        outer.extend(UNKNOWN_FIELD);
        let dropped = ToAgent::parse(proto::ServerMessage::decode(&outer[..]).unwrap()).unwrap();
        assert_eq!(dropped, Ok(ToAgent::Dropped(network())));
        // A tunnel type: of a list it is left out, and so is a network that needs it; the rest counts.
        let mut newer = proto::AgentMessage::from(ToServer::Hello(hello()));
        if let Some(proto::agent_message::Kind::Hello(hello)) = &mut newer.kind {
            hello.tunnel_types.push(77);
        }
        assert_eq!(ToServer::parse(newer).unwrap(), Ok(ToServer::Hello(hello())));
    }

    #[test]
    fn errors_name_the_field() {
        let mut bad = proto::Ack { network: vec![1; 15], revision: 1, problems: vec![] };
        let parse = |ack: &proto::Ack| {
            let kind = Some(proto::agent_message::Kind::Ack(ack.clone()));
            ToServer::parse(proto::AgentMessage { kind })
        };
        assert!(parse(&bad).unwrap_err().to_string().contains("ack.network"));
        bad.network.push(1);
        assert!(parse(&bad).is_ok());
        let entry = proto::Entry { endpoint: vec![1; 5], ..entry_message(&an_entry()) };
        let snapshot = proto::Snapshot { network: vec![0; 16], first: true, entries: vec![entry], removes: vec![] };
        let kind = Some(proto::server_message::Kind::Snapshot(snapshot));
        let error = ToAgent::parse(proto::ServerMessage { kind }).unwrap_err();
        assert!(error.to_string().contains("entry.endpoint"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            if let Ok(message) = proto::AgentMessage::decode(&bytes[..]) {
                let _ = ToServer::parse(message);
            }
            if let Ok(message) = proto::ServerMessage::decode(&bytes[..]) {
                let _ = ToAgent::parse(message);
            }
        }
    }
}
