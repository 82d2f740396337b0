//! The hub's share of `GET /status`; names and the state of bindings come from the database.

use std::collections::HashMap;

use directory::{Isolated, NetworkView, Order};
use model::{Host, Network, NetworkId, Port};

use super::State;
use crate::admin::report::{self, Problem, Status};

/// What became of a port's interface, and what helps.
pub(super) const LOST_WITH_DATABASE: &str = "its interface went with the database of Open vSwitch, which was deleted: it is wired as soon as it is plugged again";

pub(super) fn overview(state: &State) -> Status {
    let directory = &state.directory;
    let mut hosts: Vec<_> = directory.hosts().map(|host| describe_host(state, host)).collect();
    hosts.sort_by(|a, b| a.name.cmp(&b.name));
    let mut ports_of: HashMap<NetworkId, usize> = HashMap::new();
    directory.ports().for_each(|port| *ports_of.entry(port.network).or_default() += 1);
    let count = |network: &Network| ports_of.get(&network.id).copied().unwrap_or_default();
    let networks = directory.networks().map(|network| describe_network(state, network, count(network)));
    let mut networks: Vec<_> = networks.collect();
    networks.sort_by_key(|network| network.id);
    let mut ports: Vec<_> = directory.ports().map(|port| describe_port(state, port)).collect();
    ports.sort_by_key(|port| port.id);
    let software = crate::SOFTWARE.to_owned();
    let server = report::Server { software, epoch: state.database.epoch, revision: directory.revision() };
    Status { server, hosts, networks, ports }
}

fn describe_host(state: &State, host: &Host) -> report::Host {
    let (directory, name) = (&state.directory, &host.name);
    let session = state.sessions.of(name);
    let behind = |network: &NetworkId| {
        let newest = directory.view(*network, name).map(NetworkView::revision);
        newest.zip(session).is_some_and(|(newest, session)| !session.confirmed(*network, newest))
    };
    let lag: Vec<_> = directory.networks_of(name).filter(behind).collect();
    let revision = session.map(|session| {
        let confirmed = lag.iter().map(|network| session.confirmed_up_to(*network).unwrap_or_default());
        confirmed.min().unwrap_or(directory.revision())
    });
    let problems = state.problems.rows_on(name);
    let problems = problems.map(|(port, reason)| Problem { about: port.to_string(), reason: reason.to_owned() });
    report::Host {
        name: name.clone(),
        alive: state.alive.is_alive(name),
        connected: session.is_some(),
        endpoint: host.endpoint,
        tunnel_types: host.tunnel_types.clone(),
        software: String::new(),
        revision,
        lag,
        networks: directory.networks_of(name).count(),
        problems: problems.collect(),
    }
}

fn describe_network(state: &State, network: &Network, ports: usize) -> report::Network {
    let mut hosts: Vec<_> = state.directory.interested(network.id).cloned().collect();
    hosts.sort();
    report::Network { id: network.id, name: String::new(), segment: network.segment, mtu: network.mtu, ports, hosts }
}

pub(super) fn describe_port(state: &State, port: &Port) -> report::Port {
    let plugged = state.directory.plugged_on(port.id).to_vec();
    let problems = plugged.iter().flat_map(|host| {
        // Bound elsewhere, administratively down: why an interface that is there is kept apart.
        let isolated = match state.directory.port_order(host, port.id) {
            Order::Isolate(Isolated::AdminDown) | Order::Wire(..) | Order::Prepare(_) => None,
            Order::Isolate(reason) => Some(reason.to_string()),
        };
        let not_wired = state.problems.not_wired_on(host).filter(|(id, _)| *id == port.id && !port.wired);
        let reasons = isolated.into_iter().chain(not_wired.map(|(_, reason)| reason.to_owned()));
        reasons.map(|reason| Problem { about: host.to_string(), reason }).collect::<Vec<_>>()
    });
    let missing = port.binding.as_ref().filter(|binding| state.is_missing(&binding.host, port.id));
    let missing =
        missing.map(|binding| Problem { about: binding.host.to_string(), reason: LOST_WITH_DATABASE.to_owned() });
    report::Port {
        id: port.id,
        name: String::new(),
        network: port.network,
        mac: port.mac,
        ips: port.ips.clone(),
        host: port.binding.as_ref().map(|binding| binding.host.clone()),
        vif_type: String::new(),
        admin_up: port.admin_up,
        status: port.status,
        problems: problems.chain(missing).collect(),
        plugged,
        wired: port.wired,
    }
}
