//! Bridges and ports of others that are there already.

use ovsdb::codec::{Atom, Datum, Row};
use pipeline::{Bridge, Cookie, Kind};

use super::facts::{tell_all, wired};
use super::world::World;
use crate::DatapathType;
use crate::events::{FlowChange, Level};

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
    let controller = world.insert("Controller", Row::from([("target".into(), "tcp:127.0.0.1:6633".into())]));
    let bridge = world.find("Bridge", "br-tun");
    let row = world.tables.get_mut("Bridge").unwrap().get_mut(&bridge).unwrap();
    row.insert("controller".into(), Datum::Set(vec![Atom::Uuid(controller)]));
    world.vswitchd_stopped = true;
    world.restart(|_| {});
    assert_eq!(said(&world, "br-tun: its controllers are taken off"), [Level::Warn]);
    // The switch drops them, and tells so.
    let gone: Vec<_> = std::mem::take(world.flows.get_mut(&Bridge::Tunnel).unwrap()).into_values().collect();
    world.hand(Bridge::Tunnel, gone.into_iter().map(FlowChange::Gone).collect());
    world.run();
    assert_eq!((world.mods.len(), world.flows[&Bridge::Tunnel].len()), (0, 0), "it would be dropped, too");
    world.vswitchd_stopped = false;
    world.vswitchd();
    world.update();
    world.run();
    tell_all(&mut world);
    assert_eq!(world.flows, before);
    assert_eq!(world.state.status().repaired.flows, 0, "{:?}", world.said);
    // The control: what somebody else removes.
    let flow = world.flows.get_mut(&Bridge::Tunnel).unwrap().pop_last().unwrap().1;
    world.hand(Bridge::Tunnel, vec![FlowChange::Gone(flow)]);
    world.run();
    assert_eq!((world.state.status().repaired.flows, world.flows == before), (1, true));
}
