//! What the database says of the two bridges, in the agent's terms.

use std::collections::{BTreeMap, BTreeSet};

use model::{DEAD_VLAN, LocalVlan, NetworkId, Segment, TunnelType};
use openflow::PortNo;
use ovsdb::{Bridge, Interface, Port, Replica};
use pipeline::Tunnel;
use uuid::Uuid;

/// Key of `Port.other_config`: isolated because it had no device. Unlike a port that the server has isolated, it may be wired
/// again without a server.
pub(crate) const NO_DEVICE_MARK: &str = "culvert_no_device";

/// Where OVSDB's port numbers end: from here on they are reserved (`OFPP_MAX` of OpenFlow 1.0, which OVSDB shows).
const RESERVED_PORTS: i64 = 0xff00;

/// `Interface.ofport` of an interface that vswitchd could not make (ovs-vswitchd.conf.db(5)).
const NO_DEVICE: i64 = -1;

/// Patch port on the integration bridge, and its peer on the tunnel bridge, as Neutron names them.
pub(crate) const PATCH_TUN: &str = "patch-tun";
pub(crate) const PATCH_INT: &str = "patch-int";

/// Drawn from the replica after each update as a whole: it is small, and so nothing can be missed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) bridges: Bridges,
    /// Interfaces on the integration bridge that carry an interface id, by that id.
    pub(crate) plugged: BTreeMap<String, Plugged>,
    /// Ports that carry an interface id which another port carries too: isolated, all but the newest.
    pub(crate) doubles: Vec<Plugged>,
    /// Ports that carry an interface id and have no device (any more): isolated, for a device may come that is plugged
    /// there when the tag is another network's.
    pub(crate) without_device: Vec<Plugged>,
    /// Ports of others on the integration bridge that have a VLAN of their own.
    pub(crate) foreign: BTreeSet<PortNo>,
    /// Names of others' ports there that have none: what such a port sends with the tag of a local VLAN would be in that network.
    pub(crate) trunks: BTreeSet<String>,
    /// Tags that ports of others use.
    pub(crate) foreign_tags: BTreeSet<u16>,
    pub(crate) patch_tun: Option<PortNo>,
    pub(crate) patch_int: Option<PortNo>,
    pub(crate) tunnels: BTreeMap<Tunnel, TunnelFact>,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Bridges {
    pub(crate) integration: Option<Uuid>,
    pub(crate) tunnel: Option<Uuid>,
}

/// A port with an interface id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plugged {
    pub(crate) port: Uuid,
    pub(crate) name: String,
    /// `None`: vswitchd has not made it yet.
    pub(crate) ofport: Option<PortNo>,
    pub(crate) row: Port,
}

/// A tunnel port on the tunnel bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TunnelFact {
    pub(crate) port: Uuid,
    pub(crate) interface: Uuid,
    pub(crate) name: String,
    pub(crate) ofport: Option<PortNo>,
    /// Why vswitchd could not make it.
    pub(crate) error: Option<String>,
    pub(crate) options: BTreeMap<String, String>,
}

impl Facts {
    /// Of the bridges of these names.
    pub(crate) fn survey(replica: &Replica, integration: &str, tunnel: &str) -> Self {
        let mut facts = Facts::default();
        if let Some((uuid, bridge)) = replica.bridge_by_name(integration) {
            facts.bridges.integration = Some(uuid);
            facts.survey_integration(replica, uuid, bridge);
        }
        if let Some((uuid, _)) = replica.bridge_by_name(tunnel) {
            facts.bridges.tunnel = Some(uuid);
            facts.survey_tunnel(replica, uuid);
        }
        facts
    }

    fn survey_integration(&mut self, replica: &Replica, uuid: Uuid, bridge: &Bridge) {
        for (port, row) in replica.ports_of(uuid) {
            let id = |interface: &Interface| interface.external_ids.get("iface-id").cloned();
            let owned = replica.interfaces_of(port).find_map(|(_, interface)| Some((id(interface)?, interface)));
            if let Some((id, interface)) = owned {
                let plugged =
                    Plugged { port, name: row.name.clone(), ofport: port_number(interface), row: row.clone() };
                if interface.ofport == Some(NO_DEVICE) {
                    self.without_device.push(plugged);
                } else {
                    self.add_plugged(id, plugged);
                }
            } else if row.name != bridge.name {
                self.add_other(replica, port, row);
            }
        }
    }

