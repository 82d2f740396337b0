//! One rule of the protocol each.

use std::net::IpAddr;

use directory::Directory;
use model::{Binding, Change, Digest, Generation, Mac, Port, PortStatus, Revision};
use sync::agent::{Held, Update};
use sync::messages::{
    Ack, HeldNetwork, Hello, Interface, Interfaces, MINOR, Order, PREPARED, PortReport, Resync, RowProblem, Sum,
    ToAgent, ToServer,
};
use sync::server::{Effect, Refusal, Session};

use crate::facts::{Facts, a_port, epoch, hello, host, network, port};
use crate::held::entry;

/// A server with the session of host 0.
struct Server {
    facts: Facts,
    directory: Directory,
    session: Session,
}

impl Server {
    fn new(ports: Vec<Port>) -> Self {
        let (mut facts, mut directory) = Facts::begin();
        facts.commit(&mut directory, ports.into_iter().map(Change::Port).collect());
        Server { facts, directory, session: Session::new(&hello(0), epoch(1), "test") }
    }

    fn commit(&mut self, port: Port) {
        self.facts.commit(&mut self.directory, vec![Change::Port(port)]);
        self.mark();
    }

    fn mark(&mut self) {
        if let Some(dirty) = self.directory.take_dirty().hosts.get(&host(0)) {
            self.session.mark(dirty);
        }
    }

    fn hear(&mut self, message: ToServer) -> Vec<Effect> {
        let effects = self.session.on_message(message, &mut self.directory);
        self.mark();
        effects
    }

    fn inventory(&mut self, ids: &[u8]) -> Vec<Effect> {
        let present = ids.iter().map(|id| plugged(*id)).collect();
        self.hear(ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec![] }))
    }

    fn report(&mut self, id: u8, generation: u64, wired: bool) -> Vec<Effect> {
        let generation = Generation(generation);
        self.hear(ToServer::Report(PortReport { port: port(id), generation, wired, reason: String::new() }))
    }

    fn drain(&mut self) -> (Vec<ToAgent>, Vec<Effect>) {
        let drained = self.session.drain(&self.directory, 1 << 20);
        (drained.messages, drained.effects)
    }

    fn kinds(&mut self) -> Vec<&'static str> {
        self.drain().0.iter().map(kind).collect()
    }
}

fn plugged(id: u8) -> Interface {
    Interface { id: port(id).to_string(), order_held: None, wired: None }
}

fn kind(message: &ToAgent) -> &'static str {
    match message {
        ToAgent::Welcome(_) => "welcome",
        ToAgent::Orders(_) => "orders",
        ToAgent::Snapshot(_) => "snapshot",
        ToAgent::Complete(_) => "complete",
        ToAgent::Delta(_) => "delta",
        ToAgent::Dropped(_) => "dropped",
        ToAgent::HostComplete(_) => "host complete",
        ToAgent::Endpoints(_) => "endpoints",
        ToAgent::Question(_) => "question",
    }
}

fn set_wired(id: u8, generation: u64, wired: bool) -> Effect {
    Effect::SetWired { port: port(id), generation: Generation(generation), wired }
}

#[test]
fn after_a_hello_everything_comes_in_order_and_the_end_is_marked() {
    let mut server = Server::new(vec![a_port(0, 0, false), a_port(1, 1, true)]);
    assert_eq!(server.kinds(), ["welcome"], "nothing more before the inventory");
    assert!(!server.session.has_work());
    server.inventory(&[0]);
    assert_eq!(server.kinds(), ["orders", "snapshot", "complete", "host complete"]);
    assert!(!server.session.has_work() && server.kinds().is_empty());
    // A host without ports is complete too.
    let mut other = Server::new(vec![a_port(1, 1, true)]);
    other.inventory(&[]);
    assert_eq!(other.kinds(), ["welcome", "host complete"]);
}

