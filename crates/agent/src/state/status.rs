//! What an operator may ask of one host.

use model::NetworkId;
use serde::Serialize;

use super::HostState;
use super::repair::Repaired;
use super::wiring::Goal;

/// The host as its agent sees it, as JSON on `<run_dir>/agent.sock`.
#[derive(Debug, Clone, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own, under its own name in JSON")]
pub struct Status {
    pub host: String,
    /// Everything is known, compared, confirmed, and nothing is under way.
    pub settled: bool,
    /// The database is connected and read.
    pub database: bool,
    /// Both bridges are connected and what they hold has been compared.
    pub bridges: bool,
    /// A stream to the server is open, or being opened.
    pub server: bool,
    pub ports: Vec<PortStatus>,
    pub networks: Vec<NetworkStatus>,
    pub tunnels: Vec<TunnelStatus>,
    /// Interface ids of ports that were here when Open vSwitch lost its database, and have not been plugged since.
    pub missing: Vec<String>,
    /// What others changed and the agent put right again.
    pub repaired: Repaired,
    /// What this host was told and cannot do, in words.
    pub problems: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct PortStatus {
    /// The interface id.
    pub id: String,
    pub interface: String,
    pub network: Option<NetworkId>,
    pub tag: Option<u16>,
    pub state: PortState,
    /// Why it is isolated.
    pub reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    Wired,
    /// Another host's port, which may move here: it is wired as far as that goes beforehand.
    Prepared,
    /// On its way to being wired.
    Wiring,
    /// Found as it is, and not yet spoken of by the server.
    Kept,
    Isolated,
}

#[derive(Debug, Clone, Serialize)]
pub struct NetworkStatus {
    pub id: NetworkId,
    pub segment: String,
    pub vlan: u16,
    /// Ports on other hosts.
    pub entries: usize,
    /// All of them are known.
    pub complete: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct TunnelStatus {
    pub name: String,
    pub remote: String,
    pub ofport: Option<u32>,
    pub error: Option<String>,
}

impl HostState {
    pub fn status(&self) -> Status {
        let networks = self.vlans.places().map(|(id, segment, vlan)| NetworkStatus {
            id,
            segment: segment.to_string(),
            vlan: vlan.get(),
            entries: self.pipeline.entries(id).count(),
            complete: self.link.is_complete(id),
        });
        let tunnels = self.facts.tunnels.iter().map(|(tunnel, fact)| TunnelStatus {
            name: fact.name.clone(),
            remote: tunnel.remote.to_string(),
            ofport: fact.ofport,
            error: fact.error.clone(),
        });
        Status {
            host: self.config.host.to_string(),
            settled: self.is_settled_down(),
            database: self.database.is_current(),
            bridges: self.is_adopted(),
            server: self.link.is_open(),
            ports: self.wiring.goals.iter().filter_map(|(id, goal)| self.port_status(id, goal)).collect(),
            networks: networks.collect(),
            tunnels: tunnels.collect(),
            missing: self.missing.iter().cloned().collect(),
            repaired: self.repair.counts(),
            problems: self.pipeline.problems().iter().map(ToString::to_string).collect(),
        }
    }

    fn is_settled_down(&self) -> bool {
        let switches = self.is_confirmed(self.change()) && !self.pipeline.is_dirty();
        switches
            && self.database.is_current()
            && self.database.is_idle()
            && self.link.host_complete()
            && self.reports.nothing_owed()
            && self.repair.is_idle()
    }

    fn port_status(&self, id: &str, goal: &Goal) -> Option<PortStatus> {
        let plugged = self.facts.plugged.get(id)?;
        let (state, reason) = match goal {
            Goal::Wired { wire, .. } if wire.prepared => (PortState::Prepared, None),
            Goal::Wired { .. } if self.reports.is_wired(id) => (PortState::Wired, None),
            Goal::Wired { .. } => (PortState::Wiring, None),
            Goal::Keep { .. } => (PortState::Kept, None),
            Goal::Isolated { reason, .. } => (PortState::Isolated, Some(reason.clone())),
        };
        let (network, tag) = (goal.network(), plugged.tag());
        Some(PortStatus { id: id.to_owned(), interface: plugged.name.clone(), network, tag, state, reason })
    }
}
