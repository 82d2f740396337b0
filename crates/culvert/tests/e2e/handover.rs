//! A host changes hands under traffic: from flows that another agent left, to Culvert's.

use std::time::Duration;

use lab::{ControlSpec, Node, Point, ProbeReport, Probes};
use model::TunnelType;

use crate::by_hand;
use crate::overlay::{Overlay, Port, until};
use crate::support::TestLab;

const INTERVAL: Duration = Duration::from_millis(5);
const GROUP: &str = "overlay";

/// Another agent has a host, with its controllers and its flows, as after a step back; then ours takes it over again. No probe is
/// lost, and nothing of the other agent is left. The control: a bridge that loses its last controller loses probes.
#[tokio::test]
async fn no_frame_is_lost_when_a_host_changes_hands() {
    let overlay = Overlay::start(TestLab::of_two("handover").await, ControlSpec::default()).await;
    let network = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let one = overlay.add_vm(&network, "vm8", "compute1", "81.1.180.8").await;
    let two = overlay.add_vm(&network, "vm9", "compute2", "81.1.180.9").await;
    let ports = [one, two];
    overlay.until_in_step().await;
    let host = overlay.at("compute1");
    let vlan = overlay.switch("compute1").await.vlan(&network.id).unwrap();
    let stop = async || host.process("agent").unwrap().unwrap().stop().await.unwrap();

    stop().await;
    for bridge in ["br-int", "br-tun"] {
        // Which costs the flows.
        host.vsctl(["set-controller", bridge, "tcp:127.0.0.1:6633"]).await.unwrap();
        assert_eq!(host.dump_flows(bridge).await.unwrap(), [""; 0]);
    }
    by_hand::Network { segment: network.segment }.fill(&overlay, &host, vlan.into()).await;
    host.add_flows("br-int", "table=60,priority=3 actions=NORMAL").await.unwrap();
    assert!(overlay.ping(&ports[0], &ports[1], 2).await.0, "wired by hand");
    let report = during(&overlay, &ports, async || {
        host.start_control_agent(&overlay.control).unwrap();
        until("the host is handed over", async || {
            let [int, tun] = ["br-int", "br-tun"].map(|bridge| ["get-controller", bridge]);
            let (int, tun) = (host.vsctl(int).await.unwrap(), host.vsctl(tun).await.unwrap());
            [int.trim(), tun.trim()] == ["unix:br-int.culvert", "unix:br-tun.culvert"]
        })
        .await;
    })
    .await;
    assert!(report.pairs.iter().all(|pair| pair.lost == 0), "{report:?}");
    for bridge in ["br-int", "br-tun"] {
        let flows = host.dump_flows(bridge).await.unwrap();
        let ours = |flow: &&String| flow.contains("cookie=0xc01f");
        assert!(flows.len() > 2 && flows.iter().all(|flow| ours(&flow)), "{flows:?}");
    }
    let log = host.process("agent").unwrap().unwrap().log();
    assert!(log.contains("br-int has another agent's controller") && !log.contains("and not by this agent"), "{log}");

    let report = during(&overlay, &ports, async || {
        stop().await;
        host.vsctl(["del-controller", "br-int"]).await.unwrap();
        host.start_control_agent(&overlay.control).unwrap();
    })
    .await;
    assert!(report.pairs.iter().any(|pair| pair.lost > 0), "{report:?}");
    overlay.check_control().unwrap();
}

/// Both VMs probe each other while something happens, and until probes pass again.
async fn during(overlay: &Overlay, ports: &[Port], happens: impl AsyncFnOnce()) -> ProbeReport {
    let points = ports.iter().map(|port| Point {
        name: port.vm.clone(),
        group: GROUP.to_owned(),
        node: Node::clone(&overlay.vm(&port.vm).unwrap()),
        address: port.address.addr(),
        bytes: 0,
    });
    let probes = Probes::start(INTERVAL, points.collect()).unwrap();
    passing(&probes).await;
    happens().await;
    passing(&probes).await;
    probes.stop().await.unwrap()
}

async fn passing(probes: &Probes) {
    let before = probes.counts(GROUP);
    until("probes pass", async || {
        probes.counts(GROUP).iter().zip(&before).all(|((.., now), (.., before))| *now >= before + 20)
    })
    .await;
}
