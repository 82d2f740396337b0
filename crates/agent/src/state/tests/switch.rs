//! What a switch loses, refuses, cannot do, or takes only in parts.

use std::collections::BTreeSet;

use model::{Entry, Mac, PortId};
use openflow::Flow;
use pipeline::{Bridge, Ownership, Row};
use uuid::Uuid;

use super::facts::{A, acks, delta, entry, host_complete, id, network, orders, reports, snapshot, welcome, wired};
use super::world::{Refuse, World};
use crate::events::{Event, Level, Server, Way};

#[test]
fn one_bad_row_is_named_and_the_others_go_in() {
    let mut world = World::new(|_| {});
    world.refuse = |flow| {
        (flow.table == 20
            && format!("{flow:?}").contains("EthDst")
            && flow.priority == 2
            && flow.matching.get(openflow::Field::EthDst).is_some_and(|masked| masked.value & 0xff == 12))
        .then_some(("table full", false))
    };
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21), entry(12, 21), entry(13, 21)]));
    assert_eq!(world.table(20).len(), 2);
    assert_eq!(world.table(21).len(), 4, "three answers, and one own address");
    assert_eq!(acks(&world), [(network(A), 5, 1)]);
    assert!(world.said.iter().any(|(level, text)| *level == Level::Error && text.contains("table full")));
    world.tell([host_complete(&[A])]);
    assert_eq!(reports(&world).len(), 1, "a row that cannot be programmed does not hold up the port");

    world.refuse = |_| None;
    world.state.handle(Event::Review);
    world.run();
    assert_eq!(world.table(20).len(), 3, "the next comparison of everything tries it again");
    assert_eq!(acks(&world), [(network(A), 5, 1), (network(A), 5, 0)], "and says that it is mended");
    world.forget();
    world.state.handle(Event::Review);
    world.run();
    assert_eq!(acks(&world), [], "once");
}

/// Its frames would not get out, or nothing would reach it: it is not wired, whatever its tag says.
#[test]
fn a_port_whose_own_row_is_refused_is_not_wired_until_it_is_taken() {
    const FULL: (&str, bool) = ("table full", false);
    let cases: [Refuse; 3] = [
        |flow| is(Bridge::Integration, flow, |row| matches!(row, Row::Admit { .. })).then_some(FULL),
        |flow| is(Bridge::Tunnel, flow, |row| matches!(row, Row::Key(_))).then_some(FULL),
        |flow| is(Bridge::Tunnel, flow, |row| matches!(row, Row::Flood { .. })).then_some(FULL),
    ];
    for its_own in cases {
        let mut world = World::new(|_| {});
        world.refuse = its_own;
        world.start();
        world.plug("tap1", Some(&id(1)), Some(4095));
        world.tell([welcome(), orders(&[(1, A)])]);
        world.tell(snapshot(A, 5, &[entry(11, 21)]));
        world.tell([host_complete(&[A])]);
        let told = |world: &World| reports(world).iter().map(|report| report.wired).collect::<Vec<_>>();
        assert_eq!(told(&world), [false], "{:#?}", world.said);
        assert!(reports(&world)[0].reason.contains("refused a flow"), "{:?}", reports(&world));
        // Nor is it after the next comparison, of which nobody hears as nothing has changed.
        world.state.handle(Event::Review);
        world.run();
        assert_eq!(told(&world), [false]);
        world.refuse = |_| None;
        world.state.handle(Event::Review);
        world.run();
        assert_eq!(told(&world), [false, true]);

        // Wired, and the switch that comes back does not take it.
        world.forget();
        world.refuse = its_own;
        for flows in world.flows.values_mut() {
            flows.clear();
        }
        world.connect_switches();
        world.run();
        assert_eq!(told(&world), [false]);
    }
}

fn is(bridge: Bridge, flow: &Flow, row: impl Fn(&Row) -> bool) -> bool {
    matches!(Ownership::of(bridge, flow), Ownership::Row(of) if row(&of))
}

