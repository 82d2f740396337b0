//! Three hosts with a VM each on one network, an observer before each host's Open vSwitch, and probes between all of them.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::{Duration, Instant};

use lab::{Host, Node, Point, Probes, Vm};
use model::TunnelType;

use super::run::{OVERLAY, Run, TWINS, UNDERLAY};
use super::twins::{self, Twin};
use crate::inspect::LEARNED;
use crate::observer::Observed;
use crate::overlay::{Network, Overlay, Port, until};
use crate::support::TestLab;

pub(super) const HOSTS: [&str; 3] = ["compute1", "compute2", "network"];

const INTERVAL: Duration = Duration::from_millis(1);

pub(super) struct Rig {
    pub(super) overlay: Overlay,
    pub(super) network: Network,
    /// `vm1` on the first host and so on.
    pub(super) ports: Vec<Port>,
    pub(super) hosts: Vec<Observed>,
    /// A VM on each host that Culvert does not know; see [`twins`].
    twins: Vec<Twin>,
}

impl Deref for Rig {
    type Target = Overlay;

    fn deref(&self) -> &Overlay {
        &self.overlay
    }
}

impl Rig {
    /// `name` is the test's own, 8 bytes at most.
    pub(super) async fn up(name: &str, tunnel_type: TunnelType) -> Rig {
        come_first();
        let overlay = Overlay::without_agents(TestLab::of_three(name).await).await;
        let hosts: Vec<_> = HOSTS.iter().map(|host| Observed::new(overlay.at(host))).collect();
        hosts.iter().for_each(Observed::start_agent);
        overlay.until_in_step().await;
        let network = overlay.network(tunnel_type, 1001, "10.7.0.0/16").await;
        let mut ports = Vec::new();
        for (number, host) in (1..).zip(HOSTS) {
            ports.push(overlay.add_vm(&network, &format!("vm{number}"), host, &format!("10.7.0.{number}")).await);
        }
        let twins = twins::plug(&overlay, tunnel_type).await;
        let rig = Rig { overlay, network, ports, hosts, twins };
        rig.settle().await;
        rig
    }

    /// Server and agents have told each other everything, and the agents have done it.
    pub(super) async fn settle(&self) {
        self.until_in_step().await;
        for host in &self.hosts {
            host.until_settled().await;
        }
    }

    /// Probes run between all VMs, and beside them between their twins, while something happens.
    pub(super) async fn during(&self, row: &str, happens: impl AsyncFnOnce(&mut Probes)) -> Run {
        self.probing(row, self.vms().chain(self.twins()).collect(), happens).await
    }

    /// The same, and between all hosts over the underlay: so it shows when a host forwards anything at all.
    pub(super) async fn during_and_below(&self, row: &str, happens: impl AsyncFnOnce(&mut Probes)) -> Run {
        self.probing(row, self.vms().chain(self.twins()).chain(self.below()).collect(), happens).await
    }

    async fn probing(&self, row: &str, points: Vec<Point>, happens: impl AsyncFnOnce(&mut Probes)) -> Run {
        let mut probes = Probes::start(INTERVAL, points).unwrap();
        self.pass(&probes, 1).await;
        self.take_written();
        let begin = probes.elapsed();
        happens(&mut probes).await;
        let report = probes.stop().await.unwrap();
        Run::new(row, begin, report, self.take_written())
    }

