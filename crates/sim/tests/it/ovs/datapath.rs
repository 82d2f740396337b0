//! A bridge of a real Open vSwitch: flows in, and what it would do with a frame, or does.

use std::collections::BTreeMap;

use openflow::Flow;
use openflow::connection::{Connection, Options, Target};
use sim::ovs::vswitch::Vlans;
use sim::ovs::{Arp, Frame, Payload};

use crate::lab::OneHost;

const BRIDGE: &str = "br-x";
const OFCTL: [&str; 3] = ["-O", "OpenFlow14", "--no-names"];

pub(crate) struct Real {
    host: OneHost,
    /// Numbers of the datapath's ports, with those that OpenFlow has for them.
    numbers: BTreeMap<u32, u32>,
}

impl Real {
    /// A bridge with ports `p1` and so on, numbered alike.
    pub(crate) async fn with_ports(host: OneHost, ports: u32) -> Real {
        host.exec("sysctl", ["-qw", "net.ipv6.conf.default.disable_ipv6=1"]).await.unwrap();
        let datapath = ["add-br", BRIDGE, "--", "set", "Bridge", BRIDGE, "datapath_type=netdev", "fail_mode=secure"];
        host.vsctl(datapath).await.unwrap();
        for number in 1..=ports {
            let (name, request) = (format!("p{number}"), format!("ofport_request={number}"));
            host.vsctl(["add-port", BRIDGE, &name, "--", "set", "Interface", &name, "type=internal", &request])
                .await
                .unwrap();
            host.exec("ip", ["link", "set", &name, "up"]).await.unwrap();
        }
        // As `port 3: p1 (internal)`, or `p1 1/3: (internal)` under the bridge.
        let show = host.appctl(["dpif/show"]).await.unwrap();
        let number = |line: &str| {
            let (name, rest) = line.trim().split_once(' ')?;
            let (openflow, datapath) = rest.trim().split_once(':')?.0.split_once('/')?;
            name.strip_prefix('p')?.parse::<u32>().ok()?;
            Some((datapath.parse().ok()?, openflow.parse().ok()?))
        };
        let numbers: BTreeMap<u32, u32> = show.lines().filter_map(number).collect();
        assert_eq!(numbers.len(), ports as usize, "{show}");
        Real { host, numbers }
    }

    pub(crate) async fn set_flows(&self, flows: &[Flow]) {
        self.host.del_flows(BRIDGE, "").await.unwrap();
        let text: Vec<String> = flows.iter().map(ToString::to_string).collect();
        let text = text.join("\n");
        self.host.add_flows(BRIDGE, &text).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
    }

    pub(crate) async fn flows(&self) -> Vec<Flow> {
        let args = OFCTL.into_iter().chain(["--no-stats", "dump-flows", BRIDGE]);
        let dump = self.host.exec("ovs-ofctl", args).await.unwrap();
        let lines = dump.lines().map(str::trim).filter(|line| line.contains("actions="));
        lines.map(|line| line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
    }

    /// A connection for flow-mods as they are, alone or as one bundle.
    pub(crate) async fn connect(&self) -> Connection {
        let target = Target::Unix(self.host.rundir().join(format!("{BRIDGE}.mgmt")));
        Connection::open(&target, Options::default()).await.unwrap().0
    }

    pub(crate) async fn set_vlans(&self, port: u32, vlans: &Vlans) {
        let name = format!("p{port}");
        let mut args = vec!["clear".to_owned(), "Port".to_owned(), name.clone(), "tag".into(), "trunks".into()];
        args.extend(["vlan_mode", "--", "set", "Port", &name].map(str::to_owned));
        match vlans {
            Vlans::Access(tag) => args.push(format!("tag={tag}")),
            Vlans::Trunk(trunks) => {
                args.push("vlan_mode=trunk".to_owned());
                let trunks: Vec<_> = trunks.iter().map(ToString::to_string).collect();
                args.extend((!trunks.is_empty()).then(|| format!("trunks={}", trunks.join(","))));
            }
        }
        self.host.vsctl(args).await.unwrap();
    }

    /// What the bridge would do with a frame (`ofproto/trace` in ovs-vswitchd(8)).
    pub(crate) async fn trace(&self, in_port: u32, frame: &Frame) -> Vec<(u32, Frame)> {
        let text = self.host.appctl(["ofproto/trace", BRIDGE, &describe(in_port, frame)]).await.unwrap();
        let actions = text.lines().find_map(|line| line.strip_prefix("Datapath actions: "));
        self.outputs(*frame, actions.unwrap_or_else(|| panic!("{text}")))
    }

    /// Sends a frame in at a port, through all tables.
    pub(crate) async fn send(&self, in_port: u32, hex: &str) {
        let out = format!("in_port={in_port},packet={hex},actions=table");
        let args = OFCTL.into_iter().chain(["packet-out", BRIDGE, &out]);
        self.host.exec("ovs-ofctl", args).await.unwrap();
    }

    /// Frames that have left by each port.
    pub(crate) async fn sent(&self) -> BTreeMap<u32, u64> {
        let text = self.host.exec("ovs-ofctl", OFCTL.into_iter().chain(["dump-ports", BRIDGE])).await.unwrap();
        let mut port = None;
        let mut sent = BTreeMap::new();
        for line in text.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("port ") {
                port = rest.split_once(':').and_then(|(number, _)| number.trim().parse::<u32>().ok());
            }
            if let (Some(port), Some(rest)) = (port, line.strip_prefix("tx pkts=")) {
                sent.insert(port, rest.split(',').next().unwrap().parse().unwrap());
            }
        }
        sent
    }

