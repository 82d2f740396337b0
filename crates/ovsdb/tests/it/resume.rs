//! What a new connection costs, counted on the wire, and what the consumer hears of it.

use ovsdb::{Change, Kind};

use crate::follower::Follower;
use crate::proxy::Proxy;
use crate::server::Server;

const PORTS: usize = 40;

/// A server with a bridge of many ports. A clustered one keeps the history of its last 100 transactions, and of no more data
/// than the database itself holds: so what filled it is soon cut from the history, and small changes must follow.
fn filled(server: Server) -> Server {
    let mut args = vec!["add-br".to_owned(), "br0".to_owned()];
    for number in 0..PORTS {
        args.extend(["--", "add-port", "br0"].map(str::to_owned));
        args.extend([format!("p{number}"), "--".into(), "set".into(), "interface".into(), format!("p{number}")]);
        args.push(format!("external_ids:iface-id=port-{number}"));
    }
    server.vsctl(&args.iter().map(String::as_str).collect::<Vec<_>>());
    server.vsctl(&["set", "port", "p1", "tag=1"]);
    server.vsctl(&["set", "port", "p1", "tag=2"]);
    server
}

/// The root, the bridge with its own port, and the others: each port with its interface.
const ALL_ROWS: usize = 2 + 2 * (PORTS + 1);

/// The one change that was made while the client was away, and no other.
fn assert_only_tag_changed(follower: &mut Follower, port: &str, tag: i64) {
    let changes = follower.take_changes();
    let [Change::Port(edit)] = changes.as_slice() else { panic!("{changes:?}") };
    assert!(matches!(edit.kind, Kind::Modified { .. }));
    let row = &follower.replica.ports()[&edit.uuid];
    assert_eq!((row.name.as_str(), row.tag), (port, Some(tag)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clustered_database_resumes_with_the_differences() {
    let mut server = filled(Server::clustered());
    let proxy = Proxy::unix(server.dir(), &server.socket());
    let mut follower = Follower::started(proxy.endpoint()).await;
    assert_eq!(proxy.last().rows(), ALL_ROWS);
    // A monitor's first reply carries an id already, so nothing needs to happen before it can be resumed.
    follower.take_changes();

    // The connection breaks.
    proxy.close();
    server.vsctl(&["set", "port", "p1", "tag=7"]);
    proxy.reopen();
    follower.reconnected().await;
    assert_eq!(follower.connected, [false, true]);
    assert_eq!(proxy.last().rows(), 1);
    assert_only_tag_changed(&mut follower, "p1", 7);

    // The server is killed: its log has the history.
    server.kill();
    server.start();
    follower.reconnected().await;
    assert_eq!(follower.connected, [false, true, true]);
    assert_eq!(proxy.last().rows(), 0);
    assert_eq!(follower.take_changes(), []);

    // The history is cut at 100 transactions: the id is not known any more, and everything is sent.
    proxy.close();
    for tag in 0..101 {
        server.vsctl(&["set", "port", "p1", &format!("tag={}", 100 + tag)]);
    }
    proxy.reopen();
    follower.reconnected().await;
    assert_eq!(follower.connected, [false, true, true, false]);
    assert_eq!(proxy.last().rows(), ALL_ROWS);
    assert_only_tag_changed(&mut follower, "p1", 200);
}

/// A standalone database (which is what a host's is) has no transaction ids in OVS 3.1: `found` is false and everything is
/// sent even if only the connection broke. The consumer hears of the differences alone all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn standalone_database_sends_all_and_only_differences_are_reported() {
    let mut server = filled(Server::standalone());
    let proxy = Proxy::unix(server.dir(), &server.socket());
    let mut follower = Follower::started(proxy.endpoint()).await;
    assert_eq!(follower.take_changes().len(), ALL_ROWS - 1);

    proxy.close();
    server.vsctl(&["set", "port", "p1", "tag=7"]);
    proxy.reopen();
    follower.reconnected().await;
    assert_eq!(proxy.last().rows(), ALL_ROWS);
    assert_only_tag_changed(&mut follower, "p1", 7);

    server.kill();
    server.start();
    follower.reconnected().await;
    assert_eq!(proxy.last().rows(), ALL_ROWS);
    assert_eq!(follower.take_changes(), []);
    assert_eq!(follower.connected, [false, false, false]);

    // What went while nobody looked is reported as gone: the port and its interface, and the bridge without them.
    proxy.close();
    server.vsctl(&["del-port", "p3"]);
    proxy.reopen();
    follower.reconnected().await;
    let gone = follower.take_changes();
    let deleted = gone.iter().filter(|change| match change {
        Change::Port(edit) => matches!(&edit.kind, Kind::Deleted { old } if old.name == "p3"),
        Change::Interface(edit) => {
            matches!(&edit.kind, Kind::Deleted { old } if old.external_ids["iface-id"] == "port-3")
        }
        _ => false,
    });
    assert_eq!((gone.len(), deleted.count()), (3, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refetch_brings_everything_once_more() {
    let server = filled(Server::clustered());
    let proxy = Proxy::unix(server.dir(), &server.socket());
    let mut follower = Follower::started(proxy.endpoint()).await;
    follower.take_changes();
    follower.client.refetch().await;
    follower.reconnected().await;
    assert_eq!((follower.connected.as_slice(), proxy.last().rows()), ([false, false].as_slice(), ALL_ROWS));
    assert_eq!(follower.take_changes(), []);
    assert!(matches!(follower.errors.as_slice(), [ovsdb::Error::Refetch]));
}

/// An upgrade of Open vSwitch converts the database under us, or takes columns away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_converted_schema_is_followed() {
    let server = filled(Server::standalone());
    server.vsctl(&["set", "bridge", "br0", "mcast_snooping_enable=true", "fail_mode=secure"]);
    let mut follower = Follower::started(server.endpoint()).await;
    follower.take_changes();
    server.reduced_schema(&[("Bridge", "mcast_snooping_enable"), ("Interface", "ifindex")]);
    server.client(&["convert", "unix:db.sock", "reduced.ovsschema"]);
    follower.reconnected().await;
    assert!(matches!(follower.errors.as_slice(), [ovsdb::Error::MonitorCanceled]), "{:?}", follower.errors);
    let (uuid, bridge) = follower.replica.bridge_by_name("br0").unwrap();
    assert_eq!((bridge.mcast_snooping_enable, bridge.fail_mode.as_deref()), (false, Some("secure")));
    let changes = follower.take_changes();
    assert_eq!(changes.iter().map(Change::uuid).collect::<Vec<_>>(), [uuid]);
}
