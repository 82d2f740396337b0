//! Behaviour 3: the reference scenario, step by step, with `l2_population`; the hosts differ in their responders.

use lab::ControlSpec;
use model::TunnelType;
use serde_json::json;

use crate::expect::Known;
use crate::explain::explain;
use crate::monitor::{Event, Monitor};
use crate::observer::until_settled;
use crate::overlay::{Network, Overlay, Port, until};
use crate::stream::Stream;
use crate::support::TestLab;

#[tokio::test]
async fn the_scenario_over_gre() {
    scenario("scen_g", TunnelType::Gre, [6, 4]).await;
}

#[tokio::test]
async fn the_scenario_over_vxlan() {
    scenario("scen_v", TunnelType::Vxlan, [1006, 1004]).await;
}

/// The responder is on at both compute hosts and off at `network`; an observer is on compute2's stream.
struct Scenario {
    overlay: Overlay,
    compute2: Stream,
    tunnel_type: TunnelType,
}

async fn scenario(name: &str, tunnel_type: TunnelType, keys: [u32; 2]) {
    let scenario = Scenario::up(name, tunnel_type).await;
    let a = scenario.overlay.network(tunnel_type, keys[0], "81.1.180.0/24").await;
    let (gateway, one) = scenario.first_port(&a).await;
    let two = scenario.first_port_of_another_host(&a, &gateway, &one).await;
    let three = scenario.second_port(&a, &gateway, &one, &two).await;
    scenario.fixed_ips(&a, &gateway, &one, &two, &three).await;
    scenario.down_and_up(&a, &gateway, &one, &two, &three).await;
    let three = scenario.move_to_compute2(&a, &gateway, &one, &two, three).await;
    scenario.last_port_goes(&a, &gateway, &one, &two, &three).await;
    let b = scenario.overlay.network(tunnel_type, keys[1], "91.1.180.0/24").await;
    scenario.first_port_of_another_network(&b).await;
}

impl Scenario {
    async fn up(name: &str, tunnel_type: TunnelType) -> Scenario {
        let lab = TestLab::of_three(name).await;
        let compute2 = Stream::start(&lab.host("compute2").unwrap()).await;
        let mut control = ControlSpec::default();
        control.hosts.insert("network".to_owned(), vec!["--arp-responder=false".to_owned()]);
        control.hosts.insert("compute2".to_owned(), vec![format!("--server={}", compute2.address)]);
        Scenario { overlay: Overlay::start(lab, control).await, compute2, tunnel_type }
    }

    /// Step 1: compute1 and `network` learn of each other's port. compute2 has none: not a byte, and nothing to do.
    async fn first_port(&self, a: &Network) -> (Port, Port) {
        let before = self.all_said().await;
        for host in ["compute1", "compute2", "network"] {
            assert!(self.tunnels(host).await.is_empty(), "an agent that starts makes no tunnel");
        }
        let gateway = self.port(a, "gw", "network", "81.1.180.1", "fa:16:3e:87:40:f3").await;
        let one = self.port(a, "vm1", "compute1", "81.1.180.8", "fa:16:3e:b3:e7:7a").await;
        self.everywhere(a, &["compute1", "network"], &[&gateway, &one]).await;
        assert_eq!(self.tunnels("compute1").await, [self.tunnel("0a000115")]);
        assert_eq!(self.tunnels("network").await, [self.tunnel("0a00011f")]);
        assert!(self.overlay.ping(&one, &gateway, 1).await.0);

        assert_eq!(self.compute2.bytes(), before, "compute2 has no port on the network");
        let compute2 = self.overlay.switch("compute2").await;
        assert!(compute2.tunnels.is_empty() && compute2.vlan(&a.id).is_none());
        (gateway, one)
    }

    /// Step 2: compute2 is told all of the network, the others of compute2's port. No ARP request crosses, but from
    /// `network`, which has no responder.
    async fn first_port_of_another_host(&self, a: &Network, gateway: &Port, one: &Port) -> Port {
        let before = self.compute2.bytes();
        let two = self.port(a, "vm2", "compute2", "81.1.180.9", "fa:16:3e:73:49:41").await;
        self.everywhere(a, &["compute1", "compute2", "network"], &[gateway, one, &two]).await;
        assert!(self.compute2.bytes() > before, "compute2 has a port now");
        assert_eq!(self.tunnels("compute1").await, [self.tunnel("0a000115"), self.tunnel("0a000127")]);
        assert_eq!(self.tunnels("compute2").await, [self.tunnel("0a000115"), self.tunnel("0a00011f")]);

        let (complete, frames) = self.overlay.ping(one, &two, 3).await;
        assert!(complete && frames.iter().filter(|frame| frame.is_icmp()).count() == 6);
        assert_eq!(frames.iter().filter(|frame| frame.is_arp_request()).count(), 0);
        let (complete, frames) = self.overlay.ping(gateway, &two, 3).await;
        assert!(complete);
        assert!(
            frames.iter().any(|frame| frame.is_arp_request() && frame.from == self.overlay.at("network").endpoint())
        );
        two
    }

