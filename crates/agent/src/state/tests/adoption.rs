//! What is found on the host after a restart, or after another agent.

use model::LocalVlan;
use pipeline::{Bridge, Row};

use super::facts::{
    A, entry, host_complete, id, mac, number, orders, position, reports, snapshot, tell_all, welcome, wired,
};
use super::world::World;

#[test]
fn a_restart_with_nothing_changed_writes_nothing() {
    let mut world = wired();
    world.restart(|_| {});
    tell_all(&mut world);
    assert_eq!(world.writes, [""; 0]);
    assert_eq!(world.mods, []);
    assert_eq!(reports(&world).len(), 1, "it is wired, and says so");
    // Positive control: one flow goes missing, one flow-mod puts it back.
    let key = *world.flows[&Bridge::Tunnel].iter().find(|(_, flow)| flow.table == 20 && flow.priority == 2).unwrap().0;
    world.flows.get_mut(&Bridge::Tunnel).unwrap().remove(&key);
    world.restart(|_| {});
    tell_all(&mut world);
    assert_eq!(world.mods.len(), 1);
    assert!(world.flows[&Bridge::Tunnel].contains_key(&key));
}

#[test]
fn what_the_switch_learned_for_a_network_stays_over_a_restart() {
    let mut world = wired();
    world.learn(Row::LearnedMac { vlan: LocalVlan::MIN, mac: mac(11) }, number(&world, "gre-0a000115"));
    world.restart(|_| {});
    tell_all(&mut world);
    assert_eq!(world.mods, []);
    world.restart_switches_first();
    tell_all(&mut world);
    assert_eq!(world.mods, []);
    // The control: unplugged meanwhile, and then it is nobody's.
    world.unplug("tap1");
    world.restart_switches_first();
    world.tell([welcome(), host_complete(&[])]);
    assert!(world.table(20).is_empty(), "{:?}", world.table(20));
}

#[test]
fn after_a_restart_nothing_goes_before_its_network_is_complete() {
    let mut world = wired();
    let before = world.flows.clone();
    // While the agent was away the remote port moved, and its tunnel is not needed any more.
    world.restart(|_| {});
    assert_eq!((world.flows.clone(), world.mods.len(), world.writes.len()), (before.clone(), 0, 0));
    world.tell([welcome(), orders(&[(1, A)])]);
    assert_eq!(world.mods, []);
    world.tell(snapshot(A, 8, &[entry(12, 39)]));
    let unicast = |world: &World| world.table(20).len();
    assert_eq!(unicast(&world), 1, "the network is complete: the old entry's rows are gone");
    assert!(world.has_port("gre-0a000115"), "the host is not complete: other networks may need the tunnel");
    world.tell([host_complete(&[A])]);
    assert!(!world.has_port("gre-0a000115") && world.has_port("gre-0a000127"));
    let removed = position(&world, "unlearn port");
    assert!(removed < position(&world, "del-port"), "flows first, then the port: {:#?}", world.story);
}

#[test]
fn what_belongs_to_no_network_any_more_goes_with_the_host_complete() {
    let mut world = wired();
    world.restart(|_| {});
    // The port was deleted meanwhile: no order, no network.
    world.tell([welcome()]);
    assert_eq!((world.mods.len(), world.tag("tap1")), (0, Some(1)));
    world.tell([host_complete(&[])]);
    assert_eq!(world.tag("tap1"), Some(4095));
    assert!(world.table(20).is_empty() && world.table(22).is_empty() && world.table(3).is_empty());
    assert!(!world.has_port("gre-0a000115"));
}

#[test]
fn flows_of_a_form_that_is_not_ours_go_once_everything_is_known() {
    let mut world = wired();
    let stray = openflow::Flow::new(9, 1, openflow::Match::any().vlan(3)).goto(10);
    world.flows.get_mut(&Bridge::Tunnel).unwrap().insert(stray.key(), stray.clone());
    world.flows.get_mut(&Bridge::Integration).unwrap().insert(stray.key(), stray.clone());
    world.restart(|_| {});
    assert_eq!(world.mods, []);
    tell_all(&mut world);
    assert!(!world.flows[&Bridge::Tunnel].contains_key(&stray.key()), "br-tun is ours as a whole");
    assert!(world.flows[&Bridge::Integration].contains_key(&stray.key()), "on br-int it is somebody's");
    assert_eq!(world.mods.len(), 1);
}

#[test]
fn ports_of_others_are_admitted_and_left_alone() {
    let mut world = wired();
    world.forget();
    world.plug("veth-other", None, Some(7));
    assert_eq!((world.tag("veth-other"), world.writes.len()), (Some(7), 0));
    let admitted = world.mods.len();
    assert_eq!(admitted, 1);
    world.unplug("veth-other");
    assert_eq!(world.mods.len(), 2);
}

#[test]
fn a_dead_port_of_a_stock_agent_is_made_an_access_port() {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    let port = world.find("Port", "tap1");
    let row = world.tables.get_mut("Port").unwrap().get_mut(&port).unwrap();
    row.insert("vlan_mode".into(), "trunk".into());
    row.insert("trunks".into(), ovsdb::codec::Datum::Set(vec![4095i64.into()]));
    world.update();
    world.run();
    tell_all(&mut world);
    let row = &world.tables["Port"][&port];
    let empty = ovsdb::codec::Datum::Set(vec![]);
    assert_eq!((row.get("vlan_mode"), row.get("trunks")), (Some(&empty), Some(&empty)));
    assert_eq!(reports(&world).len(), 1);
}
