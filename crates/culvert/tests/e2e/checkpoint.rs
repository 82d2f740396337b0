//! What an agent knows is on its disk: a restart costs what has changed, and one of the switch needs no server.

use std::fs;
use std::path::PathBuf;

use lab::{ControlSpec, Daemon, Host};
use model::TunnelType;
use serde_json::json;

use crate::inspect::{LEARNED, rows};
use crate::observer::Observed;
use crate::overlay::{Network, Overlay, text, until, until_equal};
use crate::stream::Stream;
use crate::support::TestLab;

/// What becomes of a checkpoint's bytes.
type Spoil<'a> = &'a dyn Fn(Vec<u8>) -> Vec<u8>;

/// Ports on the other host.
const PORTS: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_starts_again_is_told_only_what_has_changed() {
    let overlay = Overlay::without_agents(TestLab::of_two("ckpt").await).await;
    overlay.at("compute2").start_control_agent(&ControlSpec::default()).unwrap();
    let agent = Counted::begin(&overlay, "compute1").await;
    let network = overlay.network(TunnelType::Vxlan, 1001, "10.7.0.0/16").await;
    let port = overlay.add_vm(&network, "vm1", "compute1", "10.7.0.1").await;
    let other = overlay.add_vm(&network, "vm2", "compute2", "10.7.0.2").await;
    plug_many(&overlay, &network).await;
    agent.settle().await;

    agent.host.stop_agent().await;
    agent.told().await;
    agent.host.take_written();
    agent.host.kill_agent().await;
    let nothing_new = agent.told().await;
    assert_eq!(agent.host.take_written(), Vec::<String>::new());

    agent.host.kill_agent().await;
    overlay.change(&other, json!({ "fixed_ips": [{ "ip_address": "10.7.9.9" }] })).await;
    let one_change = agent.told().await;
    let answers = rows(&overlay.at("compute1"), "br-tun", &["arp_tpa=10.7.9.9"]).await;
    assert_eq!(answers.len(), 1, "the change has come: {answers:?}");
    assert_eq!(agent.host.take_written().len(), 2, "one answer more, one less");

    // The control: without its checkpoint it is told everything.
    agent.host.kill_agent().await;
    fs::remove_file(&agent.checkpoint).unwrap();
    let everything = agent.told().await;
    assert!(nothing_new * 4 < everything && one_change * 4 < everything, "{nothing_new} {one_change} {everything}");
    overlay.until_status(&port, "ACTIVE").await;

    // One that is of no use costs no more than that, is named, and is set aside.
    let foreign = checkpoint_of(&overlay.at("compute2"));
    until("the other agent has one too", async || foreign.exists()).await;
    let cases: [(&str, Spoil<'_>); 4] = [
        ("damaged or was cut short", &|bytes| bytes[..bytes.len() / 2].to_vec()),
        ("damaged or was cut short", &|mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        }),
        ("another version's format", &|bytes| [b"culvert checkpoint 0\n", &bytes[21..]].concat()),
        ("is of host compute2", &|_| fs::read(&foreign).unwrap()),
    ];
    for (reason, spoil) in cases {
        let before = agent.host.agent().log().len();
        agent.host.stop_agent().await;
        let spoilt = spoil(fs::read(&agent.checkpoint).unwrap());
        fs::write(&agent.checkpoint, &spoilt).unwrap();
        let told = agent.told().await;
        let log = agent.host.agent().log().split_off(before);
        assert!(log.contains("set aside") && log.contains(reason), "{reason}: {log}");
        assert_eq!(fs::read(agent.checkpoint.with_extension("refused")).unwrap(), spoilt);
        assert!(told > everything / 2, "{reason}: told {told} of {everything} bytes");
        agent.host.take_written();
    }
    assert_eq!(agent.host.take_written(), Vec::<String>::new());
    overlay.check_control().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_and_switch_that_start_together_have_all_flows_back_without_a_server() {
    let overlay = Overlay::without_agents(TestLab::of_two("ckptovs").await).await;
    let agent = Counted::begin(&overlay, "compute1").await;
    overlay.at("compute2").start_control_agent(&ControlSpec::default()).unwrap();
    let network = overlay.network(TunnelType::Gre, 6, "10.7.0.0/16").await;
    let one = overlay.add_vm(&network, "vm1", "compute1", "10.7.0.1").await;
    let two = overlay.add_vm(&network, "vm2", "compute2", "10.7.0.2").await;
    agent.settle().await;
    let host = overlay.at("compute1");
    let before = flows(&host).await;

    overlay.server().process("server").unwrap().unwrap().kill().await.unwrap();
    agent.host.stop_agent().await;
    restart_switch(&host).await;
    agent.start();
    until_equal("all flows are back", async || Some((flows(&host).await, before.clone()))).await;
    assert!(overlay.ping(&one, &two, 2).await.0 && overlay.ping(&two, &one, 2).await.0);

    // The control: without its checkpoint it knows of no other host.
    agent.host.stop_agent().await;
    restart_switch(&host).await;
    fs::remove_file(&agent.checkpoint).unwrap();
    agent.start();
    agent.host.until_compared().await;
    assert_eq!(rows(&host, "br-tun", &["table=20,", "priority=2,"]).await.len(), 0);
    assert!(!overlay.ping(&one, &two, 1).await.0);

    overlay.start_control_server(&[]).await.unwrap();
    until_equal("all flows are back with it", async || Some((flows(&host).await, before.clone()))).await;
    assert!(overlay.ping(&one, &two, 2).await.0);
    overlay.check_control().unwrap();
}

/// An agent that talks to Open vSwitch and to the server through observers.
struct Counted<'a> {
    overlay: &'a Overlay,
    host: Observed,
    stream: Stream,
    at: Host,
    checkpoint: PathBuf,
}

