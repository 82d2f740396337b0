//! What a host's switch says of itself (OVSDB), and the host state that follows from it and from the REST API.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::Context as _;
use lab::{Host, Lab, Rest};
use model::{Entry, LocalVlan, Mac, NetworkId, PortId, Segment, TunnelType};
use pipeline::{LocalPort, Modes, PatchPorts, State, Tunnel, TunnelPort};
use serde_json::Value;

use super::networks::text;

/// An interface of the switch, with its port's tag.
#[derive(Debug, Clone)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) options: BTreeMap<String, String>,
    /// `None`: the switch has given no number (yet), or none can be given.
    pub(super) ofport: Option<u32>,
    external_ids: BTreeMap<String, String>,
    /// What the agent keeps of the network in `other_config` of the port.
    other_config: BTreeMap<String, String>,
    tag: Option<u64>,
}

impl Interface {
    /// The tunnel that this interface is, if it is one of ours.
    pub(super) fn tunnel(&self) -> Option<Tunnel> {
        let tunnel_type: TunnelType = self.kind.parse().ok()?;
        let remote = self.options.get("remote_ip")?.parse().ok()?;
        Some(Tunnel::new(tunnel_type, remote))
    }
}

/// All interfaces of a host's switch, in the order of their names.
pub(super) async fn interfaces(host: &Host) -> anyhow::Result<Vec<Interface>> {
    let ports = rows(host, "Port", "name,tag,other_config").await?;
    let ports: BTreeMap<_, _> = ports.iter().map(|port| (port["name"].as_str(), port)).collect();
    let mut found = Vec::new();
    for row in rows(host, "Interface", "name,type,ofport,options,external_ids").await? {
        let port = ports.get(&row["name"].as_str());
        found.push(Interface {
            name: text(&row, "name")?,
            kind: text(&row, "type")?,
            ofport: row["ofport"].as_u64().and_then(|number| number.try_into().ok()),
            options: map(&row["options"]),
            external_ids: map(&row["external_ids"]),
            other_config: port.map(|port| map(&port["other_config"])).unwrap_or_default(),
            tag: port.and_then(|port| port["tag"].as_u64()),
        });
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// The host's state as far as explaining its flows needs it.
pub(super) async fn host_state(lab: &Lab, rest: &Rest, host: &Host) -> anyhow::Result<State> {
    let interfaces = interfaces(host).await?;
    let mut state = State::new(Modes::new(host.endpoint().into(), &TunnelType::ALL, true, true)?);
    let number = |name: &str| interfaces.iter().find(|found| found.name == name).and_then(|found| found.ofport);
    state.set_patch_ports(PatchPorts { on_int: number("patch-tun"), on_tun: number("patch-int") });
    for interface in &interfaces {
        if let Some((network, segment, vlan)) = carried(interface) {
            state.set_network(network, segment, vlan)?;
        }
    }
    for port in rest.list("port", "").await? {
        let id: PortId = text(&port, "id")?.parse()?;
        let network: NetworkId = text(&port, "network_id")?.parse()?;
        let mac: Mac = text(&port, "mac_address")?.parse()?;
        let fixed_ips = port["fixed_ips"].as_array().into_iter().flatten();
        let ips: Vec<IpAddr> = fixed_ips.filter_map(|fixed_ip| fixed_ip["ip_address"].as_str()?.parse().ok()).collect();
        let at = text(&port, "binding:host_id")?;
        if at == host.name() {
            let plugged = interfaces.iter().find(|found| found.external_ids.get("iface-id") == Some(&id.to_string()));
            if let Some(interface) = plugged {
                let wired = carried(interface).is_some();
                let port = LocalPort { network, mac, ips, ofport: interface.ofport, wired, prepared: false };
                state.set_local_port(id, port);
            }
        } else if port["status"] == "ACTIVE" {
            let endpoint = lab.host(&at)?.endpoint().into();
            state.apply_entries(network, vec![Entry { port: id, mac, ips, endpoint }], &[]);
        }
    }
    let tunnels = interfaces.iter().filter_map(|found| Some((found.tunnel()?, found.ofport.map(TunnelPort::Ready))));
    state.set_tunnel_ports(tunnels);
    Ok(state)
}

/// The network that an interface is wired into; nothing if it has the tag of what is not wired.
fn carried(interface: &Interface) -> Option<(NetworkId, Segment, LocalVlan)> {
    let known = |key: &str| interface.other_config.get(key);
    let vlan = LocalVlan::new(interface.tag?.try_into().ok()?).ok()?;
    let segment = Segment::new(known("network_type")?.parse().ok()?, known("segmentation_id")?.parse().ok()?).ok()?;
    Some((known("net_uuid")?.parse().ok()?, segment, vlan))
}

/// Rows of a table, each as an object of its columns.
async fn rows(host: &Host, table: &str, columns: &str) -> anyhow::Result<Vec<Value>> {
    let columns = format!("--columns={columns}");
    let json = host.vsctl(["--format=json", &columns, "list", table]).await?;
    let answer: Value = serde_json::from_str(&json).with_context(|| format!("ovs-vsctl said no JSON: {json}"))?;
    let headings: Vec<&str> = answer["headings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let data = answer["data"].as_array().into_iter().flatten().filter_map(Value::as_array);
    Ok(data.map(|row| headings.iter().map(ToString::to_string).zip(row.iter().cloned()).collect()).collect())
}

/// A map as OVSDB writes it: `["map", [["key", "value"], …]]` (RFC 7047 section 5.1).
fn map(value: &Value) -> BTreeMap<String, String> {
    let pairs = value[1].as_array().into_iter().flatten();
    pairs.filter_map(|pair| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()))).collect()
}
