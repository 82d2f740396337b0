//! Tunnel ports: made, waited for, refused.

use model::{LocalVlan, Revision, TunnelType};
use pipeline::Row;
use sync::messages::{Endpoint, Endpoints, ToAgent};

use super::facts::{
    A, B, acks, delta, entry, host_complete, id, mac, network, number, orders, port, position, reports, snapshot,
    welcome, wired,
};
use super::world::World;

#[test]
fn a_tunnel_port_that_cannot_be_made_is_named_and_the_others_work() {
    let mut world = World::new(|_| {});
    world.broken.insert("gre-0a000115".to_owned());
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21), entry(12, 39)]));
    assert_eq!(world.table(20).len(), 1);
    assert_eq!(acks(&world), [(network(A), 5, 1)]);
    assert!(world.said.iter().any(|(_, text)| text.contains("gre-0a000115") && text.contains("File exists")));
}

#[test]
fn an_ack_waits_for_the_tunnel_port() {
    let mut world = wired();
    world.forget();
    world.vswitchd_stopped = true;
    let all = [entry(11, 21), entry(12, 39)];
    world.tell([delta(A, (5, 6), &[entry(12, 39)], &[], &all)]);
    assert_eq!((acks(&world).len(), world.table(20).len()), (0, 1), "the port has no number yet");
    world.vswitchd();
    world.update();
    world.run();
    assert_eq!((acks(&world), world.table(20).len()), (vec![(network(A), 6, 0)], 2));
}

#[test]
fn a_tunnel_name_that_is_taken_elsewhere_fails_alone() {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("gre-0a000115", None, None);
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21), entry(12, 39)]));
    assert!(world.has_port("gre-0a000127"));
    assert_eq!(world.table(20).len(), 1);
    assert_eq!(acks(&world), [(network(A), 5, 1)]);
    assert!(world.said.iter().any(|(_, text)| text.contains("exists already, on br-int")), "{:#?}", world.said);
}

#[test]
fn a_tunnel_port_that_does_not_come_holds_up_no_other_network() {
    let mut world = World::new(|_| {});
    world.absent.insert("gre-0a000127".to_owned());
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.plug("tap2", Some(&id(2)), Some(4095));
    world.tell([welcome(), orders(&[(1, A), (2, B)])]);
    world.tell(snapshot(B, 6, &[entry(12, 39)]));
    world.tell(snapshot(A, 5, &[entry(11, 21)]));
    world.tell([host_complete(&[A, B])]);
    assert_eq!(acks(&world), [(network(A), 5, 0)]);
    assert_eq!(reports(&world).iter().map(|report| report.port).collect::<Vec<_>>(), [port(1)]);
    world.absent.clear();
    world.vswitchd();
    world.update();
    world.run();
    assert_eq!(acks(&world)[1..], [(network(B), 6, 0)]);
    assert_eq!(reports(&world).len(), 2);
}

#[test]
fn a_full_mesh_needs_the_list_of_endpoints_and_nothing_else() {
    let mut world = World::new(|settings| (settings.l2_population, settings.arp_responder) = (false, false));
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)]), host_complete(&[A])]);
    assert!(reports(&world).is_empty(), "the list has not come");
    world.tell([endpoints(0, 1, &[("compute2", 39), ("network", 21)], &[])]);
    assert!(world.has_port("gre-0a000127") && world.has_port("vxlan-0a000115"), "both types to every host");
    assert_eq!((world.table(20).len(), world.table(22).len()), (0, 1));
    assert_eq!(reports(&world).len(), 1);
    // A host goes: what was learned towards it goes before its ports do.
    let gre = number(&world, "gre-0a000127");
    world.learn(Row::LearnedMac { vlan: LocalVlan::MIN, mac: mac(9) }, gre);
    world.forget();
    world.tell([endpoints(1, 2, &[], &["compute2"])]);
    assert!(!world.has_port("gre-0a000127") && !world.has_port("vxlan-0a000127") && world.has_port("gre-0a000115"));
    assert!(world.table(20).is_empty());
    assert!(position(&world, &format!("unlearn port {gre}")) < position(&world, "del-port"));
}

fn endpoints(previous: u64, revision: u64, upserts: &[(&str, u8)], removes: &[&str]) -> ToAgent {
    let endpoint = |(host, last): &(&str, u8)| Endpoint {
        host: host.parse().unwrap(),
        address: [10, 0, 1, *last].into(),
        tunnel_types: TunnelType::ALL.to_vec(),
    };
    ToAgent::Endpoints(Endpoints {
        previous: Revision(previous),
        revision: Revision(revision),
        upserts: upserts.iter().map(endpoint).collect(),
        removes: removes.iter().map(|host| host.parse().unwrap()).collect(),
    })
}

#[test]
fn tunnel_ports_are_made_while_the_snapshot_comes_and_go_if_it_names_them_no_more() {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)])]);
    let [part, _] = snapshot(A, 5, &[entry(11, 21), entry(12, 39)]);
    world.tell([part]);
    assert!(world.has_port("gre-0a000115") && world.has_port("gre-0a000127"));
    assert_eq!(world.table(20).len(), 0, "nothing is used before it is complete");
    // The server begins anew, and meanwhile a host has gone.
    world.tell(snapshot(A, 6, &[entry(11, 21)]));
    world.tell([host_complete(&[A])]);
    assert!(world.has_port("gre-0a000115") && !world.has_port("gre-0a000127"));
    assert_eq!(world.table(20).len(), 1);
}
