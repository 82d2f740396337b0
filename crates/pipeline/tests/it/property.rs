//! Random facts in random order: what is installed step by step is what follows from the facts alone, and no step on
//! the way leaks, names an unknown port or loses a known destination.

use std::collections::{BTreeMap, BTreeSet};

use model::{Entry, LocalVlan, Mac, NetworkId, PortId, Segment, TunnelType};
use openflow::{Action, Field, Flow, Instruction, PortNo};
use pipeline::{Derived, Installed, LocalPort, Modes, PatchPorts, Row, State, Tunnel, TunnelPort, plan, plan_in_turn};
use proptest::prelude::*;

use crate::fixture::{host, network, port, segment, vlan};
use crate::switch::{Frame, Switch};

const PATCH: PortNo = 1;

#[derive(Debug, Clone)]
enum Fact {
    Network(u8, Segment, LocalVlan),
    NoNetwork(u8),
    Entries(u8, Vec<Entry>, Vec<PortId>),
    Snapshot(u8, Vec<Entry>),
    Local(u8, LocalPort),
    NoLocal(u8),
    Foreign(PortNo, bool),
    Tunnels(Vec<(Tunnel, Option<TunnelPort>)>),
    Endpoints(BTreeSet<Tunnel>),
    Patch(bool),
}

/// The facts as they stand in the end, kept in the plainest way.
#[derive(Debug, Clone, Default)]
struct Facts {
    networks: BTreeMap<NetworkId, (Segment, LocalVlan)>,
    entries: BTreeMap<(NetworkId, PortId), Entry>,
    local: BTreeMap<PortId, LocalPort>,
    foreign: BTreeSet<PortNo>,
    tunnels: BTreeMap<Tunnel, TunnelPort>,
    endpoints: BTreeSet<Tunnel>,
    patch: PatchPorts,
}

fn tell(state: &mut State, facts: &mut Facts, fact: Fact) {
    match fact {
        Fact::Network(number, segment, vlan) => {
            if state.set_network(network(number), segment, vlan).is_ok() {
                facts.networks.insert(network(number), (segment, vlan));
            }
        }
        Fact::NoNetwork(number) => {
            state.remove_network(network(number));
            facts.networks.remove(&network(number));
            facts.entries.retain(|(id, _), _| *id != network(number));
        }
        Fact::Entries(number, upserts, removes) => {
            for entry in &upserts {
                facts.entries.insert((network(number), entry.port), entry.clone());
            }
            for gone in &removes {
                facts.entries.remove(&(network(number), *gone));
            }
            state.apply_entries(network(number), upserts, &removes);
        }
        Fact::Snapshot(number, entries) => {
            facts.entries.retain(|(id, _), _| *id != network(number));
            facts.entries.extend(entries.iter().map(|entry| ((network(number), entry.port), entry.clone())));
            state.replace_entries(network(number), entries);
        }
        Fact::Local(number, local) => {
            facts.local.insert(port(number), local.clone());
            state.set_local_port(port(number), local);
        }
        Fact::NoLocal(number) => {
            facts.local.remove(&port(number));
            state.remove_local_port(port(number));
        }
        Fact::Foreign(ofport, true) => {
            facts.foreign.insert(ofport);
            state.set_foreign_port(ofport);
        }
        Fact::Foreign(ofport, false) => {
            facts.foreign.remove(&ofport);
            state.remove_foreign_port(ofport);
        }
        Fact::Tunnels(ports) => {
            for (tunnel, port) in &ports {
                match port {
                    Some(port) => facts.tunnels.insert(*tunnel, *port),
                    None => facts.tunnels.remove(tunnel),
                };
            }
            state.set_tunnel_ports(ports);
        }
        Fact::Endpoints(endpoints) => {
            state.set_endpoints(endpoints.clone());
            facts.endpoints = endpoints;
        }
        Fact::Patch(there) => {
            facts.patch = PatchPorts { on_int: there.then_some(2), on_tun: there.then_some(PATCH) };
            state.set_patch_ports(facts.patch);
        }
    }
}

