//! What is plugged, wired, isolated and unplugged.

use model::{Generation, LocalVlan};
use openflow::{Command, FlowMod};
use pipeline::{Bridge, Row};
use sync::messages::{PortReport, ToServer};

use super::facts::{
    A, acks, delta, entry, host_complete, id, isolate, mac, network, orders, port, position, prepared_orders, reports,
    snapshot, tell_all, welcome, wired,
};
use super::world::World;
use crate::events::{Event, Level, Server};

#[test]
fn a_fresh_host_gets_bridges_patch_and_base_flows_and_says_what_is_plugged() {
    let mut world = World::new(|_| {});
    world.start();
    for name in ["br-int", "br-tun", "patch-tun", "patch-int"] {
        assert!(world.has_port(name), "{name}");
    }
    assert_eq!(world.writes.len(), 1, "one transaction");
    assert!(world.flows[&Bridge::Integration].len() >= 3);
    assert!(world.flows[&Bridge::Tunnel].len() >= 70);
    let ToServer::Hello(_) = &world.sent[0] else { panic!("hello comes first") };
    let ToServer::Interfaces(inventory) = &world.sent[1] else { panic!("the inventory comes second") };
    assert!(inventory.inventory && inventory.present.is_empty());
    assert_eq!(world.sent.len(), 2);
}

#[test]
fn a_plugged_interface_is_isolated_at_once_then_wired_as_ordered() {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("tap1", Some(&id(1)), None);
    assert_eq!(world.tag("tap1"), Some(4095));
    world.forget();
    tell_all(&mut world);
    assert_eq!(world.tag("tap1"), Some(1));
    assert!(world.has_port("gre-0a000115"));
    let report = PortReport { port: port(1), generation: Generation(1), wired: true, reason: String::new() };
    assert_eq!(reports(&world), [&report]);
    assert_eq!(acks(&world), [(network(A), 5, 0)]);
    // The tunnel's port is there before any flow that needs it, and unicast before flood.
    let tunnel = position(&world, "add-port gre-0a000115");
    let unicast = position(&world, "add br-tun table 20");
    let flood = position(&world, "add br-tun table 22");
    assert!(tunnel < unicast && unicast < flood, "{:#?}", world.story);
}

#[test]
fn not_wired_before_the_snapshot_is_complete_and_the_switch_has_confirmed() {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)]), host_complete(&[A])]);
    assert_eq!(world.tag("tap1"), Some(1));
    assert!(reports(&world).is_empty(), "no snapshot yet");
    world.hold_switches = true;
    world.tell(snapshot(A, 5, &[entry(11, 21)]));
    assert!(reports(&world).is_empty() && acks(&world).is_empty(), "nothing confirmed yet");
    world.release();
    assert_eq!(reports(&world).len(), 1);
    assert_eq!(acks(&world).len(), 1);
}

#[test]
fn an_unplugged_port_takes_its_network_along_in_order() {
    let mut world = wired();
    let vlan = LocalVlan::MIN;
    world.learn(Row::LearnedMac { vlan, mac: mac(77) }, 99);
    world.forget();
    world.unplug("tap1");
    assert!(world.table(20).is_empty() && world.table(21).is_empty() && world.table(22).is_empty());
    let tables: Vec<_> = world.story.iter().filter(|line| line.contains("br-tun")).collect();
    let at = |table: &str| tables.iter().position(|line| line.ends_with(table)).unwrap();
    assert!(at("table 3") < at("table 20") && at("table 20") < at("table 22"), "{tables:#?}");
    let gone = world.sent.iter().any(|message| matches!(message, ToServer::Interfaces(seen) if seen.gone == [id(1)]));
    assert!(gone, "{:#?}", world.sent);
    assert!(!world.has_port("gre-0a000115"));
    // Plugged again before the server has heard: the entries are still known.
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([orders(&[(1, A)])]);
    assert_eq!(world.table(20).len(), 1);
    assert_eq!(world.tag("tap1"), Some(2), "the VLAN that was freed last is the last to be used again");
}

#[test]
fn a_moved_port_is_flipped_and_what_was_learned_of_it_goes() {
    let mut world = wired();
    world.tell(snapshot(A, 6, &[entry(11, 21), entry(12, 39)]));
    world.forget();
    let all = [entry(11, 39), entry(12, 39)];
    world.tell([delta(A, (6, 7), &[entry(11, 39)], &[], &all)]);
    let kinds: Vec<_> = world.mods.iter().map(|(_, change)| change.command == Command::Add).collect();
    // Unicast to the new host; flood without the old; what was learned; the old tunnel's classification and learned.
    assert_eq!(kinds.iter().filter(|add| **add).count(), 2, "{:#?}", world.mods);
    let forgets = |(_, change): &&(Bridge, FlowMod)| {
        change.command == Command::DeleteStrict && (change.flow.table, change.flow.priority) == (20, 1)
    };
    assert_eq!(world.mods.iter().filter(forgets).count(), 1, "what was learned of the MAC is forgotten");
    assert!(!world.has_port("gre-0a000115"));
    assert_eq!(acks(&world), [(network(A), 7, 0)]);
}

