//! The order of a plan's steps: what is new before what is old, and a VLAN given up from the outside in.

use model::TunnelType;
use pipeline::{Change, Error, Row, TunnelPort, plan};

use crate::fixture::*;
use crate::switch::Switch;

const MAC: &str = "fa:16:3e:00:00:01";

fn one_network() -> (pipeline::State, Switch) {
    let (mut state, mut switch) = (compute1(true, true), Switch::default());
    state.set_network(network(1), segment(TunnelType::Gre, 6), vlan(1)).unwrap();
    state.apply_entries(network(1), vec![entry(1, MAC, &["81.1.180.1"], NETWORK)], &[]);
    state.set_local_port(port(8), wired(1, "fa:16:3e:b3:e7:7a", &["81.1.180.8"], 5));
    settle_tunnels(&mut state);
    switch.follow(&mut state);
    (state, switch)
}

#[test]
fn a_new_switch_opens_last() {
    let (mut state, _) = one_network();
    let mut switch = Switch::default();
    let everything = switch.installed.and_wanted(&state);
    let ops = plan(&state, &switch.installed, everything, |_| true).ops;
    let place = |wanted: Row| ops.iter().position(|op| op.row == wanted).unwrap();
    let path = [
        Row::Default { table: 22 },
        Row::Unicast { vlan: vlan(1), mac: mac(MAC) },
        Row::Flood { vlan: vlan(1) },
        Row::Responder { vlan: vlan(1), ip: [81, 1, 180, 1].into() },
        Row::Key(segment(TunnelType::Gre, 6)),
        Row::Classify { port: 1 },
        Row::Admit { port: 5 },
        Row::Refuse,
    ]
    .map(place);
    assert!(path.is_sorted(), "{path:?}");
    assert!(switch.follow(&mut state).is_empty(), "all of it was marked and taken before");
}

#[test]
fn a_vlan_is_given_up_from_the_outside_in() {
    let (mut state, mut switch) = one_network();
    state.remove_network(network(1));
    let refused = state.set_network(network(2), segment(TunnelType::Gre, 7), vlan(1));
    assert_eq!(refused, Err(Error::VlanGivenUp { vlan: vlan(1), network: network(2) }));
    assert_eq!(state.tunnels_wanted().count(), 0);

    let ops: Vec<_> = switch.follow(&mut state).into_iter().map(|op| (op.change, op.row)).collect();
    let removed = |row| (Change::Remove, row);
    let expected = [
        removed(Row::Classify { port: 121 }),
        removed(Row::Key(segment(TunnelType::Gre, 6))),
        removed(Row::Learned { vlan: vlan(1) }),
        removed(Row::Responder { vlan: vlan(1), ip: [81, 1, 180, 1].into() }),
        removed(Row::LocalIp { vlan: vlan(1), ip: [81, 1, 180, 8].into() }),
        removed(Row::Unicast { vlan: vlan(1), mac: mac(MAC) }),
        removed(Row::Flood { vlan: vlan(1) }),
    ];
    assert_eq!(ops, expected);
    state.set_network(network(2), segment(TunnelType::Gre, 7), vlan(1)).unwrap();
}

#[test]
fn a_port_that_moves_keeps_its_old_way_until_the_new_tunnel_is_there() {
    let (mut state, mut switch) = one_network();
    let row = Row::Unicast { vlan: vlan(1), mac: mac(MAC) };
    let before = switch.flows[&row].clone();

    state.apply_entries(network(1), vec![entry(1, MAC, &["81.1.180.1"], COMPUTE2)], &[]);
    switch.follow(&mut state);
    assert_eq!(switch.flows[&row], before, "its new tunnel has no port yet");
    assert!(switch.flows.contains_key(&Row::Classify { port: 121 }), "and what comes back the old way is let in");
    assert_eq!(state.tunnels_pending().map(|tunnel| tunnel.remote).collect::<Vec<_>>(), [host(COMPUTE2)]);

    settle_tunnels(&mut state);
    let ops: Vec<_> = switch.follow(&mut state).into_iter().map(|op| (op.change, op.row)).collect();
    let expected = [
        (Change::Modify, row),
        (Change::Modify, Row::Flood { vlan: vlan(1) }),
        (Change::Add, Row::Classify { port: 139 }),
        (Change::Remove, Row::Classify { port: 121 }),
        (Change::Remove, Row::LearnedMac { vlan: vlan(1), mac: mac(MAC) }),
    ];
    assert_eq!(ops, expected, "the old tunnel is the last to go");
    assert_ne!(switch.flows[&row], before);
}

