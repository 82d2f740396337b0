//! One network of which a port is plugged here: what has been pulled and pushed of its ports, and what the agent has been told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{Entry, Mac, NetworkId, PortId, Revision, Segment, TunnelType};
use sync::messages::{Complete, Delta, Snapshot, Sum, ToAgent};

use crate::endpoints::Endpoints;
use crate::facts::{NetworkFacts, PortFacts, Status};
use crate::table::{Row, Table};

/// How far something that the server must be asked for is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Need {
    #[default]
    Wanted,
    /// It is being asked for.
    Asked,
    /// It is being asked for, and must be once more.
    Again,
    Met,
}

impl Need {
    pub(crate) fn want(&mut self) {
        *self = match self {
            Need::Asked | Need::Again => Need::Again,
            Need::Wanted | Need::Met => Need::Wanted,
        };
    }

    pub(crate) fn met(&mut self) {
        *self = if *self == Need::Again { Need::Wanted } else { Need::Met };
    }

    /// Whether an answer has come at least once.
    pub(crate) fn is_met(self) -> bool {
        self == Need::Met
    }
}

/// Ticks from what was heard until it is compared: casts and pushes of one change come on different ways.
const JUDGE_AFTER: u8 = 3;

#[derive(Debug, Default)]
pub(crate) struct Network {
    pub(crate) need_facts: Need,
    /// None: the server knows no such network.
    pub(crate) facts: Option<NetworkFacts>,
    /// As it is wired here.
    pub(crate) segment: Option<Segment>,
    pub(crate) need_ports: Need,
    /// All its ports, each as of its own revision.
    ports: BTreeMap<PortId, PortFacts>,
    /// Ports that were pushed since its ports were last asked for.
    pushed: BTreeSet<PortId>,
    pub(crate) table: Table,
    judge_in: u8,
    told: BTreeMap<PortId, Entry>,
    /// None: the agent has not been told of it.
    pub(crate) revision: Option<Revision>,
    /// Ports of it have not been said to be wired since the agent was told of it.
    pub(crate) fresh: bool,
}

/// Who reads: the own host, and what is known of others.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) host: &'a str,
    pub(crate) own: IpAddr,
    pub(crate) tunnel_type: TunnelType,
    pub(crate) endpoints: &'a Endpoints,
}

impl View<'_> {
    fn endpoint(&self, port: &PortFacts) -> Option<IpAddr> {
        self.endpoints.of(self.tunnel_type, port.host()?)
    }

    /// What entries there are of a port is known from the port alone.
    fn speaks_for(&self, port: &PortFacts) -> bool {
        !port.is_several() && port.host().is_some_and(|host| host != self.host)
    }
}

impl Network {
    pub(crate) fn ask_ports(&mut self) {
        self.need_ports = Need::Asked;
        self.pushed.clear();
    }

    /// All its ports have come: the table follows from them, but for what ports do not tell. What was pushed meanwhile is newer.
    /// Returns hosts with ports of which no endpoint is known.
    pub(crate) fn pulled(&mut self, ports: Vec<PortFacts>, view: View<'_>) -> BTreeSet<String> {
        let mut before = std::mem::take(&mut self.ports);
        self.ports = ports.into_iter().map(|port| (port.id, port)).collect();
        for id in &self.pushed {
            match before.remove(id) {
                Some(pushed) if self.ports.get(id).is_none_or(|pulled| pulled.revision < pushed.revision) => {
                    self.ports.insert(*id, pushed);
                }
                Some(_) => {}
                None => drop(self.ports.remove(id)),
            }
        }
        self.need_ports.met();
        self.rebuild(view)
    }

    fn rebuild(&mut self, view: View<'_>) -> BTreeSet<String> {
        let before = std::mem::take(&mut self.table);
        let mut unknown = BTreeSet::new();
        for port in self.ports.values() {
            let was = before.rows.get(&port.mac);
            let keeps = match port.status {
                _ if port.is_several() => was.cloned(),
                // Who wires it anew has it as it was.
                Status::Build if view.speaks_for(port) => was.cloned(),
                Status::Active if view.speaks_for(port) => {
                    if let Some(endpoint) = view.endpoint(port) {
                        // As in Neutron, a port without addresses has no entry, and its host wants BUM traffic.
                        self.table.floods.insert(endpoint);
                        Some(Row { endpoint, ips: port.ips.iter().copied().collect() })
                    } else {
                        unknown.extend(port.host().map(ToOwned::to_owned));
                        was.cloned()
                    }
                }
                _ => None,
            };
            if let Some(row) = keeps.filter(|row| !row.ips.is_empty()) {
                self.table.rows.insert(port.mac, row);
            }
        }
        // Only entries tell where a router is that is at several hosts.
        if self.ports.values().any(PortFacts::is_several) || !unknown.is_empty() {
            self.table.floods.extend(before.floods);
        }
        unknown
    }