    /// Step 5: of a second port on a host, the others get this entry; nothing else changes.
    async fn second_port(&self, a: &Network, gateway: &Port, one: &Port, two: &Port) -> Port {
        let mut monitor = Monitor::start(&self.overlay.at("compute2"), "br-tun").await;
        let three = self.port(a, "vm3", "compute1", "81.1.180.10", "fa:16:3e:06:24:bb").await;
        self.everywhere(a, &["compute1", "compute2", "network"], &[gateway, one, two, &three]).await;
        assert_eq!(kinds(&monitor.events().await), ["ADDED table=20", "ADDED table=21"]);
        three
    }

    /// Step 6: when fixed IPs change, only responder rows do.
    async fn fixed_ips(&self, a: &Network, gateway: &Port, one: &Port, two: &Port, three: &Port) {
        let mut monitor = Monitor::start(&self.overlay.at("compute2"), "br-tun").await;
        for (ips, events) in [
            (vec!["81.1.180.11"], vec!["ADDED table=21", "DELETED table=21"]),
            (vec!["81.1.180.11", "81.1.180.12"], vec!["ADDED table=21"]),
            (vec!["81.1.180.10", "81.1.180.11", "81.1.180.12"], vec!["ADDED table=21"]),
            (vec!["81.1.180.10"], vec!["DELETED table=21", "DELETED table=21"]),
        ] {
            let fixed_ips: Vec<_> = ips.iter().map(|ip| json!({ "ip_address": ip })).collect();
            self.overlay.rest.update("port", &three.id, json!({ "fixed_ips": fixed_ips })).await.unwrap();
            let ips = ips.into_iter().map(ToOwned::to_owned).collect();
            let changed = Known { ips, ..Known::from(three) };
            self.overlay.until_knows("compute2", a, &[gateway.into(), one.into(), two.into(), changed], true).await;
            let mut seen = kinds(&monitor.events().await);
            seen.sort();
            assert_eq!(seen, events);
        }
    }

    /// Step 7: a port that goes administratively down, or is unplugged, goes everywhere, and comes back. The flood list
    /// keeps its host, which has another port.
    async fn down_and_up(&self, a: &Network, gateway: &Port, one: &Port, two: &Port, three: &Port) {
        let hosts = ["compute1", "compute2", "network"];
        let (without, with) = ([gateway, one, two], [gateway, one, two, three]);
        for up in [false, true] {
            self.overlay.rest.update("port", &three.id, json!({ "admin_state_up": up })).await.unwrap();
            self.everywhere(a, &hosts, if up { &with } else { &without }).await;
            self.overlay.until_status(three, if up { "ACTIVE" } else { "DOWN" }).await;
        }
        self.overlay.unplug(&three.vm).await.unwrap();
        self.everywhere(a, &hosts, &without).await;
        self.overlay.plug_port(three).await;
        self.everywhere(a, &hosts, &with).await;
        self.overlay.until_status(three, "ACTIVE").await;
        assert!(self.overlay.ping(two, three, 1).await.0);
    }

    /// Step 8: a port moves to another host; all end with the entry of the new one.
    async fn move_to_compute2(&self, a: &Network, gateway: &Port, one: &Port, two: &Port, three: Port) -> Port {
        let moved = Port { host: "compute2".to_owned(), ..three };
        self.overlay.unplug(&moved.vm).await.unwrap();
        self.overlay.rest.update("port", &moved.id, json!({ "binding:host_id": "compute2" })).await.unwrap();
        self.overlay.plug_port(&moved).await;
        self.everywhere(a, &["compute1", "compute2", "network"], &[gateway, one, two, &moved]).await;
        self.overlay.until_status(&moved, "ACTIVE").await;
        assert!(self.overlay.ping(gateway, &moved, 1).await.0 && self.overlay.ping(one, &moved, 1).await.0);
        moved
    }

