//! Random histories: what the directory keeps up to date is what a recomputation from the facts gives.
#![allow(clippy::unwrap_used, reason = "tests; the lint's own exception does not reach helpers")]

mod client;
mod history;
mod naive;
mod propagation;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use client::Client;
use directory::{Directory, EntryChange, Limits, Order, Position, Sum};
use history::{Event, HOSTS, NETWORKS, PORTS, host, network, port};
use model::{Binding, Committed, Port, Revision};
use naive::Naive;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// A directory, the facts that it was given, and one client per host that follows it.
struct World {
    directory: Directory,
    naive: Naive,
    clients: Vec<Client>,
    /// A copy of the facts, as they were at some time.
    backup: Naive,
    /// The order for each interface that is plugged, as it was when dirty was last taken.
    orders: BTreeMap<(u8, u8), String>,
}

fn limits() -> Limits {
    Limits { tombstones: 2 }
}

impl World {
    fn new() -> Self {
        let clients = (0..HOSTS).map(|n| Client::new(host(n))).collect();
        let (naive, backup) = (Naive::default(), Naive::default());
        World { directory: Directory::new(limits()), naive, clients, backup, orders: BTreeMap::new() }
    }

    fn step(&mut self, event: &Event) {
        match event {
            Event::Commit(changes) => {
                let revision = self.naive.commit(changes);
                assert!(self.directory.apply(&Committed { revision, changes: changes.clone() }));
                assert!(!self.directory.apply(&Committed { revision, changes: Vec::new() }), "taken twice");
            }
            Event::Seen(on, id) => {
                self.naive.plug(*on, *id);
                self.directory.seen(&host(*on), &port(*id).to_string());
            }
            Event::Gone(on, id) => {
                self.naive.unplug(*on, *id);
                self.directory.gone(&host(*on), &port(*id).to_string());
            }
            Event::Inventory(on, ids) => {
                (0..PORTS).for_each(|id| self.naive.unplug(*on, id));
                for id in ids {
                    self.naive.plug(*on, *id);
                }
                self.inventory(*on);
            }
            Event::Restart => self.restart(),
            Event::BackUp => self.backup = self.naive.clone(),
            Event::Restore => {
                self.naive.restore(&self.backup);
                self.clients.iter_mut().for_each(Client::history_was_replaced);
                self.restart();
            }
            Event::CatchUp(on) => self.clients[usize::from(*on)].catch_up(&self.directory),
            Event::Forget(on) => self.clients[usize::from(*on)].forget(),
        }
        self.take_dirty();
    }

    fn inventory(&mut self, on: u8) {
        let ids: Vec<String> = self.naive.plugged_on(on).map(|id| port(id).to_string()).collect();
        // What is no port's id must not matter.
        self.directory.inventory(&host(on), ids.iter().map(String::as_str).chain(["tap0"]));
    }

    /// The server starts anew: it loads all facts at once, and agents report again.
    fn restart(&mut self) {
        self.directory = Directory::new(limits());
        self.directory.load(&self.naive.all());
        (0..HOSTS).for_each(|on| self.inventory(on));
        self.orders.clear();
    }

    fn take_dirty(&mut self) {
        let dirty = self.directory.take_dirty();
        for (n, client) in (0..).zip(&mut self.clients) {
            if let Some(dirty) = dirty.hosts.get(&host(n)) {
                client.mark(dirty);
            }
            for id in self.naive.plugged_on(n) {
                let order = format!("{:?}", self.directory.port_order(&host(n), port(id)));
                let changed = self.orders.insert((n, id), order.clone()).as_ref() != Some(&order);
                let told = dirty.hosts.get(&host(n)).is_some_and(|dirty| dirty.orders.contains(&port(id)));
                assert!(told || !changed, "order of port {id} on host {n} changed to {order} and nobody was told");
            }
        }
        for (id, (of, revision)) in &dirty.published {
            assert!(*revision <= self.directory.revision(), "{id} of {of} published in the future");
        }
    }