#[test]
fn a_switch_that_lost_everything_is_repaired_without_the_server() {
    let mut world = wired();
    let before = world.flows.clone();
    world.state.handle(Event::Server(Server::Lost));
    for flows in world.flows.values_mut() {
        flows.clear();
    }
    world.forget();
    world.connect_switches();
    world.run();
    assert_eq!(world.flows, before);
    assert_eq!((world.writes.len(), world.sent.len()), (0, 0));
}

#[test]
fn a_switch_that_cannot_answer_arp_loses_the_responder_and_nothing_else() {
    let mut world = World::new(|_| {});
    world.refuse = |flow| format!("{flow:?}").contains("SetField { field: ArpOp").then_some(("bad set field", true));
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21), entry(12, 21)]));
    world.tell([host_complete(&[A])]);
    assert_eq!((world.table(20).len(), world.table(21).len(), world.table(18).len()), (2, 0, 0));
    assert_eq!(world.table(22).len(), 1);
    let warnings = world.said.iter().filter(|(level, text)| *level == Level::Warn && text.contains("responder is off"));
    assert_eq!(warnings.count(), 1, "{:#?}", world.said);
    assert_eq!(reports(&world).len(), 1);
    assert_eq!(acks(&world), [(network(A), 5, 0)]);
}

#[test]
fn a_large_network_goes_in_by_bounded_batches_and_is_confirmed_with_the_last() {
    let mut world = wired();
    world.forget();
    world.hold_switches = true;
    world.tell(snapshot(A, 6, &many(5000)));
    assert_eq!(world.batches, [(256, Way::Spread); 16], "so many at a time");
    assert!(acks(&world).is_empty());
    // Something changes while most of it is still to be sent.
    let all = [many(5000), vec![entry(12, 39)]].concat();
    world.tell([delta(A, (6, 7), &[entry(12, 39)], &[], &all)]);
    world.release();
    assert_eq!((world.table(20).len(), world.table(22).len()), (5001, 1));
    let bounded = |(size, way): &(usize, Way)| *size <= if *way == Way::Spread { 256 } else { 1025 };
    assert!(world.batches.len() >= 20 && world.batches.iter().all(bounded), "{:?}", world.batches);
    assert_eq!(acks(&world), [(network(A), 7, 0)]);
}

/// What is spread over several connections comes in no order, so all of a stage is in before another begins.
#[test]
fn what_is_spread_is_in_before_another_stage_begins() {
    let mut world = wired();
    world.forget();
    world.hold_switches = true;
    world.tell(snapshot(A, 6, &many(600)));
    let unicast = [(256, Way::Spread), (256, Way::Spread), (88, Way::Spread)];
    assert_eq!(world.batches, unicast, "the first stage");
    let tables: BTreeSet<u8> = world.mods.iter().map(|(_, flow_mod)| flow_mod.flow.table).collect();
    assert_eq!(tables, BTreeSet::from([20]));
    // All but its last batch is in, then that too.
    world.confirm(2);
    assert_eq!(world.batches.len(), 3);
    world.confirm(1);
    assert!(world.batches.len() > 3, "{:?}", world.batches);
    world.release();
    assert_eq!((world.table(20).len(), acks(&world)), (600, vec![(network(A), 6, 0)]));
}

/// So many entries of other hosts.
fn many(count: u32) -> Vec<Entry> {
    let entry = |n: u32| {
        let [a, b, c, d] = n.to_be_bytes();
        let ips = vec![[10, 1 + b, c, d].into()];
        let port = PortId(Uuid::from_u128((1 << 64) + u128::from(n)));
        Entry { port, mac: Mac([0xfa, 0x16, a, b, c, d]), ips, endpoint: [10, 0, 1, 21].into() }
    };
    (1..=count).map(entry).collect()
}
