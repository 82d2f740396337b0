//! A lab with server and agents up, driven through REST: networks, ports, and the VMs that are plugged as them.

use std::fmt::Debug;
use std::ops::Deref;
use std::time::{Duration, Instant};

use ipnet::IpNet;
use lab::{ControlSpec, Encapsulated, Host, Rest, Vm, VmSpec, encapsulated};
use model::{Mac, Segment, TunnelType};
use serde_json::{Value, json};

use crate::support::TestLab;
use crate::switch::Switch;

/// Far longer than anything takes, so that a busy machine is not taken for a broken program.
const DEADLINE: Duration = Duration::from_secs(30);

/// The three hosts of the reference scenario with Culvert on them.
#[derive(Debug)]
pub(crate) struct Overlay {
    lab: TestLab,
    pub(crate) rest: Rest,
    pub(crate) control: ControlSpec,
}

/// A network with one IPv4 subnet.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) segment: Segment,
    pub(crate) mtu: u32,
    cidr: IpNet,
}

/// A port with one address, and the name of the VM that is or will be plugged as it.
#[derive(Debug, Clone)]
pub(crate) struct Port {
    pub(crate) id: String,
    pub(crate) vm: String,
    pub(crate) host: String,
    pub(crate) mac: Mac,
    pub(crate) address: IpNet,
    pub(crate) mtu: u32,
}

impl Deref for Overlay {
    type Target = TestLab;

    fn deref(&self) -> &TestLab {
        &self.lab
    }
}

impl Overlay {
    /// `name` is the test's own, 8 bytes at most.
    pub(crate) async fn up(name: &str, control: ControlSpec) -> Overlay {
        Overlay::start(TestLab::of_three(name).await, control).await
    }

    /// Starts server and agents in a lab that something was done to before.
    pub(crate) async fn start(lab: TestLab, control: ControlSpec) -> Overlay {
        let rest = match lab.start_control(&control).await {
            Ok(rest) => rest,
            Err(error) => panic!("server and agents did not come up: {error}"),
        };
        Overlay { lab, rest, control }
    }

    /// Starts the server alone.
    pub(crate) async fn without_agents(lab: TestLab) -> Overlay {
        let control = ControlSpec::default();
        lab.start_control_server(&control.server).await.unwrap();
        let rest = lab.rest().await.unwrap();
        Overlay { lab, rest, control }
    }

    /// A network with this segment, and a subnet without DHCP.
    pub(crate) async fn network(&self, tunnel_type: TunnelType, key: u32, cidr: &str) -> Network {
        let attributes = json!({ "provider:network_type": tunnel_type, "provider:segmentation_id": key });
        let made = self.rest.create("network", attributes).await.unwrap();
        let id = text(&made, "id");
        let subnet = json!({ "network_id": id, "ip_version": 4, "cidr": cidr, "enable_dhcp": false });
        self.rest.create("subnet", subnet).await.unwrap();
        let mtu = made["mtu"].as_u64().unwrap().try_into().unwrap();
        Network { id, segment: Segment::new(tunnel_type, key.into()).unwrap(), mtu, cidr: cidr.parse().unwrap() }
    }

    /// A port with this address, bound to the host; nothing is plugged yet. `vm` is 8 bytes at most.
    pub(crate) async fn port(&self, network: &Network, vm: &str, host: &str, ip: &str) -> Port {
        self.port_with(network, vm, host, ip, json!({})).await
    }

    /// The same with more attributes.
    pub(crate) async fn port_with(&self, network: &Network, vm: &str, host: &str, ip: &str, more: Value) -> Port {
        let mut attributes = json!({
            "name": vm, "network_id": network.id, "fixed_ips": [{ "ip_address": ip }], "binding:host_id": host,
        });
        attributes.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = self.rest.create("port", attributes).await.unwrap();
        Port {
            id: text(&made, "id"),
            vm: vm.to_owned(),
            host: host.to_owned(),
            mac: text(&made, "mac_address").parse().unwrap(),
            address: IpNet::new(ip.parse().unwrap(), network.cidr.prefix_len()).unwrap(),
            mtu: network.mtu,
        }
    }