    /// The facts, by each way to ask for them.
    fn check_facts(&self) {
        let names: BTreeSet<_> = self.directory.hosts().map(|host| host.name.clone()).collect();
        assert_eq!(names, self.naive.host_names());
        let networks: BTreeSet<_> = self.directory.networks().map(|network| network.id).collect();
        assert_eq!(networks, self.naive.network_ids());
        let ids = |ports: &mut dyn Iterator<Item = &Port>| ports.map(|port| port.id).collect::<BTreeSet<_>>();
        assert_eq!(ids(&mut self.directory.ports()), self.naive.port_ids(|_| true));
        for n in 0..HOSTS {
            let at = |place: &Option<Binding>| place.as_ref().is_some_and(|binding| binding.host == host(n));
            assert_eq!(ids(&mut self.directory.bound_to(&host(n))), self.naive.port_ids(|port| at(&port.binding)));
            assert_eq!(ids(&mut self.directory.leaving(&host(n))), self.naive.port_ids(|port| at(&port.former)));
        }
        for id in 0..PORTS {
            let on: BTreeSet<_> = self.directory.plugged_on(port(id)).iter().cloned().collect();
            let expected = (0..HOSTS).filter(|n| self.naive.plugged_on(*n).any(|other| other == id)).map(host);
            assert_eq!(on, expected.collect(), "hosts on which port {id} is plugged");
        }
    }

    /// Everything that can be asked, against the facts.
    fn check(&self) {
        self.check_facts();
        for n in 0..HOSTS {
            let interests: Vec<_> = self.directory.networks_of(&host(n)).collect();
            let expected: Vec<_> = (0..NETWORKS).filter(|of| self.naive.interested(n, *of)).map(network).collect();
            assert_eq!(interests, expected, "interest of host {n}");
            for of in 0..NETWORKS {
                let view = self.directory.view(network(of), &host(n));
                assert_eq!(view.is_some(), self.naive.interested(n, of), "host {n} sees network {of} iff interested");
                let Some(view) = view else { continue };
                let entries: Vec<_> = view.entries(None).cloned().collect();
                assert_eq!(entries, self.naive.entries_for(n, of), "host {n}, network {of}");
                assert_eq!(view.sum(), Sum::of(&entries));
            }
            for id in 0..PORTS {
                let order = self.directory.port_order(&host(n), port(id));
                let found = (matches!(order, Order::Wire(..)), matches!(order, Order::Prepare(_)));
                let expected = (self.naive.must_wire(n, id), self.naive.must_prepare(n, id));
                assert_eq!(found, expected, "port {id} on host {n}");
            }
        }
        for of in 0..NETWORKS {
            let mut interested: Vec<_> = self.directory.interested(network(of)).cloned().collect();
            interested.sort();
            let expected: Vec<_> = (0..HOSTS).filter(|n| self.naive.interested(*n, of)).map(host).collect();
            assert_eq!(interested, expected);
        }
    }

    fn check_clients(&mut self) {
        for (n, client) in (0..).zip(&mut self.clients) {
            client.catch_up(&self.directory);
            for of in 0..NETWORKS {
                let expected = self.naive.interested(n, of).then(|| self.naive.entries_for(n, of));
                assert_eq!(client.entries(network(of)), expected, "client on host {n}, network {of}");
            }
        }
    }
}

proptest! {
    #[test]
    fn incremental_is_recomputed_and_clients_follow(events in vec(history::event(), 1..100)) {
        let mut world = World::new();
        for event in &events {
            world.step(event);
            world.check();
        }
        world.check_clients();
    }
}

/// The positive controls of the test above: that its histories reach what it is about.
#[test]
fn histories_reach_deltas_snapshots_and_compaction() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = vec(history::event(), 100);
    let mut totals = client::Counts::default();
    for _ in 0..200 {
        let mut world = World::new();
        let events = strategy.new_tree(&mut runner).unwrap().current();
        for event in &events {
            world.step(event);
        }
        world.check_clients();
        world.clients.iter().for_each(|client| totals.add(client.counts()));
    }
    assert!(totals.snapshots > 100 && totals.deltas > 100 && totals.compacted > 10 && totals.moved > 10, "{totals:?}");
}

#[test]
fn a_port_that_moves_here_is_removed_from_what_was_held_of_others() {
    let mut world = World::new();
    let published = |on| history::port_fact(0, 0, Some(on), true, true, 0);
    world.step(&Event::Commit(vec![history::network_fact(0), history::host_fact(0, 0), history::host_fact(1, 0)]));
    world.step(&Event::Commit(vec![published(0), history::port_fact(1, 0, Some(1), true, false, 0)]));
    world.step(&Event::Seen(1, 1));
    world.step(&Event::CatchUp(1));
    assert_eq!(world.clients[1].entries(network(0)).map(|entries| entries.len()), Some(1));
    world.step(&Event::Commit(vec![published(1)]));
    world.step(&Event::CatchUp(1));
    assert_eq!(world.clients[1].entries(network(0)), Some(Vec::new()));
}

