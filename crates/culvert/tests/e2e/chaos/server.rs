//! "Server killed, all servers killed: forwarding unaffected; agents retry with jitter; on return deltas only." And what
//! can happen on the way between them: cut, stalled, slow.

use lab::{Lab, Signal};
use model::TunnelType;
use serde_json::json;

use super::rig::Rig;
use super::run::soak;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_or_stalled_loses_nothing_and_makes_nobody_write() {
    let rig = Rig::up("c_server", TunnelType::Gre).await;
    let killed = rig.during("server killed", async |probes| {
        rig.kill_server().await;
        rig.pass(probes, 500).await;
        rig.start_server().await;
        rig.settle().await;
        rig.pass(probes, 500).await;
    });
    killed.await.is_untouched();

    // It takes connections, by its kernel, and answers nothing.
    let stalled = rig.during("server stalled", async |probes| {
        let server = rig.server().process("server").unwrap().unwrap();
        server.signal(Signal::STOP);
        rig.pass(probes, soak(2000, 60_000)).await;
        server.signal(Signal::CONT);
        rig.settle().await;
        rig.pass(probes, 500).await;
    });
    stalled.await.is_untouched();
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// What is local goes on without a server: an interface that goes is forgotten here, and one that comes back is wired.
#[tokio::test(flavor = "multi_thread")]
async fn without_a_server_ports_come_back_and_forwarding_goes_on() {
    let rig = Rig::up("c_gone", TunnelType::Vxlan).await;
    let passing = rig.add_vm(&rig.network, "passing", "compute2", "10.7.1.1").await;
    let never = rig.port(&rig.network, "never", "compute2", "10.7.1.2").await;
    rig.settle().await;
    let gone = rig.during("servers gone", async |probes| {
        rig.kill_server().await;
        rig.unplug(&passing.vm).await.unwrap();
        // Long enough for agents to have tried again, more than once.
        rig.pass(probes, soak(1500, 60_000)).await;
        let vm = rig.plug_port(&passing).await;
        let newcomer = rig.plug_port(&never).await;
        rig.until_reaches("vm1", &passing).await;
        assert_ne!(rig.tag(&vm).await, "4095");
        assert_eq!(rig.tag(&newcomer).await, "4095", "nobody has said what this is to be");
        rig.pass(probes, 500).await;
        rig.start_server().await;
        rig.settle().await;
        rig.until_status(&passing, "ACTIVE").await;
        rig.until_status(&never, "ACTIVE").await;
        rig.until_reaches("vm1", &never).await;
        rig.pass(probes, 200).await;
    });
    let gone = gone.await;
    gone.loses_nothing();
    gone.record();
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// The network between one agent and the server is gone for a while, with no word to either; then it is slow. What changed
/// meanwhile arrives, and nothing else is touched.
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_is_cut_or_slow_loses_nothing() {
    let rig = Rig::up("c_cut", TunnelType::Gre).await;
    rig.kill_server().await;
    rig.start_control_server(&["--propagation-bound-ms=500".to_owned()]).await.unwrap();
    rig.settle().await;
    let port = rig.port(&rig.network, "late", "compute2", "10.7.1.1").await;
    let switch = Lab::switch(&rig);
    let cut = rig.during("network cut", async |probes| {
        switch.exec("ip", ["link", "set", "mg-compute1", "down"]).await.unwrap();
        rig.plug_port(&port).await;
        // The host that does not answer is not waited for, but for the bound.
        rig.until_status(&port, "ACTIVE").await;
        rig.pass(probes, soak(500, 60_000)).await;
        switch.exec("ip", ["link", "set", "mg-compute1", "up"]).await.unwrap();
        rig.settle().await;
        rig.until_reaches("vm1", &port).await;
        rig.pass(probes, 500).await;
    });
    let cut = cut.await;
    cut.loses_nothing();
    cut.record();

    // 256 kbit/s towards the agent, and many changes.
    let slow = rig.during("network slow", async |probes| {
        let tbf = "qdisc add dev mg-compute1 root tbf rate 256kbit burst 4kb latency 2s";
        switch.exec("tc", tbf.split(' ')).await.unwrap();
        for number in 0..soak(50, 1000) {
            let name = json!({ "fixed_ips": [{ "ip_address": format!("10.7.2.{}", 1 + number % 200) }] });
            rig.change(&port, name).await;
        }
        rig.change(&port, json!({ "fixed_ips": [{ "ip_address": "10.7.1.1" }] })).await;
        rig.settle().await;
        switch.exec("tc", ["qdisc", "del", "dev", "mg-compute1", "root"]).await.unwrap();
        rig.until_reaches("vm1", &port).await;
        rig.pass(probes, 200).await;
    });
    let slow = slow.await;
    slow.loses_nothing();
    slow.record();
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}
