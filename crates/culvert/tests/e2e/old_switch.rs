//! Behaviour 11: an Open vSwitch that cannot do something, played by a stand-in.

use std::path::PathBuf;

use lab::{ControlSpec, Daemon, Encapsulated};
use model::TunnelType;
use openflow::{Message, codec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;

use crate::inspect::rows;
use crate::overlay::{Overlay, until};
use crate::support::TestLab;

/// compute1's switch takes no bundles and cannot write `arp_op`. Its agent says each once, with what is lost, and not
/// again when the switch restarts; all else works: ports become ACTIVE, frames pass, and ARP requests are flooded instead
/// of answered. compute2's agent, on the real thing, says nothing and answers: the control.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_without_bundles_and_arp_op_loses_these_and_nothing_else() {
    let Behind { overlay, agent, real, _dir } = behind("old", refusal).await;
    let one = overlay.at("compute1");

    let network = overlay.network(TunnelType::Gre, 6, "81.1.180.0/24").await;
    let here = overlay.add_vm(&network, "here", "compute1", "81.1.180.8").await;
    let there = overlay.add_vm(&network, "there", "compute2", "81.1.180.9").await;
    let (complete, frames) = overlay.ping(&here, &there, 3).await;
    assert!(complete && frames.iter().any(Encapsulated::is_arp_request), "asked on the other host: {frames:?}");
    assert_eq!(rows(&one, "br-tun", &["table=21,", "arp_tpa="]).await, Vec::<String>::new());
    let (complete, frames) = overlay.ping(&there, &here, 3).await;
    assert!(complete && !frames.iter().any(Encapsulated::is_arp_request), "answered on this host: {frames:?}");

    one.restart(Daemon::Vswitchd).await.unwrap();
    let vm = overlay.vm("here").unwrap();
    let address = there.address.addr();
    until("frames pass again", async || vm.ping(address, 1).await.unwrap().is_complete()).await;
    overlay.until_in_step().await;

    let bundles = "takes no bundles on";
    let lost = "flows of one change go in one after the other, so a port that moves may lose frames for a moment";
    let responder = "cannot turn ARP requests into replies";
    let flooded = "the responder is off on this host, ARP requests are flooded to every host of the network";
    let log = agent.log();
    for (bridge, what, loss) in [("br-int", bundles, lost), ("br-tun", bundles, lost), ("", responder, flooded)] {
        let said = log.lines().filter(|line| line.contains(format!("{what} {bridge}").trim())).collect::<Vec<_>>();
        assert!(matches!(said[..], [line] if line.contains(" WARN ") && line.contains(loss)), "{said:#?}\n{log}");
    }
    assert!(!log.contains(" ERROR "), "{log}");
    assert!(!real.log().contains(bundles) && !real.log().contains(responder), "{}", real.log());
    overlay.check_control().unwrap();
}

/// Bundles are one thing, `arp_op` another: a switch without bundles answers ARP requests.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_without_bundles_answers_arp_all_the_same() {
    let Behind { overlay, agent, real: _real, _dir } = behind("nobun", refusal_of_bundles).await;

    let network = overlay.network(TunnelType::Vxlan, 1001, "81.1.180.0/24").await;
    let here = overlay.add_vm(&network, "here", "compute1", "81.1.180.8").await;
    let there = overlay.add_vm(&network, "there", "compute2", "81.1.180.9").await;
    let (complete, frames) = overlay.ping(&here, &there, 3).await;
    assert!(complete && !frames.iter().any(Encapsulated::is_arp_request), "answered on this host: {frames:?}");
    let said = agent.log().lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect::<Vec<_>>();
    let bridges = ["br-int", "br-tun"].map(|bridge| format!("takes no bundles on {bridge}"));
    let expected = |line: &String| bridges.iter().any(|bridge| line.contains(bridge));
    assert!(said.len() == 2 && said.iter().all(expected), "{said:#?}");
    overlay.check_control().unwrap();
}

