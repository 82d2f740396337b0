use std::fmt::Display;
use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::Value;
use server::admin::report::{Host, Network, Port, Problem, Status};

use super::admin::Socket;
use super::output::Output;
use super::table::Table;
use crate::terminal::Screen;

/// Show hosts (alive, endpoint, revision, lag), networks and ports
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  culvert status
  culvert status -o json | jq '.ports[] | select(.status != \"ACTIVE\")'")]
pub(crate) struct Args {
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    socket: Socket,
}

impl Args {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let answer: Value =
            self.socket.get("/status", &[]).await?.json().await.context("the server's answer broke off")?;
        let report: Status = serde_json::from_value(answer.clone()).context("the server's answer is not a status")?;
        self.output.print(&answer, |screen| tables(&report, screen))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn tables(report: &Status, screen: &Screen) -> String {
    let of_hosts = report.hosts.iter().flat_map(|host| {
        host.problems
            .iter()
            .map(move |Problem { about, reason }| [host.name.to_string(), format!("port {about}: {reason}")])
    });
    let of_ports = report.ports.iter().flat_map(|port| {
        port.problems
            .iter()
            .map(move |Problem { about, reason }| [about.clone(), format!("port {}: {reason}", port.id)])
    });
    let tables = [
        Table::new(
            ["HOST", "ALIVE", "ENDPOINT", "TUNNELS", "REVISION", "LAG", "NETWORKS"],
            report.hosts.iter().map(host_row),
        ),
        Table::new(["NETWORK", "NAME", "SEGMENT", "MTU", "PORTS", "HOSTS"], report.networks.iter().map(network_row)),
        Table::new(
            ["PORT", "NAME", "MAC", "FIXED IPS", "HOST", "PLUGGED", "STATUS"],
            report.ports.iter().map(port_row),
        ),
        Table::new(["HOST", "PROBLEM"], of_hosts.chain(of_ports)),
    ];
    let server = format!("{}, revision {}", report.server.software, report.server.revision);
    let shown = tables.iter().filter(|table| !table.is_empty()).map(|table| table.render(screen));
    std::iter::once(server).chain(shown).collect::<Vec<_>>().join("\n\n")
}

fn host_row(host: &Host) -> [String; 7] {
    let alive = match (host.alive, host.connected) {
        (true, true) => "yes",
        (true, false) => "yes (stream just lost)",
        (false, _) => "no",
    };
    let lag = match (host.revision, host.lag.len()) {
        (None, _) => "-".to_owned(),
        (_, 0) => "none".to_owned(),
        (_, behind) => format!("{behind} networks"),
    };
    [
        host.name.to_string(),
        alive.to_owned(),
        host.endpoint.to_string(),
        list(&host.tunnel_types),
        host.revision.map_or("-".to_owned(), |revision| revision.to_string()),
        lag,
        host.networks.to_string(),
    ]
}

fn network_row(network: &Network) -> [String; 6] {
    [
        network.id.to_string(),
        network.name.clone(),
        network.segment.to_string(),
        network.mtu.to_string(),
        network.ports.to_string(),
        list(&network.hosts),
    ]
}

fn port_row(port: &Port) -> [String; 7] {
    let status = match (port.vif_type.as_str(), port.admin_up) {
        ("binding_failed", _) => format!("{} (binding failed)", port.status),
        (_, false) => format!("{} (administratively down)", port.status),
        _ => port.status.to_string(),
    };
    [
        port.id.to_string(),
        port.name.clone(),
        port.mac.to_string(),
        list(&port.ips),
        port.host.as_ref().map_or("-".to_owned(), ToString::to_string),
        list(&port.plugged),
        status,
    ]
}

fn list<T: Display>(items: &[T]) -> String {
    if items.is_empty() {
        return "-".to_owned();
    }
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
