//! The reference scenario: what each host's bridges hold after each of its steps, for GRE and for VXLAN.

use std::collections::BTreeMap;

use model::{Segment, TunnelType};
use openflow::{Field, Flow, port as reserved};
use pipeline::{Bridge, Cookie, Kind, Modes, Row, State};

use crate::fixture::*;
use crate::switch::{Frame, Switch};

const VM1: &str = "fa:16:3e:b3:e7:7a";
const VM2: &str = "fa:16:3e:73:49:41";
const GATEWAY: &str = "fa:16:3e:87:40:f3";

/// A host, told of network A, with the switch that follows it.
struct Host {
    state: State,
    switch: Switch,
}

impl Host {
    fn new(last: u8, segment: Segment, arp_responder: bool) -> Self {
        let mut state = on(Modes::new(host(last), &TunnelType::ALL, true, arp_responder).unwrap());
        state.set_network(network(1), segment, vlan(2)).unwrap();
        let mut host = Host { state, switch: Switch::default() };
        host.settle();
        host
    }

    fn add(&mut self, id: u8, mac_text: &str, addresses: &[&str], endpoint: u8) {
        self.state.apply_entries(network(1), vec![entry(id, mac_text, addresses, endpoint)], &[]);
    }

    fn wire(&mut self, id: u8, mac_text: &str, addresses: &[&str], ofport: u32) {
        self.state.set_local_port(port(id), wired(1, mac_text, addresses, ofport));
    }

    /// What changed: `+` new or changed rows, `-` rows that went.
    fn settle(&mut self) -> String {
        let before = self.switch.flows.clone();
        self.switch.follow(&mut self.state);
        settle_tunnels(&mut self.state);
        self.switch.follow(&mut self.state);
        difference(&before, &self.switch.flows)
    }

    fn all(&self) -> String {
        let lines = self.switch.flows.iter().filter(|(row, _)| !matches!(row, Row::Question { bit: 1..=30, .. }));
        let explained = lines.map(|(row, flow)| format!("{}\n    {}", line(flow), self.state.explain(row)));
        explained.collect::<Vec<_>>().join("\n")
    }
}

/// As `ovs-ofctl` prints it, without the cookie: that has tests of its own.
fn line(flow: &Flow) -> Flow {
    Flow { cookie: 0, ..flow.clone() }
}

fn difference(before: &BTreeMap<Row, Flow>, after: &BTreeMap<Row, Flow>) -> String {
    let gone = before.iter().filter(|(row, _)| !after.contains_key(row)).map(|(_, flow)| format!("- {}", line(flow)));
    let new = after.iter().filter(|(row, flow)| before.get(row) != Some(flow));
    gone.chain(new.map(|(_, flow)| format!("+ {}", line(flow)))).collect::<Vec<_>>().join("\n")
}

/// Steps 1, 2, 5, 6, 7, 8 and 3, as compute1 sees them.
fn story(tunnel_type: TunnelType, arp_responder: bool) -> String {
    let mut told = Vec::new();
    let mut compute1 = Host::new(COMPUTE1, segment(tunnel_type, 6), arp_responder);
    let mut tell = |what: &str, compute1: &mut Host| told.push(format!("# {what}\n{}\n", compute1.settle()));

    compute1.wire(1, VM1, &["81.1.180.8"], 5);
    compute1.add(9, GATEWAY, &["81.1.180.1"], NETWORK);
    tell("1: first port on compute1; the network node has the gateway", &mut compute1);
    compute1.add(2, VM2, &["81.1.180.9"], COMPUTE2);
    tell("2: first port on compute2", &mut compute1);
    compute1.add(3, "fa:16:3e:00:00:03", &["81.1.180.10"], COMPUTE2);
    tell("5: second port on compute2", &mut compute1);
    compute1.add(2, VM2, &["81.1.180.19"], COMPUTE2);
    tell("6: its fixed IP changes", &mut compute1);
    compute1.add(2, VM2, &["81.1.180.19", "81.1.180.20", "fd00::20"], COMPUTE2);
    tell("6: it gets a second one, and one of IPv6", &mut compute1);
    compute1.add(2, VM2, &["81.1.180.19"], COMPUTE2);
    tell("6: and loses them", &mut compute1);
    compute1.state.apply_entries(network(1), vec![], &[port(3)]);
    tell("7: the second port goes down", &mut compute1);
    compute1.add(3, "fa:16:3e:00:00:03", &["81.1.180.10"], COMPUTE2);
    tell("7: and comes back", &mut compute1);
    compute1.add(3, "fa:16:3e:00:00:03", &["81.1.180.10"], NETWORK);
    tell("8: it moves to another host", &mut compute1);
    compute1.wire(3, "fa:16:3e:00:00:03", &["81.1.180.10"], 6);
    tell("8: and here, before its old entry is withdrawn", &mut compute1);
    compute1.state.apply_entries(network(1), vec![], &[port(3)]);
    tell("8: which then is", &mut compute1);
    compute1.state.remove_local_port(port(3));
    compute1.state.remove_local_port(port(1));
    compute1.state.remove_network(network(1));
    tell("3: the last port on compute1 is deleted", &mut compute1);
    told.join("\n")
}

