//! Behaviour 8: the life of a port, along all its paths.

use lab::{ControlSpec, Signal};
use model::TunnelType;
use serde_json::json;

use crate::inspect::{asked_for, rows};
use crate::overlay::{Overlay, Port, until};
use crate::support::TestLab;

#[tokio::test]
async fn port_life_from_down_to_active_and_back_over_gre() {
    port_life("lifeg", TunnelType::Gre).await;
}

#[tokio::test]
async fn port_life_from_down_to_active_and_back_over_vxlan() {
    port_life("lifev", TunnelType::Vxlan).await;
}

/// DOWN when created; BUILD while a host that must know of it has not confirmed it (its agent is stopped); ACTIVE after.
/// Administratively down, unplugged, deleted: its entries go from the other host each time, and come back with it.
async fn port_life(name: &str, tunnel_type: TunnelType) {
    // Else ACTIVE would come by itself in the end.
    let control = ControlSpec { server: vec!["--propagation-bound-ms=600000".to_owned()], ..ControlSpec::default() };
    let overlay = Overlay::start(TestLab::of_two(name).await, control).await;
    let network = overlay.network(tunnel_type, 6, "81.1.180.0/24").await;
    let peer = overlay.add_vm(&network, "peer", "compute2", "81.1.180.9").await;
    let port = overlay.port(&network, "vm", "compute1", "81.1.180.8").await;
    assert_eq!(overlay.status(&port).await, "DOWN");
    assert_eq!(overlay.show(&port, "binding:vif_type").await, "ovs");
    assert_eq!(known_there(&overlay, &port).await, 0, "nobody is told of what is not plugged");

    let agent = overlay.at("compute2").process("agent").unwrap().unwrap();
    agent.signal(Signal::STOP);
    let vm = overlay.plug_port(&port).await;
    overlay.until_status(&port, "BUILD").await;
    until("the port is wired", async || overlay.report_of(&port).await["wired"] == true).await;
    assert_eq!(overlay.status(&port).await, "BUILD", "compute2 has not confirmed it");
    agent.signal(Signal::CONT);
    overlay.until_status(&port, "ACTIVE").await;
    assert_eq!(known_there(&overlay, &port).await, 2, "ACTIVE means that the others know");
    assert!(overlay.ping(&peer, &port, 3).await.0);

    // Administratively down, and up again.
    overlay.change(&port, json!({ "admin_state_up": false })).await;
    overlay.until_status(&port, "DOWN").await;
    until_withdrawn(&overlay, &port).await;
    until("the port is isolated", async || overlay.tag(&vm).await == "4095").await;
    assert!(!overlay.ping(&peer, &port, 1).await.0);
    overlay.change(&port, json!({ "admin_state_up": true })).await;
    overlay.until_status(&port, "ACTIVE").await;
    assert!(overlay.ping(&peer, &port, 3).await.0);

    // Unplugged, and plugged again.
    overlay.unplug(&port.vm).await.unwrap();
    overlay.until_status(&port, "DOWN").await;
    until_withdrawn(&overlay, &port).await;
    let vm = overlay.plug_port(&port).await;
    overlay.until_status(&port, "ACTIVE").await;
    assert!(overlay.ping(&peer, &port, 3).await.0);

    // Deleted while plugged, which is before it is unplugged: then nothing is left to go.
    overlay.rest.delete("port", &port.id).await.unwrap();
    until_withdrawn(&overlay, &port).await;
    until("the port is isolated", async || overlay.tag(&vm).await == "4095").await;
    assert!(!overlay.ping(&peer, &port, 1).await.0);
    overlay.unplug(&port.vm).await.unwrap();
    overlay.until_in_step().await;
    assert_eq!(overlay.status(&peer).await, "ACTIVE");

    // Unplugged, then deleted, the usual way round; and the address is free for the next one.
    let next = overlay.add_vm(&network, "next", "compute1", "81.1.180.8").await;
    assert!(overlay.ping(&peer, &next, 3).await.0);
    overlay.unplug(&next.vm).await.unwrap();
    overlay.until_status(&next, "DOWN").await;
    overlay.rest.delete("port", &next.id).await.unwrap();
    until_withdrawn(&overlay, &next).await;
    overlay.until_in_step().await;
    overlay.check_control().unwrap();
}

#[tokio::test]
async fn a_port_may_come_after_its_interface_over_gre() {
    port_after_interface("afterg", TunnelType::Gre).await;
}

#[tokio::test]
async fn a_port_may_come_after_its_interface_over_vxlan() {
    port_after_interface("afterv", TunnelType::Vxlan).await;
}

