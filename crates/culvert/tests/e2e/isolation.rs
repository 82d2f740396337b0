//! Behaviour 6: no frame of one network is ever seen by another, nor by who is in none.

use std::net::IpAddr;

use lab::{ControlSpec, VmSpec};
use model::{Mac, PortId, TunnelType};
use serde_json::json;
use uuid::Uuid;

use crate::overlay::{Overlay, until};

/// Three networks with the same addresses and the same MACs on the same two hosts; two of them have the same tunnel key,
/// one over GRE, one over VXLAN. What is said in one, to one or to all, is heard in it and not in the others.
#[tokio::test]
async fn networks_with_the_same_addresses_and_macs_never_meet() {
    let overlay = Overlay::up("apart", ControlSpec::default()).await;
    let mut networks = Vec::new();
    for (name, tunnel_type, key) in
        [("a", TunnelType::Gre, 6), ("b", TunnelType::Vxlan, 6), ("c", TunnelType::Vxlan, 1007)]
    {
        let network = overlay.network(tunnel_type, key, "81.1.180.0/24").await;
        let mut ports = Vec::new();
        for (number, host) in [(8, "compute1"), (9, "compute2")] {
            let (vm, ip) = (format!("{name}{number}"), format!("81.1.180.{number}"));
            let more = json!({ "mac_address": Mac([0xfa, 0x16, 0x3e, 0, 0, number]).to_string() });
            let port = overlay.port_with(&network, &vm, host, &ip, more).await;
            overlay.plug_port(&port).await;
            overlay.until_status(&port, "ACTIVE").await;
            ports.push(port);
        }
        networks.push((network, ports));
    }
    let everybody = || networks.iter().flat_map(|(_, ports)| ports);

    for (network, ports) in &networks {
        let mut captures = Vec::new();
        for port in everybody() {
            captures.push((port, overlay.vm(&port.vm).unwrap().capture("eth0", "").await.unwrap()));
        }
        let (complete, mut frames) = overlay.ping(&ports[0], &ports[1], 3).await;
        assert!(complete);
        let vm = overlay.vm(&ports[0].vm).unwrap();
        let unknown: IpAddr = "81.1.180.77".parse().unwrap();
        let (_, flooded) = overlay.watch_underlay(async || vm.arping("eth0", unknown, 1).await.unwrap()).await;
        assert!(flooded.iter().any(|frame| frame.macs() == Some((ports[0].mac, Mac::BROADCAST))));
        frames.extend(flooded);
        for frame in &frames {
            assert_eq!((frame.tunnel_type, frame.key), (network.segment.tunnel_type, network.segment.key));
        }
        for (port, capture) in captures {
            let seen = capture.stop().await.unwrap().len();
            let own = ports.iter().any(|own| own.id == port.id);
            assert_eq!(seen > 0, own, "{} saw {seen} frames of {}", port.vm, network.segment);
        }
    }
}

/// Of two interfaces on a host one has an id that is no port's, and was plugged without a tag; the other's port is
/// administratively down. Neither hears what is broadcast, nor is it heard. Once the second is up, it hears.
#[tokio::test]
async fn an_interface_that_is_not_wired_sees_no_frame() {
    let overlay = Overlay::up("unwired", ControlSpec::default()).await;
    let network = overlay.network(TunnelType::Vxlan, 1001, "81.1.180.0/24").await;
    overlay.add_vm(&network, "vm1", "compute1", "81.1.180.8").await;
    overlay.add_vm(&network, "vm2", "compute2", "81.1.180.9").await;
    let down = json!({ "admin_state_up": false });
    let down = overlay.port_with(&network, "down", "compute2", "81.1.180.10", down).await;
    let down_tap = overlay.plug_port(&down).await.tap();
    let stranger = VmSpec {
        name: "stranger".parse().unwrap(),
        port: PortId(Uuid::new_v4()),
        mac: Mac([0xfa, 0x16, 0x3e, 0, 0, 99]),
        addresses: vec!["81.1.180.99/24".parse().unwrap()],
        mtu: network.mtu,
    };
    let tap = overlay.plug("compute2", stranger).await.unwrap().tap();
    overlay.at("compute2").vsctl(["clear", "Port", &tap, "tag"]).await.unwrap();
    until("both are in the dead VLAN", async || {
        let tags = overlay.switch("compute2").await.tags;
        [&tap, &down_tap].iter().all(|tap| tags.get(*tap) == Some(&4095))
    })
    .await;

    assert_eq!(hears(&overlay, "vm1", &["vm2", "down", "stranger"]).await, [true, false, false]);
    for unwired in ["down", "stranger"] {
        let deaf = overlay.vm(unwired).unwrap();
        let (heard, frames) = overlay.watch_underlay(async || hears(&overlay, unwired, &["vm1", "vm2"]).await).await;
        assert_eq!((heard, frames.len()), (vec![false, false], 0), "{}", deaf.name());
    }

    overlay.rest.update("port", &down.id, json!({ "admin_state_up": true })).await.unwrap();
    overlay.until_status(&down, "ACTIVE").await;
    assert_eq!(hears(&overlay, "vm1", &["vm2", "down", "stranger"]).await, [true, true, false]);
    assert_eq!(hears(&overlay, "down", &["vm1", "vm2", "stranger"]).await, [true, true, false]);
}

/// Whether each of these VMs hears what one broadcasts.
async fn hears(overlay: &Overlay, speaker: &str, listeners: &[&str]) -> Vec<bool> {
    let mut captures = Vec::new();
    for listener in listeners {
        captures.push(overlay.vm(listener).unwrap().capture("eth0", "").await.unwrap());
    }
    let unknown: IpAddr = "81.1.180.77".parse().unwrap();
    overlay.vm(speaker).unwrap().arping("eth0", unknown, 1).await.unwrap();
    let mut heard = Vec::new();
    for capture in captures {
        heard.push(!capture.stop().await.unwrap().is_empty());
    }
    heard
}