/// A new state that is told only what holds in the end, in another order.
fn from_scratch(modes: Modes, facts: &Facts, backwards: bool) -> State {
    let mut told: Vec<Fact> = Vec::new();
    let number = |id: &[u8; 16]| id[0];
    told.push(Fact::Patch(facts.patch.on_tun.is_some()));
    told.extend(
        facts.networks.iter().map(|(id, (segment, vlan))| Fact::Network(number(id.as_bytes()), *segment, *vlan)),
    );
    told.extend(
        facts.entries.iter().map(|((id, _), entry)| Fact::Entries(number(id.as_bytes()), vec![entry.clone()], vec![])),
    );
    told.extend(facts.local.iter().map(|(id, local)| Fact::Local(number(id.as_bytes()), local.clone())));
    told.extend(facts.foreign.iter().map(|ofport| Fact::Foreign(*ofport, true)));
    told.push(Fact::Tunnels(facts.tunnels.iter().map(|(tunnel, port)| (*tunnel, Some(*port))).collect()));
    told.push(Fact::Endpoints(facts.endpoints.clone()));
    if backwards {
        told.reverse();
    }
    let mut state = State::new(modes);
    for fact in told {
        tell(&mut state, &mut Facts::default(), fact);
    }
    state
}

/// Output ports of a row that leads to tunnels, and the key that it sets.
fn sends(flow: &Flow) -> Option<(u128, Vec<PortNo>)> {
    let [Instruction::Apply(actions)] = flow.instructions.as_slice() else { return None };
    let key = actions.iter().find_map(|action| match action {
        Action::SetField { field: Field::TunnelId, value, .. } => Some(*value),
        _ => None,
    })?;
    let ports = actions.iter().filter_map(|action| match action {
        Action::Output(port) => Some(*port),
        _ => None,
    });
    Some((key, ports.collect()))
}

/// No frame of a network leaves by another network's key or type, nor comes in to another's VLAN, whatever step the
/// switch is at between two sets of facts.
fn no_leak(switch: &Switch, before: &Facts, after: &Facts) {
    let both = || [before, after].into_iter();
    let carries = |segment: Segment, vlan: LocalVlan| {
        both().any(|facts| facts.networks.values().any(|at| *at == (segment, vlan)))
    };
    let types = |number: PortNo| -> BTreeSet<TunnelType> {
        let tunnels = both().flat_map(|facts| &facts.tunnels);
        tunnels.filter(|(_, port)| **port == TunnelPort::Ready(number)).map(|(tunnel, _)| tunnel.tunnel_type).collect()
    };
    for (row, flow) in &switch.flows {
        match *row {
            Row::Unicast { vlan, .. } | Row::Flood { vlan } => {
                let (key, ports) = sends(flow).expect("it sends to tunnels");
                for number in ports {
                    let ok = types(number)
                        .into_iter()
                        .any(|tunnel_type| carries(Segment { tunnel_type, key: u32::try_from(key).unwrap() }, vlan));
                    assert!(ok, "{row:?} sends with key {key} to port {number}");
                }
            }
            Row::Key(segment) => {
                let [Instruction::Apply(actions), _] = flow.instructions.as_slice() else { panic!("{flow:?}") };
                let Some(Action::SetField { value, .. }) = actions.last() else { panic!("{flow:?}") };
                let tag = LocalVlan::new(u16::try_from(value & 0xfff).unwrap()).unwrap();
                assert!(carries(segment, tag), "{row:?} leads to VLAN {tag}");
            }
            _ => {}
        }
    }
}

/// The tunnel ports by which each known MAC can be reached, by the facts.
fn reachable(state: &State, facts: &Facts) -> BTreeMap<(LocalVlan, Mac), PortNo> {
    let mut found = BTreeMap::new();
    for (row, flow) in state.flows() {
        if let Row::Unicast { vlan, mac } = row
            && facts.patch.on_tun.is_some()
        {
            let (_, ports) = sends(&flow).unwrap();
            found.insert((vlan, mac), ports[0]);
        }
    }
    found
}

