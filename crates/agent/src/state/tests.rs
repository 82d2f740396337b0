mod world;

use model::{Entry, Epoch, Generation, LocalVlan, Mac, NetworkId, PortId, Revision, Segment, TunnelType};
use openflow::{Command, FlowMod};
use pipeline::{Bridge, Row};
use sync::messages::{
    Complete, Delta, Endpoint, Endpoints, HostComplete, NetworkInfo, Order, Orders, PortOrder, PortReport, Snapshot,
    Sum, ToAgent, ToServer, Welcome, Wire,
};
use uuid::Uuid;

use crate::events::{Event, Level, Server};
use world::World;

const A: u128 = 0xa;
const B: u128 = 0xb;

fn network(id: u128) -> NetworkId {
    NetworkId(Uuid::from_u128(id))
}

fn port(id: u8) -> PortId {
    PortId(Uuid::from_u128(id.into()))
}

fn id(number: u8) -> String {
    port(number).to_string()
}

fn mac(number: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, number])
}

fn entry(number: u8, endpoint: u8) -> Entry {
    let ips = vec![[10, 0, 0, number].into()];
    Entry { port: port(number), mac: mac(number), ips, endpoint: [10, 0, 1, endpoint].into() }
}

fn welcome() -> ToAgent {
    ToAgent::Welcome(Welcome { minor: 1, software: "test".to_owned(), epoch: Epoch(Uuid::from_u128(1)) })
}

/// Wires these ports, each on its network.
fn orders(ports: &[(u8, u128)]) -> ToAgent {
    let info = |id: u128| {
        let segment = Segment { tunnel_type: TunnelType::Gre, key: u32::try_from(id).unwrap() };
        NetworkInfo { network: network(id), segment, mtu: 1458 }
    };
    let order = |(number, on): &(u8, u128)| {
        let ips = vec![[10, 0, 0, *number].into()];
        let wire =
            Wire { port: port(*number), network: network(*on), generation: Generation(1), mac: mac(*number), ips };
        PortOrder { id: id(*number), revision: Revision(1), order: Order::Wire(wire) }
    };
    ToAgent::Orders(Orders {
        networks: ports.iter().map(|(_, on)| info(*on)).collect(),
        ports: ports.iter().map(order).collect(),
    })
}

fn isolate(number: u8) -> ToAgent {
    let order = Order::Isolate("bound to compute2".to_owned());
    ToAgent::Orders(Orders {
        networks: vec![],
        ports: vec![PortOrder { id: id(number), revision: Revision(2), order }],
    })
}

fn snapshot(id: u128, revision: u64, entries: &[Entry]) -> [ToAgent; 2] {
    let network = network(id);
    [
        ToAgent::Snapshot(Snapshot { network, first: true, entries: entries.to_vec(), removes: vec![] }),
        ToAgent::Complete(Complete { network, revision: Revision(revision), sum: Sum::of(entries) }),
    ]
}

fn delta(id: u128, (previous, revision): (u64, u64), upserts: &[Entry], removes: &[u8], all: &[Entry]) -> ToAgent {
    ToAgent::Delta(Delta {
        network: network(id),
        previous: Revision(previous),
        revision: Revision(revision),
        upserts: upserts.to_vec(),
        removes: removes.iter().map(|number| port(*number)).collect(),
        sum: Sum::of(all),
        more: false,
    })
}

fn host_complete(networks: &[u128]) -> ToAgent {
    let networks = networks.iter().map(|id| (network(*id), Revision(1))).collect();
    ToAgent::HostComplete(HostComplete { revision: Revision(9), networks })
}

/// A host with port 1 of network A wired, and one remote port behind 10.0.1.21.
fn wired() -> World {
    let mut world = World::new(|_| {});
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    tell_all(&mut world);
    world
}

fn tell_all(world: &mut World) {
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21)]));
    world.tell([host_complete(&[A])]);
}

fn reports(world: &World) -> Vec<&PortReport> {
    let report = |message: &'_ ToServer| matches!(message, ToServer::Report(_));
    let reports = world.sent.iter().filter(|message| report(message));
    reports.filter_map(|message| if let ToServer::Report(report) = message { Some(report) } else { None }).collect()
}

fn acks(world: &World) -> Vec<(NetworkId, u64, usize)> {
    let ack = |message: &ToServer| match message {
        ToServer::Ack(ack) => Some((ack.network, ack.revision.0, ack.problems.len())),
        _ => None,
    };
    world.sent.iter().filter_map(ack).collect()
}