    /// Step 3: with the only port on compute1 all that compute1 had of the network goes, and all that the others had of
    /// compute1.
    async fn last_port_goes(&self, a: &Network, gateway: &Port, one: &Port, two: &Port, three: &Port) {
        let vlan = self.overlay.switch("compute1").await.vlan(&a.id).unwrap();
        self.overlay.rest.delete("port", &one.id).await.unwrap();
        self.everywhere(a, &["compute2", "network"], &[gateway, two, three]).await;
        until("compute1 has no tunnel, nor a flow of the network", async || {
            let switch = self.overlay.switch("compute1").await;
            let of_vlan = |flow: &openflow::Flow| {
                let vid = flow.matching.normalised().get(openflow::Field::VlanVid);
                vid.is_some_and(|vid| vid.value & 0xfff == vlan.into())
            };
            let keys = switch.table(crate::expect::classifying(self.tunnel_type));
            switch.tunnels.is_empty() && !switch.flows.iter().any(of_vlan) && keys.len() == 1
        })
        .await;
        until("compute2 and network have no tunnel to compute1", async || {
            let (compute2, network) = (self.tunnels("compute2").await, self.tunnels("network").await);
            compute2 == [self.tunnel("0a000115")] && network == [self.tunnel("0a000127")]
        })
        .await;
        self.overlay.unplug(&one.vm).await.unwrap();
    }

    /// Step 4: the first port of another network. compute2, which has none of it, does not hear of it.
    async fn first_port_of_another_network(&self, b: &Network) {
        let subnet = json!({ "network_id": b.id, "ip_version": 4, "cidr": "90.1.180.0/24", "enable_dhcp": false });
        self.overlay.rest.create("subnet", subnet).await.unwrap();
        let before = self.all_said().await;
        let mut known = Vec::new();
        for (vm, mac, ips) in [
            ("gw91", "fa:16:3e:90:e5:50", vec!["91.1.180.1"]),
            ("gw90", "fa:16:3e:17:c9:26", vec!["90.1.180.1"]),
            ("both", "fa:16:3e:69:92:30", vec!["90.1.180.3", "91.1.180.2"]),
        ] {
            let fixed_ips: Vec<_> = ips.iter().map(|ip| json!({ "ip_address": ip })).collect();
            let more = json!({ "mac_address": mac, "fixed_ips": fixed_ips });
            let port = self.overlay.port_with(b, vm, "network", ips[0], more).await;
            self.overlay.plug_port(&port).await;
            self.overlay.until_status(&port, "ACTIVE").await;
            known.push(Known { ips: ips.into_iter().map(ToOwned::to_owned).collect(), ..Known::from(&port) });
        }
        let one = self.overlay.add_vm(b, "vm4", "compute1", "91.1.180.8").await;
        known.push(Known::from(&one));
        self.overlay.until_knows("compute1", b, &known, true).await;
        self.overlay.until_knows("network", b, &known, false).await;
        assert_eq!(self.tunnels("compute1").await, [self.tunnel("0a000115")]);

        assert_eq!(self.compute2.bytes(), before, "compute2 has no port on this network");
        let compute2 = self.overlay.switch("compute2").await;
        assert_eq!((compute2.vlan(&b.id), compute2.tunnel_names().len()), (None, 1));
    }

    /// What has been said on compute2's stream once there is nothing left to say: the agent has been told everything, the
    /// server has heard of it, and a question and its answer, which overtake nothing, have passed since.
    async fn all_said(&self) -> usize {
        until_settled(&self.overlay.at("compute2").agent_socket()).await;
        self.overlay.until_in_step().await;
        explain(&self.overlay, "--host compute2 --tunnel gre --key 1").await;
        self.compute2.bytes()
    }

    async fn port(&self, network: &Network, vm: &str, host: &str, ip: &str, mac: &str) -> Port {
        let port = self.overlay.port_with(network, vm, host, ip, json!({ "mac_address": mac })).await;
        self.overlay.plug_port(&port).await;
        self.overlay.until_status(&port, "ACTIVE").await;
        port
    }

    /// Waits until these hosts know these ports, and no others.
    async fn everywhere(&self, network: &Network, hosts: &[&str], ports: &[&Port]) {
        let ports: Vec<Known> = ports.iter().map(|port| Known::from(*port)).collect();
        for host in hosts {
            self.overlay.until_knows(host, network, &ports, *host != "network").await;
        }
    }

    async fn tunnels(&self, host: &str) -> Vec<String> {
        self.overlay.switch(host).await.tunnels.into_keys().collect()
    }

    fn tunnel(&self, remote: &str) -> String {
        format!("{}-{remote}", self.tunnel_type)
    }
}

/// Of each event, what happened and in which table.
fn kinds(events: &[Event]) -> Vec<String> {
    let kind = |event: &Event| {
        let mut words = event.split(' ');
        let what = words.next()?.strip_prefix("event=")?.to_owned();
        words.find(|word| word.starts_with("table=")).map(|table| format!("{what} {table}"))
    };
    events.iter().filter_map(kind).collect()
}