fn no_blackhole(
    switch: &Switch,
    before: &BTreeMap<(LocalVlan, Mac), PortNo>,
    after: &BTreeMap<(LocalVlan, Mac), PortNo>,
) {
    for ((vlan, mac), old) in before {
        let Some(new) = after.get(&(*vlan, *mac)) else { continue };
        let frame = Frame::from([
            (Field::VlanVid, u128::from(vlan.get() | 0x1000)),
            (Field::EthDst, mac.to_u64().into()),
            (Field::EthType, 0x0800),
        ]);
        let ports = switch.ports(PATCH, frame);
        assert!(ports.contains(old) || ports.contains(new), "VLAN {vlan} {mac} reaches {ports:?}, not {old} or {new}");
    }
}

fn tunnels() -> impl Strategy<Value = Tunnel> {
    (any::<bool>(), 1u8..5)
        .prop_map(|(gre, last)| Tunnel::new(if gre { TunnelType::Gre } else { TunnelType::Vxlan }, host(last)))
}

fn entries() -> impl Strategy<Value = Entry> {
    let ip = prop_oneof![
        (1u8..5).prop_map(|last| std::net::IpAddr::from([81, 1, 180, last])),
        Just("fd00::1".parse().unwrap())
    ];
    // Host 4 is this host itself.
    (0u8..6, 0u8..4, prop::collection::vec(ip, 0..3), 1u8..5).prop_map(|(id, mac, ips, endpoint)| Entry {
        port: port(id),
        mac: Mac([0xfa, 0x16, 0x3e, 0, 0, mac]),
        ips,
        endpoint: host(endpoint),
    })
}

fn facts() -> impl Strategy<Value = Fact> {
    let nets = 0u8..3;
    let segments = (any::<bool>(), 5u64..8)
        .prop_map(|(gre, key)| segment(if gre { TunnelType::Gre } else { TunnelType::Vxlan }, key));
    let tunnel_port = prop_oneof![
        1 => Just(None),
        1 => Just(Some(TunnelPort::Failed)),
        6 => (10u32..20).prop_map(|number| Some(TunnelPort::Ready(number))),
    ];
    let local = (nets.clone(), entries(), prop::option::of(5u32..9), any::<bool>(), any::<bool>());
    prop_oneof![
        4 => (nets.clone(), segments, 1u16..4).prop_map(|(net, segment, tag)| Fact::Network(net, segment, vlan(tag))),
        1 => nets.clone().prop_map(Fact::NoNetwork),
        6 => (nets.clone(), prop::collection::vec(entries(), 0..4), prop::collection::vec((0u8..6).prop_map(port), 0..2))
            .prop_map(|(net, upserts, removes)| Fact::Entries(net, upserts, removes)),
        2 => (nets, prop::collection::vec(entries(), 0..4)).prop_map(|(net, entries)| Fact::Snapshot(net, entries)),
        3 => (0u8..6, local).prop_map(|(id, (net, like, ofport, wired, prepared))| {
            Fact::Local(id, LocalPort { network: network(net), mac: like.mac, ips: like.ips, ofport, wired, prepared })
        }),
        1 => (0u8..6).prop_map(Fact::NoLocal),
        1 => (5u32..9, any::<bool>()).prop_map(|(ofport, there)| Fact::Foreign(ofport, there)),
        8 => prop::collection::vec((tunnels(), tunnel_port), 1..4).prop_map(Fact::Tunnels),
        1 => prop::collection::btree_set(tunnels(), 0..5).prop_map(Fact::Endpoints),
        1 => prop::bool::weighted(0.9).prop_map(Fact::Patch),
    ]
}

fn modes() -> impl Strategy<Value = Modes> {
    (0u8..4, 1usize..4).prop_map(|(mode, limit)| {
        let types: &[TunnelType] = if mode == 3 { &[TunnelType::Gre] } else { &TunnelType::ALL };
        Modes::new(host(4), types, mode != 0, mode > 1).unwrap().flood_limit(limit)
    })
}

