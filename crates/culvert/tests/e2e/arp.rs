//! Behaviour 5: ARP is answered where it is asked, and what must pass passes.

use std::net::Ipv4Addr;

use lab::{ControlSpec, Encapsulated, Frame, Signal};
use model::{Mac, TunnelType};
use serde_json::json;

use crate::overlay::{Overlay, Port, until};

#[tokio::test]
async fn arp_is_answered_on_the_host_over_gre() {
    answered("arp_g", TunnelType::Gre, 6).await;
}

#[tokio::test]
async fn arp_is_answered_on_the_host_over_vxlan() {
    answered("arp_v", TunnelType::Vxlan, 1001).await;
}

/// Requests for known addresses do not cross the underlay, but from `network`, where the responder is off; its question
/// and the answer to it do. Unknown ones are flooded. What two VMs of one host ask each other does not leave it.
async fn answered(name: &str, tunnel_type: TunnelType, key: u32) {
    let mut control = ControlSpec::default();
    control.hosts.insert("network".to_owned(), vec!["--arp-responder=false".to_owned()]);
    let overlay = Overlay::up(name, control).await;
    let network = overlay.network(tunnel_type, key, "81.1.180.0/24").await;
    let gateway = overlay.add_vm(&network, "gw", "network", "81.1.180.1").await;
    let one = overlay.add_vm(&network, "vm1", "compute1", "81.1.180.8").await;
    let two = overlay.add_vm(&network, "vm2", "compute2", "81.1.180.9").await;
    let three = overlay.add_vm(&network, "vm3", "compute1", "81.1.180.10").await;

    let (complete, frames) = overlay.ping(&one, &two, 3).await;
    assert!(complete && frames.iter().any(Encapsulated::is_icmp));
    assert_eq!(frames.iter().filter(|frame| frame.is_arp()).count(), 0);

    let (complete, frames) = overlay.ping(&gateway, &two, 3).await;
    assert!(complete);
    let asked = |frame: &&Encapsulated| frame.is_arp_request() && frame.macs() == Some((gateway.mac, Mac::BROADCAST));
    assert_eq!(frames.iter().filter(asked).count(), 2, "to both compute hosts");
    let answer = |frame: &Encapsulated| !frame.is_arp_request() && frame.macs() == Some((two.mac, gateway.mac));
    assert!(frames.iter().any(|frame| frame.is_arp() && answer(frame)), "a reply passes");

    let vm = overlay.vm("vm1").unwrap();
    let unknown = "81.1.180.77".parse().unwrap();
    let (arping, frames) = overlay.watch_underlay(async || vm.arping("eth0", unknown, 1).await.unwrap()).await;
    assert_eq!(arping.received, 0);
    let mut to: Vec<String> =
        frames.iter().filter(|frame| frame.is_arp_request()).map(|frame| frame.to.to_string()).collect();
    to.sort();
    to.dedup();
    assert_eq!(to, ["10.0.1.21", "10.0.1.39"]);

    let (complete, frames) = overlay.ping(&one, &three, 3).await;
    assert!(complete);
    assert_eq!(frames, [], "nothing between two VMs of a host leaves it");
}