/// compute1's agent behind a stand-in, compute2's on the real thing; both in step.
struct Behind {
    overlay: Overlay,
    agent: lab::Process,
    real: lab::Process,
    /// Of the stand-in's sockets.
    _dir: tempfile::TempDir,
}

async fn behind(name: &str, refuses: Refuses) -> Behind {
    let overlay = Overlay::without_agents(TestLab::of_two(name).await).await;
    let (one, two) = (overlay.at("compute1"), overlay.at("compute2"));
    let dir = tempfile::Builder::new().prefix("culvert-standin-").tempdir().unwrap();
    for socket in ["br-int.mgmt", "br-tun.mgmt"] {
        stand_in(dir.path().join(socket), one.rundir().join(socket), refuses);
    }
    let agents = vec![format!("--ovs-rundir={}", dir.path().display())];
    let agent = one.start_control_agent(&ControlSpec { agents, ..ControlSpec::default() }).unwrap();
    let real = two.start_control_agent(&ControlSpec::default()).unwrap();
    overlay.until_in_step().await;
    Behind { overlay, agent, real, _dir: dir }
}

/// What a stand-in does not take: the type and the code of its error (OpenFlow 1.3.5 section 7.5.4).
pub(crate) type Refuses = fn(&Message) -> Option<(u16, u16)>;

/// The real Open vSwitch, behind a proxy that refuses some messages.
pub(crate) fn stand_in(path: PathBuf, target: PathBuf, refuses: Refuses) {
    let listener = UnixListener::bind(path).unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            if let Ok(server) = UnixStream::connect(&target).await {
                tokio::spawn(pass(client, server, refuses));
            }
        }
    });
}

/// OFPBRC_BAD_TYPE for bundles.
fn refusal_of_bundles(message: &Message) -> Option<(u16, u16)> {
    matches!(message, Message::BundleControl(_) | Message::BundleAdd { .. }).then_some((1, 1))
}

/// As of an Open vSwitch before 2.1.
fn refusal(message: &Message) -> Option<(u16, u16)> {
    match message {
        // OFPBAC_BAD_SET_TYPE.
        Message::FlowMod(flow_mod) if format!("{:?}", flow_mod.flow.instructions).contains("ArpOp") => Some((2, 13)),
        other => refusal_of_bundles(other),
    }
}

async fn pass(client: UnixStream, server: UnixStream, refuses: Refuses) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let (answers, mut answered) = mpsc::channel::<Vec<u8>>(64);
    tokio::spawn(async move {
        while let Some(message) = answered.recv().await {
            let _ = to_client.write_all(&message).await;
        }
    });
    let refusals = answers.clone();
    let back = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(message) = next(&mut from_server, &mut seen).await {
            let _ = answers.send(message).await;
        }
    });
    let mut seen = Vec::new();
    while let Some(message) = next(&mut from_client, &mut seen).await {
        let (frame, _) = codec::split(&message).unwrap().unwrap();
        match refuses(&codec::decode(&frame).unwrap()) {
            None => drop(to_server.write_all(&message).await),
            Some((kind, code)) => {
                let data = &message[..message.len().min(64)];
                let length = u16::try_from(12 + data.len()).unwrap();
                let mut error = vec![frame.version, 1];
                error.extend(length.to_be_bytes());
                error.extend(frame.xid.to_be_bytes());
                error.extend([kind, code].into_iter().flat_map(u16::to_be_bytes));
                error.extend(data);
                let _ = refusals.send(error).await;
            }
        }
        if back.is_finished() {
            break;
        }
    }
    back.abort();
}

/// The next message whole; `None` at the end.
async fn next(from: &mut (impl AsyncReadExt + Unpin), seen: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some((_, length)) = codec::split(seen).unwrap() {
            return Some(seen.drain(..length).collect());
        }
        if from.read_buf(seen).await.ok()? == 0 {
            return None;
        }
    }
}
