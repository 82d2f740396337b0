//! What the agent would do with what a host's Open vSwitch has, before it does it. Pure.
//!
//! The same eyes as the agent's (`Facts`, [`Ownership`]), so that what is said here is what happens.

use std::collections::BTreeMap;

use model::{DEAD_VLAN, TunnelType};
use openflow::Flow;
use ovsdb::Replica;
use pipeline::{Bridge, Cookie, Ownership};
use serde::Serialize;

use crate::state::facts::{Facts, PATCH_INT, PATCH_TUN, Plugged};

/// What is there, and what would become of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Survey {
    pub ovs_version: Option<String>,
    pub bridges: Vec<FoundBridge>,
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
    /// Altering it makes Open vSwitch drop all its flows: what is forwarded by them stops until the agent's are in.
    pub flushed: bool,
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

/// How the two bridges are called.
#[derive(Debug, Clone)]
pub struct Names {
    pub integration: String,
    pub tunnel: String,
}

/// Counts flows as they come: a host may have hundreds of thousands.
#[derive(Debug, Default)]
pub struct Flows(BTreeMap<(Bridge, Option<u64>, Verdict, &'static str), usize>);

impl Survey {
    pub fn of(replica: &Replica, names: &Names, flows: &Flows) -> Survey {
        let facts = Facts::survey(replica, &names.integration, &names.tunnel);
        let mut bridges: Vec<_> =
            replica.bridges().values().map(|bridge| found_bridge(replica, bridge, names)).collect();
        bridges.sort_by(|one, other| one.name.cmp(&other.name));
        let plugged = facts.plugged.iter().map(|(id, plugged)| found_port(replica, names, plugged, Some(id)));
        let doubles = facts.doubles.iter().map(|double| found_port(replica, names, double, None));
        let mut ports: Vec<_> = plugged.chain(doubles).chain(others(replica, names, &facts)).collect();
        ports.sort_by(|one, other| (&one.bridge, &one.name).cmp(&(&other.bridge, &other.name)));
        let tunnels = facts.tunnels.iter().map(|(tunnel, fact)| {
            let (verdict, reason) = match &fact.error {
                None => (Verdict::Adopt, "removed later if no network here needs it".to_owned()),
                Some(error) => (Verdict::Change, format!("Open vSwitch could not make it: {error}")),
            };
            FoundTunnel {
                name: fact.name.clone(),
                tunnel_type: tunnel.tunnel_type,
                local_ip: fact.options.get("local_ip").cloned(),
                remote_ip: tunnel.remote.to_string(),
                verdict,
                reason,
            }
        });
        let flushed = |name: &String| bridges.iter().any(|bridge| bridge.name == *name && bridge.flushed);
        let flows = flows.found(names, flushed);
        Survey {
            ovs_version: replica.root().and_then(|(_, root)| root.ovs_version.clone()),
            bridges,
            ports,
            tunnels: tunnels.collect(),
            flows,
        }
    }
}

fn found_bridge(replica: &Replica, bridge: &ovsdb::Bridge, names: &Names) -> FoundBridge {
    let controllers = bridge.controller.iter().filter_map(|uuid| replica.controllers().get(uuid));
    let controllers: Vec<String> = controllers.map(|controller| controller.target.clone()).collect();
    let ours = [&names.integration, &names.tunnel].contains(&&bridge.name);
    let mut changes = Vec::new();
    if bridge.fail_mode.as_deref() != Some("secure") {
        changes.push("fail mode becomes secure");
    }
    if !controllers.is_empty() {
        changes.push("its controllers are taken off");
    }
    // Both make ovs-vswitchd flush the bridge's tables (connmgr.c of OVS; seen on 3.1). More protocols do not.
    let flushed = ours && !changes.is_empty();
    if flushed {
        changes.push("with that Open vSwitch drops all its flows");
    }
    if !bridge.protocols.is_empty()
        && !["OpenFlow13", "OpenFlow14"].iter().all(|version| bridge.protocols.contains(*version))
    {
        changes.push("OpenFlow 1.3 and 1.4 are added");
    }
    let (verdict, reason) = match (ours, changes.is_empty()) {
        (false, _) => (Verdict::Leave, "not a bridge of Culvert's".to_owned()),
        (true, true) => (Verdict::Adopt, String::new()),
        (true, false) => (Verdict::Change, changes.join("; ")),
    };
    FoundBridge {
        name: bridge.name.clone(),
        datapath_type: if bridge.datapath_type.is_empty() { "system".to_owned() } else { bridge.datapath_type.clone() },
        fail_mode: bridge.fail_mode.clone(),
        controllers,
        flushed,
        verdict,
        reason,
    }
}

/// A port with an interface id; `id` is none if another port carries it too and is the newer one.
fn found_port(replica: &Replica, names: &Names, plugged: &Plugged, id: Option<&String>) -> FoundPort {
    let dead = "hears nothing until its port is bound to this host".to_owned();
    let (verdict, reason) = match (id, plugged.adopted(), plugged.tag()) {
        (None, ..) => (Verdict::Change, "another port carries its interface id too: isolated with tag 4095".to_owned()),
        (_, Some((network, segment, vlan)), _) => {
            (Verdict::Adopt, format!("keeps local VLAN {vlan} of {segment} network {network}"))
        }
        (_, None, Some(DEAD_VLAN)) => (Verdict::Adopt, dead),
        (_, None, Some(_)) => {
            (Verdict::Change, "nothing says whose its tag is: isolated with tag 4095 until it is wired".to_owned())
        }
        (_, None, None) => {
            (Verdict::Change, "a trunk of all networks: isolated with tag 4095 until it is wired".to_owned())
        }
    };
    let external =
        |key| replica.interfaces_of(plugged.port).find_map(|(_, interface)| interface.external_ids.get(key).cloned());
    FoundPort {
        bridge: names.integration.clone(),
        name: plugged.name.clone(),
        iface_id: external("iface-id"),
        mac: external("attached-mac"),
        tag: plugged.row.tag,
        verdict,
        reason,
    }
}

/// Ports of the two bridges that carry no interface id and are no tunnels.
fn others<'a>(replica: &'a Replica, names: &'a Names, facts: &'a Facts) -> impl Iterator<Item = FoundPort> + 'a {
    let bridges = [(&names.integration, facts.bridges.integration), (&names.tunnel, facts.bridges.tunnel)];
    let ports = bridges.into_iter().flat_map(|(name, uuid)| {
        let ports = uuid.into_iter().flat_map(|uuid| replica.ports_of(uuid));
        ports.filter(move |(_, row)| row.name != *name).map(move |(port, row)| (name, port, row))
    });
    let known = |port| {
        facts.plugged.values().chain(&facts.doubles).any(|plugged| plugged.port == port)
            || facts.tunnels.values().any(|tunnel| tunnel.port == port)
    };
    ports.filter(move |(_, port, _)| !known(*port)).map(|(bridge, _, row)| {
        let (verdict, reason) = match row.name.as_str() {
            PATCH_TUN | PATCH_INT => (Verdict::Adopt, "joins the two bridges"),
            _ if *bridge == names.tunnel => {
                (Verdict::Leave, "no GRE or VXLAN tunnel to one endpoint: nothing from it is let in")
            }
            _ => (Verdict::Leave, "carries no interface id: somebody else's, and let through"),
        };
        FoundPort {
            bridge: bridge.clone(),
            name: row.name.clone(),
            iface_id: None,
            mac: None,
            tag: row.tag,
            verdict,
            reason: reason.to_owned(),
        }
    })
}