#[test]
fn gre_with_responder() {
    insta::assert_snapshot!(story(TunnelType::Gre, true));
}

#[test]
fn vxlan_without_responder() {
    insta::assert_snapshot!(story(TunnelType::Vxlan, false));
}

#[test]
fn gre_and_vxlan_differ_by_type_and_number_only() {
    let gre = story(TunnelType::Gre, true);
    let as_gre = story(TunnelType::Vxlan, true).replace("output:2", "output:1").replace("in_port=2", "in_port=1");
    assert_eq!(as_gre.replace("goto_table:4", "goto_table:3").replace("table=4", "table=3"), gre);
}

#[test]
fn everything_at_rest_explained() {
    let mut compute1 = Host::new(COMPUTE1, segment(TunnelType::Gre, 6), true);
    compute1.wire(1, VM1, &["81.1.180.8"], 5);
    compute1.state.set_foreign_port(9);
    compute1.add(9, GATEWAY, &["81.1.180.1"], NETWORK);
    compute1.add(2, VM2, &["81.1.180.9"], COMPUTE2);
    compute1.settle();
    insta::assert_snapshot!(compute1.all());
}

#[test]
fn full_mesh() {
    let mut state = compute1(false, false);
    let mut switch = Switch::default();
    let mut told = Vec::new();
    let mut tell = |what: &str, state: &mut State, switch: &mut Switch| {
        let before = switch.flows.clone();
        settle_tunnels(state);
        switch.follow(state);
        told.push(format!("# {what}\n{}\n", difference(&before, &switch.flows)));
    };
    let tunnels = |hosts: &[u8]| {
        let all = hosts.iter().flat_map(|last| TunnelType::ALL.map(|of| pipeline::Tunnel::new(of, host(*last))));
        all.collect::<Vec<_>>()
    };
    tell("start", &mut state, &mut switch);
    state.set_endpoints(tunnels(&[COMPUTE1, COMPUTE2, NETWORK]));
    tell("two other hosts, two types", &mut state, &mut switch);
    state.set_network(network(1), segment(TunnelType::Gre, 0x3e9), vlan(1)).unwrap();
    state.set_network(network(2), segment(TunnelType::Vxlan, 0x3e9), vlan(2)).unwrap();
    // Entries mean nothing here: all is learned.
    state.apply_entries(network(1), vec![entry(1, GATEWAY, &["81.1.180.1"], NETWORK)], &[]);
    tell("a GRE and a VXLAN network with the same key", &mut state, &mut switch);
    state.set_endpoints(tunnels(&[NETWORK]));
    tell("compute2 is gone", &mut state, &mut switch);
    insta::assert_snapshot!(told.join("\n"));
}

fn arp(op: u128, spa: [u8; 4], tpa: [u8; 4]) -> Frame {
    let ip = |ip: [u8; 4]| u128::from(u32::from_be_bytes(ip));
    let sender = u128::from(mac(VM1).to_u64());
    Frame::from([
        (Field::VlanVid, 0x1002),
        (Field::EthType, 0x0806),
        (Field::EthDst, 0xffff_ffff_ffff),
        (Field::EthSrc, sender),
        (Field::ArpOp, op),
        (Field::ArpSpa, ip(spa)),
        (Field::ArpTpa, ip(tpa)),
        (Field::ArpSha, sender),
        (Field::ArpTha, 0),
    ])
}

#[test]
fn arp_questions_are_answered_and_all_else_passes() {
    let mut host = Host::new(COMPUTE1, segment(TunnelType::Gre, 6), true);
    host.wire(1, VM1, &["81.1.180.8"], 5);
    host.add(2, VM2, &["81.1.180.9"], COMPUTE2);
    host.add(3, "fa:16:3e:00:00:03", &["81.1.180.8"], NETWORK);
    host.settle();
    let (own, other, unknown) = ([81, 1, 180, 8], [81, 1, 180, 9], [81, 1, 180, 77]);
    let ports = |frame| host.switch.ports(1, frame).into_iter().collect::<Vec<_>>();

    let answers = host.switch.forward(1, arp(1, own, other));
    let (out, answer) = answers.first().expect("an answer");
    let answer: Frame = answer.iter().copied().collect();
    let (vm1, vm2) = (u128::from(mac(VM1).to_u64()), u128::from(mac(VM2).to_u64()));
    assert_eq!((answers.len(), *out), (1, reserved::IN_PORT));
    assert_eq!((answer[&Field::EthDst], answer[&Field::EthSrc], answer[&Field::ArpOp]), (vm1, vm2, 2));
    assert_eq!((answer[&Field::ArpSha], answer[&Field::ArpTha], answer[&Field::VlanVid]), (vm2, vm1, 0x1002));
    assert_eq!(answer[&Field::ArpSpa], u32::from_be_bytes(other).into());
    assert_eq!(answer[&Field::ArpTpa], u32::from_be_bytes(own).into());

    let flooded = vec![121, 139];
    assert_eq!(ports(arp(1, own, unknown)), flooded, "nobody here knows");
    assert_eq!(ports(arp(1, other, other)), flooded, "an announcement");
    assert_eq!(ports(arp(1, own, own)), flooded, "an announcement of a port that is wired here");
    assert_eq!(ports(arp(1, [0; 4], other)), flooded, "a probe");
    assert_eq!(ports(arp(2, other, own)), flooded, "a reply");
    assert_eq!(
        ports(arp(1, other, own)),
        Vec::<u32>::new(),
        "br-int has delivered it, whoever else claims the address"
    );

    let mut without = Host::new(COMPUTE1, segment(TunnelType::Gre, 6), false);
    without.add(2, VM2, &["81.1.180.9"], COMPUTE2);
    without.settle();
    assert_eq!(without.switch.ports(1, arp(1, own, other)).into_iter().collect::<Vec<_>>(), [139], "the control");
}

