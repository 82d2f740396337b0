//! "A port moves host while messages are in flight, in any order: ends at the new host; no stale entry anywhere."

use std::time::Duration;

use lab::{Method, Process, Vm};
use model::TunnelType;
use serde_json::{Value, json};

use super::rig::{HOSTS, Rig};
use super::run::Run;
use crate::expect::Known;
use crate::inspect::rows;
use crate::overlay::{Overlay, Port, agents, until};
use crate::switch::Switch;

/// The target is plugged before the binding changes, as in a live migration, and the old interface goes long after; then
/// the port moves on, and is plugged after. Each time all hosts end with the one new entry, whoever comes late.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_moves_under_traffic_is_where_it_went_and_nowhere_else() {
    let mut rig = Rig::up("c_move", TunnelType::Vxlan).await;
    let first = rig.add_vm(&rig.network, "mover", "compute1", "10.7.1.1").await;
    rig.ports.push(first.clone());
    rig.settle().await;
    let second = Port { vm: "mover2".to_owned(), host: "compute2".to_owned(), ..first.clone() };
    let third = Port { vm: "mover3".to_owned(), host: "network".to_owned(), ..first.clone() };

    let before = rig.during("port moved, plugged before", async |probes| {
        let vm = rig.plug_port(&second).await;
        rig.hand_over_neighbours(&vm).await;
        assert_eq!(rig.tag(&vm).await, "4095", "it is bound elsewhere yet");
        probes.arrives("mover", &vm).unwrap();
        rig.change(&second, json!({ "binding:host_id": second.host })).await;
        rig.until_status(&second, "ACTIVE").await;
        probes.moved("mover", &vm).unwrap();
        rig.is_at(&second).await;
        rig.pass(probes, 200).await;
        // Late: the port is another host's by now.
        rig.unplug(&first.vm).await.unwrap();
        rig.settle().await;
        rig.is_at(&second).await;
        rig.pass(probes, 200).await;
    });
    let before = before.await;
    before.others_lose_nothing("mover");
    changes_in_one_step(&before, "network");
    let gap = before.longest_gap_to("mover");
    before.with("gap_to_it_ms", gap).record();

    rig.ports[3] = second.clone();
    let mut away = Duration::ZERO;
    let after = rig.during("port moved, plugged after", async |probes| {
        rig.change(&third, json!({ "binding:host_id": third.host })).await;
        rig.settle().await;
        // Nothing has changed for anybody: it can be reached where it was.
        rig.is_at(&second).await;
        rig.pass(probes, 200).await;
        let begin = probes.elapsed();
        // Reordered: the old host hears of the end of its interface before the new one is plugged.
        rig.unplug(&second.vm).await.unwrap();
        let vm = rig.plug_port(&third).await;
        away = probes.elapsed().saturating_sub(begin);
        rig.hand_over_neighbours(&vm).await;
        probes.moved("mover2", &vm).unwrap();
        rig.until_status(&third, "ACTIVE").await;
        rig.is_at(&third).await;
        rig.pass(probes, 200).await;
    });
    let after = after.await;
    after.others_lose_nothing("mover2");
    let gap = after.longest_gap_to("mover2");
    after.with("unplugged_ms", away.as_secs_f64() * 1e3).with("gap_to_it_ms", gap).record();
    rig.ports[3] = third;
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// As Nova migrates a VM: the binding to its target is prepared, its interface there is wired beforehand, and nobody is told;
/// the binding is put in force at the moment at which the VM goes on there.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_migrated_live_finds_its_target_wired_and_changes_at_its_peers_in_one_step() {
    let mut rig = Rig::up("c_live", TunnelType::Vxlan).await;
    let owner = json!({ "device_owner": "compute:nova" });
    let source = rig.port_with(&rig.network, "mover", "compute1", "10.7.1.1", owner).await;
    rig.plug_port(&source).await;
    rig.until_status(&source, "ACTIVE").await;
    rig.ports.push(source.clone());
    let target = Port { vm: "mover2".to_owned(), host: "compute2".to_owned(), ..source.clone() };
    let bindings = format!("ports/{}/bindings", source.id);
    rig.settle().await;

    let beforehand = rig.during("port prepared elsewhere", async |probes| {
        let vm = rig.plug_port(&target).await;
        rig.settle().await;
        assert_eq!(rig.tag(&vm).await, "4095", "nothing is prepared yet");
        rig.ask(Method::POST, &bindings, Some(json!({ "binding": { "host": target.host } }))).await;
        until("the target is wired", async || rig.tag(&vm).await != "4095").await;
        rig.settle().await;
        rig.is_at(&source).await;
        assert_eq!(
            (rig.status(&source).await, rig.show(&source, "binding:host_id").await),
            ("ACTIVE".into(), json!("compute1"))
        );
        rig.pass(probes, 200).await;
    });
    let beforehand = beforehand.await;
    beforehand.loses_nothing();
    assert_eq!(beforehand.flow_mods_of("compute1").len() + beforehand.flow_mods_of("network").len(), 0, "{beforehand}");
    beforehand.record();

    let vm = rig.vm(&target.vm).unwrap();
    rig.hand_over_neighbours(&vm).await;
    let run = rig.during("port migrated live", async |probes| {
        probes.arrives("mover", &vm).unwrap();
        rig.pass(probes, 200).await;
        rig.ask(Method::PUT, &format!("{bindings}/compute2/activate"), None).await;
        probes.moved("mover", &vm).unwrap();
        rig.until_status(&target, "ACTIVE").await;
        rig.is_at(&target).await;
        rig.pass(probes, 200).await;
        rig.ask(Method::DELETE, &format!("{bindings}/compute1"), None).await;
        rig.unplug(&source.vm).await.unwrap();
        rig.settle().await;
        rig.is_at(&target).await;
        rig.pass(probes, 200).await;
    });
    let run = run.await;
    run.others_lose_nothing("mover");
    changes_in_one_step(&run, "network");
    let gap = run.longest_gap_to("mover");
    run.with("gap_to_it_ms", gap).record();
    rig.ports[3] = target;
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// On a host that it neither leaves nor goes to: its row leads elsewhere, and what the host may have learned of its MAC goes.
/// Nothing else is touched, and nothing is taken away before.
fn changes_in_one_step(run: &Run, host: &str) {
    let written = run.flow_mods_of(host);
    let [row, learned] = &written[..] else { panic!("{written:#?}") };
    assert!(row.contains("command: Add") && row.contains("table: 20"), "{written:#?}");
    assert!(learned.contains("command: DeleteStrict") && learned.contains("priority: 1"), "{written:#?}");
}