impl<'a> Counted<'a> {
    async fn begin(overlay: &'a Overlay, host: &str) -> Counted<'a> {
        let at = overlay.at(host);
        let stream = Stream::start(&at).await;
        let checkpoint = checkpoint_of(&at);
        let agent = Counted { overlay, host: Observed::new(at.clone()), stream, at, checkpoint };
        agent.start();
        agent
    }

    fn start(&self) {
        self.host.start_agent_with(&self.at, &[format!("--server={}", self.stream.address)]);
    }

    async fn settle(&self) {
        self.overlay.until_in_step().await;
        self.host.until_settled().await;
    }

    /// Starts the agent; the bytes that are said until it is in step.
    async fn told(&self) -> usize {
        let before = self.stream.bytes();
        self.start();
        self.settle().await;
        self.stream.bytes() - before
    }
}

fn checkpoint_of(host: &Host) -> PathBuf {
    host.agent_socket().with_file_name("agent.checkpoint")
}

/// Interfaces without VMs behind them.
async fn plug_many(overlay: &Overlay, network: &Network) {
    let mut vsctl = Vec::new();
    for number in 0..PORTS {
        let address = format!("10.7.{}.{}", 1 + number / 200, 1 + number % 200);
        let attributes = json!({
            "network_id": network.id, "binding:host_id": "compute2", "fixed_ips": [{ "ip_address": address }],
        });
        let id = text(&overlay.rest.create("port", attributes).await.unwrap(), "id");
        vsctl.push(format!(
            "-- add-port br-int many{number} tag=4095 -- set Interface many{number} type=internal external_ids:iface-id={id}"
        ));
    }
    overlay.at("compute2").vsctl(vsctl.join(" ").split(' ')).await.unwrap();
    until("all are wired and known", async || {
        rows(&overlay.at("compute1"), "br-tun", &["table=20,", "priority=2,"]).await.len() == PORTS + 1
    })
    .await;
}

async fn restart_switch(host: &Host) {
    host.kill(Daemon::Vswitchd).await.unwrap();
    host.start(Daemon::Vswitchd).await.unwrap();
    assert_eq!(rows(host, "br-tun", &[]).await, Vec::<String>::new(), "it has lost them");
}

async fn flows(host: &Host) -> Vec<String> {
    let mut flows = rows(host, "br-int", &[]).await;
    flows.extend(rows(host, "br-tun", &[]).await.into_iter().filter(|row| !row.contains(LEARNED)));
    flows
}
