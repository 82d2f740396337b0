//! What the server is told: interfaces seen, ports wired or not, networks confirmed.

use std::collections::{BTreeMap, BTreeSet};

use model::{Generation, LocalVlan, NetworkId, PortId, Revision, Segment};
use pipeline::{Problem, Row, Scope};
use sync::messages::{Interface, Interfaces, Missing, PortReport, RowProblem, ToServer};

use super::HostState;
use super::server::Stream;
use super::wiring::Goal;
use crate::events::Level;

#[derive(Debug, Default)]
pub(super) struct Reports {
    /// The newest revision of each network that has not been confirmed yet, and the change with which it is in.
    owed: BTreeMap<NetworkId, (Revision, u64)>,
    /// Interfaces that the server has been told of.
    present: BTreeSet<String>,
    /// Ports that are wired, with the generation under which the server was told, or is told with the next inventory; none,
    /// if the port is only prepared.
    wired: BTreeMap<String, (PortId, Generation)>,
    /// Ports that cannot be wired, as the server was told.
    refused: BTreeMap<String, (Generation, String)>,
    /// Networks of which the last confirmation named ports that cannot be reached.
    troubled: BTreeSet<NetworkId>,
    /// Interfaces of which the server has been told that they went with the database.
    missing: BTreeSet<String>,
    /// Problems that the log has named.
    said: BTreeSet<Problem>,
}

impl Reports {
    pub(super) fn owe_ack(&mut self, network: NetworkId, revision: Revision, at: u64) {
        self.owed.insert(network, (revision, at));
    }

    pub(super) fn forget_network(&mut self, network: NetworkId) {
        self.owed.remove(&network);
        self.troubled.remove(&network);
    }

    /// A new stream: all that the server is told only once is said again, with the inventory or after it.
    pub(super) fn start_over(&mut self) {
        self.present.clear();
        self.wired.retain(|_, (_, generation)| *generation != Generation::ZERO);
        self.missing.clear();
        self.refused.clear();
    }
}

impl Reports {
    pub(super) fn nothing_owed(&self) -> bool {
        self.owed.is_empty()
    }

    /// The server has been told that this interface is here, and not that it went.
    pub(super) fn is_present(&self, id: &str) -> bool {
        self.present.contains(id)
    }

    pub(super) fn is_wired(&self, id: &str) -> bool {
        self.wired.contains_key(id)
    }
}

impl HostState {
    pub(super) fn settle_reports(&mut self) {
        if !self.database.is_current() || !self.is_adopted() {
            return;
        }
        self.report_networks();
        self.report_ports();
        if self.link.is_open() {
            self.report_interfaces();
            self.report_missing();
        }
    }

    /// A network is confirmed once its rows are in, and with them the tunnel ports that they need (or why not).
    fn report_networks(&mut self) {
        let is_in =
            |(id, (_, at)): &(&NetworkId, &(Revision, u64))| self.is_confirmed(*at) && self.tunnels_are_in(**id);
        let due: Vec<_> = self.reports.owed.iter().filter(is_in).map(|(id, (revision, _))| (*id, *revision)).collect();
        if due.is_empty() {
            return;
        }
        let problems = self.pipeline.problems();
        for (network, revision) in due {
            self.reports.owed.remove(&network);
            let problems = self.problems_of(network, &problems);
            if problems.is_empty() {
                self.reports.troubled.remove(&network);
            } else {
                self.reports.troubled.insert(network);
            }
            let ack = self.link.confirm(network, revision, problems);
            self.unsaved = true;
            // With the server gone nothing is said: the next hello says it.
            ack.filter(|_| self.link.is_open()).into_iter().for_each(|ack| self.send(ack));
        }
        // What is mended may be said again.
        self.reports.said.retain(|problem| problems.contains(problem));
        for problem in problems {
            if self.reports.said.insert(problem.clone()) {
                self.say(Level::Warn, problem.to_string());
            }
        }
    }

