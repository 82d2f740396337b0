//! What an agent knows from its disk.

use pipeline::Bridge;
use sync::messages::{ToAgent, ToServer};

use super::facts::{
    A, B, delta, entry, host_complete, id, isolate, network, orders, reports, snapshot, welcome, wired,
};
use super::world::World;
use crate::{Error, HostState, Settings};

fn saved(world: &mut World) -> Vec<u8> {
    world.state.checkpoint().expect("something is known")
}

/// The remote port has moved.
fn moved() -> ToAgent {
    let now = [entry(11, 39)];
    delta(A, (5, 8), &now, &[], &now)
}

#[test]
fn it_is_given_once_and_says_what_is_held() {
    let mut world = wired();
    let checkpoint = saved(&mut world);
    assert!(world.state.checkpoint().is_none(), "nothing new");
    world.restart_from(&checkpoint);
    let Some(ToServer::Hello(hello)) = world.sent.first() else { panic!("{:?}", world.sent) };
    assert_eq!(hello.held.iter().map(|held| held.network).collect::<Vec<_>>(), [network(A)]);
    let inventory = world.sent.iter().find_map(|said| match said {
        ToServer::Interfaces(interfaces) => Some(interfaces),
        _ => None,
    });
    let present = &inventory.expect("an inventory").present;
    assert!(present.iter().all(|at| at.order_held.is_some()), "{present:?}");
    assert_eq!((&world.mods[..], &world.writes[..]), (&[][..], &[][..]), "nothing differs");
    // The server has nothing to add: what is held is right, and all works as before.
    world.tell([welcome(), host_complete(&[A])]);
    assert_eq!(world.mods, []);
    assert!(world.state.status().settled);
    assert_eq!(reports(&world).len(), 1, "it is wired, and says so");
    world.tell([moved()]);
    assert!(!world.mods.is_empty(), "the control");
}

#[test]
fn with_the_server_away_a_switch_that_lost_everything_gets_all_of_it_back() {
    let mut world = wired();
    let (checkpoint, before) = (saved(&mut world), world.flows.clone());
    let lose = |world: &mut World| world.flows.values_mut().for_each(std::collections::BTreeMap::clear);
    lose(&mut world);
    world.restart(|_| {});
    assert_ne!(world.flows, before, "the control: without it the agent knows of no other host");
    lose(&mut world);
    world.restart_from(&checkpoint);
    assert_eq!(world.flows, before);
}

/// The agent that rebuilt the switch was killed midway.
#[test]
fn a_network_that_is_there_in_part_gets_the_rest_back() {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21), entry(12, 39), entry(13, 39)]));
    world.tell([host_complete(&[A])]);
    let (checkpoint, before) = (saved(&mut world), world.flows.clone());
    world.die();
    world.flows.values_mut().for_each(|flows| {
        let some: Vec<_> = flows.iter().filter(|(_, flow)| flow.table == 20).map(|(key, _)| *key).take(2).collect();
        flows.retain(|key, _| some.contains(key));
    });
    assert!(world.flows.values().any(|flows| !flows.is_empty()), "the control: a part is there");
    world.restart_from(&checkpoint);
    assert_eq!(world.flows, before);
}

/// Invariant 8: while the agent was dead the last port of A went, and the one of B was plugged anew. No server.
#[test]
fn a_vlan_of_which_rows_are_still_there_is_not_given_to_another_network() {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.plug("tap2", Some(&id(2)), Some(4095));
    world.tell([welcome(), orders(&[(1, A), (2, B)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21)]));
    world.tell(snapshot(B, 5, &[entry(12, 39)]));
    world.tell([host_complete(&[A, B])]);
    assert_eq!((world.tag("tap1"), world.tag("tap2")), (Some(1), Some(2)));
    let checkpoint = saved(&mut world);
    world.die();
    world.unplug("tap1");
    world.unplug("tap2");
    world.plug("tap3", Some(&id(2)), Some(4095));
    world.restart_from(&checkpoint);
    assert_eq!(world.tag("tap3"), Some(3), "both VLANs have rows");
    let vlan = |flow: &&openflow::Flow| flow.to_string().contains("dl_vlan=3");
    assert_eq!(world.table(20).into_iter().filter(vlan).count(), 1, "and the network is whole");
}

/// A host was rebooted, and the device of a port comes back to its old row. No server.
#[test]
fn a_port_that_only_lacked_its_device_is_wired_again() {
    let mut world = wired();
    let checkpoint = saved(&mut world);
    world.die();
    world.set_device("tap1", false);
    world.flows.values_mut().for_each(std::collections::BTreeMap::clear);
    world.restart_from(&checkpoint);
    assert_eq!(world.tag("tap1"), Some(4095), "isolated as long as it has none");
    world.set_device("tap1", true);
    assert_eq!((world.tag("tap1"), world.table(20).len()), (Some(1), 1));
    // The control: one that the server has isolated stays so.
    world.tell([welcome(), isolate(1), host_complete(&[])]);
    world.set_device("tap1", false);
    world.set_device("tap1", true);
    assert_eq!(world.tag("tap1"), Some(4095));
    world.restart_from(&checkpoint);
    assert_eq!(world.tag("tap1"), Some(4095));
}

#[test]
fn an_old_one_changes_nothing_that_is_there() {
    let mut world = wired();
    let old = saved(&mut world);
    world.tell([moved()]);
    let now = world.flows.clone();
    world.restart_from(&old);
    let unicast = |world: &World| world.table(20).into_iter().cloned().collect::<Vec<_>>();
    let rows = now[&Bridge::Tunnel].values().filter(|flow| flow.table == 20 && flow.priority > 0).cloned();
    assert_eq!(unicast(&world), rows.collect::<Vec<_>>(), "the port has moved since");
    world.tell([welcome(), moved(), host_complete(&[A])]);
    assert_eq!(world.flows, now);
    assert!(world.state.status().settled);
}

#[test]
fn what_is_not_this_hosts_is_refused_and_changes_nothing() {
    let mut world = wired();
    let checkpoint = saved(&mut world);
    let other = |change: fn(&mut Settings)| {
        let mut settings = Settings { local_ip: Some([10, 0, 1, 31].into()), ..Settings::default() };
        change(&mut settings);
        let mut state = HostState::new(settings.parse(Some("compute1")).unwrap(), "boot".to_owned()).unwrap();
        let refused = state.restore(&checkpoint);
        (refused, state.is_unsaved(), state.status().networks.len())
    };
    let (own, ..) = other(|_| {});
    assert!(own.is_ok_and(|restored| restored.entries == 1 && !restored.rebooted));
    let (foreign, unsaved, _) = other(|settings| settings.host = "compute2".parse().ok());
    assert!(matches!(foreign, Err(Error::CheckpointOfHost(_))) && !unsaved);
    let (mode, ..) = other(|settings| (settings.l2_population, settings.arp_responder) = (false, false));
    assert!(matches!(mode, Err(Error::CheckpointOfMode)));
}
