//! Interfaces on the integration bridge: what each is to be, and the tag that makes it so.

use std::collections::{BTreeMap, BTreeSet};

use model::{DEAD_VLAN, Generation, LocalVlan, NetworkId, PortId, Segment};
use openflow::PortNo;
use ovsdb::Transaction;
use ovsdb::codec::{Condition, Datum, Operation};
use pipeline::LocalPort;
use sync::messages::{Order, Wire};
use uuid::Uuid;

use super::HostState;
use super::database::Purpose;
use super::facts::{Facts, NO_DEVICE_MARK, Plugged, marks};
use crate::events::Level;

/// Why a port is isolated whose device is gone, for people.
const NO_DEVICE: &str = "has no device";

#[derive(Debug, Default)]
pub(super) struct Wiring {
    /// The database has been looked at once.
    pub(super) surveyed: bool,
    /// Something that wiring depends on has changed.
    pub(super) stale: bool,
    /// What each plugged interface is to be, by interface id.
    pub(super) goals: BTreeMap<String, Goal>,
    /// Ports whose tag has been written and is not yet in effect.
    writes: BTreeMap<Uuid, Write>,
    /// Ports whose tag is in effect, as the pipeline has been told of them.
    in_effect: BTreeMap<PortId, InEffect>,
    /// Ports that were seen isolated, as they should be.
    dead: BTreeSet<Uuid>,
    kept_ports: BTreeSet<PortNo>,
    kept_networks: BTreeSet<NetworkId>,
}

/// What an interface is to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Goal {
    /// Found with a network's tag, and nobody has said yet whether that is still right.
    Keep { network: NetworkId, segment: Segment, vlan: LocalVlan },
    /// The network's tag and flows.
    Wired { wire: Wire, segment: Segment, vlan: LocalVlan },
    /// The dead VLAN and no flow; for a port that was ordered to be wired, why it is not.
    Isolated { ordered: Option<(PortId, Generation)>, reason: String },
}

#[derive(Debug, PartialEq, Eq)]
struct InEffect {
    port: LocalPort,
    /// The change with which its rows are wanted.
    at: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Write {
    UnderWay,
    /// In the database; vswitchd has it in effect once `cur_cfg` is this.
    Until(i64),
}

impl Wiring {
    pub(super) fn is_kept_port(&self, port: PortNo) -> bool {
        self.kept_ports.contains(&port)
    }

    /// Of some that were found with a tag it has not been said yet whether that is still right.
    pub(super) fn keeps_ports(&self) -> bool {
        !self.kept_ports.is_empty()
    }

    pub(super) fn is_kept_network(&self, network: NetworkId) -> bool {
        self.kept_networks.contains(&network)
    }

    /// The change with which a port's rows are wanted; `None`: its tag is not in effect.
    pub(super) fn in_effect_at(&self, port: PortId) -> Option<u64> {
        self.in_effect.get(&port).map(|in_effect| in_effect.at)
    }

    pub(super) fn ports_in_effect(&self) -> impl Iterator<Item = (PortId, &LocalPort)> {
        self.in_effect.iter().map(|(id, in_effect)| (*id, &in_effect.port))
    }

    /// Tags are under way that vswitchd has not put into effect.
    pub(super) fn is_writing(&self) -> bool {
        !self.writes.is_empty()
    }

    /// A transaction that wrote these ports' tags is done, or has failed.
    pub(super) fn written(&mut self, ports: &[Uuid], next_cfg: Option<i64>) {
        for port in ports {
            // Without a number to wait for, what the database says must do.
            match next_cfg {
                Some(next_cfg) => self.writes.insert(*port, Write::Until(next_cfg)),
                None => self.writes.remove(port),
            };
        }
        self.stale = true;
    }

    /// The connection is gone: what was under way is compared anew; what is in the database still takes effect.
    pub(super) fn forget_writes(&mut self) {
        self.writes.retain(|_, write| *write != Write::UnderWay);
        self.stale = true;
    }
}

impl HostState {
    pub(super) fn settle_wiring(&mut self) {
        if !std::mem::take(&mut self.wiring.stale) {
            return;
        }
        self.wiring.surveyed = true;
        self.note_missing();
        self.settle_ports_of_others();
        let replica = &self.database.replica;
        self.wiring.writes.retain(|_, write| !matches!(write, Write::Until(cfg) if replica.is_applied(*cfg)));
        self.set_goals();
        self.give_up_networks();
        self.load_missing();
        self.write_tags();
        self.note_dead();
        self.tell_pipeline();
        self.review_orphans();
    }

    fn set_goals(&mut self) {
        let facts = std::mem::take(&mut self.facts);
        self.adopt_vlans(&facts);
        let mut goals = BTreeMap::new();
        for (id, plugged) in &facts.plugged {
            goals.insert(id.clone(), self.goal(id, plugged));
        }
        self.facts = facts;
        let kept = |(id, goal): (&String, &Goal)| match goal {
            Goal::Keep { network, .. } => Some((*network, self.facts.plugged.get(id)?.ofport)),
            _ => None,
        };
        let kept: Vec<_> = goals.iter().filter_map(kept).collect();
        self.wiring.kept_networks = kept.iter().map(|(network, _)| *network).collect();
        self.wiring.kept_ports = kept.iter().filter_map(|(_, port)| *port).collect();
        self.wiring.goals = goals;
    }

