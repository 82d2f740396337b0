use std::collections::{BTreeMap, BTreeSet};

use model::{DEAD_VLAN, LocalVlan, NetworkId};
use ovsdb::{Interface, Port, Replica};
use uuid::Uuid;

use super::{FoundNetwork, FoundPort, Intent, Verdict};
use crate::state::facts::{Facts, PATCH_INT, PATCH_TUN, Plugged, is_access};

/// Ports of both bridges, tunnels apart.
pub(super) fn found(replica: &Replica, intent: &Intent, facts: &Facts) -> Vec<FoundPort> {
    let of = |plugged: &Plugged, judged| found_port(replica, intent, plugged, judged);
    let kept = kept(facts);
    let plugged = facts.plugged.values().map(|plugged| of(plugged, judge(plugged, &kept)));
    let doubles = facts.doubles.iter().map(|double| {
        of(double, (Verdict::Change, "another port carries its interface id too: isolated with tag 4095".to_owned()))
    });
    let lost = facts.without_device.iter().map(|plugged| of(plugged, without_device(replica, plugged)));
    let mut ports: Vec<_> = plugged.chain(doubles).chain(lost).chain(others(replica, intent, facts)).collect();
    ports.sort_by(|one, other| (&one.bridge, &one.name).cmp(&(&other.bridge, &other.name)));
    ports
}

/// The networks of the ports that are plugged, in the order of their local VLANs.
pub(super) fn networks(facts: &Facts) -> Vec<FoundNetwork> {
    let kept = kept(facts);
    let mut networks: BTreeMap<(u16, &str), FoundNetwork> = BTreeMap::new();
    for plugged in facts.plugged.values() {
        let Some(Mark { network, local_vlan, .. }) = Mark::of(plugged) else { continue };
        let found = networks.entry((local_vlan, network)).or_insert_with(|| network_of(plugged, &kept, local_vlan));
        found.ports += 1;
    }
    networks.into_values().collect()
}

/// What a port says of whose its tag is, in the words of who wrote it.
struct Mark<'a> {
    network: &'a str,
    network_type: &'a str,
    local_vlan: u16,
}

impl<'a> Mark<'a> {
    /// None if the port does not say, or has not that tag.
    fn of(plugged: &'a Plugged) -> Option<Self> {
        let key = |name| plugged.row.other_config.get(name).map(String::as_str);
        let local_vlan = key("tag")?.parse().ok()?;
        let mark = Mark { network: key("net_uuid")?, network_type: key("network_type")?, local_vlan };
        (plugged.tag() == Some(local_vlan) && plugged.is_access()).then_some(mark)
    }
}

/// The networks that keep the local VLAN they were found with. Of two that claim one VLAN, and of two VLANs of one network,
/// the first counts, in the order of the interface ids: as the agent has it.
fn kept(facts: &Facts) -> BTreeMap<NetworkId, LocalVlan> {
    let mut kept = BTreeMap::new();
    let mut taken = BTreeSet::new();
    for (network, _, vlan) in facts.plugged.values().filter_map(Plugged::adopted) {
        if !kept.contains_key(&network) && taken.insert(vlan) {
            kept.insert(network, vlan);
        }
    }
    kept
}

fn network_of(plugged: &Plugged, kept: &BTreeMap<NetworkId, LocalVlan>, local_vlan: u16) -> FoundNetwork {
    // Neutron writes what it has no value for as Python does.
    let said = |name: &str| plugged.row.other_config.get(name).filter(|value| *value != "None").cloned();
    let (verdict, reason) = match plugged.adopted() {
        Some((network, _, vlan)) if kept.get(&network) == Some(&vlan) => {
            (Verdict::Adopt, "goes when no port here needs it")
        }
        Some(_) => {
            (Verdict::Change, "the VLAN is another network's too, or the network has another: it is given a new one")
        }
        None => (Verdict::Remove, "neither GRE nor VXLAN: Culvert does not carry it, and its ports are isolated"),
    };
    FoundNetwork {
        network: said("net_uuid").unwrap_or_default(),
        network_type: said("network_type").unwrap_or_default(),
        segmentation_id: said("segmentation_id"),
        physical_network: said("physical_network"),
        local_vlan,
        ports: 0,
        verdict,
        reason: reason.to_owned(),
    }
}

