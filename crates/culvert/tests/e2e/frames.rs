//! Frames pass between VMs of two hosts over either type of tunnel, and for the reason that we think.

use lab::{Encapsulated, Vm, encapsulated};
use model::{Segment, TunnelType};

use crate::by_hand::Network;
use crate::support::TestLab;

#[tokio::test]
async fn frames_pass_over_gre() {
    frames_pass("gre", Segment::new(TunnelType::Gre, 6).unwrap()).await;
}

#[tokio::test]
async fn frames_pass_over_vxlan() {
    frames_pass("vxlan", Segment::new(TunnelType::Vxlan, 1001).unwrap()).await;
}

const PINGS: u32 = 5;

async fn frames_pass(name: &str, segment: Segment) {
    let lab = TestLab::of_two(name).await;
    let mtu = 1500 - segment.tunnel_type.overhead();
    let vm1 = lab.plug_vm(1, "compute1", "81.1.180.8/24", mtu).await;
    let vm2 = lab.plug_vm(2, "compute2", "81.1.180.9/24", mtu).await;
    Network { segment }.wire(&lab).await;

    // Each request and each answer crosses the underlay once, in this segment's tunnel; ARP is answered on the host.
    let (complete, frames) = ping(&lab, &vm1, &vm2).await;
    assert!(complete, "nothing is lost, the first frame included");
    assert_eq!(frames.iter().filter(|frame| frame.is_icmp()).count(), 2 * PINGS as usize);
    let endpoints = lab.hosts().iter().map(lab::Host::endpoint).collect::<Vec<_>>();
    for frame in &frames {
        assert_eq!((frame.tunnel_type, frame.key), (segment.tunnel_type, segment.key));
        assert!(endpoints.contains(&frame.from) && endpoints.contains(&frame.to) && frame.from != frame.to);
    }
    assert_eq!(frames.iter().filter(|frame| frame.is_arp()).count(), 0);
    assert_eq!(vm1.arping("eth0", vm2.address().unwrap(), 1).await.unwrap().received, 1);
    assert_eq!(vm1.arping("eth0", "81.1.180.77".parse().unwrap(), 1).await.unwrap().received, 0);

    // A packet of the network's MTU fits the underlay: ICMP's and IPv4's headers are 28 bytes.
    let size = (mtu - 28).to_string();
    vm1.exec("ping", ["-M", "do", "-c", "1", "-W", "1", "-s", &size, "81.1.180.9"]).await.unwrap();

    // Positive control of "no ARP": without the responder's row it crosses.
    let host = lab.host("compute1").unwrap();
    let whole = host.dump_flows("br-tun").await.unwrap();
    host.del_flows("br-tun", "table=21,arp").await.unwrap();
    let (complete, frames) = ping(&lab, &vm1, &vm2).await;
    assert!(complete);
    assert!(frames.iter().any(Encapsulated::is_arp_request));

    // Positive control of "frames pass": without the unicast and flood rows none does; with them again, all do.
    host.del_flows("br-tun", "table=20").await.unwrap();
    host.del_flows("br-tun", "table=22").await.unwrap();
    let (complete, frames) = ping(&lab, &vm1, &vm2).await;
    assert!(!complete);
    assert_eq!(frames.iter().filter(|frame| frame.from == host.endpoint()).count(), 0);
    host.add_flows("br-tun", &whole.join("\n")).await.unwrap();
    assert!(ping(&lab, &vm1, &vm2).await.0);
}

/// Pings with an empty ARP cache; whether all was answered, and what crossed the underlay for it.
async fn ping(lab: &TestLab, from: &Vm, to: &Vm) -> (bool, Vec<Encapsulated>) {
    from.exec("ip", ["neighbour", "flush", "dev", "eth0"]).await.unwrap();
    let capture = lab.host("compute1").unwrap().capture_underlay("").await.unwrap();
    let ping = from.ping(to.address().unwrap(), PINGS).await.unwrap();
    let frames = capture.stop().await.unwrap();
    assert!(ping.is_complete() || ping.received == 0, "{ping:?}");
    (ping.is_complete(), encapsulated(&frames))
}