/// While a port moves its entry stays where it was; then one change replaces it.
#[test]
fn a_port_that_moves_changes_at_its_peers_in_one_step() {
    let mut world = World::new();
    let hosts = (0..HOSTS).map(|n| history::host_fact(n, 0));
    world.step(&Event::Commit(hosts.chain([history::network_fact(0)]).collect()));
    let at = |on, wired, left| {
        Event::Commit(vec![history::leaving(left, history::port_fact(0, 0, Some(on), true, wired, 0))])
    };
    world.step(&at(0, true, None));
    world.step(&Event::Commit(vec![history::port_fact(1, 0, Some(2), true, true, 0)]));
    world.step(&Event::Seen(2, 1));
    world.step(&Event::Seen(0, 0));
    world.step(&Event::CatchUp(2));
    let (before, deltas) = (world.clients[2].entries(network(0)), world.clients[2].counts().deltas);
    assert_eq!(before.as_ref().map(Vec::len), Some(1));

    world.step(&at(1, false, Some(0)));
    world.step(&Event::Seen(1, 0));
    world.step(&Event::CatchUp(2));
    assert_eq!(world.clients[2].entries(network(0)), before, "its new host has yet to wire it");
    assert_eq!(world.clients[2].counts().deltas, deltas);
    world.step(&at(1, true, None));
    let replaced = world.directory.view(network(0), &host(2)).unwrap();
    let changes: Vec<_> =
        replaced.changes(replaced.resume(Revision(4), None).unwrap(), Position::end_of(Revision(4))).collect();
    assert!(matches!(changes[..], [(_, EntryChange::Upsert(entry))] if entry.port == port(0)), "{changes:?}");
    world.step(&Event::CatchUp(2));
    assert_eq!(world.clients[2].counts().deltas, deltas + 1);
    world.check();

    // Its old host no longer has it, and its new one not yet: it is nowhere.
    world.step(&at(0, false, Some(1)));
    world.step(&at(0, false, None));
    world.step(&Event::CatchUp(2));
    assert_eq!(world.clients[2].entries(network(0)), Some(Vec::new()));
    world.check();
}

#[test]
fn a_restarted_server_knows_by_the_sum_that_nothing_is_missing() {
    let mut world = World::new();
    world.step(&Event::Commit(vec![history::network_fact(0), history::host_fact(0, 0), history::host_fact(1, 0)]));
    world.step(&Event::Commit(vec![
        history::port_fact(0, 0, Some(0), true, true, 0),
        history::port_fact(1, 0, Some(1), true, true, 0),
    ]));
    world.step(&Event::Seen(1, 1));
    world.step(&Event::CatchUp(1));
    // A commit that does not concern the network: what the client holds is of an older revision than what is loaded.
    world.step(&Event::Commit(vec![history::network_fact(1)]));
    world.step(&Event::Restart);
    let before = world.clients[1].counts();
    world.step(&Event::CatchUp(1));
    assert_eq!(world.clients[1].counts().snapshots, before.snapshots);
    // And from there on it follows by deltas, though it says the revision from before the restart.
    world.step(&Event::Commit(vec![history::port_fact(2, 0, Some(0), true, true, 0)]));
    world.step(&Event::CatchUp(1));
    let after = world.clients[1].counts();
    assert_eq!((after.snapshots, after.deltas), (before.snapshots, before.deltas + 1));
    // The control: one that holds something else gets a snapshot.
    world.step(&Event::Forget(1));
    world.step(&Event::CatchUp(1));
    assert_eq!(world.clients[1].counts().snapshots, before.snapshots + 1);
    world.check_clients();
}