impl Rig {
    async fn ask(&self, method: Method, path: &str, body: Option<Value>) {
        let (status, answer) = self.rest.send(method, path, body).await.unwrap();
        assert!(status < 300, "{path}: {status} {answer}");
    }

    /// Each host knows the port at its host and nowhere else, and the other VMs as before.
    async fn is_at(&self, port: &Port) {
        let others = self.ports.iter().filter(|other| other.id != port.id);
        let all: Vec<Known> = others.chain([port]).map(Known::from).collect();
        for host in HOSTS {
            self.until_knows(host, &self.network, &all, true).await;
        }
    }
}

/// Hosts that learn keep what they have learned for 300 s. The moved VM's announcement of itself teaches them anew.
#[tokio::test]
async fn a_gratuitous_arp_from_a_moved_port_teaches_hosts_that_learn() {
    let overlay = Overlay::up("c_garp", agents(&["--l2-population=false", "--arp-responder=false"])).await;
    let network = overlay.network(TunnelType::Gre, 6, "10.7.0.0/16").await;
    let mover = overlay.add_vm(&network, "mover", "compute1", "10.7.0.1").await;
    overlay.add_vm(&network, "vm2", "compute2", "10.7.0.2").await;
    let three = overlay.add_vm(&network, "vm3", "network", "10.7.0.3").await;
    assert!(overlay.ping(&three, &mover, 2).await.0);
    assert_eq!(learned(&overlay, &mover).await, ["gre-0a00011f"]);

    let moved = Port { vm: "mover2".to_owned(), host: "compute2".to_owned(), ..mover.clone() };
    overlay.change(&moved, json!({ "binding:host_id": "compute2" })).await;
    overlay.unplug(&mover.vm).await.unwrap();
    let vm = overlay.plug_port(&moved).await;
    overlay.until_status(&moved, "ACTIVE").await;
    assert_eq!(learned(&overlay, &mover).await, ["gre-0a00011f"], "nobody has said where it is now");
    announce(&vm, &moved);
    until("the host has learned anew", async || learned(&overlay, &mover).await == ["gre-0a000127"]).await;
    assert!(overlay.ping(&three, &moved, 2).await.0);
    overlay.check_control().unwrap();
}

/// Through which tunnels the host `network` has learned the port's MAC to be.
async fn learned(overlay: &Overlay, port: &Port) -> Vec<String> {
    let host = overlay.at("network");
    let names = Switch::of(&host).await.tunnels.into_keys();
    let rows = rows(&host, "br-tun", &["table=20,", "priority=1,", &port.mac.to_string()]).await;
    names
        .filter(|name| {
            rows.iter()
                .any(|row| row.contains(&format!("output:\"{name}\"")) || row.contains(&format!("output:{name}")))
        })
        .collect()
}

/// As a hypervisor does for a VM that it has taken over (QEMU announces itself).
fn announce(vm: &Vm, port: &Port) -> Process {
    let ip = port.address.addr().to_string();
    vm.spawn("announce", "arping", ["-U", "-c", "3", "-I", "eth0", &ip]).unwrap()
}
