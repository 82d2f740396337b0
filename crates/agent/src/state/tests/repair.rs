//! What somebody else changes, and what is not somebody else.

use openflow::Flow;
use pipeline::Bridge;

use super::facts::wired;
use super::world::World;
use crate::events::{Event, FlowChange};

/// As it ends it takes its flows away one by one, and says so; then it is gone, before or after the agent has done anything
/// about that.
#[test]
fn a_switch_that_ends_is_not_taken_for_somebody_who_changes_flows() {
    let mut world = wired();
    let before = world.flows.clone();
    take_all(&mut world);
    world.lose_switches();
    world.run();
    world.forget();
    world.connect_switches();
    world.run();
    assert_eq!(world.flows, before);
    assert_eq!(world.state.status().repaired.flows, 0, "{:?}", world.said);

    // The control: the same, and it stays.
    take_all(&mut world);
    world.run();
    assert_eq!(world.flows, before);
    assert_eq!(world.state.status().repaired.flows, before.values().map(|flows| flows.len() as u64).sum::<u64>());
}

/// Somebody takes all flows away.
fn take_all(world: &mut World) {
    for bridge in [Bridge::Integration, Bridge::Tunnel] {
        let flows: Vec<Flow> = world.flows[&bridge].values().cloned().collect();
        world.hand(bridge, flows.into_iter().map(FlowChange::Gone).collect());
    }
}

/// Somebody else writes a flow again and again: it is put right each time, but for a bound within a second, and the log says so
/// once a minute.
#[test]
fn two_that_write_the_same_flow_do_not_do_so_for_ever() {
    let mut world = wired();
    let before = world.flows.clone();
    world.forget();
    let taken = world.table(20)[0].clone();
    let mut put_right = 0;
    for second in 0..60_u64 {
        for _ in 0..100 {
            world.hand(Bridge::Tunnel, vec![FlowChange::Gone(taken.clone())]);
            world.run();
        }
        let times = world.state.status().repaired.flows - put_right;
        assert!((1..=2).contains(&times), "{times} times within second {second}");
        put_right += times;
        assert!(world.flows != before && !world.state.status().settled);
        world.state.handle(Event::Retry);
        world.run();
        assert_eq!(world.flows, before, "with the next tick it is right");
        put_right += 1;
    }
    let warnings: Vec<_> = world.said.iter().map(|(_, text)| text).collect();
    assert_eq!(warnings.len(), 22, "so many are named, then the sum, then the next minute's first: {warnings:#?}");
    assert!(
        warnings[20].contains("more changes by others") && warnings[20].contains("times: Unicast"),
        "{}",
        warnings[20]
    );

    // The control: another flow that somebody takes away meanwhile is put right at once.
    let other = world.table(21)[0].clone();
    world.hand(Bridge::Tunnel, vec![FlowChange::Gone(taken), FlowChange::Gone(other)]);
    world.run();
    assert_eq!(world.flows, before);
}