#[test]
fn interest_gained_later_brings_the_network_and_lost_drops_it() {
    let mut server = Server::new(vec![a_port(0, 0, false), a_port(1, 1, true)]);
    server.inventory(&[]);
    server.drain();
    // The interface is there before its port is bound here: it is remembered.
    let present = vec![plugged(2)];
    server.hear(ToServer::Interfaces(Interfaces { inventory: false, present, gone: vec![] }));
    assert_eq!(server.kinds(), ["orders"]);
    server.commit(a_port(2, 0, false));
    assert_eq!(server.kinds(), ["orders", "snapshot", "complete"]);
    server.commit(a_port(3, 1, true));
    assert_eq!(server.kinds(), ["delta"]);
    server.hear(ToServer::Interfaces(Interfaces {
        inventory: false,
        present: vec![],
        gone: vec![port(2).to_string()],
    }));
    assert_eq!(server.kinds(), ["dropped"]);
    server.commit(a_port(6, 1, true));
    assert!(server.kinds().is_empty(), "not interested");
}

#[test]
fn a_change_of_the_hosts_own_port_is_not_sent_and_counts_as_confirmed() {
    let mut server = Server::new(vec![a_port(0, 0, false), a_port(1, 1, true)]);
    server.inventory(&[0]);
    server.drain();
    let before = server.directory.revision();
    server.hear(ToServer::Ack(sync::messages::Ack { network: network(0), revision: before, problems: vec![] }));
    server.commit(a_port(0, 0, true));
    let (messages, effects) = server.drain();
    assert_eq!(messages, []);
    let revision = server.directory.revision();
    assert_eq!(effects, [Effect::Confirmed { network: network(0), revision }]);
    assert!(server.session.confirmed(network(0), revision));
    // What comes next follows what was sent last.
    server.commit(a_port(2, 1, true));
    let (messages, _) = server.drain();
    let [ToAgent::Delta(delta)] = &messages[..] else { panic!("{messages:?}") };
    assert_eq!((delta.previous, delta.revision), (before, server.directory.revision()));
    assert!(!server.session.confirmed(network(0), delta.revision), "not before its ack");
}

#[test]
fn what_was_confirmed_before_a_drop_says_nothing_of_what_came_after() {
    let mut server = Server::new(vec![a_port(0, 0, false), a_port(1, 1, true)]);
    server.inventory(&[0]);
    server.drain();
    let revision = server.directory.revision();
    let ack = |revision| ToServer::Ack(sync::messages::Ack { network: network(0), revision, problems: vec![] });
    let gone = vec![port(0).to_string()];
    server.hear(ToServer::Interfaces(Interfaces { inventory: false, present: vec![], gone }));
    assert_eq!(server.kinds(), ["dropped"]);
    server.hear(ToServer::Interfaces(Interfaces { inventory: false, present: vec![plugged(0)], gone: vec![] }));
    assert_eq!(server.kinds(), ["orders", "snapshot", "complete"]);
    // Said of the first snapshot, while all this was under way; the network is at the same revision still.
    server.hear(ack(revision));
    assert!(!server.session.confirmed(network(0), revision));
    server.hear(ack(Revision::ZERO));
    assert!(!server.session.confirmed(network(0), revision), "the drop");
    server.hear(ack(revision));
    assert!(server.session.confirmed(network(0), revision), "the second snapshot");
}

#[test]
fn what_was_confirmed_before_a_resync_says_nothing_of_the_snapshot_after_it() {
    let mut server = Server::new(vec![a_port(0, 0, false), a_port(1, 1, true)]);
    server.inventory(&[0]);
    server.drain();
    let revision = server.directory.revision();
    let ack = || ToServer::Ack(Ack { network: network(0), revision, problems: vec![] });
    server.hear(ack());
    assert!(server.session.confirmed(network(0), revision));
    server.hear(ToServer::Resync(Resync { network: Some(network(0)), reason: "the digest differs".to_owned() }));
    assert!(!server.session.confirmed(network(0), revision), "it relies on nothing any more");
    assert_eq!(server.kinds(), ["snapshot", "complete"]);
    assert!(!server.session.confirmed(network(0), revision), "sent, at the same revision, and not in any switch");
    server.hear(ack());
    assert!(server.session.confirmed(network(0), revision));
}