/// A VM has moved to compute2, whose agent is held before it hears of it: the responder still answers for the VM's address
/// with the VM's own MAC. Yet what the VM announces is not answered, which would make `br-int` look for the VM on the
/// patch port; it passes, as do its probe and its reply.
#[tokio::test]
async fn announcements_of_a_port_that_has_just_moved_pass() {
    let overlay = Overlay::up("arpmove", ControlSpec::default()).await;
    let network = overlay.network(TunnelType::Vxlan, 1001, "81.1.180.0/24").await;
    let gateway = overlay.add_vm(&network, "gw", "network", "81.1.180.1").await;
    let mover = overlay.add_vm(&network, "mover", "compute1", "81.1.180.8").await;
    let two = overlay.add_vm(&network, "vm2", "compute2", "81.1.180.9").await;
    let ip = [81, 1, 180, 8].into();

    // The agent is held, and what it would do to wire the port is done in its place; the old entry stays in.
    let compute2 = overlay.at("compute2");
    let agent = compute2.process("agent").unwrap().unwrap();
    assert!(agent.signal(Signal::STOP));
    overlay.unplug("mover").await.unwrap();
    let mover = Port { host: "compute2".to_owned(), ..mover };
    let tap = overlay.plug_port(&mover).await.tap();
    let vlan = overlay.switch("compute2").await.vlan(&network.id).unwrap();
    compute2.vsctl(["set", "Port", &tap, &format!("tag={vlan}")]).await.unwrap();
    compute2.add_flows("br-int", &format!("priority=1,in_port={tap} actions=NORMAL")).await.unwrap();
    let answers = overlay.switch("compute2").await.of_vlan(21, vlan);
    assert!(answers.iter().any(|flow| flow.contains("arp_tpa=81.1.180.8 ") && flow.contains("IN_PORT")), "{answers:?}");

    // A question of the VM's is answered, from the same table: that the rest is not is no accident.
    let question = arp(&mover, 1, ip, [81, 1, 180, 1].into());
    let (seen, frames) = say(&overlay, &tap, &question).await;
    assert_eq!(replies(&seen, gateway.mac), 1);
    assert_eq!(frames.iter().filter(|frame| frame.is_arp()).count(), 0);

    let announcement = arp(&mover, 1, ip, ip);
    let probe = arp(&mover, 1, Ipv4Addr::UNSPECIFIED, ip);
    let reply = arp(&mover, 2, ip, ip);
    for said in [announcement, probe, reply] {
        let (seen, frames) = say(&overlay, &tap, &said).await;
        assert_eq!(seen.iter().filter(|frame| frame.bytes[12..14] == [8, 6]).count(), 0, "nobody answers");
        let mut to: Vec<String> =
            frames.iter().filter(|frame| frame.frame == said).map(|frame| frame.to.to_string()).collect();
        to.sort();
        assert_eq!(to, ["10.0.1.21", "10.0.1.31"]);
        assert_eq!(learned_at(&overlay, &mover).await, tap);
    }

    // Positive control: where announcements are taken for questions, the answer makes `br-int` look in the wrong place.
    let mistake = "table=18,priority=9,arp";
    compute2.add_flows("br-tun", &format!("{mistake} actions=resubmit(,21)")).await.unwrap();
    say(&overlay, &tap, &arp(&mover, 1, ip, ip)).await;
    assert_eq!(learned_at(&overlay, &mover).await, "patch-tun");
    compute2.ofctl(["--strict", "del-flows", "br-tun", mistake]).await.unwrap();

    // And when the agent hears of it all is well.
    assert!(agent.signal(Signal::CONT));
    overlay.rest.update("port", &mover.id, json!({ "binding:host_id": "compute2" })).await.unwrap();
    overlay.until_status(&mover, "ACTIVE").await;
    until("the old entry is gone", async || {
        overlay.switch("compute2").await.of_vlan(20, vlan).iter().all(|flow| !flow.contains(&mover.mac.to_string()))
    })
    .await;
    assert!(overlay.ping(&two, &mover, 1).await.0 && overlay.ping(&gateway, &mover, 1).await.0);
}

/// The interface of compute2's `br-int` behind which it takes a port's MAC to be.
async fn learned_at(overlay: &Overlay, port: &Port) -> String {
    let table = overlay.at("compute2").appctl(["fdb/show", "br-int"]).await.unwrap();
    let line = table.lines().find(|line| line.contains(&port.mac.to_string())).unwrap();
    let number: u32 = line.split_whitespace().next().unwrap().parse().unwrap();
    // Numbers are each bridge's own: what is on `br-int` is a tap or a patch port.
    let on_int = |name: &str| name.starts_with("tap") || name == "patch-tun";
    let numbers = overlay.switch("compute2").await.numbers;
    let found = numbers.into_iter().find(|(name, of)| *of == number && on_int(name));
    found.unwrap_or_else(|| panic!("no interface has number {number}")).0
}

/// A broadcast ARP frame from a port's VM (RFC 826).
fn arp(from: &Port, operation: u8, sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mac = from.mac.0;
    let header = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, operation];
    [&[0xff; 6][..], &mac, &header, &mac, &sender.octets(), &[0; 6], &target.octets()].concat()
}

/// Lets a frame come in at an interface of compute2; what then went out there, and what crossed the underlay.
async fn say(overlay: &Overlay, tap: &str, frame: &[u8]) -> (Vec<Frame>, Vec<Encapsulated>) {
    let compute2 = overlay.at("compute2");
    let hex = frame.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let packet = format!("in_port={tap},packet={hex},actions=resubmit(,0)");
    let capture = compute2.capture(tap, "").await.unwrap();
    let send = async || compute2.ofctl(["packet-out", "br-int", &packet]).await.unwrap();
    let (_, frames) = overlay.watch_underlay(send).await;
    (capture.stop().await.unwrap(), frames)
}

/// ARP replies from this MAC.
fn replies(frames: &[Frame], from: Mac) -> usize {
    let is_reply = |bytes: &[u8]| bytes[6..12] == from.0 && bytes[12..14] == [8, 6] && bytes[20..22] == [0, 2];
    frames.iter().filter(|frame| is_reply(&frame.bytes)).count()
}
