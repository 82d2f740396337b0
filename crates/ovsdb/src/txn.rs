//! The writes that an agent needs, as operations. Pure: what differs from the replica becomes operations, the rest nothing.

mod spec;

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

pub use spec::{BridgeSpec, PortSpec};

use crate::codec::{Atom, Condition, Datum, Mutation, Mutator, OpResult, Operation, Row, Until};
use crate::replica::Bridge;
use crate::{Error, Replica};

/// Operations that take effect together or not at all.
///
/// Where a write says how a column shall be, it is written plainly and the last writer wins. Where it depends on a row
/// that others may remove, a guard comes before it, and a guard that does not hold is [`crate::Failure::is_conflict`]: OVSDB
/// itself would report success, meet no row, and throw away what was inserted because nothing refers to it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Transaction {
    operations: Vec<Operation>,
    /// Rows named so far.
    named: usize,
}

/// A row: one that exists, or one that the same transaction inserts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    Row(Uuid),
    Named(String),
}

impl From<Uuid> for Target {
    fn from(uuid: Uuid) -> Self {
        Target::Row(uuid)
    }
}

impl From<&Target> for Atom {
    fn from(target: &Target) -> Self {
        match target {
            Target::Row(uuid) => Atom::Uuid(*uuid),
            Target::Named(name) => Atom::NamedUuid(name.clone()),
        }
    }
}

impl Transaction {
    pub fn new() -> Self {
        Self::default()
    }

