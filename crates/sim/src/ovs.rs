//! A model of Open vSwitch: what `ovsdb-server` and `ovs-vswitchd` of one host do, as far as Culvert uses them.
//!
//! It takes the very values that go to the real one ([`openflow::FlowMod`], [`ovsdb::codec::Operation`]) and shares no
//! code with what makes them. Frames go through it as through the real one; `tests/it` compares the two.

pub mod actions;
pub mod database;
pub mod frame;
pub mod tables;
pub mod vswitch;

use std::collections::{BTreeMap, BTreeSet};

use ovsdb::codec::{Atom, Row};
use pipeline::Bridge;
use uuid::Uuid;

pub use database::Database;
pub use frame::{Arp, BROADCAST, Frame, Payload};
pub use tables::{Effect, Seconds, Tables};
pub use vswitch::{Datapath, Kind, Port, Tunnel, Vlans, Vswitch, Walk};

const BRIDGES: [Bridge; 2] = [Bridge::Integration, Bridge::Tunnel];
/// The number under which OVSDB shows a bridge's own port (`OFPP_LOCAL` of OpenFlow 1.0).
const LOCAL: i64 = 65534;

/// One host's Open vSwitch.
#[derive(Debug, Clone, Default)]
pub struct Ovs {
    pub database: Database,
    pub vswitch: Vswitch,
    /// The highest port number given out on each bridge: numbers come back late.
    numbers: BTreeMap<&'static str, i64>,
}

impl Ovs {
    /// `ovs-vswitchd` puts into effect what the database says. Returns whether it wrote to the database.
    pub fn reconfigure(&mut self) -> bool {
        let mut wrote = false;
        for bridge in BRIDGES {
            let row = self.database.rows("Bridge").find(|(_, row)| database::text(row, "name") == bridge.name());
            let ports = row.map(|(_, row)| database::uuids(row, "ports")).unwrap_or_default();
            let interfaces: Vec<(Uuid, Row, Row)> = ports.iter().filter_map(|port| self.interface_of(*port)).collect();
            let mut there = BTreeSet::new();
            for (uuid, port, interface) in interfaces {
                let name = database::text(&interface, "name").to_owned();
                let number = match database::number(&interface, "ofport") {
                    Some(number) => number,
                    None if name == bridge.name() => LOCAL,
                    None => self.next_number(bridge),
                };
                wrote |= self.database.set("Interface", uuid, [("ofport", number.into())]);
                let Ok(number) = u32::try_from(number) else { continue };
                there.insert(number);
                let kind = kind_of(&name, bridge, &interface);
                self.vswitch.of_mut(bridge).set_port(number, Port { name, kind, vlans: vlans_of(&port) });
            }
            let datapath = self.vswitch.of_mut(bridge);
            let gone: Vec<u32> = datapath.ports.keys().filter(|number| !there.contains(number)).copied().collect();
            for number in gone {
                datapath.remove_port(number);
            }
        }
        let root = self.database.rows("Open_vSwitch").next().map(|(uuid, row)| (uuid, row["next_cfg"].clone()));
        if let Some((root, next_cfg)) = root {
            wrote |= self.database.set("Open_vSwitch", root, [("cur_cfg", next_cfg)]);
        }
        wrote
    }

    /// The database says that `ovs-vswitchd` has done all, whatever it has done.
    pub fn claim_applied(&mut self) {
        let root = self.database.rows("Open_vSwitch").next().map(|(uuid, row)| (uuid, row["next_cfg"].clone()));
        if let Some((root, next_cfg)) = root {
            self.database.set("Open_vSwitch", root, [("cur_cfg", next_cfg)]);
        }
    }

    /// The database has numbers of tunnel ports that `ovs-vswitchd` has yet to make.
    pub fn number_tunnels(&mut self) {
        let is_new = |row: &Row| row.get("ofport").is_none() && database::key(row, "options", "remote_ip").is_some();
        let new: Vec<Uuid> = self.database.rows("Interface").filter(|(_, row)| is_new(row)).map(|(id, _)| id).collect();
        for interface in new {
            let number = self.next_number(Bridge::Tunnel);
            self.database.set("Interface", interface, [("ofport", number.into())]);
        }
    }

    /// `ovs-vswitchd` starts again: no flow, nothing learned. Ports keep their numbers, which the database has.
    pub fn restart(&mut self) {
        self.vswitch.integration.clear();
        self.vswitch.tunnel.clear();
        self.reconfigure();
    }

    /// A bridge is there: `ovs-vswitchd` has its management socket open.
    pub fn has_bridge(&self, bridge: Bridge) -> bool {
        !self.vswitch.of(bridge).ports.is_empty()
    }

    fn next_number(&mut self, bridge: Bridge) -> i64 {
        let next = self.numbers.entry(bridge.name()).or_default();
        *next += 1;
        *next
    }

    fn interface_of(&self, port: Uuid) -> Option<(Uuid, Row, Row)> {
        let (_, port) = self.database.rows("Port").find(|(uuid, _)| *uuid == port)?;
        let interface = *database::uuids(port, "interfaces").first()?;
        let (uuid, interface) = self.database.rows("Interface").find(|(uuid, _)| *uuid == interface)?;
        Some((uuid, port.clone(), interface.clone()))
    }
}

/// As `vlan_mode`, or by whether there is a tag if that is not set.
fn vlans_of(port: &Row) -> Vlans {
    let number = |number: i64| u16::try_from(number).ok();
    let trunks = database::elements(port.get("trunks")).into_iter().filter_map(|atom| match atom {
        Atom::Integer(vlan) => number(vlan),
        _ => None,
    });
    match (database::text(port, "vlan_mode"), database::number(port, "tag").and_then(number)) {
        ("" | "access", Some(tag)) => Vlans::Access(tag),
        _ => Vlans::Trunk(trunks.collect()),
    }
}

fn kind_of(name: &str, bridge: Bridge, interface: &Row) -> Kind {
    let option = |key| database::key(interface, "options", key);
    match database::text(interface, "type") {
        "patch" => Kind::Patch { peer: option("peer").unwrap_or_default().to_owned() },
        _ if name == bridge.name() => Kind::Local,
        tunnel => {
            let parsed = || {
                let (local, remote) = (option("local_ip")?.parse().ok()?, option("remote_ip")?.parse().ok()?);
                Some(Tunnel { tunnel_type: tunnel.parse().ok()?, local, remote })
            };
            let id = database::key(interface, "external_ids", "iface-id").map(str::to_owned);
            parsed().map_or(Kind::Interface(id), Kind::Tunnel)
        }
    }
}