#[test]
fn wired_is_believed_only_of_a_port_bound_here_under_its_present_binding() {
    let mut server = Server::new(vec![a_port(0, 0, false), a_port(1, 1, false)]);
    server.inventory(&[0, 1]);
    server.drain();
    let stale = Refusal::Stale { reported: Generation(7), current: Generation(1) };
    assert_eq!(server.report(0, 7, true), [Effect::Refused { port: port(0), refusal: stale }]);
    assert_eq!(server.report(1, 1, true), [Effect::Refused { port: port(1), refusal: Refusal::BoundTo(host(1)) }]);
    assert_eq!(server.report(9, 1, true), [Effect::Refused { port: port(9), refusal: Refusal::Unknown }]);
    assert_eq!(server.session.refused(), 3);
    assert_eq!(server.report(0, 1, true), [set_wired(0, 1, true)]);
    // Known already: nothing to store.
    server.commit(a_port(0, 0, true));
    assert_eq!(server.report(0, 1, true), []);
    assert_eq!(server.report(0, 1, false)[0], set_wired(0, 1, false));
    assert!(!server.report(0, 7, false).contains(&set_wired(0, 1, false)), "not of an earlier binding");
}

/// It would take the port for its own.
#[test]
fn an_agent_that_knows_nothing_of_prepared_bindings_is_told_that_the_port_is_anothers() {
    for (minor, prepares) in [(MINOR, true), (PREPARED - 1, false)] {
        let mut server = Server::new(vec![Port { prepared: vec![host(0)], ..a_port(1, 1, true) }]);
        server.session = Session::new(&Hello { minor, ..hello(0) }, epoch(1), "test");
        server.inventory(&[1]);
        let (messages, _) = server.drain();
        let orders = messages.iter().filter_map(|message| match message {
            ToAgent::Orders(orders) => Some(&orders.ports),
            _ => None,
        });
        let [order] = &orders.flatten().collect::<Vec<_>>()[..] else { panic!("{messages:?}") };
        assert_eq!(matches!(&order.order, Order::Wire(wire) if wire.prepared), prepares, "{minor}: {order:?}");
        assert_eq!(matches!(&order.order, Order::Isolate(_)), !prepares);
    }
}

/// A report that answers an order to isolate, of a port that was deleted for one, is no trouble for people to look at.
#[test]
fn not_wired_is_news_only_of_a_port_that_is_to_be_wired() {
    let mut server = Server::new(vec![a_port(0, 0, false), a_port(1, 1, false)]);
    server.inventory(&[0, 1, 9]);
    server.drain();
    assert_eq!(server.report(9, 1, false), [], "no port has this id");
    assert_eq!(server.report(1, 1, false), [], "bound elsewhere");
    let trouble = Effect::NotWired { port: port(0), reason: String::new() };
    assert_eq!(server.report(0, 1, false), [trouble]);
    server.commit(Port { admin_up: false, ..a_port(0, 0, false) });
    assert_eq!(server.report(0, 1, false), []);
}

#[test]
fn problems_that_are_mended_are_named_no_more() {
    let mut server = Server::new(vec![a_port(0, 0, true), a_port(1, 1, true)]);
    server.inventory(&[0]);
    server.drain();
    let problems = vec![RowProblem { port: port(1), reason: "no tunnel".to_owned() }];
    let mut ack = |problems| {
        let revision = server.directory.revision();
        let effects = server.hear(ToServer::Ack(Ack { network: network(0), revision, problems }));
        let named =
            |effect: &Effect| if let Effect::Problems { problems, .. } = effect { Some(problems.len()) } else { None };
        effects.iter().find_map(named)
    };
    assert_eq!(ack(problems), Some(1));
    assert_eq!((ack(Vec::new()), ack(Vec::new())), (Some(0), None));
}

