//! What must be right though something else has failed.

use pipeline::Bridge;
use sync::messages::{Interfaces, ToServer};

use super::facts::{A, id, isolate, orders, welcome, wired};
use super::world::World;
use crate::events::{Event, Server, Switch};

/// Each try to reach a server that is gone begins a stream of its own, and says on it what is plugged. Nobody hears it.
#[test]
fn an_order_outlives_tries_to_reach_a_server_that_is_gone() {
    let mut world = wired();
    world.state.handle(Event::Server(Server::Lost));
    world.unplug("tap1");
    attempt(&mut world);
    world.plug("tap1", Some(&id(1)), Some(4095));
    assert_ne!(world.tag("tap1"), Some(4095), "its order still stands");
    assert_eq!(world.table(20).len(), 1);

    // Unplugged just while a try is under way.
    world.state.handle(Event::Server(Server::Opening));
    world.run();
    world.unplug("tap1");
    world.state.handle(Event::Server(Server::Lost));
    world.plug("tap1", Some(&id(1)), Some(4095));
    assert_ne!(world.tag("tap1"), Some(4095), "its order still stands");
}

/// The control: a server that answers says anew what an interface is to be that went while it was gone.
#[test]
fn an_order_of_an_interface_that_went_is_void_once_the_server_answers() {
    let mut world = wired();
    world.state.handle(Event::Server(Server::Lost));
    world.unplug("tap1");
    attempt(&mut world);
    world.state.handle(Event::Server(Server::Opening));
    world.tell([welcome()]);
    world.plug("tap1", Some(&id(1)), Some(4095));
    assert_eq!(world.tag("tap1"), Some(4095), "the port may be another host's by now");
    world.tell([orders(&[(1, A)])]);
    assert_ne!(world.tag("tap1"), Some(4095));
}

/// While a bridge is not connected the server hears of no interface: what it orders is for the one that it knows of.
#[test]
fn an_order_counts_for_an_interface_that_is_back_before_the_server_hears_that_it_went() {
    let mut world = wired();
    let reason = "restarted".to_owned();
    world.state.handle(Event::Switch(Bridge::Tunnel, Switch::Lost { session: u64::MAX, reason }));
    world.forget();
    world.unplug("tap1");
    world.tell([isolate(1)]);
    world.plug("tap1", Some(&id(1)), Some(4095));
    assert!(world.sent.is_empty(), "{:?}", world.sent);
    world.connect_switches();
    world.run();
    assert_eq!(world.tag("tap1"), Some(4095), "it is bound elsewhere");
    assert!(world.table(20).is_empty());
}

/// A VM's device is gone and its row is not: after a reboot, and where a VM died that nobody unplugged.
#[test]
fn a_port_without_a_device_is_not_plugged_and_in_no_network() {
    let mut world = wired();
    world.forget();
    world.set_device("tap1", false);
    let [ToServer::Interfaces(Interfaces { present, gone, .. })] = &world.sent[..] else { panic!("{:?}", world.sent) };
    assert_eq!((present.len(), &gone[..]), (0, &[id(1)][..]));
    assert_eq!(world.tag("tap1"), Some(4095), "its VLAN may be another network's when the device is back");
    assert!(world.table(20).is_empty(), "nothing here needs the network");

    world.forget();
    world.set_device("tap1", true);
    let [ToServer::Interfaces(Interfaces { present, gone, .. })] = &world.sent[..] else { panic!("{:?}", world.sent) };
    assert_eq!((present.len(), gone.len()), (1, 0));
    world.tell([orders(&[(1, A)])]);
    assert_ne!(world.tag("tap1"), Some(4095));
}

/// A try that comes to nothing.
fn attempt(world: &mut World) {
    world.state.handle(Event::Server(Server::Opening));
    world.run();
    world.state.handle(Event::Server(Server::Lost));
    world.run();
}