/// A switch says one thing of a tunnel at a time, and gives no number to two: one that takes another's number does so
/// after the other lost it.
fn as_a_switch_would(facts: &Facts, fact: Fact) -> Fact {
    let Fact::Tunnels(ports) = fact else { return fact };
    let mut known = facts.tunnels.clone();
    let mut said = BTreeMap::new();
    for (tunnel, port) in ports {
        let number = port.filter(|port| matches!(port, TunnelPort::Ready(_)));
        let taken = number.is_some_and(|number| known.iter().any(|(other, at)| *other != tunnel && *at == number));
        if !taken && !said.contains_key(&tunnel) {
            known.extend(port.map(|port| (tunnel, port)));
            said.insert(tunnel, port);
        }
    }
    Fact::Tunnels(said.into_iter().collect())
}

proptest! {
    #[test]
    fn step_by_step_is_from_scratch(
        modes in modes(), told in prop::collection::vec(facts(), 1..40), backwards: bool,
    ) {
        let (mut state, mut facts, mut switch) = (State::new(modes.clone()), Facts::default(), Switch::default());
        for fact in told {
            let before = (facts.clone(), reachable(&state, &facts));
            let fact = as_a_switch_would(&facts, fact);
            tell(&mut state, &mut facts, fact.clone());
            let after = reachable(&state, &facts);
            switch.follow_stepwise(&mut state, |switch| {
                no_leak(switch, &before.0, &facts);
                no_blackhole(switch, &before.1, &after);
            });
            no_leak(&switch, &facts, &facts);
            // Told again, nothing is marked.
            let mut again = facts.clone();
            tell(&mut state, &mut again, fact);
            let marked = marked(&mut state);
            let nothing = plan(&state, &switch.installed, marked, |_| true);
            prop_assert_eq!(nothing.ops, vec![]);
        }

        let scratch = from_scratch(modes, &facts, backwards);
        let wanted: BTreeMap<Row, Flow> = state.flows().collect();
        prop_assert_eq!(&wanted, &scratch.flows().collect());
        prop_assert_eq!(state.tunnels_wanted().collect::<Vec<_>>(), scratch.tunnels_wanted().collect::<Vec<_>>());
        prop_assert_eq!(state.problems(), scratch.problems());

        // What waits for a tunnel may be as it was.
        let is_held = |row: &Row| matches!(state.derive(row), Derived::Pending | Derived::Partial(_));
        let settled = |flows: &BTreeMap<Row, Flow>| {
            let mut flows = flows.clone();
            flows.retain(|row, _| !is_held(row));
            flows
        };
        prop_assert_eq!(settled(&switch.flows), settled(&wanted));
        let floods = |flows: &BTreeMap<Row, Flow>| -> BTreeSet<Row> {
            flows.keys().filter(|row| matches!(row, Row::Flood { .. })).copied().collect()
        };
        prop_assert!(floods(&switch.flows).is_superset(&floods(&wanted)));
        let everything = switch.installed.and_wanted(&state);
        prop_assert_eq!(plan(&state, &switch.installed, everything, |_| true).ops, vec![]);

        // What is looked at in its turn is what is looked at beforehand.
        let nothing = Installed::default();
        let rows = nothing.and_wanted(&state);
        let mut in_turn = plan_in_turn(&state, &nothing, rows.clone(), |_| true).ops;
        in_turn.retain(|op| op.flow_mod(&state).is_some());
        prop_assert_eq!(&in_turn, &plan(&state, &nothing, rows, |_| true).ops);
        prop_assert_eq!(in_turn.len(), wanted.len());
    }
}

/// What is marked, but for what the switch learned: that is removed each time.
fn marked(state: &mut State) -> Vec<Row> {
    let dirty = state.take_dirty();
    dirty.into_iter().filter(|row| !matches!(row, Row::Learned { .. })).collect()
}