fn position(world: &World, what: &str) -> usize {
    let found = world.story.iter().position(|line| line.contains(what));
    found.unwrap_or_else(|| panic!("no \"{what}\" in {:#?}", world.story))
}

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
fn a_vlan_is_free_only_when_nothing_uses_it() {
    let mut world = World::new(|settings| settings.local_vlans = "1-1".to_owned());
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.plug("tap2", Some(&id(2)), Some(4095));
    world.tell([welcome(), orders(&[(1, A), (2, B)])]);
    world.tell(snapshot(A, 5, &[]));
    world.tell(snapshot(B, 5, &[]));
    world.tell([host_complete(&[A, B])]);
    let refused = |report: &&PortReport| !report.wired && report.reason.contains("1-1");
    assert_eq!(reports(&world).iter().filter(|report| refused(report)).count(), 1, "{:?}", reports(&world));
    assert_eq!((world.tag("tap1"), world.tag("tap2")), (Some(1), Some(4095)));
    world.forget();
    world.hold_switches = true;
    world.unplug("tap1");
    assert_eq!(world.tag("tap2"), Some(4095), "the switch has not confirmed that the VLAN's rows are gone");
    world.release();
    assert_eq!(world.tag("tap2"), Some(1));
    assert_eq!(reports(&world).iter().filter(|report| report.wired).count(), 1);
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

#[test]
fn one_bad_row_is_named_and_the_others_go_in() {
    let mut world = World::new(|_| {});
    world.refuse = |flow| {
        (flow.table == 20
            && format!("{flow:?}").contains("EthDst")
            && flow.priority == 2
            && flow.matching.get(openflow::Field::EthDst).is_some_and(|masked| masked.value & 0xff == 12))
        .then_some(("table full", false))
    };
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21), entry(12, 21), entry(13, 21)]));
    assert_eq!(world.table(20).len(), 2);
    assert_eq!(world.table(21).len(), 4, "three answers, and one own address");
    assert_eq!(acks(&world), [(network(A), 5, 1)]);
    assert!(world.said.iter().any(|(level, text)| *level == Level::Error && text.contains("table full")));
    world.tell([host_complete(&[A])]);
    assert_eq!(reports(&world).len(), 1, "a row that cannot be programmed does not hold up the port");
}

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
fn a_switch_that_lost_everything_is_repaired_without_the_server() {
    let mut world = wired();
    let before = world.flows.clone();
    world.state.handle(Event::Server(Server::Lost));
    for flows in world.flows.values_mut() {
        flows.clear();
    }
    world.forget();
    world.connect_switches();
    world.run();
    assert_eq!(world.flows, before);
    assert_eq!((world.writes.len(), world.sent.len()), (0, 0));
}

#[test]
fn a_switch_that_cannot_answer_arp_loses_the_responder_and_nothing_else() {
    let mut world = World::new(|_| {});
    world.refuse = |flow| format!("{flow:?}").contains("SetField { field: ArpOp").then_some(("bad set field", true));
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.tell([welcome(), orders(&[(1, A)])]);
    world.tell(snapshot(A, 5, &[entry(11, 21), entry(12, 21)]));
    world.tell([host_complete(&[A])]);
    assert_eq!((world.table(20).len(), world.table(21).len(), world.table(18).len()), (2, 0, 0));
    assert_eq!(world.table(22).len(), 1);
    let warnings = world.said.iter().filter(|(level, text)| *level == Level::Warn && text.contains("responder is off"));
    assert_eq!(warnings.count(), 1, "{:#?}", world.said);
    assert_eq!(reports(&world).len(), 1);
    assert_eq!(acks(&world), [(network(A), 5, 0)]);
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

fn number(world: &World, name: &str) -> u32 {
    u32::try_from(world.find("Interface", name).as_u128()).unwrap()
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

#[test]
fn a_large_network_goes_in_by_bounded_batches_and_is_confirmed_with_the_last() {
    let mut world = wired();
    world.forget();
    let many = |count: u32| -> Vec<Entry> {
        let entry = |n: u32| {
            let [a, b, c, d] = n.to_be_bytes();
            let ips = vec![[10, 1 + b, c, d].into()];
            let port = PortId(Uuid::from_u128((1 << 64) + u128::from(n)));
            Entry { port, mac: Mac([0xfa, 0x16, a, b, c, d]), ips, endpoint: [10, 0, 1, 21].into() }
        };
        (1..=count).map(entry).collect()
    };
    world.hold_switches = true;
    world.tell(snapshot(A, 6, &many(5000)));
    assert_eq!(world.batches, [4096], "one batch at a time");
    assert!(acks(&world).is_empty());
    // Something changes while most of it is still to be sent.
    let all = [many(5000), vec![entry(12, 39)]].concat();
    world.tell([delta(A, (6, 7), &[entry(12, 39)], &[], &all)]);
    world.release();
    assert_eq!((world.table(20).len(), world.table(22).len()), (5001, 1));
    assert!(world.batches.len() >= 3 && world.batches.iter().all(|batch| *batch <= 4097), "{:?}", world.batches);
    assert_eq!(acks(&world), [(network(A), 7, 0)]);
}

/// Invariant 8: vswitchd still has the old tag in effect, so the VLAN's next network would be heard there.
#[test]
fn a_vlan_is_not_free_before_vswitchd_has_taken_it_from_its_last_port() {
    let mut world = World::new(|settings| settings.local_vlans = "1-1".to_owned());
    world.start();
    world.plug("tap1", Some(&id(1)), Some(4095));
    world.plug("tap2", Some(&id(2)), Some(4095));
    world.tell([welcome(), orders(&[(1, A), (2, B)])]);
    world.tell(snapshot(A, 5, &[]));
    world.tell(snapshot(B, 5, &[]));
    world.tell([host_complete(&[A, B])]);
    assert_eq!((world.tag("tap1"), world.tag("tap2")), (Some(1), Some(4095)));
    world.vswitchd_stopped = true;
    world.tell([isolate(1)]);
    assert_eq!((world.tag("tap1"), world.tag("tap2")), (Some(4095), Some(4095)), "only the database knows");
    assert_eq!(world.table(3).len(), 0, "no frame of either network comes in");
    world.vswitchd();
    world.vswitchd_stopped = false;
    world.update();
    world.run();
    assert_eq!((world.tag("tap2"), world.table(3).len()), (Some(1), 1));
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
