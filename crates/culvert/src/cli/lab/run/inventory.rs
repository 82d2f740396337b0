//! Tables of what there is: hosts, ports, tunnels.

use lab::{Lab, Rest};
use serde_json::Value;

use super::facts::interfaces;
use super::networks::Network;
use crate::cli::table::Table;
use crate::terminal::Screen;

/// Hosts as `openstack network agent list` shows them.
pub(super) async fn hosts(rest: &Rest) -> anyhow::Result<String> {
    let agents = rest.list("agent", "").await?;
    let rows = agents.iter().map(|agent| {
        let types = agent["configurations"]["tunnel_types"].as_array().into_iter().flatten().map(word);
        let types = types.collect::<Vec<_>>().join(", ");
        [word(&agent["host"]), word(&agent["alive"]), word(&agent["configurations"]["tunneling_ip"]), types]
    });
    Ok(Table::new(["HOST", "ALIVE", "ENDPOINT", "TUNNEL TYPES"], rows).render(&Screen::PLAIN))
}

/// Ports as `openstack port list` shows them.
pub(super) async fn ports(rest: &Rest, networks: &[Network]) -> anyhow::Result<String> {
    let known = rest.list("port", "").await?;
    let mut rows = Vec::new();
    for network in networks {
        for port in &network.ports {
            let status = known.iter().find(|known| known["name"] == port.name);
            let status = status.map(|port| word(&port["status"])).unwrap_or_default();
            let (segment, mac, ip) = (network.segment.to_string(), port.mac.to_string(), port.ip.to_string());
            rows.push([port.name, &network.name, &segment, &mac, &ip, port.host, &status].map(ToOwned::to_owned));
        }
    }
    let header = ["PORT", "NETWORK", "SEGMENT", "MAC", "IP", "HOST", "STATUS"];
    Ok(Table::new(header, rows).render(&Screen::PLAIN))
}

/// Tunnel ports as each host's Open vSwitch has them.
pub(super) async fn tunnels(lab: &Lab) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for host in lab.hosts() {
        for interface in interfaces(&host).await? {
            let Some(tunnel) = interface.tunnel() else { continue };
            let from = interface.options.get("local_ip").cloned().unwrap_or_default();
            let ofport = interface.ofport.map_or("-".to_owned(), |number| number.to_string());
            let (kind, to) = (tunnel.tunnel_type.to_string(), tunnel.remote.to_string());
            rows.push([host.name(), &interface.name, &kind, &from, &to, &ofport].map(ToOwned::to_owned));
        }
    }
    Ok(Table::new(["HOST", "TUNNEL", "TYPE", "FROM", "TO", "OFPORT"], rows).render(&Screen::PLAIN))
}

/// A text as it is, anything else as JSON has it.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
