//! "ovsdb-server restarted: replica resumes; no change to the data path." "ovs-vswitchd restarted: flows and ports back as
//! fast as OVS takes them; server not needed", however it went. "Host rebooted: its ports come back when plugged; its peers keep no stale
//! entry of ports that went elsewhere."

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use lab::{Daemon, Host, Loss, PairReport, Vm};
use model::TunnelType;
use serde_json::json;
use tempfile::TempDir;

use super::rig::{HOSTS, Rig};
use super::run::{Run, UNDERLAY, soak};
use crate::expect::Known;
use crate::overlay::{Port, until_equal};

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_restarted_or_killed_touches_nothing() {
    let rig = Rig::up("c_db", TunnelType::Gre).await;
    for row in ["ovsdb-server restarted", "ovsdb-server killed"] {
        let run = rig.during(row, async |probes| {
            for host in HOSTS.map(|host| rig.at(host)) {
                if row.ends_with("killed") {
                    host.kill(Daemon::OvsdbServer).await.unwrap();
                }
                host.restart(Daemon::OvsdbServer).await.unwrap();
            }
            rig.pass(probes, 500).await;
            rig.settle().await;
            rig.pass(probes, 500).await;
        });
        let run = run.await;
        run.loses_no_more_than_twins();
        run.is_untouched();
    }
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// How Open vSwitch goes on a host, and comes back.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Restart {
    Stopped,
    Killed,
    BothKilled,
    Upgraded,
}

impl Restart {
    const ALL: [(&str, Restart); 4] = [
        ("ovs-vswitchd stopped", Restart::Stopped),
        ("ovs-vswitchd killed", Restart::Killed),
        ("Open vSwitch killed", Restart::BothKilled),
        ("Open vSwitch upgraded", Restart::Upgraded),
    ];

    async fn of(self, host: &Host) {
        match self {
            Restart::Stopped => {
                host.exit_vswitchd().await.unwrap();
                // Longer than the agent waits at most before it looks again.
                tokio::time::sleep(Duration::from_millis(soak(2000, 60_000))).await;
                host.start(Daemon::Vswitchd).await.unwrap();
            }
            Restart::Killed => {
                host.kill(Daemon::Vswitchd).await.unwrap();
                host.start(Daemon::Vswitchd).await.unwrap();
            }
            Restart::BothKilled => {
                host.kill(Daemon::Vswitchd).await.unwrap();
                host.kill(Daemon::OvsdbServer).await.unwrap();
                host.start(Daemon::OvsdbServer).await.unwrap();
                host.start(Daemon::Vswitchd).await.unwrap();
            }
            Restart::Upgraded => host.restart_with_flows().await.unwrap(),
        }
    }
}

