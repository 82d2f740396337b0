//! Bridges and ports of others that are there already.

use openflow::{Action, Flow, Match, port};
use ovsdb::codec::{Atom, Datum};
use pipeline::{Bridge, Cookie, Kind, Row};

use super::facts::{tell_all, wired};
use super::world::World;
use crate::DatapathType;
use crate::events::{Event, FlowChange, Level};

fn datapath_types(world: &World) -> [Datum; 2] {
    let column = |name| world.tables["Bridge"][&world.find("Bridge", name)].get("datapath_type").cloned();
    ["br-int", "br-tun"].map(|name| column(name).unwrap_or_else(|| "".into()))
}

fn said(world: &World, part: &str) -> Vec<Level> {
    world.said.iter().filter(|(_, text)| text.contains(part)).map(|(level, _)| *level).collect()
}

#[test]
fn a_bridge_keeps_its_datapath_type_unless_the_setting_says_another() {
    let mut world = World::new(|settings| settings.datapath_type = Some(DatapathType::Netdev));
    world.start();
    assert_eq!(datapath_types(&world), ["netdev".into(), "netdev".into()]);
    assert_eq!(said(&world, "datapath type"), []);

    world.restart(|_| {});
    assert_eq!((datapath_types(&world), world.writes.len()), (["netdev".into(), "netdev".into()], 0));
    assert_eq!(said(&world, "stays netdev, as datapath_type is not set"), [Level::Info; 2]);

    world.restart(|settings| settings.datapath_type = Some(DatapathType::System));
    assert_eq!(datapath_types(&world), ["system".into(), "system".into()]);
    assert_eq!(said(&world, "was netdev and becomes system, as datapath_type says"), [Level::Warn; 2]);
    for same in [Some(DatapathType::System), None] {
        world.restart(|settings| settings.datapath_type = same);
        assert_eq!((world.writes.len(), said(&world, "datapath type")), (0, vec![]));
    }
}

/// A patch joins bridges of one type only.
#[test]
fn a_bridge_that_is_missing_is_made_as_the_other_is() {
    let mut world = World::new(|settings| settings.datapath_type = Some(DatapathType::Netdev));
    world.start();
    let bridge = world.find("Bridge", "br-tun");
    world.tables.get_mut("Bridge").unwrap().remove(&bridge);
    // Its ports go with it, and their interfaces with them.
    world.vswitchd();
    world.restart(|_| {});
    assert_ne!(world.find("Bridge", "br-tun"), bridge, "it is another");
    assert_eq!(datapath_types(&world), ["netdev".into(), "netdev".into()]);

    let bridge = world.find("Bridge", "br-tun");
    world.tables.get_mut("Bridge").unwrap().get_mut(&bridge).unwrap().insert("datapath_type".into(), "".into());
    world.restart(|_| {});
    assert_eq!(said(&world, "no frame passes between them"), [Level::Error]);
}

#[test]
fn what_others_send_is_let_in_only_in_a_vlan_of_its_own() {
    let foreign = |world: &World| {
        let cookies = world.flows[&Bridge::Integration].values().map(|flow| Cookie::parse(flow.cookie));
        cookies.filter(|cookie| cookie.is_some_and(|cookie| cookie.kind == Kind::Foreign)).count()
    };
    let mut world = wired();
    world.plug("int-br-phy", None, None);
    assert_eq!(foreign(&world), 0);
    assert_eq!(said(&world, "nothing is let in from port int-br-phy of br-int"), [Level::Warn]);
    world.plug("theirs", None, Some(77));
    assert_eq!(foreign(&world), 1, "the control");
    assert_eq!(said(&world, "nothing is let in"), [Level::Warn], "said once, and of nothing else");

    let port = world.find("Port", "theirs");
    let trunks = Datum::Set(vec![Atom::from(5i64)]);
    world.tables.get_mut("Port").unwrap().get_mut(&port).unwrap().insert("trunks".into(), trunks);
    world.update();
    world.run();
    assert_eq!(foreign(&world), 0);
}