    /// Of two ports with one id the newer counts, which has the higher number: the older is about to be unplugged.
    fn add_plugged(&mut self, id: String, plugged: Plugged) {
        match self.plugged.entry(id) {
            std::collections::btree_map::Entry::Vacant(vacant) => {
                vacant.insert(plugged);
            }
            std::collections::btree_map::Entry::Occupied(mut there) => {
                let newer = plugged.ofport > there.get().ofport;
                let double = if newer { there.insert(plugged) } else { plugged };
                self.doubles.push(double);
            }
        }
    }

    fn add_other(&mut self, replica: &Replica, port: Uuid, row: &Port) {
        self.foreign_tags.extend(row.tag.and_then(|tag| u16::try_from(tag).ok()));
        for (_, interface) in replica.interfaces_of(port) {
            let Some(number) = port_number(interface) else { continue };
            if interface.name == PATCH_TUN && interface.interface_type == "patch" {
                self.patch_tun = Some(number);
            } else if row.tag.is_some() && is_access(row) {
                self.foreign.insert(number);
            } else {
                self.trunks.insert(row.name.clone());
            }
        }
    }

    fn survey_tunnel(&mut self, replica: &Replica, uuid: Uuid) {
        for (port, row) in replica.ports_of(uuid) {
            for (interface_uuid, interface) in replica.interfaces_of(port) {
                if interface.name == PATCH_INT && interface.interface_type == "patch" {
                    self.patch_int = port_number(interface);
                } else if let Some(tunnel) = tunnel_of(interface) {
                    let failed = interface.ofport.is_some_and(|ofport| ofport < 0);
                    let unnamed = || failed.then(|| "Open vSwitch could not make the port".to_owned());
                    self.tunnels.insert(
                        tunnel,
                        TunnelFact {
                            port,
                            interface: interface_uuid,
                            name: row.name.clone(),
                            ofport: port_number(interface),
                            error: interface.error.clone().or_else(unnamed),
                            options: interface.options.clone(),
                        },
                    );
                }
            }
        }
    }

    /// Every tag in use on the integration bridge.
    pub(crate) fn tags(&self) -> impl Iterator<Item = u16> {
        let plugged = self.plugged.values().chain(&self.doubles).chain(&self.without_device).filter_map(Plugged::tag);
        plugged.chain(self.foreign_tags.iter().copied())
    }

    pub(crate) fn patch_ports(&self) -> Option<(PortNo, PortNo)> {
        Some((self.patch_tun?, self.patch_int?))
    }
}

impl Plugged {
    pub(crate) fn tag(&self) -> Option<u16> {
        self.row.tag.and_then(|tag| u16::try_from(tag).ok())
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.tag() == Some(DEAD_VLAN)
    }

    pub(crate) fn had_no_device(&self) -> bool {
        self.row.other_config.contains_key(NO_DEVICE_MARK)
    }

    /// The network whose VLAN this port was given, as the keys in `other_config` say that Neutron writes too; only if
    /// the port has that very tag.
    pub(crate) fn adopted(&self) -> Option<(NetworkId, Segment, LocalVlan)> {
        let key = |name| self.row.other_config.get(name);
        let network = key("net_uuid")?.parse().ok()?;
        let tunnel_type: TunnelType = key("network_type")?.parse().ok()?;
        let segment = Segment::new(tunnel_type, key("segmentation_id")?.parse().ok()?).ok()?;
        let vlan = LocalVlan::new(key("tag")?.parse().ok()?).ok()?;
        (self.tag() == Some(vlan.get()) && self.is_access()).then_some((network, segment, vlan))
    }

    pub(crate) fn is_access(&self) -> bool {
        is_access(&self.row)
    }
}

/// Neutron parks a dead port as a trunk of VLAN 4095; such a port's tag is not what it hears.
pub(crate) fn is_access(row: &Port) -> bool {
    row.trunks.is_empty() && row.vlan_mode.as_deref().is_none_or(|mode| mode == "access")
}

/// The keys that say to whom a port's tag belongs, as Neutron writes them into `Port.other_config`.
pub(crate) fn marks(network: NetworkId, segment: Segment, vlan: LocalVlan) -> BTreeMap<String, String> {
    [
        ("net_uuid", network.to_string()),
        ("network_type", segment.tunnel_type.to_string()),
        ("segmentation_id", segment.key.to_string()),
        ("tag", vlan.to_string()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

fn port_number(interface: &Interface) -> Option<PortNo> {
    interface
        .ofport
        .filter(|number| (1..RESERVED_PORTS).contains(number))
        .and_then(|number| PortNo::try_from(number).ok())
}

fn tunnel_of(interface: &Interface) -> Option<Tunnel> {
    let tunnel_type = interface.interface_type.parse().ok()?;
    let remote = interface.options.get("remote_ip")?.parse().ok()?;
    Some(Tunnel::new(tunnel_type, remote))
}