    /// A port that was found with its network's tag keeps it, though its order is there already: before another port of the
    /// network is given one.
    fn adopt_vlans(&mut self, facts: &Facts) {
        for (id, plugged) in &facts.plugged {
            let Some(Order::Wire(wire)) = self.orders.get(id).map(|order| &order.order) else { continue };
            let Some(info) = self.networks.get(&wire.network) else { continue };
            if let Some((_, _, vlan)) = plugged.adopted().filter(|(network, ..)| *network == wire.network) {
                self.vlans.adopt(wire.network, info.segment, vlan);
            }
        }
    }

    fn goal(&mut self, id: &str, plugged: &Plugged) -> Goal {
        let isolated = |ordered, reason: String| Goal::Isolated { ordered, reason };
        let believed = self.is_believed(id, plugged);
        match self.orders.get(id).filter(|_| believed).map(|order| &order.order) {
            Some(Order::Wire(wire)) => {
                let wire = wire.clone();
                match self.place_for(&wire) {
                    Ok((segment, vlan)) => Goal::Wired { wire, segment, vlan },
                    Err(reason) => isolated(Some((wire.port, wire.generation)), reason),
                }
            }
            Some(Order::Isolate(reason)) => isolated(None, reason.clone()),
            None => match plugged.adopted().filter(|_| !self.link.host_complete()) {
                Some((network, segment, vlan)) if self.vlans.adopt(network, segment, vlan) => {
                    match self.pipeline.set_network(network, segment, vlan) {
                        Ok(()) => Goal::Keep { network, segment, vlan },
                        Err(error) => isolated(None, error.to_string()),
                    }
                }
                _ => isolated(None, "the server has no order for it yet".to_owned()),
            },
        }
    }

    /// The segment and VLAN for a port that is to be wired; or why there is none.
    fn place_for(&mut self, wire: &Wire) -> Result<(Segment, LocalVlan), String> {
        let Some(segment) = self.networks.get(&wire.network).map(|info| info.segment) else {
            return Err(format!("the server has not described network {}", wire.network));
        };
        if !self.config.tunnel_types.contains(&segment.tunnel_type) {
            return Err(format!("{} is not among this host's tunnel types", segment.tunnel_type));
        }
        let vlan = self.place(wire.network, segment).map_err(|error| error.to_string())?;
        Ok((segment, vlan))
    }

    /// Networks that no interface here needs any more.
    fn give_up_networks(&mut self) {
        let needed: BTreeSet<_> = self.wiring.goals.values().filter_map(Goal::network).collect();
        let lost: Vec<_> = self.vlans.places().map(|(id, ..)| id).filter(|id| !needed.contains(id)).collect();
        for network in lost {
            self.give_up(network);
        }
    }

    /// One transaction for all tags that are not what they should be.
    fn write_tags(&mut self) {
        if !self.database.is_free(&Purpose::Tags(Vec::new())) {
            return;
        }
        let mut ports = Vec::new();
        let mut operations = Vec::new();
        let mut isolated = Vec::new();
        let mut changed_by_others = Vec::new();
        let goals =
            self.wiring.goals.iter().filter_map(|(id, goal)| Some((self.facts.plugged.get(id)?, Some(goal), "")));
        let double = "carries the interface id of another port too";
        let doubles = self.facts.doubles.iter().map(|plugged| (plugged, None, double));
        let without_device = self.facts.without_device.iter().map(|plugged| (plugged, None, NO_DEVICE));
        for (plugged, goal, why) in goals.chain(doubles).chain(without_device) {
            let write = self.tag_operations(plugged, goal, why == NO_DEVICE);
            if !write.is_empty() {
                changed_by_others.extend(self.is_changed(plugged, goal).then(|| plugged.name.clone()));
                operations.extend(write);
                ports.push(plugged.port);
                isolated.extend(goal.is_none().then(|| format!("{} {why}: it is isolated", plugged.name)));
            }
        }
        for name in changed_by_others {
            self.note_changed_port(&name);
        }
        for text in isolated {
            self.say(Level::Warn, text);
        }
        if ports.is_empty() {
            return;
        }
        let mut next_cfg = Transaction::new();
        next_cfg.next_cfg();
        operations.extend(next_cfg.into_operations());
        for port in &ports {
            self.wiring.writes.insert(*port, Write::UnderWay);
        }
        self.transact(Purpose::Tags(ports), operations);
    }

