//! What is found on a switch is taken over: nothing is sent if nothing differs, nothing goes before its time.

use model::TunnelType;
use openflow::{Command, Field, Flow, Match};
use pipeline::{Bridge, Change, Cookie, Installed, Kind, Ownership, Row, Scope, State, plan};

use crate::fixture::*;
use crate::switch::Switch;

fn told() -> State {
    let mut state = compute1(true, true);
    state.set_network(network(1), segment(TunnelType::Gre, 6), vlan(1)).unwrap();
    state.apply_entries(network(1), vec![entry(1, "fa:16:3e:00:00:01", &["81.1.180.1"], NETWORK)], &[]);
    state.set_local_port(port(8), wired(1, "fa:16:3e:b3:e7:7a", &["81.1.180.8"], 5));
    state.set_foreign_port(9);
    settle_tunnels(&mut state);
    state
}

fn found(state: &State) -> Installed {
    let mut installed = Installed::default();
    for (row, flow) in state.flows() {
        assert_eq!(installed.adopt(row.bridge(), flow), Ownership::Row(row));
    }
    installed
}

#[test]
fn a_restart_with_nothing_changed_sends_nothing() {
    let state = told();
    let installed = found(&state);
    assert_eq!(installed.len(), state.flows().count());
    assert_eq!(plan(&state, &installed, installed.and_wanted(&state), |_| true).ops, []);

    // The control: without one of them, exactly that one is sent.
    let mut installed = found(&state);
    let row = Row::Responder { vlan: vlan(1), ip: [81, 1, 180, 1].into() };
    installed.remove(&row);
    let ops = plan(&state, &installed, installed.and_wanted(&state), |_| true).ops;
    assert_eq!(ops.iter().map(|op| (op.change, op.row)).collect::<Vec<_>>(), [(Change::Add, row)]);
}

#[test]
fn what_is_not_known_to_be_complete_is_held() {
    let installed = found(&told());
    let mut state = compute1(true, true);
    // Which VLAN is whose is known from the bridge; the entries are still to come.
    state.set_network(network(1), segment(TunnelType::Gre, 6), vlan(1)).unwrap();
    let rows = installed.and_wanted(&state);
    let early = plan(&state, &installed, rows.clone(), |row| matches!(row.scope(), Scope::Base | Scope::Local(_)));
    let removed: Vec<_> = early.ops.iter().map(|op| op.row).collect();
    assert_eq!(removed, [Row::Admit { port: 5 }, Row::Admit { port: 9 }], "the interfaces are gone: {early:?}");
    assert_eq!(early.held.len(), 5, "tunnel, unicast, responder, local IP and flood: {:?}", early.held);
    let late = plan(&state, &installed, rows, |_| true);
    assert_eq!((late.ops.len(), late.held.len()), (2 + 5 + 1, 0), "and what was learned for the MAC: {:?}", late.ops);
}

#[test]
fn a_stock_agents_flows_are_taken_over() {
    let state = told();
    let neutron = 0x6659_23fd_0df8_6039;
    let mut installed = Installed::default();
    let mut count = 0;
    for (row, flow) in state.flows().filter(|(row, _)| row.bridge() == Bridge::Tunnel) {
        assert_eq!(installed.adopt(Bridge::Tunnel, flow.cookie(neutron)), Ownership::Row(row));
        count += 1;
    }
    let tunnel_rows = installed.and_wanted(&state).into_iter().filter(|row| row.bridge() == Bridge::Tunnel);
    let ops = plan(&state, &installed, tunnel_rows, |_| true).ops;
    let recookied = ops.iter().filter(|op| op.change == Change::Recookie).count();
    assert_eq!((ops.len(), recookied), (count, count), "equal in meaning: only the cookie is mended");

    let geneve = Flow::new(6, 0, Match::any()).cookie(neutron);
    assert_eq!(installed.adopt(Bridge::Tunnel, geneve.clone()), Ownership::Stray);
    assert_eq!(installed.take_strays(), [(Bridge::Tunnel, geneve)]);
    assert_eq!(installed.take_strays(), []);
}

#[test]
fn what_is_not_ours_stays() {
    let mut installed = Installed::default();
    let theirs = Flow::new(0, 1, Match::any().in_port(5));
    assert_eq!(installed.adopt(Bridge::Integration, theirs.clone()), Ownership::Foreign);
    assert_eq!(installed.adopt(Bridge::Integration, Flow::new(60, 1, Match::any())), Ownership::Foreign);
    assert!(installed.is_empty() && installed.take_strays().is_empty());
    // The control: with our tag it is ours.
    let ours = theirs.cookie(state_cookie(Row::Admit { port: 5 }));
    assert_eq!(installed.adopt(Bridge::Integration, ours), Ownership::Row(Row::Admit { port: 5 }));
}

#[test]
fn what_was_learned_is_the_switchs_own_until_its_vlan_goes() {
    let state = told();
    let cookie = Cookie { kind: Kind::Learned, object: 0 }.to_u64();
    let learned = |tag: u16| {
        let matching =
            Match::any().with_masked(Field::VlanTci, tag.into(), 0x0fff).eth_dst([0xfa, 0x16, 0x3e, 0, 0, 9]);
        Flow { hard_timeout: 300, ..Flow::new(20, 1, matching).cookie(cookie) }
    };
    let mut installed = found(&state);
    for tag in [1, 7] {
        let row = Row::LearnedMac { vlan: vlan(tag), mac: mac("fa:16:3e:00:00:09") };
        assert_eq!(installed.adopt(Bridge::Tunnel, learned(tag)), Ownership::Learned(row));
    }
    // The switch may have been read before it is known which VLANs are in use.
    let early = installed.and_wanted(&State::new(state.modes().clone()));
    for rows in [early, installed.and_wanted(&state)] {
        let ops = plan(&state, &installed, rows, |_| true).ops;
        assert_eq!(ops.iter().map(|op| op.row).collect::<Vec<_>>(), [Row::Learned { vlan: vlan(7) }]);
    }
    let ops = plan(&state, &installed, installed.and_wanted(&state), |_| true).ops;
    let sent = ops[0].flow_mod(&state).unwrap();
    assert_eq!((sent.command, sent.flow.table, sent.flow.cookie), (Command::Delete, 20, cookie));
    assert_eq!((sent.cookie_mask, sent.flow.matching), (Cookie::KIND_MASK, ops[0].row.rule().matching));
}

#[test]
fn a_bridge_made_anew_gets_everything() {
    let (mut state, mut switch) = (told(), Switch::default());
    switch.follow(&mut state);
    let all = switch.installed.len();
    switch.installed.clear(Bridge::Tunnel);
    let ops = plan(&state, &switch.installed, switch.installed.and_wanted(&state), |_| true).ops;
    assert!(ops.iter().all(|op| op.change == Change::Add && op.row.bridge() == Bridge::Tunnel));
    assert_eq!(ops.len() + switch.installed.len(), all);
}

fn state_cookie(row: Row) -> u64 {
    told().flows().find(|(found, _)| *found == row).unwrap().1.cookie
}
