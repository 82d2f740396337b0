use std::fmt;

use model::{NetworkId, PortId, Segment};

use crate::{State, Tunnel, TunnelPort};

/// Something that a host was told and cannot do. The rest goes on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The flood list is longer than the switch takes: the endpoints with the highest addresses get no BUM traffic.
    FloodList { network: NetworkId, endpoints: usize, limit: usize },
    /// Another network holds the segment here: this one is not carried until it lets go.
    SegmentTaken { network: NetworkId, segment: Segment, by: NetworkId },
    /// Networks of this type are not carried here.
    TypeNotServed { network: NetworkId, segment: Segment },
    /// No tunnel can lead to this port's endpoint from here: its address is of the other family.
    Unreachable { network: NetworkId, port: PortId, tunnel: Tunnel },
    /// The switch refused the tunnel's port.
    TunnelFailed { tunnel: Tunnel },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Problem::FloodList { network, endpoints, limit } => write!(
                f,
                "network {network} floods to {limit} of its {endpoints} endpoints: the switch takes no more outputs; \
                 raise the limit if this datapath takes more"
            ),
            Problem::SegmentTaken { network, segment, by } => write!(
                f,
                "network {network} is not carried: its segment {segment} is held by network {by} on this host"
            ),
            Problem::TypeNotServed { network, segment } => write!(
                f,
                "network {network} is not carried: {} is not among this host's tunnel types",
                segment.tunnel_type
            ),
            Problem::Unreachable { network, port, tunnel } => write!(
                f,
                "port {port} of network {network} cannot be reached: its endpoint {} is not of the address family of \
                 this host's tunnel address",
                tunnel.remote
            ),
            Problem::TunnelFailed { tunnel } => {
                write!(f, "the switch refused the tunnel port {tunnel}: see the interface's error in OVSDB")
            }
        }
    }
}

impl State {
    /// All that cannot be done now, in a fixed order. It looks at every network and every tunnel, and at every entry of
    /// a network that has an endpoint out of reach.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<_> = self.vlans.values().flat_map(|network| self.problems_of(*network)).collect();
        let failed = |tunnel: &Tunnel| self.tunnels.port(tunnel) == Some(TunnelPort::Failed);
        problems.extend(self.tunnels_wanted().filter(failed).map(|tunnel| Problem::TunnelFailed { tunnel }));
        problems.sort_unstable();
        problems
    }

    fn problems_of(&self, id: NetworkId) -> Vec<Problem> {
        let Some((network, place)) = self.networks.get(&id).and_then(|network| Some((network, network.place?))) else {
            return Vec::new();
        };
        let segment = place.segment;
        if !self.modes.serves_type(segment.tunnel_type) {
            return vec![Problem::TypeNotServed { network: id, segment }];
        }
        if let Some(by) = self.segments.holder(&segment).filter(|by| **by != id) {
            return vec![Problem::SegmentTaken { network: id, segment, by: *by }];
        }
        let mut problems = Vec::new();
        let endpoints = self.flood_list(network, segment.tunnel_type).len();
        let limit = self.modes.max_flood();
        if endpoints > limit {
            problems.push(Problem::FloodList { network: id, endpoints, limit });
        }
        let tunnel = |remote| Tunnel::new(segment.tunnel_type, remote);
        let out_of_reach = |remote| !self.modes.serves(&tunnel(remote));
        if self.modes.l2_population() && network.entries.endpoints().any(out_of_reach) {
            let lost = network.entries.iter().filter(|entry| out_of_reach(entry.endpoint));
            problems.extend(lost.map(|entry| Problem::Unreachable {
                network: id,
                port: entry.port,
                tunnel: tunnel(entry.endpoint),
            }));
        }
        problems
    }
}
