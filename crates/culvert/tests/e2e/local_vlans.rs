//! Behaviour 12: more networks on a host than it has local VLANs.

use std::net::IpAddr;

use lab::ControlSpec;
use model::TunnelType;

use crate::inspect::LEARNED;
use crate::monitor::Monitor;
use crate::overlay::{Overlay, other_type, text, until};
use crate::support::TestLab;

#[tokio::test]
async fn a_ninth_network_waits_for_a_local_vlan_over_gre() {
    ninth_network("vlansg", TunnelType::Gre).await;
}

#[tokio::test]
async fn a_ninth_network_waits_for_a_local_vlan_over_vxlan() {
    ninth_network("vlansv", TunnelType::Vxlan).await;
}

/// compute1 has eight local VLANs. The port of a ninth network is not wired, and `culvert status` says why; the eight
/// are not touched by it, and one of them still reaches its peer. Once one of the eight is unplugged, the ninth gets its
/// VLAN, becomes ACTIVE by itself, and reaches its own peer.
async fn ninth_network(name: &str, tunnel_type: TunnelType) {
    let mut spec = ControlSpec::default();
    spec.hosts.insert("compute1".to_owned(), vec!["--local-vlans=1-8".to_owned()]);
    let overlay = Overlay::start(TestLab::of_two(name).await, spec).await;
    let (host, peer) = (overlay.at("compute1"), IpAddr::from([81, 1, 180, 9]));
    let mut wired = Vec::new();
    for number in 1..=8 {
        let its_type = if number % 2 == 0 { other_type(tunnel_type) } else { tunnel_type };
        let network = overlay.network(its_type, number, "81.1.180.0/24").await;
        if number == 1 {
            overlay.add_vm(&network, "peer1", "compute2", "81.1.180.9").await;
        }
        let port = overlay.port(&network, &format!("vm{number}"), "compute1", "81.1.180.8").await;
        wired.push((overlay.plug_port(&port).await, port));
    }
    for (_, port) in &wired {
        overlay.until_status(port, "ACTIVE").await;
    }
    overlay.until_in_step().await;
    let mut monitors = [Monitor::start(&host, "br-int").await, Monitor::start(&host, "br-tun").await];

    let network = overlay.network(tunnel_type, 9, "81.1.180.0/24").await;
    let its_peer = overlay.add_vm(&network, "peer9", "compute2", "81.1.180.9").await;
    let ninth = overlay.port(&network, "vm9", "compute1", "81.1.180.8").await;
    let vm = overlay.plug_port(&ninth).await;
    until("the status has a problem", async || overlay.report_of(&ninth).await["problems"][0].is_object()).await;
    overlay.until_status(&ninth, "BUILD").await;
    let report = overlay.report_of(&ninth).await;
    let reason = text(&report["problems"][0], "reason");
    assert!(reason.contains("no local VLAN is free: all 8 of the range 1-8 are in use"), "{reason}");
    assert_eq!((&report["status"], &report["wired"]), (&"BUILD".into(), &false.into()), "{report}");
    assert_eq!(overlay.status(&ninth).await, "BUILD");
    assert!(host.process("agent").unwrap().unwrap().log().contains(&reason), "the agent's log says so too");
    assert_eq!(overlay.tag(&vm).await, "4095");
    assert_eq!(vm.ping(peer, 2).await.unwrap().received, 0);

    // The others.
    for monitor in &mut monitors {
        let mut changes = monitor.events().await;
        changes.retain(|change| !change.contains(LEARNED));
        assert_eq!(changes, Vec::<String>::new());
    }
    for (_, port) in &wired {
        assert_eq!(overlay.status(port).await, "ACTIVE");
    }
    assert!(wired[0].0.ping(peer, 3).await.unwrap().is_complete());

    let (leaves, port) = wired.pop().unwrap();
    let freed = overlay.tag(&leaves).await;
    overlay.unplug(&port.vm).await.unwrap();
    overlay.until_status(&ninth, "ACTIVE").await;
    assert_eq!(overlay.tag(&vm).await, freed);
    let report = overlay.report_of(&ninth).await;
    assert_eq!(report["problems"].as_array().unwrap().len(), 0, "{report}");
    assert!(overlay.ping(&ninth, &its_peer, 3).await.0);
    for monitor in &mut monitors {
        assert!(!monitor.events().await.is_empty(), "the monitors see changes");
    }
    for (_, port) in &wired {
        assert_eq!(overlay.status(port).await, "ACTIVE");
    }
    overlay.check_control().unwrap();
}