#[test]
fn a_flow_leads_back_to_its_object() {
    let mut host = Host::new(COMPUTE1, segment(TunnelType::Gre, 6), true);
    host.add(2, VM2, &["81.1.180.9"], COMPUTE2);
    host.settle();
    let row = Row::Unicast { vlan: vlan(2), mac: mac(VM2) };
    let flow = &host.switch.flows[&row];
    let cookie = Cookie::parse(flow.cookie).unwrap();
    assert_eq!((cookie.kind, host.state.find(cookie)), (Kind::Unicast, vec![row]));
    assert_eq!(host.state.explain_flow(Bridge::Tunnel, flow), host.state.explain(&row));

    // The cookie stays when what the flow does changes, and when the network gets another VLAN.
    host.add(2, VM2, &[], NETWORK);
    host.settle();
    assert_eq!(host.switch.flows[&row].cookie, cookie.to_u64());
    host.state.remove_network(network(1));
    host.settle();
    host.state.set_network(network(1), segment(TunnelType::Vxlan, 7), vlan(3)).unwrap();
    host.add(2, VM2, &[], NETWORK);
    host.settle();
    assert_eq!(host.state.find(cookie), [Row::Unicast { vlan: vlan(3), mac: mac(VM2) }]);
}

#[test]
fn why_is_it_dropped() {
    let mut host_ = Host::new(COMPUTE1, segment(TunnelType::Gre, 6), true);
    host_.add(2, VM2, &["81.1.180.9"], COMPUTE2);
    host_.settle();
    let why = |tunnel_type, key, from: Option<u8>| host_.state.explain_drop(tunnel_type, key, from.map(host));
    insta::assert_snapshot!(
        [
            why(TunnelType::Vxlan, 6, Some(COMPUTE2)),
            why(TunnelType::Vxlan, 7, None),
            why(TunnelType::Gre, 6, Some(NETWORK)),
            why(TunnelType::Gre, 6, Some(COMPUTE2)),
            why(TunnelType::Gre, 6, None),
        ]
        .join("\n")
    );
}

#[test]
fn networks_that_cannot_be_carried_are_named_and_the_others_go_on() {
    let gre_only = Modes::new(host(COMPUTE1), &[TunnelType::Gre], true, true).unwrap().flood_limit(1);
    let mut state = on(gre_only);
    state.set_network(network(1), segment(TunnelType::Gre, 6), vlan(1)).unwrap();
    state.set_network(network(2), segment(TunnelType::Gre, 6), vlan(2)).unwrap();
    state.set_network(network(3), segment(TunnelType::Vxlan, 6), vlan(3)).unwrap();
    let mut far = entry(4, "fa:16:3e:00:00:04", &["81.1.180.4"], 1);
    far.endpoint = "fd00::1".parse().unwrap();
    let near = [entry(1, GATEWAY, &["81.1.180.1"], NETWORK), entry(2, VM2, &["81.1.180.9"], COMPUTE2), far];
    state.apply_entries(network(1), near.to_vec(), &[]);
    state.apply_entries(network(2), near[..1].to_vec(), &[]);
    state.apply_entries(network(3), near[..1].to_vec(), &[]);
    settle_tunnels(&mut state);
    let problems: Vec<_> = state.problems().iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(problems.join("\n"));

    let unicast = |state: &State| {
        let vlans = state.flows().filter_map(|(row, _)| match row {
            Row::Unicast { vlan, .. } => Some(vlan.get()),
            _ => None,
        });
        vlans.collect::<Vec<_>>()
    };
    assert_eq!(unicast(&state), [1, 1]);
    state.remove_network(network(1));
    assert_eq!(unicast(&state), [2], "the segment's next claimant has it now");
}