/// What the agent does with a port before it has heard from a server.
fn judge(plugged: &Plugged, kept: &BTreeMap<NetworkId, LocalVlan>) -> (Verdict, String) {
    let mark = Mark::of(plugged);
    let isolated = |why: &str| (Verdict::Change, format!("{why}: isolated with tag 4095 until it is wired"));
    match (plugged.adopted(), mark, plugged.tag()) {
        (Some((network, segment, vlan)), ..) if kept.get(&network) == Some(&vlan) => {
            (Verdict::Adopt, format!("keeps local VLAN {vlan} of {segment} network {network}"))
        }
        (Some((network, _, vlan)), ..) => isolated(&format!("local VLAN {vlan} is not network {network}'s alone")),
        (None, Some(mark), _) => {
            let network = format!("{} network {}", mark.network_type, mark.network);
            (Verdict::Change, format!("{network}: isolated with tag 4095, as Culvert carries GRE and VXLAN only"))
        }
        (None, None, Some(DEAD_VLAN)) => {
            (Verdict::Adopt, "isolated, and stays so until the server has it wired".to_owned())
        }
        (None, None, Some(_)) => isolated("nothing says whose its tag is"),
        (None, None, None) => isolated("a trunk of all networks"),
    }
}

fn without_device(replica: &Replica, plugged: &Plugged) -> (Verdict, String) {
    let error = replica.interfaces_of(plugged.port).find_map(|(_, interface)| interface.error.clone());
    let why = error.unwrap_or_else(|| "it does not say why".to_owned());
    let verdict = if plugged.is_dead() { Verdict::Adopt } else { Verdict::Change };
    (verdict, format!("Open vSwitch has no device for it ({why}): isolated with tag 4095 until there is one"))
}

fn found_port(replica: &Replica, intent: &Intent, plugged: &Plugged, judged: (Verdict, String)) -> FoundPort {
    let external =
        |key| replica.interfaces_of(plugged.port).find_map(|(_, interface)| interface.external_ids.get(key).cloned());
    let (verdict, reason) = judged;
    FoundPort {
        bridge: intent.integration_bridge.clone(),
        name: plugged.name.clone(),
        iface_id: external("iface-id"),
        mac: external("attached-mac"),
        tag: plugged.row.tag,
        verdict,
        reason,
    }
}

/// Ports of the two bridges that carry no interface id and are no tunnels.
fn others<'a>(replica: &'a Replica, intent: &'a Intent, facts: &'a Facts) -> impl Iterator<Item = FoundPort> + 'a {
    let bridges =
        [(&intent.integration_bridge, facts.bridges.integration), (&intent.tunnel_bridge, facts.bridges.tunnel)];
    let ports = bridges.into_iter().flat_map(|(name, uuid)| {
        let ports = uuid.into_iter().flat_map(|uuid| replica.ports_of(uuid));
        ports.filter(move |(_, row)| row.name != *name).map(move |(port, row)| (name, port, row))
    });
    let plugged = || facts.plugged.values().chain(&facts.doubles).chain(&facts.without_device);
    let known = move |port| {
        plugged().any(|plugged| plugged.port == port) || facts.tunnels.values().any(|tunnel| tunnel.port == port)
    };
    ports.filter(move |(_, port, _)| !known(*port)).map(|(bridge, port, row)| {
        let (verdict, reason) = match row.name.as_str() {
            PATCH_TUN | PATCH_INT => (Verdict::Adopt, "joins the two bridges".to_owned()),
            _ if *bridge == intent.tunnel_bridge => {
                (Verdict::Leave, "no GRE or VXLAN tunnel to one endpoint: nothing from it is let in".to_owned())
            }
            _ => (Verdict::Leave, somebody_elses(replica, port, row)),
        };
        FoundPort {
            bridge: bridge.clone(),
            name: row.name.clone(),
            iface_id: None,
            mac: None,
            tag: row.tag,
            verdict,
            reason,
        }
    })
}

/// What comes of a port of the integration bridge that nobody has given an interface id.
fn somebody_elses(replica: &Replica, port: Uuid, row: &Port) -> String {
    let peer = replica.interfaces_of(port).find_map(|(_, interface)| interface.options.get("peer"));
    let named = |interface: &Interface| Some(&interface.name) == peer;
    let beyond = replica.interfaces().iter().find(|(_, interface)| named(interface));
    let bridge = beyond.and_then(|(uuid, _)| replica.bridge_of_interface(*uuid)).map(|(_, bridge)| &bridge.name);
    let what = bridge.map_or_else(|| "carries no interface id".to_owned(), |bridge| format!("patched to {bridge}"));
    let reach = match row.tag.filter(|_| is_access(row)) {
        Some(tag) => format!("let through in VLAN {tag}"),
        None => "without a VLAN of its own: nothing from it is let in".to_owned(),
    };
    format!("{what}: somebody else's, and {reach}")
}
