//! What the server says.

use model::{Digest, Generation, NetworkId, Revision, Segment};

use super::agent::epoch;
use super::{
    Parsed, UnknownKind, bytes_of_ports, entries, entry_message, host_name, ip, ip_bytes, ips, mac, network_id,
    port_ids, tunnel_number, tunnel_numbers, tunnel_type, tunnel_types,
};
use crate::messages::{
    Complete, Delta, Endpoint, Endpoints, HostComplete, NetworkInfo, Order, Orders, PortOrder, Question, QuestionKind,
    Snapshot, Sum, ToAgent, Welcome, Wire,
};
use crate::proto::server_message::Kind;
use crate::{Error, proto};

impl ToAgent {
    pub(crate) fn parse(message: proto::ServerMessage) -> Parsed<ToAgent> {
        let Some(kind) = message.kind else { return Ok(Err(UnknownKind)) };
        let parsed = match kind {
            Kind::Welcome(welcome) => ToAgent::Welcome(Welcome {
                minor: welcome.minor,
                software: welcome.software,
                epoch: epoch(&welcome.epoch, "welcome.epoch")?,
            }),
            Kind::Orders(orders) => ToAgent::Orders(parse_orders(orders)?),
            Kind::Snapshot(snapshot) => ToAgent::Snapshot(Snapshot {
                network: network_id(&snapshot.network, "snapshot.network")?,
                first: snapshot.first,
                entries: entries(&snapshot.entries)?,
                removes: port_ids(&snapshot.removes, "snapshot.removes")?,
            }),
            Kind::Complete(complete) => ToAgent::Complete(Complete {
                network: network_id(&complete.network, "complete.network")?,
                revision: Revision(complete.revision),
                sum: Sum { count: complete.count, digest: Digest(complete.digest) },
            }),
            Kind::Delta(delta) => ToAgent::Delta(Delta {
                network: network_id(&delta.network, "delta.network")?,
                previous: Revision(delta.previous),
                revision: Revision(delta.revision),
                upserts: entries(&delta.upserts)?,
                removes: port_ids(&delta.removes, "delta.removes")?,
                sum: Sum { count: delta.count, digest: Digest(delta.digest) },
                more: delta.more,
            }),
            Kind::Dropped(dropped) => ToAgent::Dropped(network_id(&dropped.network, "dropped.network")?),
            Kind::HostComplete(complete) => ToAgent::HostComplete(HostComplete {
                revision: Revision(complete.revision),
                networks: complete.networks.iter().map(parse_revision).collect::<Result<_, _>>()?,
            }),
            Kind::Endpoints(endpoints) => ToAgent::Endpoints(parse_endpoints(endpoints)?),
            Kind::Question(question) => match question.kind {
                None => return Ok(Err(UnknownKind)),
                Some(kind) => ToAgent::Question(Question { question: question.question, kind: parse_question(&kind)? }),
            },
        };
        Ok(Ok(parsed))
    }
}

fn parse_orders(orders: proto::Orders) -> Result<Orders, Error> {
    // A network of a type that only a newer server knows is left out: its ports cannot be wired here, all others can.
    let known = |info: &&proto::NetworkInfo| tunnel_type(info.tunnel_type).is_some();
    Ok(Orders {
        networks: orders.networks.iter().filter(known).map(parse_network).collect::<Result<_, _>>()?,
        ports: orders.ports.into_iter().map(parse_order).collect::<Result<_, _>>()?,
    })
}

fn parse_network(info: &proto::NetworkInfo) -> Result<NetworkInfo, Error> {
    let field = "network.tunnel_type";
    let tunnel_type = tunnel_type(info.tunnel_type).ok_or(Error::Unknown { field, value: info.tunnel_type })?;
    let segment = Segment::new(tunnel_type, info.key.into());
    Ok(NetworkInfo {
        network: network_id(&info.network, "network.network")?,
        segment: segment.map_err(|source| Error::Field { field: "network.key", source })?,
        mtu: info.mtu,
    })
}

fn parse_order(order: proto::PortOrder) -> Result<PortOrder, Error> {
    let parsed = match order.wire {
        None => Order::Isolate(order.isolate_reason),
        Some(wire) => Order::Wire(Wire {
            port: directory::port_of(&order.id).ok_or(Error::Missing("port id in an order to wire"))?,
            network: network_id(&wire.network, "wire.network")?,
            generation: Generation(wire.generation),
            mac: mac(&wire.mac, "wire.mac")?,
            ips: ips(&wire.ips, "wire.ips")?,
            prepared: wire.prepared,
        }),
    };
    Ok(PortOrder { id: order.id, revision: Revision(order.revision), order: parsed })
}

fn parse_revision(held: &proto::NetworkRevision) -> Result<(NetworkId, Revision), Error> {
    Ok((network_id(&held.network, "host_complete.network")?, Revision(held.revision)))
}

