//! What matters here of Neutron's objects.

use std::net::IpAddr;

use model::{Mac, NetworkId, PortId, Segment, TunnelType};
use oslo::object::{self, Field};
use serde::Deserialize;
use uuid::Uuid;

use crate::Error;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortFacts {
    pub(crate) id: PortId,
    pub(crate) network: NetworkId,
    pub(crate) mac: Mac,
    pub(crate) ips: Vec<IpAddr>,
    pub(crate) admin_up: bool,
    pub(crate) owner: String,
    pub(crate) status: Status,
    pub(crate) bindings: Vec<Binding>,
    /// What a binding uses of a network with several segments: host and segment.
    pub(crate) levels: Vec<(String, Result<Segment, String>)>,
    /// Counts changes of the port.
    pub(crate) revision: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Active,
    /// Being wired by an agent that had it wired before, perhaps.
    Build,
    Down,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) host: String,
    pub(crate) active: bool,
    /// The mechanism driver has given it an interface type that this agent serves.
    pub(crate) bound: bool,
    pub(crate) migrating_to: Option<String>,
}

/// What a port is to the host on which it is plugged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    Here,
    /// It may move here.
    Soon,
    /// Why it is not to be wired here, for people.
    No(String),
}

/// Owners of ports that are at several hosts at once, or move without Neutron's doing: entries tell only that their hosts want
/// BUM traffic (`l2pop/db.py`).
const SEVERAL: [&str; 4] = [
    "network:router_interface_distributed",
    "network:ha_router_replicated_interface",
    "network:router_centralized_snat",
    "network:router_ha_interface",
];

#[derive(Deserialize)]
struct Profile {
    migrating_to: Option<String>,
}

impl PortFacts {
    pub(crate) fn of(port: &object::Port) -> Result<Self, Error> {
        let (id, network) = (need(&port.id, "id")?, need(&port.network_id, "network_id")?);
        let bindings = port.bindings.value().map(Vec::as_slice).unwrap_or_default();
        let levels = port.binding_levels.value().map(Vec::as_slice).unwrap_or_default();
        let fixed_ips = port.fixed_ips.value().map(Vec::as_slice).unwrap_or_default();
        Ok(PortFacts {
            id: PortId(*id),
            network: NetworkId(*network),
            mac: *need(&port.mac_address, "mac_address")?,
            ips: fixed_ips.iter().filter_map(|fixed| fixed.ip_address.value().copied()).collect(),
            admin_up: *need(&port.admin_state_up, "admin_state_up")?,
            owner: port.device_owner.value().cloned().unwrap_or_default(),
            status: match port.status.value().map(String::as_str) {
                Some("ACTIVE") => Status::Active,
                Some("BUILD") => Status::Build,
                _ => Status::Down,
            },
            bindings: bindings.iter().map(binding).collect(),
            levels: levels.iter().filter_map(level).collect(),
            revision: port.revision_number.value().copied().unwrap_or_default(),
        })
    }

    /// It is at several hosts at once, or moves by itself.
    pub(crate) fn is_several(&self) -> bool {
        SEVERAL.contains(&self.owner.as_str())
    }

    /// The host that has it.
    pub(crate) fn host(&self) -> Option<&str> {
        self.active().map(|binding| binding.host.as_str()).filter(|host| !host.is_empty())
    }

    fn active(&self) -> Option<&Binding> {
        self.bindings.iter().find(|binding| binding.active)
    }

    /// What it is to a host on which it is plugged. Ports of Neutron's own agents may be at a host that they are not bound to:
    /// a router that is there twice, a DHCP server's.
    pub(crate) fn place(&self, host: &str) -> Place {
        if !self.admin_up {
            return Place::No("it is administratively down".to_owned());
        }
        if self.is_several() {
            return Place::Here;
        }
        match self.active() {
            Some(binding) if binding.host == host && binding.bound => Place::Here,
            Some(binding) if binding.host == host => Place::No("Neutron could not bind it to this host".to_owned()),
            active => {
                let inactive =
                    self.bindings.iter().any(|binding| binding.host == host && !binding.active && binding.bound);
                let migrates = active.is_some_and(|binding| binding.migrating_to.as_deref() == Some(host));
                match self.host() {
                    _ if inactive || migrates => Place::Soon,
                    Some(other) => Place::No(format!("it is bound to {other}")),
                    None if self.owner.starts_with("network:") => Place::Here,
                    None => Place::No("it is bound to no host".to_owned()),
                }
            }
        }
    }
}

fn binding(binding: &object::PortBinding) -> Binding {
    let text = |field: &Field<String>| field.value().cloned().unwrap_or_default();
    let profile = binding.profile.value().and_then(|profile| profile.0.read::<Profile>().ok());
    Binding {
        host: text(&binding.host),
        active: text(&binding.status) == "ACTIVE",
        bound: !["unbound", "binding_failed", ""].contains(&text(&binding.vif_type).as_str()),
        migrating_to: profile.and_then(|profile| profile.migrating_to),
    }
}

fn level(level: &object::PortBindingLevel) -> Option<(String, Result<Segment, String>)> {
    Some((level.host.value()?.clone(), segment(level.segment.value()?)))
}

fn segment(segment: &object::NetworkSegment) -> Result<Segment, String> {
    let kind = segment.network_type.value().map(String::as_str).unwrap_or_default();
    let tunnel_type: TunnelType =
        kind.parse().map_err(|_| format!("its network is of type {kind}, which this agent does not serve"))?;
    let key = segment.segmentation_id.value().and_then(|key| u64::try_from(*key).ok()).unwrap_or_default();
    Segment::new(tunnel_type, key).map_err(|error| error.to_string())
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NetworkFacts {
    pub(crate) id: NetworkId,
    pub(crate) mtu: u32,
    pub(crate) segments: Vec<Result<Segment, String>>,
    pub(crate) revision: i64,
}

impl NetworkFacts {
    pub(crate) fn of(network: &object::Network) -> Result<Self, Error> {
        let segments = network.segments.value().map(Vec::as_slice).unwrap_or_default();
        Ok(NetworkFacts {
            id: NetworkId(*need(&network.id, "id")?),
            mtu: network.mtu.value().and_then(|mtu| u32::try_from(*mtu).ok()).unwrap_or(1500),
            segments: segments.iter().map(segment).collect(),
            revision: network.revision_number.value().copied().unwrap_or_default(),
        })
    }

    /// The segment that a port of the network uses at a host, or why there is none.
    pub(crate) fn segment(&self, port: &PortFacts, host: &str) -> Result<Segment, String> {
        if let [only] = &self.segments[..] {
            return only.clone();
        }
        // In hierarchical binding the bottom level is the host's own.
        let level = port.levels.iter().rev().find(|(of, _)| of == host);
        level.map_or_else(|| Err("it is bound to no segment of its network".to_owned()), |(_, segment)| segment.clone())
    }
}

fn need<'a, T>(field: &'a Field<T>, name: &'static str) -> Result<&'a T, Error> {
    field.value().ok_or(Error::Missing(name))
}

/// What a push of something deleted names.
pub(crate) fn id(field: &Field<Uuid>) -> Result<Uuid, Error> {
    need(field, "id").copied()
}
