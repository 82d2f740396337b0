//! Messages to protobuf and back: parsed once, here, and valid ever after. Errors name the field.

mod agent;
mod server;

use std::net::IpAddr;

use model::{Entry, HostName, Mac, NetworkId, PortId, TunnelType};

use crate::{Error, proto};

/// A message of a kind that this version does not know; the peer is newer. It is ignored, and counted.
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
