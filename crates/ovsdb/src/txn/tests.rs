use serde_json::{Value, json};

use super::*;
use crate::Update;
use crate::codec::TableUpdates;

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn replica() -> Replica {
    let tables = json!({
        "Open_vSwitch": {id(9).to_string(): {"initial": {"bridges": ["uuid", id(1)]}}},
        "Bridge": {id(1).to_string(): {"initial": {
            "name": "br0", "ports": ["uuid", id(2)], "fail_mode": "standalone", "controller": ["uuid", id(4)],
            "protocols": "OpenFlow10", "other_config": ["map", [["a", "1"], ["b", "2"]]]}}},
        "Port": {id(2).to_string(): {"initial": {
            "name": "p", "tag": 5, "interfaces": ["uuid", id(3)], "other_config": ["map", [["a", "1"], ["b", "2"]]]}}},
        "Interface": {id(3).to_string(): {"initial": {"name": "p"}}},
    });
    let mut replica = Replica::new();
    replica.apply(&Update { complete: true, tables: TableUpdates::from_json(&tables).unwrap() }).unwrap();
    replica
}

fn json_of(transaction: &Transaction) -> Value {
    transaction.operations.iter().map(Operation::to_json).collect()
}

fn wanted_bridge() -> BridgeSpec {
    BridgeSpec {
        name: "br0".into(),
        fail_mode: Some("secure".into()),
        other_config: BTreeMap::from([("a".into(), "1".into()), ("b".into(), "3".into())]),
        protocols: BTreeSet::from(["OpenFlow10".into(), "OpenFlow14".into()]),
        ..BridgeSpec::default()
    }
}

#[test]
fn a_bridge_is_brought_to_its_settings_by_the_differences_alone() {
    let mut transaction = Transaction::new();
    assert_eq!(transaction.ensure_bridge(&replica(), &wanted_bridge()).unwrap(), Target::Row(id(1)));
    let row = json!([["_uuid", "==", ["uuid", id(1)]]]);
    assert_eq!(
        json_of(&transaction),
        json!([
            {"op": "update", "table": "Bridge", "where": row, "row": {"fail_mode": "secure"}},
            {"op": "mutate", "table": "Bridge", "where": row, "mutations": [
                ["other_config", "delete", ["set", ["b"]]], ["other_config", "insert", ["map", [["b", "3"]]]]]},
            {"op": "mutate", "table": "Bridge", "where": row,
             "mutations": [["protocols", "insert", ["set", ["OpenFlow14"]]]]},
        ])
    );
}

#[test]
fn what_is_so_already_is_not_written() {
    let (replica, mut transaction) = (replica(), Transaction::new());
    let same = BridgeSpec {
        fail_mode: None,
        other_config: BTreeMap::from([("a".into(), "1".into())]),
        protocols: BTreeSet::new(),
        ..wanted_bridge()
    };
    transaction.ensure_bridge(&replica, &same).unwrap();
    transaction.set_tag(&replica, id(2), Some(5));
    transaction.set_port_config(&replica, id(2), [("a", Some("1")), ("c", None)]);
    transaction.set_interface_options(&replica, id(3), [("peer", None)]);
    transaction.add_ports(&Target::Row(id(1)), []);
    transaction.delete_ports(id(1), []);
    assert_eq!(json_of(&transaction), json!([]));

    transaction.set_tag(&replica, id(2), None);
    transaction.set_port_config(&replica, id(2), [("a", None)]);
    transaction.clear_controller(&replica, id(1));
    let port = json!([["_uuid", "==", ["uuid", id(2)]]]);
    assert_eq!(
        json_of(&transaction),
        json!([
            {"op": "update", "table": "Port", "where": port, "row": {"tag": ["set", []]}},
            {"op": "mutate", "table": "Port", "where": port, "mutations": [["other_config", "delete", ["set", ["a"]]]]},
            {"op": "update", "table": "Bridge", "where": [["_uuid", "==", ["uuid", id(1)]]],
             "row": {"controller": ["set", []]}},
        ])
    );
}

#[test]
fn a_bridge_needs_a_root_to_hang_from() {
    let refused = Transaction::new().ensure_bridge(&Replica::new(), &wanted_bridge());
    assert!(matches!(refused, Err(Error::NotInitialised)));
}

#[test]
fn ports_of_one_call_are_one_change_of_the_bridge_behind_one_guard() {
    let mut transaction = Transaction::new();
    transaction.add_ports(&Target::Row(id(1)), &[PortSpec::patch("a", "b"), PortSpec::internal("c")]);
    let written = json_of(&transaction);
    let kinds: Vec<_> = written.as_array().unwrap().iter().map(|operation| operation["op"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["wait", "insert", "insert", "insert", "insert", "mutate"]);
    assert_eq!(
        written[5]["mutations"],
        json!([["ports", "insert", ["set", [["named-uuid", "row1"], ["named-uuid", "row3"]]]]])
    );
}
