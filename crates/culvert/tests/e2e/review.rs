//! What a hand changes and Open vSwitch does not tell is put right by the comparison that comes now and then.

use lab::{ControlSpec, Host};
use model::TunnelType;
use openflow::{Message, MultipartRequest};
use serde_json::Value;

use crate::inspect::rows;
use crate::old_switch::stand_in;
use crate::overlay::{Overlay, until};
use crate::support::TestLab;

/// Neither switch tells what others do to flows, as none does that speaks OpenFlow 1.3. One agent compares every
/// half second; the other, which does not before some minutes have passed, is the control.
#[tokio::test(flavor = "multi_thread")]
async fn what_open_vswitch_does_not_tell_is_put_right_by_the_next_comparison() {
    let overlay = Overlay::without_agents(TestLab::of_two("review").await).await;
    let dir = tempfile::Builder::new().prefix("culvert-standin-").tempdir().unwrap();
    for (name, every) in [("compute1", "--review-interval-ms=500"), ("compute2", "--review-interval-ms=600000")] {
        let (host, sockets) = (overlay.at(name), dir.path().join(name));
        std::fs::create_dir(&sockets).unwrap();
        for socket in ["br-int.mgmt", "br-tun.mgmt"] {
            stand_in(sockets.join(socket), host.rundir().join(socket), tells_nothing);
        }
        let agents = vec![format!("--ovs-rundir={}", sockets.display()), every.to_owned()];
        host.start_control_agent(&ControlSpec { agents, ..ControlSpec::default() }).unwrap();
    }
    overlay.until_in_step().await;
    let network = overlay.network(TunnelType::Vxlan, 1001, "10.7.0.0/16").await;
    let one = overlay.add_vm(&network, "vm1", "compute1", "10.7.0.1").await;
    let two = overlay.add_vm(&network, "vm2", "compute2", "10.7.0.2").await;
    overlay.until_in_step().await;

    let known = async |host: &Host| rows(host, "br-tun", &["table=20,", "priority=2,"]).await.len();
    let strange = async |host: &Host| rows(host, "br-tun", &["table=30,"]).await.len();
    let (reviewing, other) = (overlay.at("compute1"), overlay.at("compute2"));
    for host in [&other, &reviewing] {
        assert_eq!(known(host).await, 1);
        host.del_flows("br-tun", "table=20,dl_vlan=1").await.unwrap();
        host.add_flows("br-tun", "table=30,priority=9,udp actions=drop").await.unwrap();
    }
    until("the comparison has put both right", async || known(&reviewing).await == 1 && strange(&reviewing).await == 0)
        .await;
    assert_eq!((known(&other).await, strange(&other).await), (0, 1), "nobody has told its agent");
    assert!(overlay.ping(&one, &two, 2).await.0);
    let repaired = |host: &Host| {
        let socket = std::os::unix::net::UnixStream::connect(host.agent_socket()).unwrap();
        serde_json::from_reader::<_, Value>(socket).unwrap()["repaired"]["flows"].clone()
    };
    assert_eq!((repaired(&reviewing), repaired(&other)), (2.into(), 0.into()));
    let log = reviewing.process("agent").unwrap().unwrap().log();
    for said in ["was missing, and not by this agent: put right: Unicast", "of no form of ours was added to br-tun"] {
        assert_eq!(log.matches(said).count(), 1, "{said}: {log}");
    }
    overlay.check_control().unwrap();
}

/// `OFPBRC_BAD_MULTIPART` for a flow monitor.
fn tells_nothing(message: &Message) -> Option<(u16, u16)> {
    matches!(message, Message::MultipartRequest(MultipartRequest::FlowMonitor(_))).then_some((1, 2))
}