    pub(crate) fn push(&mut self, port: PortFacts) {
        self.pushed.insert(port.id);
        if self.ports.get(&port.id).is_none_or(|known| known.revision <= port.revision) {
            self.ports.insert(port.id, port);
        }
        self.judge_soon();
    }

    pub(crate) fn push_gone(&mut self, port: PortId) {
        self.pushed.insert(port);
        if self.ports.remove(&port).is_some() {
            self.judge_soon();
        }
    }

    pub(crate) fn judge_soon(&mut self) {
        self.judge_in = JUDGE_AFTER;
    }

    /// A moment has passed. Casts carry no number, and can be late or lost; pushes of ports do. Where the two do not agree
    /// though nothing has come for a while, all is asked for anew. Returns whether that is so.
    pub(crate) fn tick(&mut self, view: View<'_>) -> bool {
        let due = self.judge_in == 1;
        self.judge_in = self.judge_in.saturating_sub(1);
        let doubtful = due && self.need_ports.is_met() && !self.agrees(view);
        if doubtful {
            self.need_ports.want();
        }
        doubtful
    }

    fn agrees(&self, view: View<'_>) -> bool {
        let by_mac: BTreeMap<Mac, &PortFacts> = self.ports.values().map(|port| (port.mac, port)).collect();
        let right = |(mac, row): (&Mac, &Row)| match by_mac.get(mac) {
            None => false,
            Some(port) if port.is_several() => true,
            Some(port) => match port.status {
                Status::Build => true,
                Status::Down => row.endpoint == view.own,
                Status::Active if !view.speaks_for(port) => row.endpoint == view.own,
                Status::Active => view.endpoint(port).is_none_or(|endpoint| {
                    endpoint == row.endpoint && row.ips == port.ips.iter().copied().collect::<BTreeSet<_>>()
                }),
            },
        };
        let is_missing = |port: &&PortFacts| {
            let named = view.speaks_for(port) && port.status == Status::Active && !port.ips.is_empty();
            named && view.endpoint(port).is_some() && !self.table.rows.contains_key(&port.mac)
        };
        self.table.rows.iter().all(right) && !self.ports.values().any(|port| is_missing(&port))
    }

    /// What the agent must hear for it to hold what the table says.
    pub(crate) fn tell(&mut self, id: NetworkId, own: IpAddr, next: &mut Revision) -> Option<ToAgent> {
        let names = self.ports.values().map(|port| (port.mac, port.id)).collect();
        let entries = self.table.entries(own, &names);
        let previous = self.revision?;
        if entries == self.told {
            return None;
        }
        let changed = entries.values().filter(|entry| self.told.get(&entry.port) != Some(entry));
        let upserts: Vec<Entry> = changed.cloned().collect();
        let removes = self.told.keys().filter(|port| !entries.contains_key(port)).copied().collect();
        self.told = entries;
        *next = next.next();
        self.revision = Some(*next);
        let sum = Sum::of(self.told.values());
        Some(ToAgent::Delta(Delta { network: id, previous, revision: *next, upserts, removes, sum, more: false }))
    }

    /// All of it.
    pub(crate) fn snapshot(&mut self, id: NetworkId, own: IpAddr, next: &mut Revision) -> [ToAgent; 2] {
        let names = self.ports.values().map(|port| (port.mac, port.id)).collect();
        self.told = self.table.entries(own, &names);
        *next = next.next();
        self.revision = Some(*next);
        let entries = self.told.values().cloned().collect();
        [
            ToAgent::Snapshot(Snapshot { network: id, first: true, entries, removes: Vec::new() }),
            ToAgent::Complete(Complete { network: id, revision: *next, sum: Sum::of(self.told.values()) }),
        ]
    }

    /// No port here is of it any more: what the agent was told is void.
    pub(crate) fn drop_ports(&mut self) {
        *self = Network { need_facts: self.need_facts, facts: self.facts.take(), ..Network::default() };
    }
}
