//! What the agent would do with what a host's Open vSwitch has, before it does it. Pure.
//!
//! The same eyes as the agent's (`Facts`, [`pipeline::Ownership`]), so that what is said here is what happens.

mod bridges;
mod flows;
mod ports;
mod tunnels;

use model::TunnelType;
use ovsdb::Replica;
use serde::Serialize;

pub use self::flows::Flows;
use crate::DatapathType;
use crate::state::facts::Facts;

/// What is there, and what would become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survey {
    pub ovs_version: Option<String>,
    pub bridges: Vec<FoundBridge>,
    pub networks: Vec<FoundNetwork>,
    pub ports: Vec<FoundPort>,
    pub tunnels: Vec<FoundTunnel>,
    pub flows: Vec<FoundFlows>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Taken over as it is.
    Adopt,
    /// Taken over, and altered at once.
    Change,
    /// Removed; the reason says when.
    Remove,
    /// Not touched.
    Leave,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundBridge {
    pub name: String,
    pub datapath_type: String,
    pub fail_mode: Option<String>,
    /// Targets, as in `tcp:127.0.0.1:6633`.
    pub controllers: Vec<String>,
    /// A controller is connected: an agent runs that takes the bridge for its own.
    pub controlled: bool,
    /// Altering it makes Open vSwitch drop all its flows: what is forwarded by them stops until the agent's are in.
    pub flushed: bool,
    pub verdict: Verdict,
    pub reason: String,
}

/// A network that a local VLAN was given to, as the ports say that have it for a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundNetwork {
    /// As the one who wrote it did: an id.
    pub network: String,
    /// `gre`, `vxlan`, or one that Culvert does not have: `vlan`, `flat`, `geneve`.
    #[serde(rename = "type")]
    pub network_type: String,
    /// The tunnel key, or the VLAN of the physical network.
    pub segmentation_id: Option<String>,
    pub physical_network: Option<String>,
    pub local_vlan: u16,
    /// How many ports have it.
    pub ports: usize,
    pub verdict: Verdict,
    pub reason: String,
}

/// A port of the integration bridge or the tunnel bridge, tunnels apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundPort {
    pub bridge: String,
    pub name: String,
    /// The id of the port that is plugged there.
    pub iface_id: Option<String>,
    pub mac: Option<String>,
    /// The local VLAN; 4095: it hears nothing.
    pub tag: Option<i64>,
    pub verdict: Verdict,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundTunnel {
    pub name: String,
    #[serde(rename = "type")]
    pub tunnel_type: TunnelType,
    pub local_ip: Option<String>,
    pub remote_ip: String,
    pub verdict: Verdict,
    pub reason: String,
}

/// Flows of a bridge that are alike in whose they are and what becomes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundFlows {
    pub bridge: String,
    /// `culvert`, or the cookie that another gave them: a stock agent gives all of its flows one.
    pub cookie: String,
    pub count: usize,
    pub verdict: Verdict,
    pub reason: String,
}

/// What of the agent's settings decides what it does with what it finds.
#[derive(Debug, Clone)]
pub struct Intent {
    pub integration_bridge: String,
    pub tunnel_bridge: String,
    /// `None`: each bridge keeps its own.
    pub datapath_type: Option<DatapathType>,
}

impl Survey {
    pub fn of(replica: &Replica, intent: &Intent, flows: &Flows) -> Survey {
        let facts = Facts::survey(replica, &intent.integration_bridge, &intent.tunnel_bridge);
        let bridges = bridges::found(replica, intent);
        let is = |name: &String, what: fn(&FoundBridge) -> bool| {
            bridges.iter().any(|bridge| bridge.name == *name && what(bridge))
        };
        let flushed = |name: &String| is(name, |bridge| bridge.flushed);
        let handed_over = |name: &String| is(name, |bridge| !bridge.controllers.is_empty());
        Survey {
            ovs_version: replica.root().and_then(|(_, root)| root.ovs_version.clone()),
            networks: ports::networks(&facts),
            ports: ports::found(replica, intent, &facts),
            tunnels: tunnels::found(&facts),
            flows: flows.found(intent, flushed, handed_over),
            bridges,
        }
    }
}