#[test]
fn a_port_that_went_down_and_up_unseen_is_wired_again_without_a_word() {
    let mut server = Server::new(vec![a_port(0, 0, false)]);
    server.inventory(&[0]);
    server.drain();
    server.report(0, 1, true);
    server.commit(a_port(0, 0, true));
    server.drain();
    // Down withdraws `wired` in the store; up again before the agent was told of either.
    server.commit(Port { admin_up: false, ..a_port(0, 0, false) });
    server.commit(a_port(0, 0, false));
    assert_eq!(server.drain(), (vec![], vec![set_wired(0, 1, true)]));
    // If the agent is told, its next report counts and the last one does not.
    server.commit(a_port(0, 0, true));
    server.commit(Port { admin_up: false, ..a_port(0, 0, false) });
    assert_eq!(server.kinds(), ["orders"]);
    server.commit(a_port(0, 0, false));
    let (messages, effects) = server.drain();
    assert_eq!((messages.iter().map(kind).collect::<Vec<_>>(), effects), (vec!["orders"], vec![]));
}

#[test]
fn only_an_inventory_says_that_what_it_does_not_list_is_gone() {
    let mut server = Server::new(vec![a_port(0, 0, true), a_port(5, 0, true)]);
    let nothing = Interfaces { inventory: false, present: vec![], gone: vec![] };
    assert_eq!(server.hear(ToServer::Interfaces(nothing)), []);
    // The server has never seen port 5 plugged, and knows now that it is not.
    assert_eq!(server.inventory(&[0]), [set_wired(5, 1, false)]);
    let gone = Interfaces { inventory: false, present: vec![], gone: vec![port(0).to_string()] };
    assert_eq!(server.hear(ToServer::Interfaces(gone)), [set_wired(0, 1, false)]);
}

#[test]
fn an_interface_id_that_is_no_ports_is_isolated_and_one_without_end_ignored() {
    let mut server = Server::new(vec![]);
    let interface = |id: String| Interface { id, order_held: None, wired: None };
    let present = vec![interface("tap0".to_owned()), interface("x".repeat(300))];
    let effects = server.hear(ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec![] }));
    assert!(matches!(&effects[..], [Effect::Ignored(_)]), "{effects:?}");
    let (messages, _) = server.drain();
    let [ToAgent::Welcome(_), ToAgent::Orders(orders), ToAgent::HostComplete(_)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert!(matches!(&orders.ports[..], [order] if order.id == "tap0" && order.order.generation().is_none()));
}

#[test]
fn an_agent_that_comes_back_is_not_told_what_it_holds() {
    let mut server = Server::new(vec![a_port(0, 0, true), a_port(1, 1, true)]);
    server.inventory(&[0]);
    let mut held = Held::new();
    let mut order = None;
    for message in server.drain().0 {
        if let ToAgent::Orders(orders) = &message {
            order = Some(orders.ports[0].order.digest());
        }
        if let Some(Update::Entries { network, revision, .. }) = held.receive(message).unwrap().update {
            held.confirm(network, revision, vec![]);
        }
    }
    server.session = Session::new(&held.begin(hello(0)), epoch(1), "test");
    let present = vec![Interface { id: port(0).to_string(), order_held: order, wired: Some(Generation(1)) }];
    let effects = server.hear(ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec![] }));
    assert_eq!(effects, []);
    let (messages, _) = server.drain();
    let [ToAgent::Welcome(_), ToAgent::Orders(orders), ToAgent::HostComplete(complete)] = &messages[..] else {
        panic!("{messages:?}")
    };
    assert!(orders.ports.is_empty(), "only what its networks are");
    assert_eq!(complete.networks, [(network(0), server.directory.revision())]);
    // The control: the same agent, with another history.
    server.session = Session::new(&held.begin(hello(0)), epoch(2), "test");
    server.inventory(&[0]);
    assert_eq!(server.kinds(), ["welcome", "orders", "snapshot", "complete", "host complete"]);
}

