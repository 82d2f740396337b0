//! Transactions on a real server: what the builder writes, how it fails, many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use model::TunnelType;
use ovsdb::codec::{Condition, OpResult, Operation, Row};
use ovsdb::{BridgeSpec, Error, Failure, PortSpec, Target, Transaction, txn};
use tokio::task::JoinSet;

use crate::follower::{Follower, options};
use crate::proxy::Proxy;
use crate::server::Server;

fn secure(name: &str) -> BridgeSpec {
    BridgeSpec {
        name: name.into(),
        datapath_type: "netdev".into(),
        fail_mode: Some("secure".into()),
        other_config: BTreeMap::from([("mac-table-size".into(), "50000".into())]),
        protocols: BTreeSet::from(["OpenFlow14".into()]),
    }
}

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> Failure {
    match result {
        Err(Error::Transaction(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_bridges_with_patch_and_tunnel_ports_are_one_transaction() {
    let server = Server::standalone();
    let proxy = Proxy::unix(server.dir(), &server.socket());
    let mut follower = Follower::started(proxy.endpoint()).await;

    let mut transaction = Transaction::new();
    let integration = transaction.ensure_bridge(&follower.replica, &secure("br-int")).unwrap();
    let tunnel = transaction.ensure_bridge(&follower.replica, &secure("br-tun")).unwrap();
    transaction.add_ports(&integration, &[PortSpec::patch("patch-tun", "patch-int")]);
    let [local, remote] = [1, 2].map(|host| IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)));
    let ports = [
        PortSpec::patch("patch-int", "patch-tun"),
        PortSpec::tunnel("vxlan-c0000202", TunnelType::Vxlan, local, remote),
        PortSpec { tag: Some(4095), ..PortSpec::internal("x") },
    ];
    transaction.add_ports(&tunnel, &ports);
    follower.client.commit(transaction).await.unwrap();
    follower.catch_up().await;

    // As others see it.
    assert_eq!(server.vsctl(&["list-br"]), "br-int\nbr-tun");
    assert_eq!(server.vsctl(&["list-ports", "br-tun"]), "patch-int\nvxlan-c0000202\nx");
    assert_eq!(server.vsctl(&["get-fail-mode", "br-tun"]), "secure");
    assert_eq!(
        server.vsctl(&["get", "bridge", "br-int", "datapath_type", "other_config"]),
        "netdev\n{mac-table-size=\"50000\"}"
    );
    assert_eq!(server.vsctl(&["get", "interface", "patch-tun", "type", "options:peer"]), "patch\npatch-int");
    assert_eq!(
        server.vsctl(&["get", "interface", "vxlan-c0000202", "type", "options"]),
        "vxlan\n{df_default=\"true\", in_key=flow, local_ip=\"192.0.2.1\", out_key=flow, remote_ip=\"192.0.2.2\"}"
    );
    assert_eq!(server.vsctl(&["get", "port", "x", "tag"]), "4095");

    // The same again writes nothing; not a byte leaves.
    let sent = proxy.last().requests("transact");
    let mut again = Transaction::new();
    again.ensure_bridge(&follower.replica, &secure("br-int")).unwrap();
    let bridge = again.ensure_bridge(&follower.replica, &secure("br-tun")).unwrap();
    assert!(again.is_empty());
    follower.client.commit(again).await.unwrap();
    assert_eq!(proxy.last().requests("transact"), sent);

    // A strange hand; one difference each is one operation each.
    server.vsctl(&["set-fail-mode", "br-tun", "standalone", "--", "set-controller", "br-tun", "tcp:127.0.0.1:6633"]);
    server.vsctl(&["set", "bridge", "br-tun", "other_config:mac-table-size=7", "other_config:theirs=1"]);
    server.vsctl(&["set", "bridge", "br-tun", "protocols=OpenFlow10"]);
    follower.catch_up().await;
    let Target::Row(bridge) = bridge else { panic!("{bridge:?}") };
    let ports: BTreeMap<_, _> =
        follower.replica.ports_of(bridge).map(|(uuid, port)| (port.name.clone(), uuid)).collect();
    let mut repair = Transaction::new();
    repair.ensure_bridge(&follower.replica, &secure("br-tun")).unwrap();
    repair.clear_controller(&follower.replica, bridge);
    repair.set_tag(&follower.replica, ports["x"], Some(3));
    repair.set_port_config(&follower.replica, ports["x"], [("tag", Some("3")), ("net_uuid", Some("n"))]);
    repair.delete_ports(bridge, [ports["vxlan-c0000202"]]);
    follower.client.commit(repair).await.unwrap();
    assert_eq!(proxy.last().requests("transact"), sent + 2, "the repair and one to catch up");
    assert_eq!(server.vsctl(&["get-fail-mode", "br-tun"]), "secure");
    assert_eq!(server.vsctl(&["get-controller", "br-tun"]), "");
    let mut replaced = Transaction::new();
    replaced.replace_controllers(bridge, "unix:nowhere");
    follower.client.commit(replaced).await.unwrap();
    assert_eq!(server.vsctl(&["get-controller", "br-tun"]), "unix:nowhere");
    assert_eq!(
        server.vsctl(&["get", "bridge", "br-tun", "other_config", "protocols"]),
        "{mac-table-size=\"50000\", theirs=\"1\"}\n[OpenFlow10, OpenFlow14]"
    );
    assert_eq!(server.vsctl(&["get", "port", "x", "tag", "other_config"]), "3\n{net_uuid=n, tag=\"3\"}");
    assert_eq!(server.vsctl(&["list-ports", "br-tun"]), "patch-int\nx");
    assert_eq!(server.vsctl(&["--columns=name", "find", "interface", "type=vxlan"]), "", "went with its port");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_name_the_operation_and_leave_nothing_behind() {
    let server = Server::standalone();
    server.vsctl(&["add-br", "br0", "--", "add-port", "br0", "p0", "tag=3"]);
    let mut follower = Follower::started(server.endpoint()).await;
    let (bridge, _) = follower.replica.bridge_by_name("br0").unwrap();
    let (port, _) = follower.replica.ports_of(bridge).find(|(_, port)| port.name == "p0").unwrap();

    // A name that is taken.
    let mut transaction = Transaction::new();
    transaction.add_ports(&bridge.into(), &[PortSpec::internal("p1"), PortSpec::internal("p0")]);
    let failure = refusal(follower.client.commit(transaction).await);
    assert!(failure.is_constraint_violation(), "{failure}");
    assert_eq!((failure.index, failure.operation.as_str()), (None, "commit"));

    // A value that the schema forbids.
    let update = Operation::Update {
        table: "Port".into(),
        conditions: vec![Condition::row(port)],
        row: Row::from([("tag".into(), 5000i64.into())]),
    };
    let failure = refusal(follower.client.transact(vec![Operation::Comment("why".into()), update]).await);
    assert_eq!((failure.index, failure.operation.as_str()), (Some(1), "update of Port"));

    // A decision on what is not so any more.
    server.vsctl(&["set", "port", "p0", "tag=4"]);
    let mut transaction = Transaction::new();
    transaction.guard("Port", port, "tag", 3i64);
    transaction.set_tag(&follower.replica, port, Some(9));
    let failure = refusal(follower.client.commit(transaction).await);
    assert!(failure.is_conflict(), "{failure}");
    assert_eq!(failure.operation, "wait on Port.tag");
    assert_eq!(server.vsctl(&["get", "port", "p0", "tag"]), "4");

    // The positive control, on what is so.
    follower.catch_up().await;
    let mut transaction = Transaction::new();
    transaction.guard("Port", port, "tag", 4i64);
    transaction.set_tag(&follower.replica, port, Some(9));
    follower.client.commit(transaction).await.unwrap();
    assert_eq!(server.vsctl(&["get", "port", "p0", "tag"]), "9");

    // A bridge that went: without the guard the server would say yes and keep nothing.
    server.vsctl(&["del-br", "br0"]);
    let mut transaction = Transaction::new();
    transaction.add_ports(&bridge.into(), &[PortSpec::internal("p2")]);
    let failure = refusal(follower.client.commit(transaction).await);
    assert!(failure.is_conflict(), "{failure}");
    assert_eq!(failure.operation, "wait on Bridge._uuid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operations_give_results_of_their_kind() {
    let server = Server::standalone();
    server.vsctl(&["add-br", "br0"]);
    let follower = Follower::started(server.endpoint()).await;
    let (bridge, _) = follower.replica.bridge_by_name("br0").unwrap();
    let columns = vec!["name".to_owned(), "ports".to_owned()];
    let controller = Row::from([("target".into(), "tcp:192.0.2.9".into())]);
    let results = follower
        .client
        .transact(vec![
            Operation::Insert { table: "Controller".into(), row: controller, name: None },
            Operation::Select { table: "Bridge".into(), conditions: vec![Condition::equals("name", "br0")], columns },
            Operation::Delete { table: "Bridge".into(), conditions: vec![Condition::equals("name", "none")] },
            Operation::Comment("why".into()),
        ])
        .await
        .unwrap();
    let [OpResult::Inserted(_), OpResult::Rows(rows), OpResult::Count(0), OpResult::Done] = results.as_slice() else {
        panic!("{results:?}")
    };
    let own_port = follower.replica.bridges()[&bridge].ports.first().copied().unwrap();
    assert_eq!(rows.as_slice(), [Row::from([("name".into(), "br0".into()), ("ports".into(), own_port.into())])]);
}

/// Over TCP, and with a proxy that would show if requests were sent one by one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_transactions_are_under_way_at_once() {
    const MANY: usize = 300;
    let server = Server::standalone();
    server.vsctl(&["add-br", "br0"]);
    let proxy = Proxy::tcp(&server.socket()).await;
    let mut follower = Follower::started(proxy.endpoint()).await;
    let (bridge, _) = follower.replica.bridge_by_name("br0").unwrap();

    // A server that stands still cannot answer, so what arrives meanwhile was sent without waiting for answers.
    server.signal("-STOP");
    let mut calls = JoinSet::new();
    for number in 0..MANY {
        let client = follower.client.clone();
        let mut transaction = Transaction::new();
        transaction.add_ports(&bridge.into(), &[PortSpec::patch(&format!("p{number}"), "none")]);
        calls.spawn(async move { client.commit(transaction).await });
    }
    let in_flight = options().in_flight;
    let record = proxy.last();
    follower.until_seen("all that may be in flight", || record.requests("transact") >= in_flight).await;
    assert_eq!(record.requests("transact"), in_flight, "the bound holds");
    server.signal("-CONT");
    while let Some(result) = calls.join_next().await {
        result.unwrap().unwrap();
    }
    follower.catch_up().await;
    assert_eq!(follower.replica.ports_of(bridge).count(), MANY + 1);
    assert_eq!(server.vsctl(&["list-ports", "br0"]).lines().count(), MANY);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cur_cfg_tells_when_vswitchd_has_applied_a_write() {
    let mut server = Server::standalone();
    let mut follower = Follower::started(server.endpoint()).await;
    let mut transaction = Transaction::new();
    let bridge =
        transaction.ensure_bridge(&follower.replica, &BridgeSpec { name: "br0".into(), ..BridgeSpec::default() });
    transaction.add_ports(&bridge.unwrap(), &[PortSpec::patch("p0", "none"), PortSpec::internal("p1")]);
    transaction.next_cfg();
    let next_cfg = txn::next_cfg_of(&follower.client.commit(transaction).await.unwrap()).unwrap();
    follower.catch_up().await;
    assert!(!follower.replica.is_applied(next_cfg), "nobody has applied anything yet");

    server.start_vswitchd();
    follower.until("ovs-vswitchd", |follower| follower.replica.is_applied(next_cfg)).await;
    let port = |name| follower.replica.interfaces().values().find(|interface| interface.name == name).unwrap();
    assert!(port("p1").ofport.is_some_and(|number| number > 0), "{:?}", port("p1"));
}
