use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn update(complete: bool, tables: &Value) -> Update {
    Update { complete, tables: TableUpdates::from_json(tables).unwrap() }
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn reference(number: u128) -> Value {
    json!(["uuid", id(number)])
}

/// `br0` (1) with port `p` (2) of interface `p` (3).
fn small() -> Value {
    json!({
        "Open_vSwitch": {id(9).to_string(): {"initial": {"bridges": reference(1), "cur_cfg": 4}}},
        "Bridge": {id(1).to_string(): {"initial": {"name": "br0", "ports": reference(2)}}},
        "Port": {id(2).to_string(): {"initial": {"name": "p", "interfaces": reference(3), "tag": 5}}},
        "Interface": {id(3).to_string(): {"initial": {"name": "p", "type": "internal", "ofport": 1}}},
    })
}

#[test]
fn finds_its_way_between_rows() {
    let mut replica = Replica::new();
    assert_eq!(replica.apply(&update(true, &small())).unwrap().len(), 4);
    let (bridge, _) = replica.bridge_by_name("br0").unwrap();
    let (port, row) = replica.ports_of(bridge).next().unwrap();
    assert_eq!((port, row.tag), (id(2), Some(5)));
    let (interface, row) = replica.interfaces_of(port).next().unwrap();
    assert_eq!((interface, row.interface_type.as_str(), row.ofport), (id(3), "internal", Some(1)));
    assert_eq!(replica.port_of_interface(interface).unwrap().0, port);
    assert_eq!(replica.bridge_of_interface(interface).unwrap().0, bridge);
    assert_eq!((replica.is_applied(4), replica.is_applied(5)), (true, false));
    assert_eq!(replica.bridge_by_name("br1"), None);
}

#[test]
fn reports_only_what_is_different() {
    let mut replica = Replica::new();
    replica.apply(&update(true, &small())).unwrap();
    assert_eq!(replica.apply(&update(true, &small())).unwrap(), [], "everything again");

    let mut other = small();
    other["Port"][id(2).to_string()]["initial"]["tag"] = json!(6);
    other.as_object_mut().unwrap().remove("Interface");
    let changes = replica.apply(&update(true, &other)).unwrap();
    let [Change::Port(port), Change::Interface(interface)] = changes.as_slice() else { panic!("{changes:?}") };
    assert_eq!(port.kind.old().unwrap().tag, Some(5));
    assert!(matches!(&interface.kind, Kind::Deleted { old } if old.name == "p"));
}

#[test]
fn a_refused_update_changes_nothing() {
    let mut replica = Replica::new();
    replica.apply(&update(true, &small())).unwrap();
    let before = replica.clone();
    let port = |row_update: Value| json!({"Bridge": {id(7).to_string(): {"insert": {"name": "br7"}}}, "Port": {id(2).to_string(): row_update}});
    let wrong_type = replica.apply(&update(false, &port(json!({"modify": {"tag": "five"}})))).unwrap_err();
    assert_eq!(wrong_type.to_string(), "column Port.tag holds a value of the wrong type: \"five\"");
    for unknown in [json!({"modify": {"tag": 1}}), json!({"delete": null})] {
        let unknown = update(false, &json!({"Port": {id(77).to_string(): unknown}}));
        assert!(matches!(replica.apply(&unknown), Err(Error::UnknownRow { uuid, .. }) if uuid == id(77)));
    }
    assert_eq!(replica, before);
    assert_eq!(replica.apply(&update(false, &port(json!({"modify": {"tag": 6}})))).unwrap().len(), 2);
}

#[test]
fn tables_and_columns_of_others_are_passed_over() {
    let mut replica = Replica::new();
    let others = json!({
        "QoS": {id(1).to_string(): {"initial": {"type": "x"}}},
        "Port": {id(2).to_string(): {"initial": {"name": "p", "lacp": "active"}}},
    });
    assert_eq!(replica.apply(&update(true, &others)).unwrap().len(), 1);
}

/// The database as the naive model has it.
#[derive(Debug, Clone, Default, PartialEq)]
struct Database {
    bridges: Rows<Bridge>,
    ports: Rows<Port>,
}

fn uuids() -> impl Strategy<Value = Uuid> {
    (1u128..7).prop_map(id)
}

fn bridge() -> impl Strategy<Value = Bridge> {
    prop::option::of("secure|standalone").prop_map(|fail_mode| Bridge { fail_mode, ..Bridge::default() })
}

fn port() -> impl Strategy<Value = Port> {
    let config = prop::collection::btree_map("[a-c]", "[xy]", 0..4);
    (prop::option::of(0i64..3), prop::collection::btree_set(0i64..4, 0..4), config)
        .prop_map(|(tag, trunks, other_config)| Port { tag, trunks, other_config, ..Port::default() })
}

/// Rows, and who refers to whom: a port is on one bridge at most, an interface on one port, as in a real database.
fn database() -> impl Strategy<Value = Database> {
    let bridges = prop::collection::btree_map(uuids(), bridge(), 0..4);
    let ports = prop::collection::btree_map(uuids(), port(), 0..4);
    let owners = || prop::collection::btree_map(uuids(), uuids(), 0..6);
    (bridges, ports, owners(), owners()).prop_map(|(mut bridges, mut ports, bridge_of, port_of)| {
        for (port, bridge) in bridge_of {
            bridges.entry(bridge).and_modify(|row| {
                row.ports.insert(port);
            });
        }
        for (interface, port) in port_of {
            ports.entry(port).and_modify(|row| {
                row.interfaces.insert(interface);
            });
        }
        Database { bridges, ports }
    })
}

/// Differences by the words of ovsdb-server(7) section 4.1.14, for the columns that the model varies.
fn set_difference<T: Ord + Clone>(old: &BTreeSet<T>, new: &BTreeSet<T>, json: impl Fn(&T) -> Value) -> Option<Value> {
    let elements: Vec<_> = old.symmetric_difference(new).map(json).collect();
    (!elements.is_empty()).then(|| json!(["set", elements]))
}

fn map_difference(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Option<Value> {
    let went = old.iter().filter(|(key, _)| !new.contains_key(*key));
    let came = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let pairs: Vec<_> = went.chain(came).collect();
    (!pairs.is_empty()).then(|| json!(["map", pairs]))
}

fn one_difference<T: PartialEq + Into<Value> + Clone>(old: Option<&T>, new: Option<&T>) -> Option<Value> {
    (old != new).then(|| new.cloned().map_or(json!(["set", []]), Into::into))
}

fn bridge_difference(old: &Bridge, new: &Bridge) -> Value {
    let columns = [
        ("ports", set_difference(&old.ports, &new.ports, |uuid| json!(["uuid", uuid]))),
        ("fail_mode", one_difference(old.fail_mode.as_ref(), new.fail_mode.as_ref())),
    ];
    columns.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn port_difference(old: &Port, new: &Port) -> Value {
    let columns = [
        ("tag", one_difference(old.tag.as_ref(), new.tag.as_ref())),
        ("trunks", set_difference(&old.trunks, &new.trunks, |tag| json!(tag))),
        ("other_config", map_difference(&old.other_config, &new.other_config)),
        ("interfaces", set_difference(&old.interfaces, &new.interfaces, |uuid| json!(["uuid", uuid]))),
    ];
    columns.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn table_updates<T: Default + PartialEq>(old: &Rows<T>, new: &Rows<T>, difference: fn(&T, &T) -> Value) -> Value {
    let keys: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let updates = keys.into_iter().filter(|uuid| old.get(uuid) != new.get(uuid)).map(|uuid| {
        let update = match (old.get(uuid), new.get(uuid)) {
            (Some(old), Some(new)) => json!({"modify": difference(old, new)}),
            (_, Some(new)) => json!({"insert": difference(&T::default(), new)}),
            _ => json!({"delete": null}),
        };
        (uuid.to_string(), update)
    });
    updates.collect()
}

/// Rows that are different, with how they were.
fn expected<T: Clone + PartialEq>(old: &Rows<T>, new: &Rows<T>) -> BTreeMap<Uuid, Option<T>> {
    let keys = old.keys().chain(new.keys()).filter(|uuid| old.get(uuid) != new.get(uuid));
    keys.map(|uuid| (*uuid, old.get(uuid).cloned())).collect()
}

proptest! {
    /// However it got there, by differences or by complete copies, the replica is what the database is, and reports
    /// exactly what became different.
    #[test]
    fn equals_a_naive_model(steps in prop::collection::vec((database(), any::<bool>()), 1..12)) {
        let mut replica = Replica::new();
        let mut old = Database::default();
        for (new, complete) in steps {
            let from = if complete { Database::default() } else { old.clone() };
            let tables = json!({
                "Bridge": table_updates(&from.bridges, &new.bridges, bridge_difference),
                "Port": table_updates(&from.ports, &new.ports, port_difference),
            });
            let changes = replica.apply(&update(complete, &tables)).unwrap();

            prop_assert_eq!(&replica.bridges, &new.bridges);
            prop_assert_eq!(&replica.ports, &new.ports);
            let (mut bridges, mut ports) = (BTreeMap::new(), BTreeMap::new());
            for change in changes {
                match change {
                    Change::Bridge(edit) => { bridges.insert(edit.uuid, edit.kind.old().cloned()); }
                    Change::Port(edit) => { ports.insert(edit.uuid, edit.kind.old().cloned()); }
                    other => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert_eq!(bridges, expected(&old.bridges, &new.bridges));
            prop_assert_eq!(ports, expected(&old.ports, &new.ports));

            let bridge_of = new.bridges.iter().flat_map(|(owner, row)| row.ports.iter().map(|port| (*port, *owner)));
            prop_assert_eq!(&replica.bridge_of, &bridge_of.collect::<BTreeMap<_, _>>());
            let port_of = new.ports.iter().flat_map(|(owner, row)| row.interfaces.iter().map(|port| (*port, *owner)));
            prop_assert_eq!(&replica.port_of, &port_of.collect::<BTreeMap<_, _>>());
            old = new;
        }
    }
}