#[test]
fn what_is_held_of_a_history_that_was_taken_back_is_not_built_upon() {
    let mut directory = Directory::new(limits());
    let wired = |id| history::port_fact(id, 0, Some(0), true, true, 0);
    let own = history::port_fact(3, 0, Some(1), true, false, 0);
    let hosts = [history::host_fact(0, 0), history::host_fact(1, 0)];
    let changes = hosts.into_iter().chain([history::network_fact(0), wired(0), own]).collect();
    directory.load(&Committed { revision: Revision(50), changes });
    directory.inventory(&host(1), [port(3).to_string().as_str()]);
    let here = host(1);
    let view = directory.view(network(0), &here).unwrap();
    assert_eq!(view.resume(Revision(49), None), None, "what was before the load is not known");
    // What the host was told up to revision 100, before an older copy of the database was put in its place.
    let other = Some(Sum::default());
    assert_eq!(
        directory.view(network(0), &here).unwrap().resume(Revision(100), other),
        None,
        "the network was never there"
    );
    assert_eq!(
        directory.view(network(0), &here).unwrap().resume(Revision(50), other),
        None,
        "nothing to send that would tell"
    );
    assert!(
        directory
            .view(network(0), &here)
            .unwrap()
            .resume(Revision(50), Some(directory.view(network(0), &here).unwrap().sum()))
            .is_some(),
        "the control"
    );
    assert!(directory.endpoint_changes(&host(1), Revision(50)).is_some());
    assert!(directory.endpoint_changes(&host(1), Revision(100)).is_none());

    assert!(directory.apply(&Committed { revision: Revision(100), changes: vec![wired(1)] }));
    let same = Some(directory.view(network(0), &here).unwrap().sum());
    for (held, resumes) in [(same, true), (other, false), (None, false)] {
        assert_eq!(
            directory.view(network(0), &here).unwrap().resume(Revision(100), held).is_some(),
            resumes,
            "{held:?}"
        );
    }
    // What is sent carries the sum, by which the host sees it.
    assert!(directory.apply(&Committed { revision: Revision(101), changes: vec![wired(2)] }));
    assert!(directory.view(network(0), &here).unwrap().resume(Revision(100), other).is_some());
}

#[test]
fn of_a_host_that_has_not_reported_nothing_is_concluded() {
    use model::PortStatus::{Active, Build, Down};
    let mut world = World::new();
    world.step(&Event::Commit(vec![history::network_fact(0), history::host_fact(0, 0)]));
    world.step(&Event::Commit(vec![history::active_port_fact(0, 0, 0)]));
    let status = |world: &World| world.directory.port(port(0)).map(|known| world.directory.status(known));
    assert_eq!(status(&world), Some(Active), "the host was never heard of: what the store says stands");
    world.step(&Event::Seen(0, 0));
    assert_eq!(status(&world), Some(Active));
    world.step(&Event::Inventory(0, vec![]));
    assert_eq!(status(&world), Some(Down), "known not to be plugged");
    world.step(&Event::Seen(0, 0));
    let model::Change::Port(active) = history::active_port_fact(0, 0, 0) else { unreachable!() };
    world.step(&Event::Commit(vec![model::Change::Port(Port { wired: false, ..active })]));
    assert_eq!(status(&world), Some(Build), "wired no more, whatever it was");
    world.step(&Event::Commit(vec![history::port_fact(0, 0, Some(0), true, false, 0)]));
    assert_eq!(status(&world), Some(Build));
    world.step(&Event::Commit(vec![history::port_fact(0, 0, Some(0), true, true, 0)]));
    assert_eq!(status(&world), Some(Build), "wired, and not yet known to be propagated");
    world.step(&Event::Commit(vec![history::port_fact(0, 0, Some(0), false, true, 0)]));
    assert_eq!(status(&world), Some(Down), "administratively down");
}

#[test]
fn endpoints_are_those_with_a_tunnel_type_in_common() {
    let mut directory = Directory::new(limits());
    let commit = |directory: &mut Directory, revision, changes| {
        assert!(directory.apply(&Committed { revision: Revision(revision), changes }));
    };
    let names = |hosts: Vec<&model::Host>| hosts.iter().map(|host| host.name.to_string()).collect::<Vec<_>>();
    commit(&mut directory, 1, vec![history::typed_host_fact(0, &["gre"]), history::typed_host_fact(1, &["vxlan"])]);
    commit(&mut directory, 2, vec![history::typed_host_fact(2, &["gre", "vxlan"])]);
    assert_eq!(names(directory.endpoints(&host(0))), ["host-2"]);
    assert_eq!(names(directory.endpoints(&host(2))), ["host-0", "host-1"]);
    assert!(directory.take_dirty().endpoints);
    assert_eq!(directory.endpoints_revision(), Revision(2));

    commit(&mut directory, 3, vec![history::typed_host_fact(2, &["vxlan"])]);
    let (upserts, removes) = directory.endpoint_changes(&host(0), Revision(2)).unwrap();
    assert_eq!((names(upserts), removes), (vec![], vec![host(2)]), "nothing in common any more");
    assert!(directory.endpoint_changes(&host(2), Revision(2)).is_none(), "what it serves itself has changed");
    commit(&mut directory, 4, vec![model::Change::HostDeleted(host(1))]);
    assert_eq!(directory.endpoint_changes(&host(2), Revision(3)).unwrap().1, [host(1)]);
}
