//! Behaviour 6: no frame of one network is ever seen by another, nor by who is in none.

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures::future::try_join_all;
use lab::{ControlSpec, Encapsulated, VmSpec};
use model::{Mac, PortId, TunnelType};
use serde_json::json;
use uuid::Uuid;

use crate::overlay::{Overlay, Port, until};
use crate::support::TestLab;

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

/// Three interfaces on a host of a GRE and a VXLAN network are not wired: one has an id that is no port's; the port of one is
/// bound to another host; these two were plugged without a tag. The third's port is administratively down. None hears what is
/// broadcast in either network, nor is it heard. Once the last two are to be here and up, they hear, and are heard.
#[tokio::test]
async fn an_interface_that_is_not_wired_sees_no_frame() {
    let overlay = Overlay::up("unwired", ControlSpec::default()).await;
    let vxlan = overlay.network(TunnelType::Vxlan, 1001, "81.1.180.0/24").await;
    let gre = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let v1 = overlay.add_vm(&vxlan, "v1", "compute1", "81.1.180.8").await;
    overlay.add_vm(&vxlan, "v2", "compute2", "81.1.180.9").await;
    let g1 = overlay.add_vm(&gre, "g1", "compute1", "81.1.180.8").await;
    overlay.add_vm(&gre, "g2", "compute2", "81.1.180.9").await;
    let down = json!({ "admin_state_up": false });
    let down = overlay.port_with(&vxlan, "down", "compute2", "81.1.180.10", down).await;
    let down_tap = overlay.plug_port(&down).await.tap();
    let away = overlay.port(&gre, "away", "compute1", "81.1.180.10").await;
    let away_tap = overlay.plug_port(&Port { host: "compute2".to_owned(), ..away.clone() }).await.tap();
    let stranger = VmSpec {
        name: "stranger".parse().unwrap(),
        port: PortId(Uuid::new_v4()),
        mac: Mac([0xfa, 0x16, 0x3e, 0, 0, 99]),
        addresses: vec!["81.1.180.99/24".parse().unwrap()],
        mtu: vxlan.mtu,
    };
    let stranger_tap = overlay.plug("compute2", stranger).await.unwrap().tap();
    for tap in [&away_tap, &stranger_tap] {
        overlay.at("compute2").vsctl(["clear", "Port", tap, "tag"]).await.unwrap();
    }
    until("all are in the dead VLAN", async || {
        let tags = overlay.switch("compute2").await.tags;
        [&down_tap, &away_tap, &stranger_tap].iter().all(|tap| tags.get(*tap) == Some(&4095))
    })
    .await;

    let (heard, frames) = overlay.watch_underlay(async || who_hears_whom(&overlay).await).await;
    assert_eq!(heard, ["g2 hears g1", "v2 hears v1"]);
    let crossed = |frame: &Encapsulated| (frame.macs().unwrap().0, frame.tunnel_type, frame.key);
    let wired = [(v1.mac, TunnelType::Vxlan, 1001), (g1.mac, TunnelType::Gre, 6)];
    assert!(frames.iter().all(|frame| wired.contains(&crossed(frame))), "{frames:?}");

    overlay.change(&down, json!({ "admin_state_up": true })).await;
    overlay.change(&away, json!({ "binding:host_id": "compute2" })).await;
    for port in [&down, &away] {
        overlay.until_status(port, "ACTIVE").await;
    }
    let in_gre = ["away hears g1", "g1 hears away", "g2 hears away", "g2 hears g1"];
    let in_vxlan = ["down hears v1", "v1 hears down", "v2 hears down", "v2 hears v1"];
    let mut expected = [in_gre, in_vxlan].concat();
    expected.sort_unstable();
    assert_eq!(who_hears_whom(&overlay).await, expected);
}

/// A host that is also on a physical network, as a stock agent with `bridge_mappings` leaves it: what comes over the patch from
/// there with the tag of a local VLAN is in no network here.
#[tokio::test]
async fn what_comes_from_a_physical_bridge_reaches_no_network() {
    let lab = TestLab::of_two("physical").await;
    let host = lab.host("compute1").unwrap();
    let bridges = "add-br br-int -- set Bridge br-int datapath_type=netdev fail_mode=secure \
        -- add-br br-phy -- set Bridge br-phy datapath_type=netdev \
        -- add-port br-int int-br-phy -- set Interface int-br-phy type=patch options:peer=phy-br-phy \
        -- add-port br-phy phy-br-phy -- set Interface phy-br-phy type=patch options:peer=int-br-phy";
    host.vsctl(bridges.split_whitespace()).await.unwrap();
    let overlay = Overlay::start(lab, ControlSpec::default()).await;
    let network = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let port = overlay.add_vm(&network, "vm", "compute1", "81.1.180.8").await;
    overlay.until_status(&port, "ACTIVE").await;
    let vlan = overlay.switch("compute1").await.vlan(&network.id).unwrap();

    let capture = overlay.vm("vm").unwrap().capture("eth0", "").await.unwrap();
    let send = async |mark: &str| {
        // A frame of an experimental EtherType (IEEE Std 802, 0x88b5), so that it is nobody else's.
        let frame = format!("fffffffffffffa163e0077778100{vlan:04x}88b5{mark}{}", "00".repeat(44));
        let packet = format!("in_port=LOCAL,packet={frame},actions=output:phy-br-phy");
        host.ofctl(["packet-out", "br-phy", &packet]).await.unwrap();
    };
    send("0001").await;
    // The control: with a rule of somebody else's that lets it in, it is heard.
    host.ofctl(["add-flow", "br-int", "cookie=0x77,priority=100,in_port=int-br-phy,actions=NORMAL"]).await.unwrap();
    send("0002").await;
    let seen = capture.stop().await.unwrap();
    let marks = seen.iter().filter(|frame| frame.bytes[12..14] == [0x88, 0xb5]).map(|frame| &frame.bytes[14..16]);
    assert_eq!(marks.collect::<Vec<_>>(), [[0, 2]]);
    let log = host.process("agent").unwrap().unwrap().log();
    assert!(log.contains("nothing is let in from port int-br-phy of br-int"), "{log}");
}

/// All VMs but two broadcast, and all listen: `v2 hears v1`, in order. A sender that is no VM is shown as its MAC.
async fn who_hears_whom(overlay: &Overlay) -> Vec<String> {
    let speakers = ["v1", "g1", "down", "away", "stranger"].map(|name| overlay.vm(name).unwrap());
    let listeners = ["v2", "g2"].map(|name| overlay.vm(name).unwrap());
    let all = || speakers.iter().chain(&listeners);
    let mut captures = Vec::new();
    for vm in all() {
        captures.push((vm, vm.capture("eth0", "").await.unwrap()));
    }
    let unknown: IpAddr = "81.1.180.77".parse().unwrap();
    try_join_all(speakers.iter().map(|vm| vm.arping("eth0", unknown, 1))).await.unwrap();
    let mut heard = BTreeSet::new();
    for (listener, capture) in captures {
        for frame in capture.stop().await.unwrap() {
            let from = Mac(*frame.bytes[6..].first_chunk().unwrap());
            let speaker = all().find(|vm| vm.spec().mac == from);
            if from != listener.spec().mac {
                let speaker = speaker.map_or_else(|| from.to_string(), |vm| vm.spec().name.to_string());
                heard.insert(format!("{} hears {speaker}", listener.spec().name));
            }
        }
    }
    heard.into_iter().collect()
}
