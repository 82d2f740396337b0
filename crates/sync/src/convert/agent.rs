//! What agents say.

use model::{Digest, Epoch, Generation, Revision};
use uuid::Uuid;

use super::{Parsed, UnknownKind, host_name, ip, ip_bytes, network_id, port_id, tunnel_numbers, tunnel_types};
use crate::messages::{
    Ack, Answer, HeldNetwork, Hello, Interface, Interfaces, Missing, PortReport, Resync, RowProblem, Sum, ToServer,
};
use crate::proto::agent_message::Kind;
use crate::{Error, proto};

impl ToServer {
    pub(crate) fn parse(message: proto::AgentMessage) -> Parsed<ToServer> {
        let Some(kind) = message.kind else { return Ok(Err(UnknownKind)) };
        let parsed = match kind {
            Kind::Hello(hello) => ToServer::Hello(parse_hello(hello)?),
            Kind::Interfaces(interfaces) => ToServer::Interfaces(Interfaces {
                inventory: interfaces.inventory,
                present: interfaces.present.into_iter().map(parse_interface).collect(),
                gone: interfaces.gone,
            }),
            Kind::Report(report) => ToServer::Report(PortReport {
                port: port_id(&report.port, "report.port")?,
                generation: Generation(report.generation),
                wired: report.wired,
                reason: report.reason,
            }),
            Kind::Ack(ack) => ToServer::Ack(Ack {
                network: network_id(&ack.network, "ack.network")?,
                revision: Revision(ack.revision),
                problems: ack.problems.into_iter().map(parse_problem).collect::<Result<_, _>>()?,
            }),
            Kind::Resync(resync) => ToServer::Resync(Resync {
                network: match &resync.network[..] {
                    [] => None,
                    bytes => Some(network_id(bytes, "resync.network")?),
                },
                reason: resync.reason,
            }),
            Kind::Answer(answer) => ToServer::Answer(Answer { question: answer.question, text: answer.text }),
            Kind::Missing(missing) => ToServer::Missing(Missing { ids: missing.ids }),
        };
        Ok(Ok(parsed))
    }
}

fn parse_hello(hello: proto::Hello) -> Result<Hello, Error> {
    Ok(Hello {
        minor: hello.minor,
        software: hello.software,
        host: host_name(hello.host, "hello.host")?,
        endpoint: ip(&hello.endpoint, "hello.endpoint")?,
        tunnel_types: tunnel_types(&hello.tunnel_types),
        l2_population: hello.l2_population,
        arp_responder: hello.arp_responder,
        boot_id: hello.boot_id,
        epoch: match &hello.epoch[..] {
            [] => None,
            bytes => Some(epoch(bytes, "hello.epoch")?),
        },
        held: hello.held.iter().map(parse_held).collect::<Result<_, _>>()?,
        endpoints_held: Revision(hello.endpoints_held),
    })
}

fn parse_held(held: &proto::HeldNetwork) -> Result<HeldNetwork, Error> {
    let sum = held.digest.map(|digest| Sum { count: held.count, digest: Digest(digest) });
    Ok(HeldNetwork { network: network_id(&held.network, "held.network")?, revision: Revision(held.revision), sum })
}

fn parse_interface(interface: proto::Interface) -> Interface {
    Interface {
        id: interface.id,
        order_held: (interface.order_held != 0).then_some(Digest(interface.order_held)),
        wired: (interface.wired_generation != 0).then_some(Generation(interface.wired_generation)),
    }
}

fn parse_problem(problem: proto::RowProblem) -> Result<RowProblem, Error> {
    Ok(RowProblem { port: port_id(&problem.port, "problem.port")?, reason: problem.reason })
}

pub(super) fn epoch(bytes: &[u8], field: &'static str) -> Result<Epoch, Error> {
    Uuid::from_slice(bytes).map(Epoch).map_err(|_| Error::Length { field, length: bytes.len() })
}

impl From<ToServer> for proto::AgentMessage {
    fn from(message: ToServer) -> Self {
        let kind = match message {
            ToServer::Hello(hello) => Kind::Hello(hello_message(hello)),
            ToServer::Interfaces(interfaces) => Kind::Interfaces(proto::Interfaces {
                inventory: interfaces.inventory,
                present: interfaces.present.into_iter().map(interface_message).collect(),
                gone: interfaces.gone,
            }),
            ToServer::Report(report) => Kind::Report(proto::PortReport {
                port: report.port.as_bytes().to_vec(),
                generation: report.generation.0,
                wired: report.wired,
                reason: report.reason,
            }),
            ToServer::Ack(ack) => Kind::Ack(proto::Ack {
                network: ack.network.as_bytes().to_vec(),
                revision: ack.revision.0,
                problems: ack.problems.into_iter().map(problem_message).collect(),
            }),
            ToServer::Resync(resync) => Kind::Resync(proto::Resync {
                network: resync.network.map(|network| network.as_bytes().to_vec()).unwrap_or_default(),
                reason: resync.reason,
            }),
            ToServer::Answer(answer) => Kind::Answer(proto::Answer { question: answer.question, text: answer.text }),
            ToServer::Missing(missing) => Kind::Missing(proto::Missing { ids: missing.ids }),
        };
        proto::AgentMessage { kind: Some(kind) }
    }
}

fn hello_message(hello: Hello) -> proto::Hello {
    proto::Hello {
        minor: hello.minor,
        software: hello.software,
        host: hello.host.into(),
        endpoint: ip_bytes(hello.endpoint),
        tunnel_types: tunnel_numbers(&hello.tunnel_types),
        l2_population: hello.l2_population,
        arp_responder: hello.arp_responder,
        boot_id: hello.boot_id,
        epoch: hello.epoch.map(|epoch| epoch.0.as_bytes().to_vec()).unwrap_or_default(),
        held: hello.held.iter().map(held_message).collect(),
        endpoints_held: hello.endpoints_held.0,
    }
}

fn held_message(held: &HeldNetwork) -> proto::HeldNetwork {
    proto::HeldNetwork {
        network: held.network.as_bytes().to_vec(),
        revision: held.revision.0,
        count: held.sum.map_or(0, |sum| sum.count),
        digest: held.sum.map(|sum| sum.digest.0),
    }
}

fn interface_message(interface: Interface) -> proto::Interface {
    proto::Interface {
        id: interface.id,
        order_held: interface.order_held.map_or(0, |digest| digest.0),
        wired_generation: interface.wired.map_or(0, |generation| generation.0),
    }
}

fn problem_message(problem: RowProblem) -> proto::RowProblem {
    proto::RowProblem { port: problem.port.as_bytes().to_vec(), reason: problem.reason }
}
