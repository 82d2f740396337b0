//! Tables of what there is: hosts, ports, tunnels.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use lab::{Lab, Rest};
use serde_json::Value;

use super::facts::interfaces;
use super::networks::Network;

/// Hosts as `openstack network agent list` shows them.
pub(super) async fn hosts(rest: &Rest) -> anyhow::Result<String> {
    let mut table = table(["HOST", "ALIVE", "ENDPOINT", "TUNNEL TYPES"]);
    for agent in rest.list("agent", "").await? {
        let types = agent["configurations"]["tunnel_types"].as_array().into_iter().flatten().map(word);
        let types = types.collect::<Vec<_>>().join(", ");
        table.add_row([
            word(&agent["host"]),
            word(&agent["alive"]),
            word(&agent["configurations"]["tunneling_ip"]),
            types,
        ]);
    }
    Ok(table.to_string())
}

/// Ports as `openstack port list` shows them.
pub(super) async fn ports(rest: &Rest, networks: &[Network]) -> anyhow::Result<String> {
    let mut table = table(["PORT", "NETWORK", "SEGMENT", "MAC", "IP", "HOST", "STATUS"]);
    for network in networks {
        for port in &network.ports {
            let known = rest.list("port", &format!("name={}", port.name)).await?;
            let status = known.first().map(|port| word(&port["status"])).unwrap_or_default();
            let (segment, mac, ip) = (network.segment.to_string(), port.mac.to_string(), port.ip.to_string());
            table.add_row([port.name, &network.name, &segment, &mac, &ip, port.host, &status]);
        }
    }
    Ok(table.to_string())
}

/// Tunnel ports as each host's Open vSwitch has them.
pub(super) async fn tunnels(lab: &Lab) -> anyhow::Result<String> {
    let mut table = table(["HOST", "TUNNEL", "TYPE", "FROM", "TO", "OFPORT"]);
    for host in lab.hosts() {
        for interface in interfaces(&host).await? {
            let Some(tunnel) = interface.tunnel() else { continue };
            let from = interface.options.get("local_ip").cloned().unwrap_or_default();
            let ofport = interface.ofport.map_or("-".to_owned(), |number| number.to_string());
            let (kind, to) = (tunnel.tunnel_type.to_string(), tunnel.remote.to_string());
            table.add_row([host.name(), &interface.name, &kind, &from, &to, &ofport]);
        }
    }
    Ok(table.to_string())
}

/// A text as it is, anything else as JSON has it.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    table
}
