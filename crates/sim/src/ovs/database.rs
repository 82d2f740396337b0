//! `ovsdb-server` with the database of one host: transactions (RFC 7047 section 4.1.3) as far as agents use them.

use std::collections::BTreeMap;

use ovsdb::Update;
use ovsdb::codec::{Atom, Condition, Datum, Mutator, Operation, Row, RowUpdate, TableUpdates};
use uuid::Uuid;

type Table = BTreeMap<Uuid, Row>;

/// Who refers to what: a row that nothing refers to goes with the transaction that let go of it.
const OWNERS: [(&str, &str, &str); 3] =
    [("Open_vSwitch", "bridges", "Bridge"), ("Bridge", "ports", "Port"), ("Port", "interfaces", "Interface")];

#[derive(Debug, Clone)]
pub struct Database {
    tables: BTreeMap<String, Table>,
    next: u128,
}

impl Default for Database {
    fn default() -> Self {
        let root = Row::from([("next_cfg".into(), 0i64.into()), ("cur_cfg".into(), 0i64.into())]);
        let mut database = Database { tables: BTreeMap::new(), next: 1 };
        database.insert("Open_vSwitch", root);
        database
    }
}

impl Database {
    /// All there is, as a monitor gives it that starts anew.
    pub fn everything(&self) -> Update {
        let rows = |table: &Table| table.iter().map(|(uuid, row)| (*uuid, RowUpdate::Initial(row.clone()))).collect();
        let tables = TableUpdates(self.tables.iter().map(|(name, table)| (name.clone(), rows(table))).collect());
        Update { complete: true, tables }
    }

    /// Carries a transaction out as a whole or not at all; returns the `next_cfg` that it selected.
    pub fn transact(&mut self, operations: Vec<Operation>) -> Result<Option<i64>, String> {
        let backup = self.tables.clone();
        let mut names = BTreeMap::new();
        let mut next_cfg = None;
        for operation in operations {
            if let Err(error) = self.operate(operation, &mut names, &mut next_cfg) {
                self.tables = backup;
                return Err(error.to_owned());
            }
        }
        self.collect();
        Ok(next_cfg)
    }

    pub fn rows(&self, table: &str) -> impl Iterator<Item = (Uuid, &Row)> {
        self.tables.get(table).into_iter().flatten().map(|(uuid, row)| (*uuid, row))
    }

    /// Sets columns of a row, as `ovs-vswitchd` does. Says whether that changed anything.
    pub fn set(&mut self, table: &str, uuid: Uuid, columns: impl IntoIterator<Item = (&'static str, Datum)>) -> bool {
        let Some(row) = self.tables.get_mut(table).and_then(|rows| rows.get_mut(&uuid)) else { return false };
        let mut changed = false;
        for (column, value) in columns {
            changed |= row.insert(column.to_owned(), value.clone()) != Some(value);
        }
        changed
    }

    /// Somebody plugs an interface into `br-int`, as libvirt does.
    pub fn plug(&mut self, name: &str, id: &str, tag: Option<i64>) {
        let Some((bridge, _)) = self.rows("Bridge").find(|(_, row)| text(row, "name") == "br-int") else { return };
        let ids = Datum::Map(vec![("iface-id".into(), id.into())]);
        let interface =
            self.insert("Interface", Row::from([("name".into(), name.into()), ("external_ids".into(), ids)]));
        let mut row =
            Row::from([("name".into(), name.into()), ("interfaces".into(), [interface].into_iter().collect())]);
        row.extend(tag.map(|tag| ("tag".to_owned(), tag.into())));
        let port = self.insert("Port", row);
        self.change_ports(bridge, |ports| ports.push(Atom::Uuid(port)));
    }

    pub fn unplug(&mut self, name: &str) {
        let Some(port) = self.rows("Port").find(|(_, row)| text(row, "name") == name).map(|(uuid, _)| uuid) else {
            return;
        };
        let bridges: Vec<Uuid> = self.rows("Bridge").map(|(uuid, _)| uuid).collect();
        for bridge in bridges {
            self.change_ports(bridge, |ports| ports.retain(|atom| *atom != Atom::Uuid(port)));
        }
        self.collect();
    }

    fn change_ports(&mut self, bridge: Uuid, change: impl FnOnce(&mut Vec<Atom>)) {
        if let Some(row) = self.tables.get_mut("Bridge").and_then(|rows| rows.get_mut(&bridge)) {
            let mut ports = elements(row.get("ports"));
            change(&mut ports);
            row.insert("ports".into(), Datum::Set(ports));
        }
    }

    fn insert(&mut self, table: &str, row: Row) -> Uuid {
        let uuid = Uuid::from_u128(self.next);
        self.next += 1;
        self.tables.entry(table.to_owned()).or_default().insert(uuid, row);
        uuid
    }

    fn operate(
        &mut self,
        operation: Operation,
        names: &mut BTreeMap<String, Uuid>,
        next_cfg: &mut Option<i64>,
    ) -> Result<(), &'static str> {
        match operation {
            Operation::Insert { table, mut row, name } => {
                for datum in row.values_mut() {
                    resolve(datum, names);
                }
                if self
                    .rows(&table)
                    .any(|(_, other)| other.contains_key("name") && other.get("name") == row.get("name"))
                {
                    return Err("constraint violation");
                }
                let uuid = self.insert(&table, row);
                names.extend(name.map(|name| (name, uuid)));
            }
            Operation::Update { table, conditions, row } => {
                for target in self.meet(&table, &conditions, names) {
                    if let Some(there) = self.tables.get_mut(&table).and_then(|rows| rows.get_mut(&target)) {
                        there.extend(row.clone());
                    }
                }
            }
            Operation::Mutate { table, conditions, mutations } => {
                for target in self.meet(&table, &conditions, names) {
                    let Some(row) = self.tables.get_mut(&table).and_then(|rows| rows.get_mut(&target)) else {
                        continue;
                    };
                    for mutation in &mutations {
                        let mut value = mutation.value.clone();
                        resolve(&mut value, names);
                        mutate(row, &mutation.column, mutation.mutator, value);
                    }
                }
            }
            Operation::Select { table, conditions, columns } if columns == ["next_cfg"] => {
                let root = self.meet(&table, &conditions, names).first().copied();
                let row = root.and_then(|root| self.tables.get(&table)?.get(&root));
                *next_cfg = row.map(|row| integer(row.get("next_cfg")));
            }
            Operation::Delete { table, conditions } => {
                for target in self.meet(&table, &conditions, names) {
                    if let Some(rows) = self.tables.get_mut(&table) {
                        rows.remove(&target);
                    }
                }
            }
            Operation::Wait { table, conditions, .. } => {
                if self.meet(&table, &conditions, names).is_empty() {
                    return Err("timed out");
                }
            }
            Operation::Select { .. } | Operation::Comment(_) => {}
        }
        Ok(())
    }