    /// Nothing to write: sending it sends nothing.
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Operations, guards among them.
    pub fn len(&self) -> usize {
        self.operations.len()
    }

    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }

    /// Makes the bridge, or brings one of that name to the given settings; settings that are not named are left alone.
    /// Returns the bridge, so that ports can be added in the same transaction.
    pub fn ensure_bridge(&mut self, replica: &Replica, spec: &BridgeSpec) -> Result<Target, Error> {
        if let Some((uuid, bridge)) = replica.bridge_by_name(&spec.name) {
            self.adjust_bridge(uuid, bridge, spec);
            return Ok(Target::Row(uuid));
        }
        let (root, _) = replica.root().ok_or(Error::NotInitialised)?;
        self.guard_row("Open_vSwitch", root);
        // The port of a bridge's own name, which OVS shows as LOCAL.
        let local = self.insert_port(&PortSpec::internal(&spec.name));
        let mut row = Row::from([
            ("name".into(), spec.name.as_str().into()),
            ("ports".into(), [local].into_iter().collect()),
            ("datapath_type".into(), spec.datapath_type.as_str().into()),
            ("other_config".into(), (&spec.other_config).into()),
        ]);
        row.extend(spec.fail_mode.as_deref().map(|fail_mode| ("fail_mode".to_owned(), fail_mode.into())));
        let bridge = self.insert("Bridge", row);
        self.mutate("Open_vSwitch", root, vec![Mutation::new("bridges", Mutator::Insert, &bridge)]);
        Ok(bridge)
    }

    fn adjust_bridge(&mut self, uuid: Uuid, bridge: &Bridge, spec: &BridgeSpec) {
        let mut row = Row::new();
        if bridge.datapath_type != spec.datapath_type {
            row.insert("datapath_type".into(), spec.datapath_type.as_str().into());
        }
        if let Some(fail_mode) = &spec.fail_mode
            && bridge.fail_mode.as_ref() != Some(fail_mode)
        {
            row.insert("fail_mode".into(), fail_mode.as_str().into());
        }
        if !row.is_empty() {
            self.update("Bridge", uuid, row);
        }
        let wanted = spec.other_config.iter().map(|(key, value)| (key.as_str(), Some(value.as_str())));
        self.set_keys("Bridge", uuid, "other_config", &bridge.other_config, wanted);
        // An empty set stands for every version that OVS knows: adding to it would take the others away.
        let missing: Vec<_> = spec.protocols.difference(&bridge.protocols).map(String::as_str).collect();
        if !bridge.protocols.is_empty() && !missing.is_empty() {
            let mutation = Mutation::new("protocols", Mutator::Insert, missing.into_iter().collect::<Datum>());
            self.mutate("Bridge", uuid, vec![mutation]);
        }
    }

    /// Adds ports with an interface each. One call for many: the bridge's set of ports is then changed only once.
    /// A name that is taken fails the transaction as a constraint violation.
    pub fn add_ports<'a>(&mut self, bridge: &Target, ports: impl IntoIterator<Item = &'a PortSpec>) {
        let guard_at = self.operations.len();
        let added: Vec<Atom> = ports.into_iter().map(|port| self.insert_port(port)).collect();
        if added.is_empty() {
            return;
        }
        if let Target::Row(uuid) = bridge {
            self.operations.insert(guard_at, row_exists("Bridge", *uuid));
        }
        self.mutate("Bridge", bridge, vec![Mutation::new("ports", Mutator::Insert, Datum::Set(added))]);
    }

    /// Takes ports off a bridge; OVSDB then removes them and their interfaces, as nothing refers to them any more.
    pub fn delete_ports(&mut self, bridge: Uuid, ports: impl IntoIterator<Item = Uuid>) {
        let gone: Datum = ports.into_iter().collect();
        if gone.elements().is_some_and(|ports| !ports.is_empty()) {
            self.mutate("Bridge", bridge, vec![Mutation::new("ports", Mutator::Delete, gone)]);
        }
    }

    /// Sets or (`None`) removes a port's VLAN tag, unless it is so already.
    pub fn set_tag(&mut self, replica: &Replica, port: Uuid, tag: Option<u16>) {
        let tag = tag.map(i64::from);
        if replica.ports().get(&port).is_some_and(|port| port.tag != tag) {
            self.update("Port", port, Row::from([("tag".into(), tag.into_iter().collect())]));
        }
    }

    /// Sets or (`None`) removes keys of a port's `other_config`, unless they are so already; other keys are left alone.
    pub fn set_port_config<'a>(
        &mut self,
        replica: &Replica,
        port: Uuid,
        keys: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) {
        if let Some(row) = replica.ports().get(&port) {
            self.set_keys("Port", port, "other_config", &row.other_config, keys);
        }
    }

    /// Sets or (`None`) removes keys of an interface's `options`, unless they are so already.
    pub fn set_interface_options<'a>(
        &mut self,
        replica: &Replica,
        interface: Uuid,
        keys: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) {
        if let Some(row) = replica.interfaces().get(&interface) {
            self.set_keys("Interface", interface, "options", &row.options, keys);
        }
    }

    /// Cuts a bridge off from its OpenFlow controllers, if it has any.
    pub fn clear_controller(&mut self, replica: &Replica, bridge: Uuid) {
        if replica.bridges().get(&bridge).is_some_and(|bridge| !bridge.controller.is_empty()) {
            self.update("Bridge", bridge, Row::from([("controller".into(), Datum::Set(vec![]))]));
        }
    }

    /// Puts one controller in the place of all that the bridge has: Open vSwitch drops the flows of a bridge that loses its last.
    pub fn replace_controllers(&mut self, bridge: Uuid, target: &str) {
        let row = Row::from([("target".into(), target.into()), ("max_backoff".into(), RARELY.into())]);
        let controller = self.insert("Controller", row);
        self.update(
            "Bridge",
            bridge,
            Row::from([("controller".into(), [Atom::from(&controller)].into_iter().collect())]),
        );
    }

    /// Fails the transaction unless a column still holds this value: for a decision that was taken on it.
    pub fn guard(&mut self, table: &str, row: Uuid, column: &str, value: impl Into<Datum>) {
        self.operations.push(wait(table, row, column, value.into()));
    }

    /// Fails the transaction unless the row is still there.
    pub fn guard_row(&mut self, table: &str, row: Uuid) {
        self.operations.push(row_exists(table, row));
    }

    /// Counts `next_cfg` up. ovs-vswitchd copies it to `cur_cfg` once it has put everything up to here into effect: take the
    /// number from the results by [`next_cfg_of`], then wait until [`Replica::is_applied`].
    pub fn next_cfg(&mut self) {
        // Without conditions: the table has exactly one row.
        self.operations.push(Operation::Mutate {
            table: "Open_vSwitch".into(),
            conditions: vec![],
            mutations: vec![Mutation::new("next_cfg", Mutator::Add, 1i64)],
        });
        self.operations.push(Operation::Select {
            table: "Open_vSwitch".into(),
            conditions: vec![],
            columns: vec![NEXT_CFG.into()],
        });
    }

    fn insert_port(&mut self, spec: &PortSpec) -> Atom {
        let interface = self.insert("Interface", spec.interface_row());
        let mut row = spec.port_row();
        row.insert("interfaces".into(), [Atom::from(&interface)].into_iter().collect());
        Atom::from(&self.insert("Port", row))
    }

    fn insert(&mut self, table: &str, row: Row) -> Target {
        let name = format!("row{}", self.named);
        self.named += 1;
        self.operations.push(Operation::Insert { table: table.into(), row, name: Some(name.clone()) });
        Target::Named(name)
    }

    fn update(&mut self, table: &str, uuid: Uuid, row: Row) {
        self.operations.push(Operation::Update { table: table.into(), conditions: vec![Condition::row(uuid)], row });
    }

    fn mutate(&mut self, table: &str, row: impl Into<Atom>, mutations: Vec<Mutation>) {
        self.operations.push(Operation::Mutate {
            table: table.into(),
            conditions: vec![Condition::row(row)],
            mutations,
        });
    }

    /// Brings keys of a map to the wanted values. Other writers' keys are not touched, so no guard is needed.
    fn set_keys<'a>(
        &mut self,
        table: &str,
        uuid: Uuid,
        column: &str,
        map: &BTreeMap<String, String>,
        wanted: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) {
        let different: BTreeMap<&str, Option<&str>> =
            wanted.into_iter().filter(|(key, value)| map.get(*key).map(String::as_str) != *value).collect();
        if different.is_empty() {
            return;
        }
        // Insertion leaves keys that are there as they are: they must go first.
        let keys: BTreeSet<_> = different.keys().copied().collect();
        let mut mutations = vec![Mutation::new(column, Mutator::Delete, keys.into_iter().collect::<Datum>())];
        let pairs: Vec<_> =
            different.into_iter().filter_map(|(key, value)| Some((key.into(), value?.into()))).collect();
        if !pairs.is_empty() {
            mutations.push(Mutation::new(column, Mutator::Insert, Datum::Map(pairs)));
        }
        self.mutate(table, uuid, mutations);
    }
}

/// Milliseconds between two attempts to reach a controller: a day.
const RARELY: i64 = 86_400_000;

const NEXT_CFG: &str = "next_cfg";

/// The `next_cfg` that a transaction with [`Transaction::next_cfg`] has set.
pub fn next_cfg_of(results: &[OpResult]) -> Option<i64> {
    results.iter().rev().find_map(|result| match result {
        OpResult::Rows(rows) => match rows.first()?.get(NEXT_CFG)? {
            Datum::Atom(Atom::Integer(next_cfg)) => Some(*next_cfg),
            _ => None,
        },
        _ => None,
    })
}

fn row_exists(table: &str, uuid: Uuid) -> Operation {
    wait(table, uuid, "_uuid", uuid.into())
}

fn wait(table: &str, uuid: Uuid, column: &str, value: Datum) -> Operation {
    Operation::Wait {
        table: table.into(),
        conditions: vec![Condition::row(uuid)],
        columns: vec![column.into()],
        until: Until::Equal,
        rows: vec![Row::from([(column.into(), value)])],
    }
}

#[cfg(test)]
mod tests;
