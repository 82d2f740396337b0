use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Generation, HostName, Mac, NetworkId, PortId, Segment};

/// What hosts need of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub id: NetworkId,
    pub segment: Segment,
    /// Bytes of the largest packet that fits a tunnel on the underlay.
    pub mtu: u32,
}

/// What hosts need of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub id: PortId,
    pub network: NetworkId,
    pub mac: Mac,
    /// Fixed IPs, both families, in the order of the API.
    pub ips: Vec<IpAddr>,
    pub admin_up: bool,
    pub binding: Option<Binding>,
    /// The binding before this one, under which the port is still wired: it is there that it can be reached until its new
    /// host has wired it; and from then on by those who have not heard of that. `None` once all have (the port is `ACTIVE`),
    /// or once the old host has it wired no longer.
    pub former: Option<Binding>,
    /// Hosts to which it may move: each wires it beforehand, if it is plugged there, and nobody is told.
    pub prepared: Vec<HostName>,
    /// The binding's host has confirmed this port as wired under this binding's generation.
    pub wired: bool,
    pub status: PortStatus,
}

/// A port's active binding: the host that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    pub host: HostName,
    pub generation: Generation,
}

/// Where a port is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PortStatus {
    /// Not plugged, or administratively down.
    Down,
    /// Plugged; being wired, or wired and not yet known everywhere.
    Build,
    /// Wired and propagated (or the bound on waiting for that has elapsed).
    Active,
}

impl PortStatus {
    pub fn as_str(self) -> &'static str {
        match self {
            PortStatus::Down => "DOWN",
            PortStatus::Build => "BUILD",
            PortStatus::Active => "ACTIVE",
        }
    }
}

impl fmt::Display for PortStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for PortStatus {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [PortStatus::Down, PortStatus::Build, PortStatus::Active]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| Error::PortStatus(text.to_owned()))
    }
}