/// Each flow is written once, no port and no tag is: those are in the database. The twin's flows are set at once, by hand: what
/// it loses is what the switch itself takes.
#[tokio::test(flavor = "multi_thread")]
async fn a_switch_that_goes_is_as_it_was_when_it_is_back_without_a_server() {
    let rig = Rig::up("c_ovs", TunnelType::Gre).await;
    rig.kill_server().await;
    let before = rig.state().await;
    let flows: usize = ["br-int", "br-tun"].map(|bridge| before[&format!("compute2 {bridge}")].len()).iter().sum();
    let host = rig.at("compute2");
    let repaired = || rig.hosts[1].status()["repaired"].clone();
    for (row, restart) in Restart::ALL {
        let before_it = repaired();
        let run = rig.during_and_below(row, async |probes| {
            restart.of(&host).await;
            rig.set_flows_of_twin("compute2").await;
            rig.pass(probes, 200).await;
            until_equal("all is as it was", async || Some((rig.state().await, before.clone()))).await;
            rig.pass(probes, 200).await;
        });
        let run = run.await;
        assert!(run.losses_of("vm2").count() > 0, "while it is down nothing passes: {run}");
        run.others_lose_nothing("vm2");
        let written = run.flow_mods_of("compute2").len();
        // One that is told to end takes its flows away one by one, and says so: the agent may put some of them back.
        let told = matches!(restart, Restart::Stopped | Restart::Upgraded);
        let most = if told { 2 * flows } else { flows };
        assert!(written <= most && run.written_by_all() == written, "of {flows} flows: {run}");
        assert!(told || repaired() == before_it, "nobody else has changed flows: {before_it} {}", repaired());
        let left = host.vsctl(["get", "Open_vSwitch", ".", "other_config"]).await.unwrap();
        assert_eq!(left.trim(), "{}", "what would keep the switch from forwarding");
        let (forwards, all_back) = (forwards_again(&run), back(&run, "vm2"));
        run.with("ovs_down_ms", forwards.1 - forwards.0).with("outage_ms", all_back - forwards.1).record();
    }
    rig.start_server().await;
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// Since when, and from when again, compute2's Open vSwitch forwards anything: what others send it over the underlay.
fn forwards_again(run: &Run) -> (f64, f64) {
    let to_it = run.report.group(UNDERLAY).filter(|pair: &&PairReport| pair.to == "compute2");
    let losses: Vec<_> = to_it.filter_map(|pair| pair.losses.iter().max_by_key(|loss| loss.lost)).collect();
    let from = losses.iter().map(|loss| loss.from_ms).fold(f64::MAX, f64::min);
    (from, losses.iter().map(|loss| loss.to_ms).fold(f64::MAX, f64::min))
}

/// When the last pair of a VM was back, after its longest loss.
fn back(run: &Run, vm: &str) -> f64 {
    let mut longest: BTreeMap<_, Loss> = BTreeMap::new();
    for (pair, loss) in run.losses_of(vm) {
        let longest = longest.entry((&pair.from, &pair.to)).or_insert(loss);
        *longest = if loss.lost > longest.lost { loss } else { *longest };
    }
    longest.into_values().map(|loss| loss.to_ms).fold(0.0, f64::max)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_reboots_gets_its_ports_back_as_they_are_plugged() {
    let rig = Rig::up("c_boot", TunnelType::Vxlan).await;
    let roamer = rig.add_vm(&rig.network, "roamer", "compute2", "10.7.1.1").await;
    rig.settle().await;
    let (on_compute2, host) = (&rig.hosts[1], rig.at("compute2"));
    let boot = OtherBoot::new();
    let moved = Port { vm: "roamed".to_owned(), host: "network".to_owned(), ..roamer.clone() };
    let [one, two, three] = &rig.ports[..] else { panic!("a VM on each host") };

    let run = rig.during("host rebooted", async |probes| {
        on_compute2.kill_agent().await;
        host.kill(Daemon::Vswitchd).await.unwrap();
        host.kill(Daemon::OvsdbServer).await.unwrap();
        for port in [two, &roamer] {
            // The VM is gone and so is its device; its row stays, in a database that outlives the boot.
            rig.vm(&port.vm).unwrap().exec("ip", ["link", "delete", "eth0"]).await.unwrap();
        }
        // Meanwhile one of its VMs is started elsewhere.
        rig.change(&moved, json!({ "binding:host_id": moved.host })).await;
        rig.plug_port(&moved).await;
        rig.until_status(&moved, "ACTIVE").await;
        rig.until_reaches("vm1", &moved).await;

        host.start(Daemon::OvsdbServer).await.unwrap();
        host.start(Daemon::Vswitchd).await.unwrap();
        on_compute2.start_agent_from(&boot.culvert);
        rig.until_status(two, "DOWN").await;
        for (name, responder) in [("compute1", true), ("network", true)] {
            let others = [one, three, &moved].map(Known::from);
            rig.until_knows(name, &rig.network, &others, responder).await;
        }
        rig.unplug(&two.vm).await.unwrap();
        let vm: Vm = rig.plug_port(two).await;
        rig.until_status(two, "ACTIVE").await;
        probes.moved(&two.vm, &vm).unwrap();
        rig.pass(probes, 200).await;
    });
    let run = run.await;
    run.others_lose_nothing("vm2");
    run.record();
    // The row that was left behind stays dead.
    rig.unplug(&roamer.vm).await.unwrap();
    rig.until_reaches("vm2", &moved).await;
    rig.is_as_rebuilt().await;
    rig.check_control().unwrap();
}

/// An agent that finds another boot id than this machine's.
struct OtherBoot {
    culvert: std::path::PathBuf,
    _directory: TempDir,
}

impl OtherBoot {
    fn new() -> OtherBoot {
        let directory = tempfile::tempdir().unwrap();
        let (id, culvert) = (directory.path().join("boot_id"), directory.path().join("culvert"));
        std::fs::write(&id, format!("{}\n", uuid::Uuid::new_v4())).unwrap();
        // A process of a lab has mounts of its own (ip-netns(8)).
        let script = format!(
            "#!/bin/sh\nmount --bind {} /proc/sys/kernel/random/boot_id && exec {} \"$@\"\n",
            id.display(),
            env!("CARGO_BIN_EXE_culvert")
        );
        std::fs::write(&culvert, script).unwrap();
        std::fs::set_permissions(&culvert, std::fs::Permissions::from_mode(0o755)).unwrap();
        OtherBoot { culvert, _directory: directory }
    }
}
