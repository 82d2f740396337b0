//! A typed copy of what we use of the Open_vSwitch database, kept current by updates.

mod column;
mod rows;

use std::collections::BTreeMap;

use uuid::Uuid;

pub use column::{Column, Scalar};
pub use rows::{Bridge, Controller, Interface, OpenVSwitch, Port};

use crate::Error;
use crate::codec::{RowUpdate, TableUpdates};
use crate::events::{Change, Edit, Kind, Update};
use crate::schema::Cardinality;
use rows::Row;

/// Rows of a table by UUID.
pub type Rows<T> = BTreeMap<Uuid, T>;

type Columns = &'static [(&'static str, Cardinality)];

/// The tables and columns that a [`Replica`] holds.
pub(crate) const MONITORED: [(&str, Columns); 5] = [
    (OpenVSwitch::TABLE, OpenVSwitch::COLUMNS),
    (Bridge::TABLE, Bridge::COLUMNS),
    (Port::TABLE, Port::COLUMNS),
    (Interface::TABLE, Interface::COLUMNS),
    (Controller::TABLE, Controller::COLUMNS),
];

/// The tables that we use, as of the last update.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replica {
    open_vswitch: Rows<OpenVSwitch>,
    bridges: Rows<Bridge>,
    ports: Rows<Port>,
    interfaces: Rows<Interface>,
    controllers: Rows<Controller>,
    /// Who refers to a port, and to an interface: OVSDB has these references only the other way round.
    bridge_of: BTreeMap<Uuid, Uuid>,
    port_of: BTreeMap<Uuid, Uuid>,
}

impl Replica {
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies an update as a whole or, on an error, not at all. Returns the rows that are different now: a complete
    /// update that repeats what is known changes nothing.
    ///
    /// An error means that this copy and the server's have parted: ask [`crate::Client::refetch`] for a new one.
    pub fn apply(&mut self, update: &Update) -> Result<Vec<Change>, Error> {
        let staged = (
            stage(&self.open_vswitch, update)?,
            stage(&self.bridges, update)?,
            stage(&self.ports, update)?,
            stage(&self.interfaces, update)?,
            stage(&self.controllers, update)?,
        );
        let mut changes = Vec::new();
        commit(&mut self.open_vswitch, staged.0, |edit, _| changes.push(Change::OpenVSwitch(edit)));
        commit(&mut self.bridges, staged.1, |edit, new| {
            let ports = (edit.kind.old().map(|old| &old.ports), new.map(|new| &new.ports));
            refer(&mut self.bridge_of, edit.uuid, ports);
            changes.push(Change::Bridge(edit));
        });
        commit(&mut self.ports, staged.2, |edit, new| {
            let interfaces = (edit.kind.old().map(|old| &old.interfaces), new.map(|new| &new.interfaces));
            refer(&mut self.port_of, edit.uuid, interfaces);
            changes.push(Change::Port(edit));
        });
        commit(&mut self.interfaces, staged.3, |edit, _| changes.push(Change::Interface(edit)));
        commit(&mut self.controllers, staged.4, |edit, _| changes.push(Change::Controller(edit)));
        Ok(changes)
    }

    /// The configuration's root with its UUID; none until `ovs-vsctl init` or Open vSwitch's own start has made it.
    pub fn root(&self) -> Option<(Uuid, &OpenVSwitch)> {
        self.open_vswitch.iter().next().map(|(uuid, row)| (*uuid, row))
    }

    pub fn bridges(&self) -> &Rows<Bridge> {
        &self.bridges
    }

    pub fn ports(&self) -> &Rows<Port> {
        &self.ports
    }

    pub fn interfaces(&self) -> &Rows<Interface> {
        &self.interfaces
    }

    pub fn controllers(&self) -> &Rows<Controller> {
        &self.controllers
    }

    /// Names of bridges are unique in the database.
    pub fn bridge_by_name(&self, name: &str) -> Option<(Uuid, &Bridge)> {
        self.bridges.iter().find(|(_, bridge)| bridge.name == name).map(|(uuid, bridge)| (*uuid, bridge))
    }

    pub fn ports_of(&self, bridge: Uuid) -> impl Iterator<Item = (Uuid, &Port)> {
        let ports = self.bridges.get(&bridge).into_iter().flat_map(|bridge| &bridge.ports);
        ports.filter_map(|uuid| Some((*uuid, self.ports.get(uuid)?)))
    }