    /// What cannot be reached may be otherwise from the present change on: networks in trouble are confirmed once more, and
    /// so are those of these rows, which the switch has refused.
    pub(super) fn confirm_again<'a>(&mut self, refused: impl IntoIterator<Item = &'a Row>) {
        let network_of = |row: &Row| match row.scope() {
            Scope::Vlan(vlan) => self.pipeline.network_at(vlan),
            _ => None,
        };
        let concerned = refused.into_iter().filter_map(network_of);
        let concerned: BTreeSet<_> = concerned.chain(self.reports.troubled.iter().copied()).collect();
        let change = self.change + u64::from(self.pipeline.is_dirty());
        for network in concerned {
            if let Some(revision) = self.link.held().confirmed(network) {
                self.reports.owed.entry(network).or_insert((revision, change));
            }
        }
    }

    /// The ports of the network that this host cannot reach, or only in part.
    fn problems_of(&self, network: NetworkId, problems: &[Problem]) -> Vec<RowProblem> {
        let mut named = Vec::new();
        for problem in problems {
            match problem {
                Problem::Unreachable { network: of, port, .. } if *of == network => {
                    named.push(RowProblem { port: *port, reason: problem.to_string() });
                }
                Problem::TunnelFailed { tunnel } => {
                    let type_matches =
                        self.vlans.of(network).is_some_and(|(at, _)| at.tunnel_type == tunnel.tunnel_type);
                    let behind = self.pipeline.entries(network).filter(|entry| entry.endpoint == tunnel.remote);
                    let ports = behind.filter(|_| type_matches).map(|entry| entry.port);
                    named.extend(ports.map(|port| RowProblem { port, reason: problem.to_string() }));
                }
                _ => {}
            }
        }
        let Some((_, vlan)) = self.vlans.of(network) else { return named };
        for row in &self.tunnel.refused {
            let reason = || format!("the switch refused a flow: {}", self.pipeline.explain(row));
            let concerns = |entry: &model::Entry| match *row {
                Row::Unicast { vlan: of, mac } => of == vlan && entry.mac == mac,
                Row::Responder { vlan: of, ip } => of == vlan && entry.ips.contains(&ip.into()),
                _ => false,
            };
            let ports = self.pipeline.entries(network).filter(concerns);
            named.extend(ports.map(|entry| RowProblem { port: entry.port, reason: reason() }));
        }
        named
    }

    /// Interfaces that came and went. The first report of a stream lists all of them, and says so.
    fn report_interfaces(&mut self) {
        let inventory = self.link.stream == Stream::Opened;
        let there = |id: &&String| self.facts.plugged.contains_key(*id);
        let gone: Vec<_> = self.reports.present.iter().filter(|id| !there(id)).cloned().collect();
        let new: Vec<_> = self.facts.plugged.keys().filter(|id| !self.reports.present.contains(*id)).cloned().collect();
        if self.link.is_welcomed() && (inventory || !gone.is_empty()) {
            self.forget_orders();
        }
        let interface = |id: &String| Interface {
            id: id.clone(),
            order_held: self.orders.get(id).map(|order| order.order.digest()),
            wired: self.reports.wired.get(id).map(|(_, generation)| *generation),
        };
        let present: Vec<_> = new.iter().map(interface).collect();
        if !inventory && present.is_empty() && gone.is_empty() {
            return;
        }
        for id in &gone {
            self.reports.present.remove(id);
        }
        self.reports.present.extend(new);
        self.link.stream = Stream::Inventoried;
        self.send(ToServer::Interfaces(Interfaces { inventory, present, gone }));
    }

    fn report_missing(&mut self) {
        if self.reports.missing != self.missing {
            self.reports.missing.clone_from(&self.missing);
            self.send(ToServer::Missing(Missing { ids: self.missing.iter().cloned().collect() }));
        }
    }

    /// Ports that became wired, ceased to be, or cannot be.
    fn report_ports(&mut self) {
        self.wiring.goals = {
            let goals = std::mem::take(&mut self.wiring.goals);
            for (id, goal) in &goals {
                self.report_port(id, goal);
            }
            goals
        };
        // An interface that is gone is reported as such.
        let plugged = &self.facts.plugged;
        self.reports.wired.retain(|id, _| plugged.contains_key(id));
        self.reports.refused.retain(|id, _| plugged.contains_key(id));
    }

    fn report_port(&mut self, id: &str, goal: &Goal) {
        let told = self.reports.wired.get(id).copied();
        match goal {
            Goal::Keep { .. } => {}
            // Of another host's port the server hears, under no generation, that it is wired as far as that goes beforehand;
            // no inventory says that.
            Goal::Wired { wire, segment, vlan } => {
                let now = (wire.port, wire.generation);
                if let Some(reason) = self.refused_for(id, *segment, *vlan) {
                    self.reports.wired.remove(id);
                    self.report_refusal(id, now, reason);
                    return;
                }
                let told = told == Some(now) || wire.prepared && !self.is_heard(id);
                if !told && self.is_wired(wire.port, wire.network) {
                    self.reports.refused.remove(id);
                    self.reports.wired.insert(id.to_owned(), now);
                    self.report(id, now, true, String::new());
                }
            }
            Goal::Isolated { ordered, reason } => {
                if let Some(told) = told {
                    self.reports.wired.remove(id);
                    if ordered.is_none() {
                        self.report(id, told, false, reason.clone());
                    }
                }
                if let Some(ordered) = *ordered {
                    self.report_refusal(id, ordered, reason.clone());
                }
            }
        }
    }

    fn report_refusal(&mut self, id: &str, ordered: (PortId, Generation), reason: String) {
        let refusal = (ordered.1, reason);
        if self.link.stream == Stream::Inventoried && self.reports.refused.get(id) != Some(&refusal) {
            let reason = refusal.1.clone();
            self.say(Level::Error, format!("port {id} cannot be wired: {reason}"));
            self.reports.refused.insert(id.to_owned(), refusal);
            self.report(id, ordered, false, reason);
        }
    }

    /// Why the port cannot talk though all else is in place: the switch has refused a row without which nothing of it gets
    /// out, or nothing of its network in.
    fn refused_for(&self, id: &str, segment: Segment, vlan: LocalVlan) -> Option<String> {
        let admit = self.facts.plugged.get(id)?.ofport.map(|port| Row::Admit { port });
        let needs = [(&self.integration, admit), (&self.tunnel, Some(Row::Key(segment)))];
        let flood = [(&self.tunnel, Some(Row::Flood { vlan }))];
        let needs = needs.into_iter().chain(flood).filter_map(|(switch, row)| Some((switch, row?)));
        let mut refused = needs.filter(|(switch, row)| switch.refused.contains(row));
        refused.next().map(|(_, row)| format!("the switch refused a flow: {}", self.pipeline.explain(&row)))
    }

    /// With the server gone nothing is said: the next inventory says it.
    fn report(&mut self, id: &str, (port, generation): (PortId, Generation), wired: bool, reason: String) {
        if self.is_heard(id) {
            self.send(ToServer::Report(PortReport { port, generation, wired, reason }));
        }
    }

    /// The server has an inventory with the interface in it, or has been told of it since.
    fn is_heard(&self, id: &str) -> bool {
        self.link.stream == Stream::Inventoried && self.reports.present.contains(id)
    }

    /// Tag and flows are confirmed, and so is a complete set of the network's entries.
    fn is_wired(&self, port: PortId, network: NetworkId) -> bool {
        let in_place = self.wiring.in_effect_at(port).is_some_and(|at| self.is_confirmed(at));
        let known =
            if self.config.l2_population { self.link.is_confirmed(network) } else { self.link.is_complete(network) };
        in_place && known && self.tunnels_are_in(network)
    }
}