#[test]
fn who_holds_something_else_at_the_servers_revision_gets_a_snapshot() {
    let mut server = Server::new(vec![a_port(0, 0, true), a_port(1, 1, true)]);
    let revision = server.directory.revision();
    let mut comes_back = |revision, sum| {
        let held = vec![HeldNetwork { network: network(0), revision, sum }];
        server.session = Session::new(&Hello { epoch: Some(epoch(1)), held, ..hello(0) }, epoch(1), "test");
        server.inventory(&[0]);
        server.kinds()
    };
    let all = Sum::of(&[entry(1)]);
    assert_eq!(comes_back(revision, Some(all)), ["welcome", "orders", "host complete"], "the control");
    for sum in [Some(Sum::of(&[entry(2)])), None] {
        assert_eq!(comes_back(revision, sum), ["welcome", "orders", "snapshot", "complete", "host complete"]);
    }
    // It was told so before an older copy of the database was put in its place.
    let ahead = comes_back(revision.next(), Some(all));
    assert_eq!(ahead, ["welcome", "orders", "snapshot", "complete", "host complete"]);
}

#[test]
fn what_is_not_confirmed_holds_back_small_deltas() {
    let mut server = Server::new(vec![a_port(0, 0, false)]);
    server.inventory(&[0]);
    server.drain();
    let mut sent = 0;
    for n in 0..2000_u16 {
        let [high, low] = n.to_be_bytes();
        server.commit(Port { ips: vec![IpAddr::from([10, 1, high, low])], ..a_port(1, 1, true) });
        sent += server.drain().0.len();
    }
    assert!((100..500).contains(&sent), "{sent} messages for 2000 changes without one confirmation");
    let revision = server.directory.revision();
    server.hear(ToServer::Ack(sync::messages::Ack { network: network(0), revision, problems: vec![] }));
    assert_eq!(server.kinds(), ["delta"], "all the rest in one");
}

#[test]
fn a_host_in_full_mesh_mode_gets_endpoints_and_no_entries() {
    let mut server = Server::new(vec![a_port(0, 0, false), a_port(1, 1, true)]);
    let mut hello = hello(0);
    hello.l2_population = false;
    server.session = Session::new(&hello, epoch(1), "test");
    server.inventory(&[0]);
    let (messages, _) = server.drain();
    assert_eq!(messages.iter().map(kind).collect::<Vec<_>>(), ["welcome", "endpoints", "orders", "host complete"]);
    let ToAgent::Endpoints(endpoints) = &messages[1] else { panic!("{messages:?}") };
    assert_eq!((endpoints.previous, endpoints.upserts.len()), (Revision::ZERO, 2));
    server.commit(a_port(2, 1, true));
    assert!(server.kinds().is_empty());
    assert!(server.session.confirmed(network(0), server.directory.revision()), "nobody waits for it");
}

// ----- the agent's side -----

#[test]
fn the_digest_of_an_order_tells_every_field() {
    let (_, mut directory) = Facts::begin();
    let mut facts = Facts { revision: 1, ..Facts::default() };
    let mut digest = |fact: Port| -> Digest {
        facts.commit(&mut directory, vec![Change::Port(fact)]);
        Order::from(directory.order(&host(0), &port(0).to_string())).digest()
    };
    let base = a_port(0, 0, false);
    let first = digest(base.clone());
    assert_eq!(digest(Port { wired: true, ..base.clone() }), first, "no matter to the host");
    let binding = Some(Binding { host: host(0), generation: Generation(2) });
    assert_ne!(digest(Port { binding, ..base.clone() }), first);
    assert_ne!(digest(Port { ips: vec![], ..base.clone() }), first);
    assert_ne!(digest(Port { mac: Mac([4; 6]), ..base.clone() }), first);
    assert_ne!(digest(Port { admin_up: false, ..base }), first);
}