    /// The interfaces of a port: one, or several if it is a bond.
    pub fn interfaces_of(&self, port: Uuid) -> impl Iterator<Item = (Uuid, &Interface)> {
        let interfaces = self.ports.get(&port).into_iter().flat_map(|port| &port.interfaces);
        interfaces.filter_map(|uuid| Some((*uuid, self.interfaces.get(uuid)?)))
    }

    pub fn port_of_interface(&self, interface: Uuid) -> Option<(Uuid, &Port)> {
        let uuid = self.port_of.get(&interface)?;
        Some((*uuid, self.ports.get(uuid)?))
    }

    pub fn bridge_of_port(&self, port: Uuid) -> Option<(Uuid, &Bridge)> {
        let uuid = self.bridge_of.get(&port)?;
        Some((*uuid, self.bridges.get(uuid)?))
    }

    pub fn bridge_of_interface(&self, interface: Uuid) -> Option<(Uuid, &Bridge)> {
        let (port, _) = self.port_of_interface(interface)?;
        self.bridge_of_port(port)
    }

    /// ovs-vswitchd has put into effect what was written with this `next_cfg` (see [`crate::Transaction::next_cfg`]).
    pub fn is_applied(&self, next_cfg: i64) -> bool {
        self.root().is_some_and(|(_, root)| root.cur_cfg >= next_cfg)
    }
}

/// What rows of one table become: `None` for those that go. Rows that stay as they are do not appear.
fn stage<T: Row>(rows: &Rows<T>, update: &Update) -> Result<Vec<(Uuid, Option<T>)>, Error> {
    let TableUpdates(tables) = &update.tables;
    let updates = tables.get(T::TABLE);
    let mut staged = Vec::new();
    for (uuid, row_update) in updates.into_iter().flatten() {
        let old = rows.get(uuid);
        let (mut row, columns) = match (row_update, old) {
            (RowUpdate::Initial(columns) | RowUpdate::Insert(columns), _) => (T::default(), columns),
            (RowUpdate::Modify(columns), Some(old)) => (old.clone(), columns),
            (RowUpdate::Delete, Some(_)) => {
                staged.push((*uuid, None));
                continue;
            }
            (RowUpdate::Modify(_) | RowUpdate::Delete, None) => {
                return Err(Error::UnknownRow { table: T::TABLE.into(), uuid: *uuid });
            }
        };
        row.patch(columns)?;
        if old != Some(&row) {
            staged.push((*uuid, Some(row)));
        }
    }
    if update.complete {
        let listed = |uuid| updates.is_some_and(|updates| updates.contains_key(uuid));
        staged.extend(rows.keys().filter(|uuid| !listed(uuid)).map(|uuid| (*uuid, None)));
    }
    Ok(staged)
}

/// Puts staged rows in place and reports each with how it is now.
fn commit<T>(rows: &mut Rows<T>, staged: Vec<(Uuid, Option<T>)>, mut report: impl FnMut(Edit<T>, Option<&T>)) {
    for (uuid, new) in staged {
        let old = match new {
            Some(row) => rows.insert(uuid, row),
            None => rows.remove(&uuid),
        };
        let new = rows.get(&uuid);
        let kind = match (old, new) {
            (Some(old), Some(_)) => Kind::Modified { old },
            (Some(old), None) => Kind::Deleted { old },
            (None, _) => Kind::Inserted,
        };
        report(Edit { uuid, kind }, new);
    }
}

type References<'a> = Option<&'a std::collections::BTreeSet<Uuid>>;

/// Follows a change of `owner`'s references. What another owner has taken meanwhile stays his: a port that moves between
/// bridges in one transaction is seen to arrive before it is seen to leave, or the other way round.
fn refer(owners: &mut BTreeMap<Uuid, Uuid>, owner: Uuid, (old, new): (References<'_>, References<'_>)) {
    for uuid in old.into_iter().flatten() {
        if !new.is_some_and(|new| new.contains(uuid)) && owners.get(uuid) == Some(&owner) {
            owners.remove(uuid);
        }
    }
    for uuid in new.into_iter().flatten() {
        if !old.is_some_and(|old| old.contains(uuid)) {
            owners.insert(*uuid, owner);
        }
    }
}

#[cfg(test)]
mod tests;