    /// What makes the port's tag and marks what they should be; nothing if they are.
    fn tag_operations(&self, plugged: &Plugged, goal: Option<&Goal>, no_device: bool) -> Vec<Operation> {
        let replica = &self.database.replica;
        let mut transaction = Transaction::new();
        match goal {
            Some(Goal::Keep { .. }) => {}
            Some(Goal::Wired { wire, segment, vlan, .. }) => {
                transaction.set_tag(replica, plugged.port, Some(vlan.get()));
                let marks = marks(wire.network, *segment, *vlan);
                let keys = marks.iter().map(|(key, value)| (key.as_str(), Some(value.as_str())));
                transaction.set_port_config(replica, plugged.port, keys.chain([(NO_DEVICE_MARK, None)]));
                let mut operations = transaction.into_operations();
                if !plugged.is_access() {
                    operations.push(make_access(plugged.port));
                }
                return operations;
            }
            Some(Goal::Isolated { .. }) | None => {
                // Once the server has said all there is, only its word wires the port again.
                let mark = if no_device { Some("true") } else { None };
                let mark = (no_device || self.link.host_complete()).then_some((NO_DEVICE_MARK, mark));
                let keys = ["net_uuid", "network_type", "segmentation_id", "tag"].map(|key| (key, None));
                transaction.set_port_config(replica, plugged.port, keys.into_iter().chain(mark));
                let mut operations = transaction.into_operations();
                if !plugged.is_dead() {
                    operations.push(make_dead(plugged.port));
                }
                return operations;
            }
        }
        transaction.into_operations()
    }

    /// Somebody else has changed what was in effect.
    fn is_changed(&self, plugged: &Plugged, goal: Option<&Goal>) -> bool {
        let Some(Goal::Wired { wire, vlan, .. }) = goal else {
            return !plugged.is_dead() && self.wiring.dead.contains(&plugged.port);
        };
        let in_effect = self.wiring.in_effect.get(&wire.port).is_some_and(|there| there.port.ofport == plugged.ofport);
        in_effect && !self.is_in_effect(plugged, *vlan)
    }

    fn note_dead(&mut self) {
        let is_isolated = |(id, goal): (&String, &Goal)| match goal {
            Goal::Isolated { .. } => self.facts.plugged.get(id),
            Goal::Keep { .. } | Goal::Wired { .. } => None,
        };
        let isolated = self.wiring.goals.iter().filter_map(is_isolated);
        let dead =
            isolated.chain(&self.facts.doubles).chain(&self.facts.without_device).filter(|plugged| plugged.is_dead());
        self.wiring.dead = dead.map(|plugged| plugged.port).collect();
    }

    /// Ports whose tag is in effect are wired as far as the pipeline is concerned; all others are not there.
    fn tell_pipeline(&mut self) {
        let mut before = std::mem::take(&mut self.wiring.in_effect);
        let goals = std::mem::take(&mut self.wiring.goals);
        for (id, goal) in &goals {
            let Goal::Wired { wire, vlan, .. } = goal else { continue };
            let Some(plugged) = self.facts.plugged.get(id).filter(|plugged| self.is_in_effect(plugged, *vlan)) else {
                continue;
            };
            let port = LocalPort {
                network: wire.network,
                mac: wire.mac,
                ips: wire.ips.clone(),
                ofport: plugged.ofport,
                wired: true,
                prepared: wire.prepared,
            };
            let same = before.remove(&wire.port).filter(|before| before.port == port);
            let in_effect = same.unwrap_or_else(|| {
                self.pipeline.set_local_port(wire.port, port.clone());
                // What is marked now becomes the next change.
                InEffect { port, at: self.change + u64::from(self.pipeline.is_dirty()) }
            });
            self.wiring.in_effect.insert(wire.port, in_effect);
        }
        self.wiring.goals = goals;
        for port in before.into_keys().filter(|port| !self.wiring.in_effect.contains_key(port)) {
            self.pipeline.remove_local_port(port);
        }
    }

    /// vswitchd has the port, and has put the VLAN into effect.
    fn is_in_effect(&self, plugged: &Plugged, vlan: LocalVlan) -> bool {
        let written = !self.wiring.writes.contains_key(&plugged.port);
        written && plugged.ofport.is_some() && plugged.tag() == Some(vlan.get()) && plugged.is_access()
    }
}

impl Goal {
    pub(super) fn network(&self) -> Option<NetworkId> {
        match self {
            Goal::Keep { network, .. } => Some(*network),
            Goal::Wired { wire, .. } => Some(wire.network),
            Goal::Isolated { .. } => None,
        }
    }
}

/// As a stock agent parks a port: a trunk of VLAN 4095 only, which takes no untagged frame. The tag alone would not do
/// while the port is still admitted: as an access port it would talk to all others that are dead.
fn make_dead(port: Uuid) -> Operation {
    let dead = i64::from(DEAD_VLAN);
    let row = [("tag", dead.into()), ("vlan_mode", "trunk".into()), ("trunks", [dead].into_iter().collect())];
    let row = row.map(|(column, value): (_, Datum)| (column.to_owned(), value)).into();
    Operation::Update { table: "Port".to_owned(), conditions: vec![Condition::row(port)], row }
}

/// Such a port's tag counts only once it is a trunk no more.
fn make_access(port: Uuid) -> Operation {
    let row = [("vlan_mode".to_owned(), Datum::Set(Vec::new())), ("trunks".to_owned(), Datum::Set(Vec::new()))];
    Operation::Update { table: "Port".to_owned(), conditions: vec![Condition::row(port)], row: row.into() }
}
