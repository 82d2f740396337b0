//! What `GET /status` answers and what questions it takes: the shapes that server and command line share.

use std::net::IpAddr;

use model::{Epoch, HostName, Mac, NetworkId, PortId, PortStatus, Revision, Segment, TunnelKey, TunnelType};
use serde::{Deserialize, Serialize};

/// The whole of `GET /status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    pub server: Server,
    pub hosts: Vec<Host>,
    pub networks: Vec<Network>,
    pub ports: Vec<Port>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    pub software: String,
    pub epoch: Epoch,
    pub revision: Revision,
}

/// A host that has registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub name: HostName,
    /// Its stream is up, or gone for less than the bound.
    pub alive: bool,
    pub connected: bool,
    pub endpoint: IpAddr,
    pub tunnel_types: Vec<TunnelType>,
    pub software: String,
    /// Up to here it has confirmed all that concerns it; `None` while it is not connected.
    pub revision: Option<Revision>,
    /// Networks of its own of which it has not confirmed the newest state.
    pub lag: Vec<NetworkId>,
    /// How many networks it has.
    pub networks: usize,
    pub problems: Vec<Problem>,
}

/// Something that a host cannot do, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The port or interface id that it is about.
    pub about: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub id: NetworkId,
    pub name: String,
    pub segment: Segment,
    /// Bytes.
    pub mtu: u32,
    pub ports: usize,
    /// Hosts with interest in it.
    pub hosts: Vec<HostName>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub id: PortId,
    pub name: String,
    pub network: NetworkId,
    pub mac: Mac,
    pub ips: Vec<IpAddr>,
    pub host: Option<HostName>,
    pub vif_type: String,
    pub admin_up: bool,
    pub status: PortStatus,
    /// Hosts where its interface is.
    pub plugged: Vec<HostName>,
    pub wired: bool,
    pub problems: Vec<Problem>,
}

/// `GET /ports/{id}/propagation`: who has confirmed a port, and who has not and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Propagation {
    pub port: PortId,
    pub network: NetworkId,
    pub status: PortStatus,
    /// The revision at which its entry was published; `None`: it is not.
    pub published: Option<Revision>,
    /// It is published, and every host that is interested and connected has confirmed it.
    pub propagated: bool,
    /// Why it is not published.
    pub unpublished: Option<String>,
    /// Hosts that are interested in its network, the port's own included; none unless it is published.
    pub hosts: Vec<Confirmation>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    pub host: HostName,
    pub state: Confirmed,
    /// Up to here its switch has confirmed the network's entries.
    pub confirmed: Option<Revision>,
    /// Of a host that has confirmed: what it reported that it cannot program.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confirmed {
    Confirmed,
    Lagging,
    /// Its agent is not connected; it is not waited for.
    Disconnected,
}

/// `POST /explain/drop`: why a host drops frames that come in with this tunnel key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainDrop {
    pub host: HostName,
    pub tunnel_type: TunnelType,
    pub key: TunnelKey,
    /// The sender's tunnel endpoint; `None`: any.
    #[serde(default)]
    pub from: Option<IpAddr>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    pub explanation: String,
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    pub error: String,
}
