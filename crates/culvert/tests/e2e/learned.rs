//! Behaviour 14: what was learned does not outlive its cause.

use std::net::IpAddr;

use lab::{ControlSpec, Host};
use model::TunnelType;
use serde_json::json;

use crate::inspect::{LEARNED, rows};
use crate::monitor::Monitor;
use crate::overlay::{Overlay, Port, agents, other_type, until};
use crate::support::TestLab;

#[tokio::test]
async fn learned_flows_go_with_their_entry_over_gre() {
    go_with_their_entry("lentryg", TunnelType::Gre).await;
}

#[tokio::test]
async fn learned_flows_go_with_their_entry_over_vxlan() {
    go_with_their_entry("lentryv", TunnelType::Vxlan).await;
}

/// Flows that compute1 has learned for MACs of one host go when the entries go (one port is unplugged) and when they
/// move (the other is bound elsewhere); those of other MACs and other networks stay.
async fn go_with_their_entry(name: &str, tunnel_type: TunnelType) {
    let overlay = Overlay::up(name, ControlSpec::default()).await;
    let network = overlay.network(tunnel_type, 6, "81.1.180.0/24").await;
    let other = overlay.network(other_type(tunnel_type), 6, "81.1.180.0/24").await;
    overlay.add_vm(&network, "here", "compute1", "81.1.180.8").await;
    overlay.add_vm(&other, "here2", "compute1", "81.1.180.8").await;
    let leaves = overlay.add_vm(&network, "leaves", "compute2", "81.1.180.9").await;
    let moves = overlay.add_vm(&network, "moves", "compute2", "81.1.180.10").await;
    let stays = overlay.add_vm(&network, "stays", "compute2", "81.1.180.11").await;
    let foreign = overlay.add_vm(&other, "foreign", "compute2", "81.1.180.9").await;
    let host = overlay.at("compute1");
    for port in [&leaves, &moves, &stays, &foreign] {
        teach(&overlay, port).await;
        assert_eq!(learned(&host, port).await.len(), 1, "{}", port.vm);
    }

    overlay.unplug(&leaves.vm).await.unwrap();
    until("what was learned for the port that is gone went", async || learned(&host, &leaves).await.is_empty()).await;
    assert_eq!(known(&host, &leaves).await.len(), 0, "so did its entry");
    let towards = learned(&host, &moves).await;
    assert!(towards[0].contains(&format!("{tunnel_type}-0a000127")), "{towards:?}");

    // It is plugged on both hosts, as during a migration, and then bound to the other one.
    let moved = Port { host: "network".to_owned(), vm: "moved".to_owned(), ..moves.clone() };
    overlay.plug_port(&moved).await;
    until("both interfaces are known", async || {
        overlay.report_of(&moved).await["plugged"].as_array().is_some_and(|hosts| hosts.len() == 2)
    })
    .await;
    assert_eq!(learned(&host, &moves).await.len(), 1, "nothing has moved yet");
    overlay.change(&moves, json!({ "binding:host_id": "network" })).await;
    overlay.until_status(&moved, "ACTIVE").await;
    until("the entry leads to the new host", async || {
        known(&host, &moved).await.iter().any(|row| row.contains(&format!("{tunnel_type}-0a000115")))
    })
    .await;
    let stale = rows(&host, "br-tun", &[LEARNED, &moves.mac.to_string(), &format!("{tunnel_type}-0a000127")]).await;
    assert_eq!(stale, Vec::<String>::new());

    for port in [&stays, &foreign] {
        assert_eq!(learned(&host, port).await.len(), 1, "{} has nothing to do with it", port.vm);
    }
    overlay.check_control().unwrap();
}

#[tokio::test]
async fn learned_flows_go_with_their_vlan_over_gre() {
    go_with_their_vlan("lgpop", TunnelType::Gre, ControlSpec::default()).await;
}

#[tokio::test]
async fn learned_flows_go_with_their_vlan_in_a_full_mesh_over_gre() {
    go_with_their_vlan("lgmesh", TunnelType::Gre, agents(&["--l2-population=false", "--arp-responder=false"])).await;
}

#[tokio::test]
async fn learned_flows_go_with_their_vlan_over_vxlan() {
    go_with_their_vlan("lvpop", TunnelType::Vxlan, ControlSpec::default()).await;
}

#[tokio::test]
async fn learned_flows_go_with_their_vlan_in_a_full_mesh_over_vxlan() {
    go_with_their_vlan("lvmesh", TunnelType::Vxlan, agents(&["--l2-population=false", "--arp-responder=false"])).await;
}

