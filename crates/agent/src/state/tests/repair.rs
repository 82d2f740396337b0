//! What somebody else changes, and what is not somebody else.

use openflow::Flow;
use pipeline::Bridge;

use super::facts::wired;
use super::world::World;
use crate::events::FlowChange;

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