    /// Waits until each pair of VMs has received this many more probes: time passes in which all of them pass.
    pub(super) async fn pass(&self, probes: &Probes, more: u64) {
        let before = probes.counts(OVERLAY);
        let passed = |counts: &[(&str, &str, u64)]| {
            counts.iter().zip(&before).all(|((.., now), (.., before))| *now >= before + more)
        };
        let deadline = Instant::now() + Duration::from_secs(30) + 2 * INTERVAL * u32::try_from(more).unwrap();
        loop {
            let counts = probes.counts(OVERLAY);
            if passed(&counts) {
                return;
            }
            if Instant::now() > deadline {
                self.explain().await;
                eprintln!("twins: {:?}", probes.counts(TWINS));
                panic!("not all get {more} more probes: {before:?}, and now {counts:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What shows why probes do not pass.
    async fn explain(&self) {
        eprintln!("{:#?}", self.state().await);
        for port in &self.ports {
            eprintln!("{}: {}", port.vm, self.vm(&port.vm).unwrap().exec("ip", ["neighbour"]).await.unwrap());
        }
        for host in self.overlay.hosts() {
            for command in
                [&["dpctl/dump-flows", "-m"][..], &["fdb/show", "br-int"], &["tnl/neigh/show"], &["upcall/show"]]
            {
                eprintln!("{} {}:\n{}", host.name(), command[0], host.appctl(command).await.unwrap());
            }
        }
    }

    /// A VM takes what it knows of its neighbours with it when it moves.
    pub(super) async fn hand_over_neighbours(&self, to: &Vm) {
        for port in self.ports.iter().filter(|port| port.vm != to.spec().name.to_string()) {
            let (ip, mac) = (port.address.addr(), port.mac);
            let neighbour = format!("neighbour replace {ip} lladdr {mac} dev eth0 nud reachable");
            to.exec("ip", neighbour.split(' ')).await.unwrap();
        }
    }

    /// Waits until the VM reaches the port's by its address, which it asks for anew.
    pub(super) async fn until_reaches(&self, vm: &str, port: &Port) {
        let from = self.vm(vm).unwrap();
        until(&format!("{vm} reaches {}", port.vm), async || {
            // Only this one: what waits for an address that is asked for anew waits in a queue of bounded length.
            let ip = port.address.addr().to_string();
            from.exec("ip", ["neighbour", "flush", "to", &ip, "dev", "eth0"]).await.unwrap();
            from.ping(port.address.addr(), 1).await.unwrap().is_complete()
        })
        .await;
    }

    /// What all agents have written since this was last asked.
    pub(super) fn take_written(&self) -> Vec<String> {
        let of_host = |(name, host): (&str, &Observed)| {
            let written = host.take_written().into_iter();
            written.map(|written| format!("{name} {written}")).collect::<Vec<_>>()
        };
        HOSTS.into_iter().zip(&self.hosts).flat_map(of_host).collect()
    }

    /// The twin's flows went with its host's `ovs-vswitchd`.
    pub(super) async fn set_flows_of_twin(&self, host: &str) {
        for twin in self.twins.iter().filter(|twin| twin.is_on(host)) {
            twin.set_flows().await;
        }
    }

    pub(super) async fn kill_server(&self) {
        self.server().process("server").unwrap().unwrap().kill().await.unwrap();
    }

    pub(super) async fn start_server(&self) {
        self.start_control_server(&self.control.server).await.unwrap();
    }

    /// The state of all hosts is that of fresh agents on wiped bridges. This is also the control of every zero before it:
    /// without flows the same probes are lost, and the same observers see what brings them back.
    pub(super) async fn is_as_rebuilt(&self) {
        let before = self.state().await;
        let wiped = self.during("wiped", async |probes| {
            for (host, name) in self.hosts.iter().zip(HOSTS) {
                host.kill_agent().await;
                self.at(name).del_flows("br-int", "").await.unwrap();
                self.at(name).vsctl(["del-br", "br-tun"]).await.unwrap();
            }
            self.hosts.iter().for_each(Observed::start_agent);
            self.settle().await;
            self.pass(probes, 10).await;
        });
        let run = wiped.await;
        assert!(run.missed() > 0 && run.flow_mods() > 0, "without flows probes are lost: {run}");
        assert_eq!(self.state().await, before, "what a fresh agent makes of wiped bridges");
    }

    /// All that an agent makes, by host and bridge, in the one form that all its spellings share.
    pub(super) async fn state(&self) -> BTreeMap<String, Vec<String>> {
        let mut state = BTreeMap::new();
        for host in self.overlay.hosts() {
            for bridge in ["br-int", "br-tun"] {
                state.insert(format!("{} {bridge}", host.name()), flows(&host, bridge).await);
            }
            let columns = ["--columns=name,tag,other_config", "--format=csv", "--no-headings", "list", "Port"];
            let ports = host.vsctl(columns).await.unwrap();
            let mut ports: Vec<_> = ports.lines().map(ToOwned::to_owned).collect();
            ports.sort();
            state.insert(format!("{} ports", host.name()), ports);
        }
        state
    }

    fn vms(&self) -> impl Iterator<Item = Point> {
        self.ports.iter().map(|port| Point {
            name: port.vm.clone(),
            group: OVERLAY.to_owned(),
            node: Node::clone(&self.vm(&port.vm).unwrap()),
            address: port.address.addr(),
            bytes: 0,
        })
    }

    /// Larger, so that a socket's buffer overflows with them sooner than with the VMs': what is lost for want of time is
    /// lost here first.
    fn twins(&self) -> impl Iterator<Item = Point> {
        self.twins.iter().map(|Twin { vm, .. }| Point {
            name: vm.spec().name.to_string(),
            group: TWINS.to_owned(),
            node: Node::clone(vm),
            address: vm.address().unwrap(),
            bytes: 500,
        })
    }

    fn below(&self) -> impl Iterator<Item = Point> {
        self.overlay.hosts().into_iter().map(|host| Point {
            name: host.name().to_owned(),
            group: UNDERLAY.to_owned(),
            address: host.endpoint().into(),
            node: Node::clone(&host),
            bytes: 0,
        })
    }
}

/// What probes cost comes before all else (see [`Probes::start`]; `ovs-vswitchd` too is given priority by its service), so what
/// they wait for must as well: on a machine with more to do it would get next to nothing beside two tests of this kind, and
/// what takes a second would take minutes. What is started from here on inherits it. Where it is not permitted nothing
/// changes.
fn come_first() {
    for thread in std::fs::read_dir("/proc/self/task").unwrap() {
        let thread = thread.unwrap().file_name().into_string().unwrap();
        let thread = rustix::process::Pid::from_raw(thread.parse().unwrap());
        let _ = rustix::process::setpriority_process(thread, -10);
    }
}

/// Without what the switch has learned itself. The order of a flood list means nothing.
async fn flows(host: &Host, bridge: &str) -> Vec<String> {
    let dump = host.dump_flows(bridge).await.unwrap();
    let normal = |flow: &String| {
        let (head, outputs) = flow.split_at(flow.find("output:").unwrap_or(flow.len()));
        let mut outputs: Vec<_> = outputs.split(',').collect();
        outputs.sort_unstable();
        format!("{head}{}", outputs.join(","))
    };
    let mut flows: Vec<_> = dump.iter().filter(|flow| !flow.starts_with(LEARNED)).map(normal).collect();
    flows.sort();
    flows
}
