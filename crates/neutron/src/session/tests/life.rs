//! What ports and networks go through while all is well.

use std::collections::BTreeMap;

use model::{Generation, TunnelType};
use serde_json::json;
use sync::messages::{Order, ToServer};

use super::played::{FAR, NETWORK, OWN, Played, Port, THIRD, endpoint, identity, ip, mac, port, port_id};
use crate::{Ask, Identity, Stamp};

fn up(n: &[u8], refresh: bool) -> Ask {
    Ask::Devices { up: n.iter().map(|n| port_id(*n)).collect(), down: Vec::new(), refresh }
}

fn down(n: u8) -> Ask {
    Ask::Devices { up: Vec::new(), down: vec![port_id(n)], refresh: false }
}

#[test]
fn a_plugged_port_is_wired_with_all_that_is_elsewhere() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR), port(3, THIRD)]).start(&[1]);
    let wire = played.wire(1).unwrap();
    assert_eq!((wire.mac, &wire.ips[..], wire.generation, wire.prepared), (mac(1), &[ip(1)][..], Generation(1), false));
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2]), (THIRD, vec![3])]));
    assert_eq!(played.complete.as_ref().unwrap().iter().collect::<Vec<_>>(), [&NETWORK]);
    assert_eq!(played.asked_since()[0], Ask::Alive { start: true, devices: 0 });

    played.report(1, true);
    assert_eq!(played.asked_since(), [up(&[1], true)], "the network is new here: all its entries, please");
    played.session.beat();
    played.run();
    assert_eq!(played.asked_since(), [Ask::Alive { start: false, devices: 1 }]);
}

#[test]
fn nothing_plugged_is_complete_too_but_silence_is_not() {
    let played = Played::new(Vec::new()).start(&[]);
    assert!(played.complete.unwrap().is_empty());
    let mut deaf = Played::new(vec![port(1, OWN)]);
    deaf.deaf = |ask| matches!(ask, Ask::Ports(_));
    let deaf = deaf.start(&[1]);
    assert!(deaf.complete.is_none() && deaf.orders.is_empty(), "the server has not said that there is no such port");
}

#[test]
fn what_neutron_does_not_know_is_isolated() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[1, 9]);
    assert!(played.isolated(9).contains("no such port"));
    assert!(played.complete.is_some());
    played.cast("push", &json!({"resource_list": [played.ports[0].primitive()], "event_type": "deleted"}));
    assert!(played.isolated(1).contains("no such port"));
    assert!(!played.entries.contains_key(&NETWORK), "nothing of the network is needed any more");
}

#[test]
fn another_type_of_network_is_not_served() {
    let mut played = Played::new(vec![port(1, OWN)]);
    played.network_type = "vlan";
    let played = played.start(&[1]);
    assert!(played.isolated(1).contains("vlan"));
}

#[test]
fn admin_state_goes_down_and_up() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[1]);
    played.report(1, true);
    played.asked_since();
    played.push(1, |port| (port.admin_up, port.status) = (false, "DOWN"));
    assert!(played.isolated(1).contains("administratively"));
    played.report(1, false);
    assert_eq!(played.asked_since(), [down(1)]);
    played.push(1, |port| port.admin_up = true);
    assert!(played.wire(1).is_some());
    played.report(1, true);
    let asked = played.asked_since();
    assert!(asked.contains(&up(&[1], true)), "{asked:?}");
}

#[test]
fn a_port_that_is_bound_elsewhere_is_isolated_and_one_that_is_to_come_is_prepared() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1, 2]);
    assert!(played.isolated(2).contains(FAR));
    played.push(2, |port| port.prepared_at = Some(OWN));
    let wire = played.wire(2).unwrap();
    assert!(wire.prepared && wire.generation == Generation::ZERO);
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2])]), "until then it is reached there");
    played.push(2, |port| (port.host, port.prepared_at, port.status) = (OWN, None, "DOWN"));
    assert!(!played.wire(2).unwrap().prepared);
    played.push(1, |port| (port.host, port.status) = (FAR, "DOWN"));
    assert!(played.isolated(1).contains(FAR));
}

#[test]
fn a_router_that_is_at_several_hosts_is_wired_wherever_it_is_plugged() {
    let router = Port { owner: "network:ha_router_replicated_interface", ..port(3, FAR) };
    let mut played = Played::new(vec![port(1, OWN), router]).start(&[1, 3]);
    assert!(played.wire(3).is_some());
    assert!(played.known().is_empty(), "only entries say where it is");
    played.fdb("add_fdb_entries", THIRD, &[], true);
    assert_eq!(played.known(), BTreeMap::from([(THIRD, vec![0])]));
    played.session.review();
    played.run();
    assert_eq!(played.known(), BTreeMap::from([(THIRD, vec![0])]), "its ports do not speak against that");
}

#[test]
fn an_interface_that_goes_is_reported_and_the_network_let_go() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    played.report(1, true);
    played.asked_since();
    played.unplug(1);
    assert_eq!(played.asked_since(), [down(1)]);
    assert!(!played.entries.contains_key(&NETWORK));
    played.plug(1);
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2])]));
}

#[test]
fn casts_add_change_and_remove() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[1]);
    played.fdb("add_fdb_entries", FAR, &[2, 3], true);
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2, 3])]));
    let changed = json!({"before": [[mac(2), ip(2)]], "after": [[mac(2), ip(9)]]});
    let changes = json!({endpoint(FAR).to_string(): changed});
    played.cast("update_fdb_entries", &json!({"fdb_entries": {"chg_ip": {NETWORK.to_string(): changes}}}));
    let two = played.entries[&NETWORK].values().find(|entry| entry.mac == mac(2)).unwrap();
    assert_eq!(two.ips, [ip(9)]);
    played.fdb("remove_fdb_entries", FAR, &[3], false);
    assert_eq!(played.known(), BTreeMap::from([(FAR, vec![2])]));
    let other = json!({"0000000b-0000-0000-0000-000000000000": {"ports": {"10.0.1.39": [[mac(5), ip(5)]]}}});
    played.cast("add_fdb_entries", &json!({"fdb_entries": other}));
    assert_eq!(played.entries.len(), 1, "a network that is not here");
}

