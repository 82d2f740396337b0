//! Random histories of changes, streams that break, agents and servers that restart.

use model::{Binding, Change, Generation};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::facts::{HOSTS, PORTS, a_port, host, port};
use crate::world::{Counts, World};

#[derive(Debug, Clone)]
enum Event {
    /// `left`: where it was before, and is still wired.
    Set {
        id: u8,
        on: u8,
        left: Option<u8>,
        wired: bool,
        up: bool,
        ip: u8,
    },
    Delete(u8),
    Plug(u8, u8),
    Unplug(u8, u8),
    Connect(u8),
    Disconnect(u8),
    RestartAgent(u8),
    RestartServer {
        restored: bool,
    },
    BackUp,
    Restore,
    ServerReads(u8),
    Drain(u8, usize),
    AgentReads(u8, u8),
    OvsConfirms(u8),
    Settle,
}

fn event() -> impl Strategy<Value = Event> {
    let left = proptest::option::weighted(0.3, 0..HOSTS);
    let set = (0..PORTS, 0..HOSTS, left, 0..4_u8, 0..8_u8, 0..2_u8);
    prop_oneof![
        30 => set.prop_map(|(id, on, left, wired, up, ip)| {
            Event::Set { id, on, left: left.filter(|_| wired == 0), wired: wired > 0, up: up > 0, ip }
        }),
        2 => (0..PORTS).prop_map(Event::Delete),
        15 => (0..HOSTS, 0..PORTS).prop_map(|(on, id)| Event::Plug(on, id)),
        3 => (0..HOSTS, 0..PORTS).prop_map(|(on, id)| Event::Unplug(on, id)),
        3 => (0..HOSTS).prop_map(Event::Connect),
        1 => (0..HOSTS).prop_map(Event::Disconnect),
        1 => (0..HOSTS).prop_map(Event::RestartAgent),
        1 => (0..6_u8).prop_map(|n| Event::RestartServer { restored: n == 0 }),
        1 => Just(Event::BackUp),
        1 => Just(Event::Restore),
        20 => (0..HOSTS).prop_map(Event::ServerReads),
        20 => (0..HOSTS, prop_oneof![1..150_usize, Just(100_000)]).prop_map(|(on, budget)| Event::Drain(on, budget)),
        20 => (0..HOSTS, 1..6_u8).prop_map(|(on, count)| Event::AgentReads(on, count)),
        15 => (0..HOSTS).prop_map(Event::OvsConfirms),
        1 => Just(Event::Settle),
    ]
}

fn step(world: &mut World, event: &Event) {
    match *event {
        Event::Set { id, on, left, wired, up, ip } => {
            let mut fact = a_port(id, on, wired);
            fact.admin_up = up;
            fact.ips = vec![std::net::IpAddr::from([192, 168, ip, id])];
            fact.binding = Some(Binding { host: host(on), generation: Generation(u64::from(on) + 1) });
            fact.former = left.map(|left| Binding { host: host(left), generation: Generation(0) });
            world.commit(vec![Change::Port(fact)]);
        }
        Event::Delete(id) => world.commit(vec![Change::PortDeleted(port(id))]),
        Event::Plug(on, id) => world.plug(on, id),
        Event::Unplug(on, id) => world.unplug(on, id),
        Event::Connect(on) => world.connect(on),
        Event::Disconnect(on) => world.disconnect(on),
        Event::RestartAgent(on) => world.restart_agent(on),
        Event::RestartServer { restored } => world.restart_server(restored),
        Event::BackUp => world.back_up(),
        Event::Restore => world.restore(),
        Event::ServerReads(on) => drop(world.server_reads(on)),
        Event::Drain(on, budget) => drop(world.drain(on, budget)),
        Event::AgentReads(on, count) => (0..count).for_each(|_| world.agent_reads(on)),
        Event::OvsConfirms(on) => world.ovs_confirms(on),
        Event::Settle => {
            world.settle();
            world.check_settled();
        }
    }
}

proptest! {
    #[test]
    fn every_history_ends_with_the_right_entries_on_every_host(events in vec(event(), 1..250)) {
        let mut world = World::new();
        for event in &events {
            step(&mut world, event);
            world.check_confirmed();
        }
        world.settle();
        world.check_settled();
    }
}

/// The positive control of the above: the histories reach what they are about.
#[test]
fn histories_reach_every_kind_of_message() {
    let mut runner = TestRunner::deterministic();
    let strategy = vec(event(), 250);
    let mut totals = Counts::default();
    for _ in 0..100 {
        let mut world = World::new();
        let events = strategy.new_tree(&mut runner).unwrap().current();
        for event in &events {
            step(&mut world, event);
        }
        totals.snapshots += world.counts.snapshots;
        totals.deltas += world.counts.deltas;
        totals.parts += world.counts.parts;
        totals.silent += world.counts.silent;
        totals.ahead += world.counts.ahead;
    }
    assert!(totals.snapshots > 50 && totals.deltas > 50 && totals.parts > 50 && totals.silent > 10, "{totals:?}");
    assert!(totals.ahead > 5, "{totals:?}");
}