/// Open vSwitch drops the flows of a bridge that loses its last controller.
#[test]
fn what_the_agent_itself_made_the_switch_drop_was_nobody_elses_doing() {
    let mut world = wired();
    let before = world.flows.clone();
    world.vswitchd_stopped = true;
    set_controller(&mut world, "br-tun");
    world.update();
    world.run();
    assert_eq!(said(&world, "br-tun: its controllers are taken off"), [Level::Warn]);
    // The switch drops them, and tells so.
    let gone: Vec<_> = std::mem::take(world.flows.get_mut(&Bridge::Tunnel).unwrap()).into_values().collect();
    let sent = world.mods.len();
    world.hand(Bridge::Tunnel, gone.into_iter().map(FlowChange::Gone).collect());
    world.run();
    assert_eq!((world.mods.len() - sent, world.flows[&Bridge::Tunnel].len()), (0, 0), "it would be dropped, too");
    world.vswitchd_stopped = false;
    world.vswitchd();
    world.update();
    world.run();
    assert_eq!(world.flows, before);
    assert_eq!(world.state.status().repaired.flows, 0, "{:?}", world.said);
    // The control: what somebody else removes.
    let flow = world.flows.get_mut(&Bridge::Tunnel).unwrap().pop_last().unwrap().1;
    world.hand(Bridge::Tunnel, vec![FlowChange::Gone(flow)]);
    world.run();
    assert_eq!((world.state.status().repaired.flows, world.flows == before), (1, true));
}

/// A stock agent's flows stay in force until the server has said all; its controllers give way to one that leads nowhere, so that
/// Open vSwitch drops nothing.
#[test]
fn what_a_stock_agent_left_stays_until_all_of_ours_is_in() {
    let mut world = wired();
    let before = world.flows.clone();
    for (bridge, flows) in &mut world.flows {
        for flow in flows.values_mut() {
            flow.cookie = 0x77;
            if (*bridge, flow.table, flow.priority) == (Bridge::Integration, 0, 0) {
                *flow = flow.clone().goto(60);
            }
        }
        let left = Flow::new(60, 3, Match::any()).cookie(0x77).apply([Action::Output(port::NORMAL)]);
        flows.insert(left.key(), left);
    }
    let left = world.flows.clone();
    for bridge in ["br-int", "br-tun"] {
        set_controller(&mut world, bridge);
    }
    world.restart(|_| {});
    world.state.handle(Event::Retry);
    world.run();
    assert_eq!(world.flows[&Bridge::Integration].len(), left[&Bridge::Integration].len());
    let refuse = Row::Refuse.rule().key();
    assert_eq!(
        world.flows[&Bridge::Integration][&refuse],
        left[&Bridge::Integration][&refuse],
        "it lets in what it let in"
    );
    assert_eq!(controller(&world, "br-int"), "tcp:127.0.0.1:6633");
    tell_all(&mut world);
    world.state.handle(Event::Retry);
    world.run();
    assert_eq!(world.flows, before, "nothing is left of the stock agent");
    assert_eq!(
        ["br-int", "br-tun"].map(|bridge| controller(&world, bridge)),
        ["unix:br-int.culvert", "unix:br-tun.culvert"]
    );
    assert_eq!((said(&world, "drops all its flows"), world.state.status().repaired.flows), (vec![], 0));
    assert_eq!(world.state.status().repaired.bridges, 0, "{:?}", world.said);

    // From now on what is not ours is somebody else's.
    let theirs = Flow::new(60, 3, Match::any()).cookie(0x78).apply([Action::Output(port::NORMAL)]);
    world.flows.get_mut(&Bridge::Integration).unwrap().insert(theirs.key(), theirs.clone());
    world.restart(|_| {});
    tell_all(&mut world);
    world.state.handle(Event::Retry);
    world.run();
    assert_eq!((world.mods.len(), world.writes.len()), (0, 0));
    assert!(world.flows[&Bridge::Integration].contains_key(&theirs.key()));
}

fn set_controller(world: &mut World, bridge: &str) {
    let controller =
        world.insert("Controller", ovsdb::codec::Row::from([("target".into(), "tcp:127.0.0.1:6633".into())]));
    let bridge = world.find("Bridge", bridge);
    let row = world.tables.get_mut("Bridge").unwrap().get_mut(&bridge).unwrap();
    row.insert("controller".into(), Datum::Set(vec![Atom::Uuid(controller)]));
}

/// The target of a bridge's one controller.
fn controller(world: &World, bridge: &str) -> String {
    let bridge = &world.tables["Bridge"][&world.find("Bridge", bridge)];
    let Some([Atom::Uuid(uuid)]) = bridge["controller"].elements() else { panic!("{bridge:?}") };
    match &world.tables["Controller"][uuid]["target"] {
        Datum::Atom(Atom::String(target)) => target.clone(),
        other => panic!("{other:?}"),
    }
}