/// The last port of a network leaves compute1, with population or without: all that was learned for the local VLAN goes
/// before the VLAN is given out again, which is at once, as a third network waits for it. What another network has
/// learned stays.
async fn go_with_their_vlan(name: &str, tunnel_type: TunnelType, mut control: ControlSpec) {
    control.hosts.insert("compute1".to_owned(), vec!["--local-vlans=1-3".to_owned()]);
    let overlay = Overlay::start(TestLab::of_two(name).await, control).await;
    let network = overlay.network(tunnel_type, 6, "81.1.180.0/24").await;
    let other = overlay.network(other_type(tunnel_type), 6, "81.1.180.0/24").await;
    let last = overlay.add_vm(&network, "last", "compute1", "81.1.180.8").await;
    overlay.add_vm(&other, "here2", "compute1", "81.1.180.8").await;
    let peer = overlay.add_vm(&network, "peer", "compute2", "81.1.180.9").await;
    let foreign = overlay.add_vm(&other, "foreign", "compute2", "81.1.180.9").await;
    // What is learned also goes with its tunnel port, so that must stay.
    let holds = overlay.network(tunnel_type, 8, "81.1.180.0/24").await;
    overlay.add_vm(&holds, "hold1", "compute1", "81.1.180.8").await;
    overlay.add_vm(&holds, "hold2", "compute2", "81.1.180.9").await;
    let host = overlay.at("compute1");
    for port in [&peer, &foreign] {
        teach(&overlay, port).await;
        assert_eq!(learned(&host, port).await.len(), 1, "{}", port.vm);
    }
    let vlan = overlay.switch("compute1").await.vlan(&network.id).unwrap();

    // With the same MACs and addresses, so that a stale flow would be met.
    let third = overlay.network(tunnel_type, 7, "81.1.180.0/24").await;
    let same_mac = json!({ "mac_address": peer.mac.to_string() });
    let its_peer = overlay.port_with(&third, "peer3", "compute2", "81.1.180.9", same_mac).await;
    overlay.plug_port(&its_peer).await;
    let waits = overlay.port(&third, "here3", "compute1", "81.1.180.8").await;
    overlay.plug_port(&waits).await;
    overlay.until_status(&its_peer, "ACTIVE").await;
    until("there is no VLAN for it", async || overlay.report_of(&waits).await["problems"][0].is_object()).await;
    assert_eq!(learned(&host, &peer).await.len(), 1, "nothing has gone yet");

    let mut monitor = Monitor::start(&host, "br-tun").await;
    overlay.unplug(&last.vm).await.unwrap();
    overlay.until_status(&waits, "ACTIVE").await;
    assert_eq!(overlay.switch("compute1").await.vlan(&third.id), Some(vlan), "it is given out again");
    let events = monitor.events().await;
    let at = |words: &[&str]| events.iter().position(|event| words.iter().all(|word| event.contains(word)));
    let gone = at(&["event=DELETED", "table=20 ", LEARNED, &peer.mac.to_string()]);
    let given = at(&["event=ADDED", "tun_id=0x7 "]);
    assert!(gone.is_some() && gone < given, "{gone:?} {given:?} {events:#?}");
    let stale = rows(&host, "br-tun", &[LEARNED, &peer.mac.to_string(), "load:0x6->NXM_NX_TUN_ID[]"]).await;
    assert_eq!(stale, Vec::<String>::new());
    assert!(overlay.ping(&waits, &its_peer, 3).await.0);

    // The control: what is learned for the VLAN now, and another network's.
    let learned_anew = learned(&host, &its_peer).await;
    assert!(matches!(&learned_anew[..], [one] if one.contains("load:0x7->NXM_NX_TUN_ID[]")), "{learned_anew:#?}");
    assert_eq!(learned(&host, &foreign).await.len(), 1, "another network");
    overlay.check_control().unwrap();
}

/// The port's VM sends to 81.1.180.8, so that compute1 learns where it is.
async fn teach(overlay: &Overlay, port: &Port) {
    let to = IpAddr::from([81, 1, 180, 8]);
    assert!(overlay.vm(&port.vm).unwrap().ping(to, 1).await.unwrap().is_complete(), "{}", port.vm);
}

/// What the host has learned for the port's MAC.
async fn learned(host: &Host, port: &Port) -> Vec<String> {
    rows(host, "br-tun", &["table=20,", LEARNED, &port.mac.to_string()]).await
}

/// What the host was told of the port's MAC.
async fn known(host: &Host, port: &Port) -> Vec<String> {
    rows(host, "br-tun", &["table=20,", "priority=2,", &port.mac.to_string()]).await
}