#[test]
fn a_port_that_moves_hears_broadcasts_until_the_new_tunnel_is_there() {
    let (mut state, mut switch) = one_network();
    let (other, row) = ("fa:16:3e:00:00:02", Row::Flood { vlan: vlan(1) });
    state.apply_entries(network(1), vec![entry(2, other, &["81.1.180.2"], COMPUTE2)], &[]);
    settle_tunnels(&mut state);
    switch.follow(&mut state);
    let before = switch.flows[&row].clone();

    state.apply_entries(network(1), vec![entry(1, MAC, &["81.1.180.1"], COMPUTE3)], &[]);
    switch.follow(&mut state);
    assert_eq!(switch.flows[&row], before, "its new tunnel has no port yet, and the other's is no way to it");

    settle_tunnels(&mut state);
    switch.follow(&mut state);
    assert_ne!(switch.flows[&row], before);
}

#[test]
fn nobody_is_told_of_a_mac_before_there_is_a_way_to_it() {
    let (mut state, mut switch) = one_network();
    let other = "fa:16:3e:00:00:02";
    state.apply_entries(network(1), vec![entry(2, other, &["81.1.180.2", "81.1.180.3"], COMPUTE2)], &[]);
    assert_eq!(switch.follow(&mut state), [], "its tunnel has no port yet");

    settle_tunnels(&mut state);
    let ops: Vec<_> = switch.follow(&mut state).into_iter().map(|op| (op.change, op.row)).collect();
    let expected = [
        (Change::Add, Row::Unicast { vlan: vlan(1), mac: mac(other) }),
        (Change::Modify, Row::Flood { vlan: vlan(1) }),
        (Change::Add, Row::Responder { vlan: vlan(1), ip: [81, 1, 180, 2].into() }),
        (Change::Add, Row::Responder { vlan: vlan(1), ip: [81, 1, 180, 3].into() }),
        (Change::Add, Row::Classify { port: 139 }),
    ];
    assert_eq!(ops, expected);
}

#[test]
fn nothing_names_a_port_that_is_gone() {
    let (mut state, mut switch) = one_network();
    let gre = state.tunnels_wanted().next().unwrap();
    let row = Row::Unicast { vlan: vlan(1), mac: mac(MAC) };
    // The entry moves on, to a tunnel that is not there yet; then the old tunnel's port goes by itself.
    state.apply_entries(network(1), vec![entry(1, MAC, &[], COMPUTE2)], &[]);
    switch.follow(&mut state);
    assert!(switch.flows.contains_key(&row));
    state.set_tunnel_ports([(gre, None)]);
    switch.follow(&mut state);
    assert!(!switch.flows.contains_key(&row));
}

#[test]
fn a_tunnel_that_failed_blocks_nothing_else() {
    let (mut state, mut switch) = one_network();
    state.apply_entries(network(1), vec![entry(2, "fa:16:3e:00:00:02", &["81.1.180.2"], COMPUTE2)], &[]);
    let failed = state.tunnels_pending().next().unwrap();
    state.set_tunnel_ports([(failed, Some(TunnelPort::Failed))]);
    switch.follow(&mut state);
    assert!(switch.flows.contains_key(&Row::Unicast { vlan: vlan(1), mac: mac(MAC) }));
    assert!(!switch.flows.contains_key(&Row::Unicast { vlan: vlan(1), mac: mac("fa:16:3e:00:00:02") }));
    let problems: Vec<_> = state.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1);
    assert!(problems[0].contains("gre-0a000127"), "{problems:?}");
}