#[test]
fn a_full_mesh_is_of_endpoints_alone() {
    let identity = Identity { l2_population: false, arp_responder: false, ..identity() };
    let mut played = Played::of(identity, vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    assert_eq!(played.endpoints, [THIRD, FAR]);
    assert!(played.wire(1).is_some() && played.complete.is_some());
    assert!(!played.asked.iter().any(|ask| matches!(ask, Ask::Members(_))));
    played.cast("tunnel_update", &json!({"tunnel_ip": "10.0.1.77", "tunnel_type": "gre"}));
    assert_eq!(played.endpoints, [THIRD, FAR, "10.0.1.77"]);
    for tunnel_type in ["gre", "vxlan"] {
        played.cast("tunnel_delete", &json!({"tunnel_ip": endpoint(FAR), "tunnel_type": tunnel_type}));
    }
    assert_eq!(played.endpoints, [THIRD, "10.0.1.77"]);
}

#[test]
fn reports_of_many_ports_go_in_parts_one_at_a_time() {
    let numbers: Vec<u8> = (1..=45).collect();
    let mut played = Played::new(numbers.iter().map(|n| port(*n, OWN)).collect()).start(&numbers);
    played.deaf = |ask| matches!(ask, Ask::Devices { .. });
    played.asked_since();
    for n in &numbers {
        played.report(*n, true);
    }
    assert_eq!(played.asked_since().len(), 1);
    played.deaf = |_| false;
    for (number, ask) in std::mem::take(&mut played.waiting) {
        played.answer(number, &ask);
    }
    played.run();
    let sizes = played.asked_since();
    let sizes: Vec<_> = sizes.iter().map(|ask| if let Ask::Devices { up, .. } = ask { up.len() } else { 0 }).collect();
    assert_eq!(sizes, [20, 20, 4], "the first went alone: nothing else was due yet");
}

#[test]
fn an_agent_that_lost_its_place_hears_all_of_the_network_again() {
    let mut played = Played::new(vec![port(1, OWN), port(2, FAR)]).start(&[1]);
    let held = played.entries.insert(NETWORK, BTreeMap::new());
    let resync = sync::messages::Resync { network: Some(NETWORK), reason: String::new() };
    played.session.said(&ToServer::Resync(resync));
    played.run();
    assert_eq!(played.entries.get(&NETWORK), held.as_ref());
}

#[test]
fn calls_are_those_of_a_stock_agent() {
    let stamp = Stamp { micros: 1_795_380_167_122_992, request_id: "req-1".to_owned() };
    let text = |ask: &Ask| {
        let (to, request) = ask.request(&identity(), &stamp).unwrap();
        (format!("{to:?}"), request.method, request.version.unwrap().to_string(), request.args.as_str().to_owned())
    };
    // As recorded: `tunnel_sync.call.vxlan`, `update_device_list.call.devices_up-refresh_tunnels`, `bulk_pull.call.Port-by-id`.
    let (to, method, version, args) = text(&Ask::Endpoints(TunnelType::Vxlan));
    assert!(to.contains("q-plugin") && method == "tunnel_sync" && version == "1.4");
    assert_eq!(args, r#"{"tunnel_ip": "10.0.1.31", "tunnel_type": "vxlan", "host": "compute1"}"#);
    let (_, method, _, args) = text(&up(&[1], true));
    assert_eq!(method, "update_device_list");
    let expected = concat!(
        r#"{"devices_up": ["00000000-0000-0000-0000-000000000101"], "devices_down": [], "#,
        r#""agent_id": "ovs-agent-compute1", "host": "compute1", "refresh_tunnels": true}"#
    );
    assert_eq!(args, expected);
    let (_, method, version, args) = text(&Ask::Ports(vec![port_id(1)]));
    assert_eq!((method.as_str(), version.as_str()), ("bulk_pull", "1.1"));
    let expected = concat!(
        r#"{"resource_type": "Port", "version": "1.7", "#,
        r#""filter_kwargs": {"id": ["00000000-0000-0000-0000-000000000101"]}}"#
    );
    assert_eq!(args, expected);
    let (to, method, _, args) = text(&Ask::Alive { start: true, devices: 3 });
    assert!(to.contains("q-reports-plugin") && method == "report_state");
    let args: serde_json::Value = serde_json::from_str(&args).unwrap();
    assert_eq!(args["time"], "2026-11-22T20:42:47.122992");
    let state = &args["agent_state"]["agent_state"];
    assert_eq!((&state["agent_type"], &state["start_flag"]), (&json!("Open vSwitch agent"), &json!(true)));
    assert_eq!(state["configurations"]["tunnel_types"], json!(["gre", "vxlan"]));
    assert_eq!(
        (&state["configurations"]["tunneling_ip"], &state["configurations"]["devices"]),
        (&json!("10.0.1.31"), &json!(3))
    );
}

#[test]
fn an_interface_id_may_be_anything() {
    let mut played = Played::new(vec![port(1, OWN)]).start(&[]);
    let interface = sync::messages::Interface { id: "manual".to_owned(), order_held: None, wired: None };
    let interfaces = sync::messages::Interfaces { inventory: false, present: vec![interface], gone: Vec::new() };
    played.session.said(&ToServer::Interfaces(interfaces));
    played.run();
    assert!(matches!(&played.orders["manual"], Order::Isolate(_)));
}