/// Port 11 is another host's and may move here: it is wired but for what would keep its frames here, and the server hears that
/// it is as good as wired. Once it is this host's, that is all that is left to do, and the server hears of it at once.
#[test]
fn a_port_that_may_move_here_is_wired_beforehand_and_stays_where_it_is() {
    let mut world = wired();
    let rows = (world.table(20).len(), world.table(21).len());
    world.plug("tap2", Some(&id(11)), Some(4095));
    world.forget();
    world.tell([prepared_orders(&[(11, A)])]);
    assert_eq!(world.tag("tap2"), world.tag("tap1"));
    assert_eq!((world.table(20).len(), world.table(21).len()), rows, "its frames go where it is");
    let generations =
        |world: &World| reports(world).iter().map(|report| (report.generation.0, report.wired)).collect::<Vec<_>>();
    assert_eq!(generations(&world), [(0, true)]);
    let [(Bridge::Integration, admitted)] = &world.mods[..] else { panic!("{:?}", world.mods) };
    assert_eq!(admitted.flow.priority, 1, "{admitted:?}");

    world.forget();
    world.tell([orders(&[(11, A)])]);
    assert_eq!(world.writes, [] as [&str; 0]);
    assert_eq!(generations(&world), [(1, true)]);
    assert_eq!(world.table(20).len(), rows.0 - 1, "its frames stay here");
}

#[test]
fn an_isolated_port_loses_its_tag_and_its_rows() {
    let mut world = wired();
    world.forget();
    world.tell([isolate(1)]);
    assert_eq!(world.tag("tap1"), Some(4095));
    assert!(world.table(20).is_empty() && world.table(22).is_empty());
    assert_eq!(world.flows[&Bridge::Integration].len(), 3, "only the base is left");
    let [report] = reports(&world)[..] else { panic!("one report") };
    assert_eq!((report.wired, report.reason.as_str()), (false, "bound to compute2"));
}

#[test]
fn of_two_ports_with_one_id_the_newer_is_wired_and_the_other_isolated() {
    let mut world = wired();
    world.forget();
    world.plug("tap1b", Some(&id(1)), None);
    assert_eq!((world.tag("tap1"), world.tag("tap1b")), (Some(4095), Some(1)));
    assert!(world.said.iter().any(|(level, text)| *level == Level::Warn && text.starts_with("tap1 carries")));
    world.unplug("tap1");
    assert_eq!(world.tag("tap1b"), Some(1));
}

/// The interface went while the order was on its way: by the time that it is plugged again the port may be another host's.
#[test]
fn an_order_for_an_interface_that_is_not_there_is_void() {
    let mut world = wired();
    world.unplug("tap1");
    world.tell([orders(&[(1, A)])]);
    world.forget();
    world.plug("tap1", Some(&id(1)), Some(4095));
    assert_eq!(world.tag("tap1"), Some(4095), "nobody has said yet what it is to be now");
    let [ToServer::Interfaces(seen)] = &world.sent[..] else { panic!("{:?}", world.sent) };
    assert_eq!(seen.present[0].order_held, None);
    world.tell([orders(&[(1, A)])]);
    assert_ne!(world.tag("tap1"), Some(4095));
}

#[test]
fn a_server_that_is_gone_stops_nothing_local_and_is_told_afterwards() {
    let mut world = wired();
    world.state.handle(Event::Server(Server::Lost));
    world.forget();
    world.plug("tap2", Some(&id(2)), None);
    world.unplug("tap1");
    assert_eq!(world.tag("tap2"), Some(4095));
    assert!(world.table(20).is_empty());
    assert_eq!(world.sent, []);
    // Plugged again: its order still stands.
    world.plug("tap1", Some(&id(1)), Some(4095));
    assert_ne!(world.tag("tap1"), Some(4095));
    assert_eq!((world.table(20).len(), world.sent.len()), (1, 0));
    world.state.handle(Event::Server(Server::Opening));
    world.run();
    let ToServer::Hello(hello) = &world.sent[0] else { panic!("hello comes first") };
    assert_eq!(hello.held.iter().map(|held| (held.network, held.revision.0)).collect::<Vec<_>>(), [(network(A), 5)]);
    let ToServer::Interfaces(seen) = &world.sent[1] else { panic!("then the inventory") };
    let wired: Vec<_> =
        seen.present.iter().map(|interface| (interface.order_held.is_some(), interface.wired)).collect();
    assert!(seen.inventory);
    assert_eq!(wired, [(true, Some(Generation(1))), (false, None)]);
}