impl Flows {
    pub fn add(&mut self, bridge: Bridge, flow: &Flow) {
        let ours = Cookie::parse(flow.cookie).is_some();
        let (verdict, reason) = match Ownership::of(bridge, flow) {
            Ownership::Row(_) if ours => (Verdict::Adopt, "compared; only what differs is sent"),
            Ownership::Row(_) => (
                Verdict::Change,
                "of a form that Culvert uses: stays in effect, is given Culvert's cookie, and goes later if nothing needs it",
            ),
            Ownership::Stray => {
                (Verdict::Remove, "of a form that Culvert does not use: goes when the host knows all that it must")
            }
            Ownership::Learned(_) => (Verdict::Leave, "learned by the switch: expires by itself"),
            Ownership::Foreign => (Verdict::Leave, "somebody else's"),
        };
        let cookie = (!ours).then_some(flow.cookie);
        *self.0.entry((bridge, cookie, verdict, reason)).or_default() += 1;
    }

    fn found(&self, names: &Names, flushed: impl Fn(&String) -> bool) -> Vec<FoundFlows> {
        let found = self.0.iter().map(|((bridge, cookie, verdict, reason), count)| {
            let bridge = match bridge {
                Bridge::Integration => &names.integration,
                Bridge::Tunnel => &names.tunnel,
            };
            let (verdict, reason) = if flushed(bridge) {
                (Verdict::Remove, "dropped by Open vSwitch when the bridge is altered")
            } else {
                (*verdict, *reason)
            };
            FoundFlows {
                bridge: bridge.clone(),
                cookie: cookie.map_or_else(|| "culvert".to_owned(), |cookie| format!("{cookie:#x}")),
                count: *count,
                verdict,
                reason: reason.to_owned(),
            }
        });
        found.collect()
    }
}