/// A port that was wired here and is bound elsewhere now: it stays wired here, for who has it still, until it is wired there;
/// and prepared until all know that.
#[test]
fn what_leaves_stays_wired_until_its_new_host_has_it() {
    let mut server = Server::new(vec![a_port(0, 0, true)]);
    server.inventory(&[0]);
    let (messages, _) = server.drain();
    let held = messages.iter().find_map(|message| match message {
        ToAgent::Orders(orders) => orders.ports.first().map(|port| port.order.digest()),
        _ => None,
    });
    let moved = |wired, known| {
        let binding = |on, generation| Some(Binding { host: host(on), generation: Generation(generation) });
        let former = if known { None } else { binding(0, 1) };
        Port { binding: binding(1, 2), former, ..a_port(0, 1, wired) }
    };
    server.commit(moved(false, false));
    assert!(server.kinds().is_empty(), "its order is what it was");
    assert_eq!(server.report(0, 1, true), [], "that is no news");
    // Nor is it after a restart of the agent.
    let present = vec![Interface { order_held: held, wired: Some(Generation(1)), ..plugged(0) }];
    let effects = server.hear(ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec![] }));
    assert_eq!(effects, []);
    assert_eq!(server.drain().1, []);
    assert_eq!(server.report(0, 1, false), [set_wired(0, 1, false), not_wired(0)]);
    let gone = vec![port(0).to_string()];
    let effects = server.hear(ToServer::Interfaces(Interfaces { inventory: false, present: vec![], gone }));
    assert_eq!(effects, [set_wired(0, 1, false)], "nobody has it any more");
    assert_eq!(server.inventory(&[]), [set_wired(0, 1, false)], "nor by an inventory");

    server.inventory(&[0]);
    server.drain();
    let ordered = |server: &mut Server, facts| {
        server.commit(facts);
        let orders = |message| if let ToAgent::Orders(orders) = message { orders.ports } else { Vec::new() };
        server.drain().0.into_iter().flat_map(orders).map(|order| order.order).next()
    };
    let order = ordered(&mut server, moved(true, false));
    assert!(matches!(&order, Some(Order::Wire(wire)) if wire.prepared), "its new host has it: {order:?}");
    assert_eq!(server.report(0, 1, true), [], "that is no news");
    let order = ordered(&mut server, moved(true, true));
    assert!(matches!(order, Some(Order::Isolate(_))), "all know it: {order:?}");
    let refusal = Effect::Refused { port: port(0), refusal: Refusal::BoundTo(host(1)) };
    assert_eq!(server.report(0, 1, true), [refusal]);
}

/// What its target has wired beforehand is wired as soon as it is the target's, in the moment in which it hears of that; if it
/// is what was prepared.
#[test]
fn what_was_prepared_is_wired_once_it_is_put_in_force() {
    let binding = |on, generation| Some(Binding { host: host(on), generation: Generation(generation) });
    let prepared = Port { binding: binding(1, 1), prepared: vec![host(0)], ..a_port(0, 1, true) };
    let in_force = Port { binding: binding(0, 2), former: binding(1, 1), ..a_port(0, 0, false) };
    let other = Port { mac: Mac([4; 6]), ..in_force.clone() };
    for (reported, ordered, wired) in [
        (&[true][..], &in_force, true),
        (&[], &in_force, false),
        (&[true, false], &in_force, false),
        (&[true], &other, false),
    ] {
        let mut server = Server::new(vec![prepared.clone()]);
        server.inventory(&[0]);
        server.drain();
        for wired in reported {
            assert_eq!(server.report(0, 0, *wired), [], "it is another host's");
        }
        // Said again in the same words, it is still prepared.
        server.commit(Port { status: PortStatus::Active, ..prepared.clone() });
        assert_eq!(set_wireds(server.drain().1), []);
        server.commit(ordered.clone());
        let (messages, effects) = server.drain();
        assert!(messages.iter().any(|message| matches!(message, ToAgent::Orders(_))), "{messages:?}");
        let expected = if wired { vec![set_wired(0, 2, true)] } else { vec![] };
        assert_eq!(set_wireds(effects), expected, "{reported:?}");
        // It says that it is not, after all.
        assert_eq!(server.report(0, 2, false).len(), 1);
        server.commit(Port { status: PortStatus::Active, ..ordered.clone() });
        assert_eq!(set_wireds(server.drain().1), []);
    }
}

fn set_wireds(effects: Vec<Effect>) -> Vec<Effect> {
    effects.into_iter().filter(|effect| matches!(effect, Effect::SetWired { .. })).collect()
}

fn not_wired(id: u8) -> Effect {
    Effect::NotWired { port: port(id), reason: String::new() }
}