    /// The frames that datapath actions make of one (`odp_actions` as ovs-dpctl(8) writes them).
    fn outputs(&self, mut frame: Frame, actions: &str) -> Vec<(u32, Frame)> {
        let mut outputs = Vec::new();
        for action in split(actions) {
            if let Ok(number) = action.parse::<u32>() {
                // The bridge's own port, which hears what is flooded, is of no interest.
                outputs.extend(self.numbers.get(&number).map(|port| (*port, frame)));
            } else if action == "pop_vlan" {
                frame.tag = None;
            } else if let Some(vlan) = inside(action, "push_vlan") {
                frame.tag = Some(number(value(vlan, "vid").unwrap()).try_into().unwrap());
            } else if let Some(eth) = inside(action, "set").and_then(|set| inside(set, "eth")) {
                frame.src = value(eth, "src").map_or(frame.src, mac);
                frame.dst = value(eth, "dst").map_or(frame.dst, mac);
            } else if let Some(arp) = inside(action, "set").and_then(|set| inside(set, "arp")) {
                frame.payload = set_arp(frame.payload, arp);
            } else if action != "drop" {
                panic!("a datapath action that nobody here knows: {action} in {actions}");
            }
        }
        outputs
    }
}

fn set_arp(payload: Payload, text: &str) -> Payload {
    let Payload::Arp(arp) = payload else { panic!("{text} of a frame that is no ARP") };
    Payload::Arp(Arp {
        op: value(text, "op").map_or(arp.op, |op| number(op).try_into().unwrap()),
        sha: value(text, "sha").map_or(arp.sha, mac),
        spa: value(text, "sip").map_or(arp.spa, ip),
        tha: value(text, "tha").map_or(arp.tha, mac),
        tpa: value(text, "tip").map_or(arp.tpa, ip),
    })
}

/// At commas that are in no parenthesis.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0, 0, Vec::new());
    for (at, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn inside<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.strip_prefix(name)?.strip_prefix('(')?.strip_suffix(')')
}

/// The value of a key, without its mask: what is masked out is as it was in the frame.
fn value<'t>(text: &'t str, key: &str) -> Option<&'t str> {
    let pair = split(text).into_iter().find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='))?;
    Some(pair.split('/').next().unwrap_or(pair))
}

fn number(text: &str) -> u64 {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    }
}

fn mac(text: &str) -> u64 {
    u64::from_str_radix(&text.replace(':', ""), 16).unwrap()
}

fn ip(text: &str) -> u32 {
    text.parse::<std::net::Ipv4Addr>().unwrap().into()
}

fn octets(mac: u64) -> [u8; 6] {
    let [_, _, octets @ ..] = mac.to_be_bytes();
    octets
}

/// A frame as a flow (ovs-fields(7)).
fn describe(in_port: u32, frame: &Frame) -> String {
    let mac = |mac| octets(mac).map(|octet| format!("{octet:02x}")).join(":");
    let ip = |ip| std::net::Ipv4Addr::from(ip);
    let mut words = vec![format!("in_port={in_port},dl_src={},dl_dst={}", mac(frame.src), mac(frame.dst))];
    words.extend(frame.tag.map(|tag| format!("dl_vlan={},dl_vlan_pcp=0", tag & 0xfff)));
    words.push(match frame.payload {
        Payload::Data => "ip,nw_src=192.0.2.1,nw_dst=192.0.2.2,nw_ttl=64".to_owned(),
        Payload::Arp(Arp { op, sha, spa, tha, tpa }) => {
            let (sha, tha) = (mac(sha), mac(tha));
            format!("arp,arp_op={op},arp_sha={sha},arp_spa={},arp_tha={tha},arp_tpa={}", ip(spa), ip(tpa))
        }
    });
    words.join(",")
}

/// A frame as bytes: IPv4 of a protocol for experiments (RFC 3692), padded to 60 bytes.
pub(crate) fn as_hex(frame: &Frame) -> String {
    let mut bytes = Vec::new();
    bytes.extend(octets(frame.dst));
    bytes.extend(octets(frame.src));
    if let Some(tag) = frame.tag {
        bytes.extend([0x81, 0]);
        bytes.extend(tag.to_be_bytes());
    }
    assert_eq!(frame.payload, Payload::Data, "only data is sent for real");
    bytes.extend([8, 0, 0x45, 0, 0, 20, 0, 0, 0, 0, 64, 253, 0xf6, 0xd2, 192, 0, 2, 1, 192, 0, 2, 2]);
    bytes.resize(60, 0);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}