    /// Rows that conditions on `_uuid` select; all if there are none.
    fn meet(&self, table: &str, conditions: &[Condition], names: &BTreeMap<String, Uuid>) -> Vec<Uuid> {
        let rows = self.rows(table).map(|(uuid, _)| uuid);
        let Some(condition) = conditions.first() else { return rows.collect() };
        let mut value = condition.value.clone();
        resolve(&mut value, names);
        rows.filter(|uuid| value == Datum::Atom(Atom::Uuid(*uuid))).collect()
    }

    fn collect(&mut self) {
        for (owner, column, owned) in OWNERS {
            let used: Vec<Atom> = self.rows(owner).flat_map(|(_, row)| elements(row.get(column))).collect();
            if let Some(rows) = self.tables.get_mut(owned) {
                rows.retain(|uuid, _| used.contains(&Atom::Uuid(*uuid)));
            }
        }
    }
}

/// The atoms of a set, or of what stands for one.
pub fn elements(datum: Option<&Datum>) -> Vec<Atom> {
    datum.and_then(Datum::elements).map(<[Atom]>::to_vec).unwrap_or_default()
}

pub fn uuids(row: &Row, column: &str) -> Vec<Uuid> {
    let uuid = |atom| match atom {
        Atom::Uuid(uuid) => Some(uuid),
        _ => None,
    };
    elements(row.get(column)).into_iter().filter_map(uuid).collect()
}

pub fn text<'r>(row: &'r Row, column: &str) -> &'r str {
    match row.get(column).and_then(Datum::elements) {
        Some([Atom::String(text)]) => text,
        _ => "",
    }
}

pub fn number(row: &Row, column: &str) -> Option<i64> {
    match elements(row.get(column)).first() {
        Some(Atom::Integer(number)) => Some(*number),
        _ => None,
    }
}

/// The value of a key of a map of strings.
pub fn key<'r>(row: &'r Row, column: &str, key: &str) -> Option<&'r str> {
    let Some(Datum::Map(pairs)) = row.get(column) else { return None };
    pairs.iter().find_map(|pair| match pair {
        (Atom::String(there), Atom::String(value)) if there == key => Some(value.as_str()),
        _ => None,
    })
}

fn integer(datum: Option<&Datum>) -> i64 {
    match elements(datum).first() {
        Some(Atom::Integer(number)) => *number,
        _ => 0,
    }
}

fn mutate(row: &mut Row, column: &str, mutator: Mutator, value: Datum) {
    let before = row.remove(column);
    let after = match (mutator, before, value) {
        (Mutator::Add, before, value) => (integer(before.as_ref()) + integer(Some(&value))).into(),
        (Mutator::Insert, Some(Datum::Map(mut pairs)), Datum::Map(new)) => {
            let fresh: Vec<_> =
                new.into_iter().filter(|(key, _)| !pairs.iter().any(|(there, _)| there == key)).collect();
            pairs.extend(fresh);
            Datum::Map(pairs)
        }
        (Mutator::Insert, _, Datum::Map(new)) => Datum::Map(new),
        (Mutator::Insert, before, new) => {
            let mut atoms = elements(before.as_ref());
            for atom in elements(Some(&new)) {
                if !atoms.contains(&atom) {
                    atoms.push(atom);
                }
            }
            Datum::Set(atoms)
        }
        (Mutator::Delete, Some(Datum::Map(mut pairs)), gone) => {
            let gone = elements(Some(&gone));
            pairs.retain(|(key, _)| !gone.contains(key));
            Datum::Map(pairs)
        }
        (Mutator::Delete, before, gone) => {
            let gone = elements(Some(&gone));
            Datum::Set(elements(before.as_ref()).into_iter().filter(|atom| !gone.contains(atom)).collect())
        }
    };
    row.insert(column.to_owned(), after);
}

fn resolve(datum: &mut Datum, names: &BTreeMap<String, Uuid>) {
    let fix = |atom: &mut Atom| {
        if let Atom::NamedUuid(name) = atom
            && let Some(uuid) = names.get(name)
        {
            *atom = Atom::Uuid(*uuid);
        }
    };
    match datum {
        Datum::Atom(atom) => fix(atom),
        Datum::Set(atoms) => atoms.iter_mut().for_each(fix),
        Datum::Map(_) => {}
    }
}