/// The interface is there first: with the id of a port that no host is bound to yet, and with no id at all until it is
/// given that of a port that was created meanwhile. Either way it is wired once both sides know, and not before.
async fn port_after_interface(name: &str, tunnel_type: TunnelType) {
    let overlay = Overlay::start(TestLab::of_two(name).await, ControlSpec::default()).await;
    let network = overlay.network(tunnel_type, 6, "81.1.180.0/24").await;
    let peer = overlay.add_vm(&network, "peer", "compute2", "81.1.180.9").await;

    let unbound = overlay.port(&network, "unbound", "", "81.1.180.8").await;
    assert_eq!(overlay.show(&unbound, "binding:vif_type").await, "unbound");
    let port = Port { host: "compute1".to_owned(), ..unbound };
    let vm = overlay.plug_port(&port).await;
    until("compute1 reports it", async || overlay.report_of(&port).await["plugged"] == json!(["compute1"])).await;
    assert_eq!((overlay.status(&port).await, overlay.tag(&vm).await), ("DOWN".to_owned(), "4095".to_owned()));
    assert!(!overlay.ping(&peer, &port, 1).await.0);
    overlay.change(&port, json!({ "binding:host_id": "compute1" })).await;
    overlay.until_status(&port, "ACTIVE").await;
    assert!(overlay.ping(&peer, &port, 3).await.0);

    // An interface whose id nobody knows is isolated; it gets its port's id when there is one.
    let host = overlay.at("compute1");
    let spare = overlay.port(&network, "later", "compute1", "81.1.180.10").await;
    let later = overlay.plug_port(&spare).await;
    overlay.until_status(&spare, "ACTIVE").await;
    overlay.rest.delete("port", &spare.id).await.unwrap();
    until("the interface is isolated", async || overlay.tag(&later).await == "4095").await;
    let more = json!({ "mac_address": spare.mac.to_string() });
    let created = overlay.port_with(&network, "later", "compute1", "81.1.180.10", more).await;
    assert_eq!(overlay.status(&created).await, "DOWN");
    let id = format!("external_ids:iface-id={}", created.id);
    host.vsctl(["set", "Interface", &later.tap(), &id]).await.unwrap();
    overlay.until_status(&created, "ACTIVE").await;
    assert!(overlay.ping(&peer, &created, 3).await.0);
    overlay.check_control().unwrap();
}

#[tokio::test]
async fn an_agent_that_comes_later_binds_and_wires_its_ports_over_gre() {
    agent_comes_later("lateg", TunnelType::Gre).await;
}

#[tokio::test]
async fn an_agent_that_comes_later_binds_and_wires_its_ports_over_vxlan() {
    agent_comes_later("latev", TunnelType::Vxlan).await;
}

/// A port for a host that nobody has heard of is `binding_failed`, and DOWN though its interface is there; when the
/// host's agent comes, the port is bound, wired and ACTIVE by itself.
async fn agent_comes_later(name: &str, tunnel_type: TunnelType) {
    let overlay = Overlay::without_agents(TestLab::of_two(name).await).await;
    overlay.at("compute2").start_control_agent(&overlay.control).unwrap();
    until("compute2 is registered", async || overlay.rest.list("agent", "").await.unwrap().len() == 1).await;
    let network = overlay.network(tunnel_type, 6, "81.1.180.0/24").await;
    let peer = overlay.add_vm(&network, "peer", "compute2", "81.1.180.9").await;
    let port = overlay.port(&network, "vm", "compute1", "81.1.180.8").await;
    let vm = overlay.plug_port(&port).await;
    assert_eq!(overlay.show(&port, "binding:vif_type").await, "binding_failed");
    assert_eq!((overlay.status(&port).await, overlay.tag(&vm).await), ("DOWN".to_owned(), "4095".to_owned()));
    assert_eq!(known_there(&overlay, &port).await, 0);

    overlay.at("compute1").start_control_agent(&overlay.control).unwrap();
    overlay.until_status(&port, "ACTIVE").await;
    assert_eq!(overlay.show(&port, "binding:vif_type").await, "ovs");
    assert!(overlay.ping(&peer, &port, 3).await.0);
    overlay.check_control().unwrap();
}

/// How many rows for the port compute2 has: its MAC's and its address's.
async fn known_there(overlay: &Overlay, port: &Port) -> usize {
    let (host, ip) = (overlay.at("compute2"), port.address.addr().to_string());
    let unicast = rows(&host, "br-tun", &["table=20,", "priority=2,", &port.mac.to_string()]).await;
    let mut responder = rows(&host, "br-tun", &["table=21,", "arp_tpa="]).await;
    responder.retain(|row| asked_for(row) == Some(&ip));
    unicast.len() + responder.len()
}

async fn until_withdrawn(overlay: &Overlay, port: &Port) {
    until("compute2 has forgotten the port", async || known_there(overlay, port).await == 0).await;
}