    /// Plugs a VM as this port, on the port's host.
    pub(crate) async fn plug_port(&self, port: &Port) -> Vm {
        let spec = VmSpec {
            name: port.vm.parse().unwrap(),
            port: port.id.parse().unwrap(),
            mac: port.mac,
            addresses: vec![port.address],
            mtu: port.mtu,
        };
        self.plug(&port.host, spec).await.unwrap()
    }

    /// A port, its VM plugged, and ACTIVE.
    pub(crate) async fn add_vm(&self, network: &Network, vm: &str, host: &str, ip: &str) -> Port {
        let port = self.port(network, vm, host, ip).await;
        self.plug_port(&port).await;
        self.until_status(&port, "ACTIVE").await;
        port
    }

    pub(crate) async fn status(&self, port: &Port) -> String {
        text(&self.rest.show("port", &port.id).await.unwrap(), "status")
    }

    pub(crate) async fn until_status(&self, port: &Port, status: &str) {
        until(&format!("port {} is {status}", port.vm), async || self.status(port).await == status).await;
    }

    pub(crate) fn at(&self, host: &str) -> Host {
        self.host(host).unwrap()
    }

    /// What a host's Open vSwitch has now.
    pub(crate) async fn switch(&self, host: &str) -> Switch {
        Switch::of(&self.at(host)).await
    }

    /// Pings from one port's VM another's address, with an empty ARP cache; whether all was answered, and every frame that
    /// crossed the underlay in a tunnel meanwhile, once each.
    pub(crate) async fn ping(&self, from: &Port, to: &Port, count: u32) -> (bool, Vec<Encapsulated>) {
        let vm = self.vm(&from.vm).unwrap();
        vm.exec("ip", ["neighbour", "flush", "dev", "eth0"]).await.unwrap();
        let (ping, frames) = self.watch_underlay(async || vm.ping(to.address.addr(), count).await.unwrap()).await;
        (ping.is_complete(), frames)
    }

    /// What crosses the underlay in tunnels while something happens; each frame once, as it leaves its host.
    pub(crate) async fn watch_underlay<T>(&self, happens: impl AsyncFnOnce() -> T) -> (T, Vec<Encapsulated>) {
        let mut captures = Vec::new();
        for host in self.hosts() {
            captures.push((host.endpoint(), host.capture_underlay("").await.unwrap()));
        }
        let result = happens().await;
        let mut frames = Vec::new();
        for (endpoint, capture) in captures {
            let passed = encapsulated(&capture.stop().await.unwrap());
            frames.extend(passed.into_iter().filter(|frame| frame.from == endpoint));
        }
        (result, frames)
    }
}

/// Waits for something that must come, and fails the test with `what` if it does not within the deadline.
pub(crate) async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "this has not come about: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until both are the same, and shows them if they do not become so.
pub(crate) async fn until_equal<T: PartialEq + Debug>(what: &str, sides: impl AsyncFn() -> Option<(T, T)>) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let sides = sides().await;
        if sides.as_ref().is_some_and(|(found, expected)| found == expected) {
            return;
        }
        assert!(Instant::now() < deadline, "this has not come about: {what}; found and expected: {sides:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An attribute that must be there.
pub(crate) fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_else(|| panic!("no {name} in {object}")).to_owned()
}

/// Options for all agents.
pub(crate) fn agents(options: &[&str]) -> ControlSpec {
    ControlSpec { agents: options.iter().map(ToString::to_string).collect(), ..ControlSpec::default() }
}

/// The type that a network has which must not meet networks of this one.
pub(crate) fn other_type(tunnel_type: TunnelType) -> TunnelType {
    match tunnel_type {
        TunnelType::Gre => TunnelType::Vxlan,
        TunnelType::Vxlan => TunnelType::Gre,
    }
}