fn parse_endpoints(endpoints: proto::Endpoints) -> Result<Endpoints, Error> {
    let endpoint = |endpoint: proto::Endpoint| {
        Ok(Endpoint {
            host: host_name(endpoint.host, "endpoint.host")?,
            address: ip(&endpoint.address, "endpoint.address")?,
            tunnel_types: tunnel_types(&endpoint.tunnel_types),
        })
    };
    let remove = |host: String| host_name(host, "endpoints.removes");
    Ok(Endpoints {
        previous: Revision(endpoints.previous),
        revision: Revision(endpoints.revision),
        upserts: endpoints.upserts.into_iter().map(endpoint).collect::<Result<_, Error>>()?,
        removes: endpoints.removes.into_iter().map(remove).collect::<Result<_, _>>()?,
    })
}

fn parse_question(kind: &proto::question::Kind) -> Result<QuestionKind, Error> {
    let proto::question::Kind::ExplainDrop(explain) = kind;
    let (field, value) = ("explain_drop.tunnel_type", explain.tunnel_type);
    Ok(QuestionKind::ExplainDrop {
        tunnel_type: tunnel_type(value).ok_or(Error::Unknown { field, value })?,
        key: explain.key,
        from: match &explain.from[..] {
            [] => None,
            bytes => Some(ip(bytes, "explain_drop.from")?),
        },
    })
}

impl From<ToAgent> for proto::ServerMessage {
    fn from(message: ToAgent) -> Self {
        let kind = match message {
            ToAgent::Welcome(welcome) => Kind::Welcome(proto::Welcome {
                minor: welcome.minor,
                software: welcome.software,
                epoch: welcome.epoch.0.as_bytes().to_vec(),
            }),
            ToAgent::Orders(orders) => Kind::Orders(proto::Orders {
                networks: orders.networks.iter().map(network_message).collect(),
                ports: orders.ports.into_iter().map(Into::into).collect(),
            }),
            ToAgent::Snapshot(snapshot) => Kind::Snapshot(proto::Snapshot {
                network: snapshot.network.as_bytes().to_vec(),
                first: snapshot.first,
                entries: snapshot.entries.iter().map(entry_message).collect(),
                removes: bytes_of_ports(&snapshot.removes),
            }),
            ToAgent::Complete(complete) => Kind::Complete(proto::Complete {
                network: complete.network.as_bytes().to_vec(),
                revision: complete.revision.0,
                count: complete.sum.count,
                digest: complete.sum.digest.0,
            }),
            ToAgent::Delta(delta) => Kind::Delta(proto::Delta {
                network: delta.network.as_bytes().to_vec(),
                previous: delta.previous.0,
                revision: delta.revision.0,
                upserts: delta.upserts.iter().map(entry_message).collect(),
                removes: bytes_of_ports(&delta.removes),
                count: delta.sum.count,
                digest: delta.sum.digest.0,
                more: delta.more,
            }),
            ToAgent::Dropped(network) => Kind::Dropped(proto::Dropped { network: network.as_bytes().to_vec() }),
            ToAgent::HostComplete(complete) => Kind::HostComplete(proto::HostComplete {
                revision: complete.revision.0,
                networks: complete.networks.iter().map(revision_message).collect(),
            }),
            ToAgent::Endpoints(endpoints) => Kind::Endpoints(proto::Endpoints {
                previous: endpoints.previous.0,
                revision: endpoints.revision.0,
                upserts: endpoints.upserts.into_iter().map(endpoint_message).collect(),
                removes: endpoints.removes.into_iter().map(String::from).collect(),
            }),
            ToAgent::Question(question) => Kind::Question(question_message(&question)),
        };
        proto::ServerMessage { kind: Some(kind) }
    }
}

fn network_message(info: &NetworkInfo) -> proto::NetworkInfo {
    proto::NetworkInfo {
        network: info.network.as_bytes().to_vec(),
        tunnel_type: tunnel_number(info.segment.tunnel_type),
        key: info.segment.key,
        mtu: info.mtu,
    }
}

impl From<PortOrder> for proto::PortOrder {
    fn from(order: PortOrder) -> Self {
        let (wire, isolate_reason) = match order.order {
            Order::Isolate(reason) => (None, reason),
            Order::Wire(wire) => (Some(wire_message(wire)), String::new()),
        };
        proto::PortOrder { id: order.id, revision: order.revision.0, wire, isolate_reason }
    }
}

fn wire_message(wire: Wire) -> proto::Wire {
    proto::Wire {
        network: wire.network.as_bytes().to_vec(),
        generation: wire.generation.0,
        mac: wire.mac.0.to_vec(),
        ips: wire.ips.into_iter().map(ip_bytes).collect(),
        prepared: wire.prepared,
    }
}

fn revision_message((network, revision): &(NetworkId, Revision)) -> proto::NetworkRevision {
    proto::NetworkRevision { network: network.as_bytes().to_vec(), revision: revision.0 }
}

fn endpoint_message(endpoint: Endpoint) -> proto::Endpoint {
    proto::Endpoint {
        host: endpoint.host.into(),
        address: ip_bytes(endpoint.address),
        tunnel_types: tunnel_numbers(&endpoint.tunnel_types),
    }
}

fn question_message(question: &Question) -> proto::Question {
    let QuestionKind::ExplainDrop { tunnel_type, key, from } = question.kind;
    let explain = proto::ExplainDrop {
        tunnel_type: tunnel_number(tunnel_type),
        key,
        from: from.map(ip_bytes).unwrap_or_default(),
    };
    proto::Question { question: question.question, kind: Some(proto::question::Kind::ExplainDrop(explain)) }
}
