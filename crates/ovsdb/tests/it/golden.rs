//! The replica is what `ovsdb-client dump` shows, after any workload by `ovs-vsctl`.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb::Replica;
use serde_json::{Map, Value, json};

use crate::follower::Follower;
use crate::proxy::Proxy;
use crate::server::Server;

/// Table, row, column, value.
type Dump = BTreeMap<String, BTreeMap<String, BTreeMap<String, Value>>>;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_equals_dump_of_a_standalone_database() {
    replica_equals_dump(Server::standalone(), 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replica_equals_dump_of_a_clustered_database() {
    replica_equals_dump(Server::clustered(), 2).await;
}

async fn replica_equals_dump(server: Server, seed: u64) {
    let proxy = Proxy::unix(server.dir(), &server.socket());
    let mut follower = Follower::started(proxy.endpoint()).await;
    let mut workload = Workload { state: seed };
    let mut most_rows = 0;
    for _ in 0..8 {
        for _ in 0..12 {
            workload.step(&server);
        }
        follower.catch_up().await;
        let dumped = dump(&server, &follower.replica);
        assert_eq!(canonical(&follower.replica), dumped);
        most_rows = most_rows.max(dumped.values().map(BTreeMap::len).sum());
        // Every round begins with changes that it did not see happen.
        proxy.close();
        workload.step(&server);
        workload.step(&server);
        proxy.reopen();
        follower.reconnected().await;
    }
    assert!(most_rows > 15, "the workload made next to nothing: {most_rows} rows");
}

/// Random commands; a command that does not fit what is there goes by without effect (`--if-exists`, `--may-exist`).
struct Workload {
    state: u64,
}

impl Workload {
    fn random(&mut self, below: u64) -> u64 {
        // Knuth's MMIX generator; its high bits are the good ones.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) % below
    }

    fn step(&mut self, server: &Server) {
        let bridge = format!("br{}", self.random(3));
        let port = format!("{bridge}-p{}", self.random(5));
        let number = self.random(4).to_string();
        let key = ["a", "b", "c"][usize::try_from(self.random(3)).unwrap()];
        let setting = format!("other_config:{key}={number}");
        let id = format!("external_ids:iface-id={number}");
        let trunks = format!("trunks={},{}", number, self.random(4) + 4);
        let tag = format!("tag={number}");
        let target = format!("tcp:127.0.0.1:{}", 1000 + self.random(3));
        let args: Vec<&str> = match self.random(16) {
            0 => vec!["--if-exists", "del-br", &bridge],
            1 => vec!["--if-exists", "del-port", &port],
            2 => vec!["--if-exists", "set", "port", &port, &tag],
            3 => vec!["--if-exists", "clear", "port", &port, "tag", "trunks"],
            4 => vec!["--if-exists", "set", "port", &port, &setting],
            5 => vec!["--if-exists", "remove", "port", &port, "other_config", key],
            6 => vec!["--if-exists", "set", "port", &port, &trunks, "vlan_mode=trunk"],
            7 => vec!["--if-exists", "set", "interface", &port, &id, "type=vxlan", "options:remote_ip=192.0.2.1"],
            8 => vec!["--if-exists", "clear", "interface", &port, "options", "external_ids"],
            9 => vec!["--may-exist", "add-br", &bridge, "--", "set-fail-mode", &bridge, "secure"],
            10 => vec!["--may-exist", "add-br", &bridge, "--", "set-controller", &bridge, &target],
            11 => {
                vec!["--may-exist", "add-br", &bridge, "--", "del-controller", &bridge, "--", "del-fail-mode", &bridge]
            }
            12 => vec!["--if-exists", "set", "bridge", &bridge, "protocols=OpenFlow13,OpenFlow14", &setting],
            _ => vec!["--may-exist", "add-br", &bridge, "--", "--may-exist", "add-port", &bridge, &port, &tag],
        };
        server.vsctl(&args);
    }
}

/// The server's tables as `ovsdb-client` prints them, cut down to the columns that the replica has.
fn dump(server: &Server, like: &Replica) -> Dump {
    let columns: BTreeMap<_, BTreeSet<_>> =
        COLUMNS.iter().map(|(table, columns)| (*table, columns.iter().copied().collect())).collect();
    let mut dump: Dump = canonical(like).into_keys().map(|table| (table, BTreeMap::new())).collect();
    for line in server.client(&["-f", "json", "dump", "unix:db.sock", "Open_vSwitch"]).lines() {
        let table: Value = serde_json::from_str(line).unwrap();
        let name = table["caption"].as_str().unwrap().trim_end_matches(" table").to_owned();
        let Some(columns) = columns.get(name.as_str()) else { continue };
        let headings: Vec<_> =
            table["headings"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        for cells in table["data"].as_array().unwrap() {
            let cells: BTreeMap<_, _> = headings.iter().copied().zip(cells.as_array().unwrap()).collect();
            let uuid = cells["_uuid"][1].as_str().unwrap().to_owned();
            let row = columns.iter().map(|column| ((*column).to_owned(), plain(cells[column]))).collect();
            dump.entry(name.clone()).or_default().insert(uuid, row);
        }
    }
    dump
}

/// A value without its notation: a list of what it holds, or an object for a map.
fn plain(value: &Value) -> Value {
    match value.as_array().map(Vec::as_slice) {
        Some([tag, Value::Array(elements)]) if tag == "set" => sorted(elements.iter().map(plain_atom)),
        Some([tag, Value::Array(pairs)]) if tag == "map" => pairs
            .iter()
            .map(|pair| (pair[0].as_str().unwrap().to_owned(), pair[1].clone()))
            .collect::<Map<_, _>>()
            .into(),
        _ => json!([plain_atom(value)]),
    }
}

fn plain_atom(atom: &Value) -> Value {
    if atom[0] == "uuid" { atom[1].clone() } else { atom.clone() }
}

fn sorted(elements: impl Iterator<Item = Value>) -> Value {
    let mut elements: Vec<_> = elements.collect();
    elements.sort_by_key(Value::to_string);
    elements.into()
}

macro_rules! tables {
    ($($table:literal from $rows:ident: { $($column:literal = $field:ident as $shape:ident),* $(,)? })*) => {
        const COLUMNS: &[(&str, &[&str])] = &[$(($table, &[$($column),*])),*];

        fn canonical(replica: &Replica) -> Dump {
            BTreeMap::from([$((
                $table.to_owned(),
                $rows(replica)
                    .map(|(uuid, row)| {
                        (uuid.to_string(), BTreeMap::from([$(($column.to_owned(), $shape(&row.$field))),*]))
                    })
                    .collect(),
            )),*])
        }
    };
}

tables! {
    "Open_vSwitch" from roots: {
        "ovs_version" = ovs_version as optional, "next_cfg" = next_cfg as one, "cur_cfg" = cur_cfg as one,
        "bridges" = bridges as set, "external_ids" = external_ids as map,
        "datapath_types" = datapath_types as set, "iface_types" = iface_types as set,
    }
    "Bridge" from bridges: {
        "name" = name as one, "ports" = ports as set, "fail_mode" = fail_mode as optional,
        "datapath_type" = datapath_type as one, "datapath_id" = datapath_id as optional, "controller" = controller as set,
        "other_config" = other_config as map, "external_ids" = external_ids as map, "protocols" = protocols as set,
        "mcast_snooping_enable" = mcast_snooping_enable as one,
    }
    "Port" from ports: {
        "name" = name as one, "interfaces" = interfaces as set, "tag" = tag as optional, "vlan_mode" = vlan_mode as optional,
        "trunks" = trunks as set, "other_config" = other_config as map, "external_ids" = external_ids as map,
    }
    "Interface" from interfaces: {
        "name" = name as one, "type" = interface_type as one, "ofport" = ofport as optional, "error" = error as optional,
        "options" = options as map, "external_ids" = external_ids as map, "admin_state" = admin_state as optional,
        "link_state" = link_state as optional, "mac_in_use" = mac_in_use as optional, "other_config" = other_config as map,
        "ifindex" = ifindex as optional,
    }
    "Controller" from controllers: { "target" = target as one, "is_connected" = is_connected as one }
}

fn roots(replica: &Replica) -> impl Iterator<Item = (uuid::Uuid, &ovsdb::OpenVSwitch)> {
    replica.root().into_iter()
}

fn bridges(replica: &Replica) -> std::collections::btree_map::Iter<'_, uuid::Uuid, ovsdb::Bridge> {
    replica.bridges().iter()
}

fn ports(replica: &Replica) -> std::collections::btree_map::Iter<'_, uuid::Uuid, ovsdb::Port> {
    replica.ports().iter()
}

fn interfaces(replica: &Replica) -> std::collections::btree_map::Iter<'_, uuid::Uuid, ovsdb::Interface> {
    replica.interfaces().iter()
}

fn controllers(replica: &Replica) -> std::collections::btree_map::Iter<'_, uuid::Uuid, ovsdb::Controller> {
    replica.controllers().iter()
}

fn one(value: &(impl Clone + Into<Value>)) -> Value {
    json!([value.clone().into()])
}

#[allow(clippy::ref_option, reason = "called with a reference to a field, as its like are")]
fn optional(value: &Option<impl Clone + Into<Value>>) -> Value {
    sorted(value.iter().map(|value| value.clone().into()))
}

fn set(elements: &BTreeSet<impl serde::Serialize>) -> Value {
    sorted(elements.iter().map(|element| json!(element)))
}

fn map(pairs: &BTreeMap<String, String>) -> Value {
    json!(pairs)
}
