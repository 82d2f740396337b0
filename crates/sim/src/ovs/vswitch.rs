//! The two bridges as `ovs-vswitchd` has them in effect, and the way of a frame through them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use model::TunnelType;
use openflow::Flow;
use pipeline::Bridge;

use super::actions::{Out, pass};
use super::frame::{Frame, is_group};
use super::tables::{Seconds, Tables};

/// How long a MAC that NORMAL has learned is kept (`mac-aging-time`, ovs-vswitchd.conf.db(5)).
const MAC_AGING: Seconds = 300;
/// Bridges that one frame may pass.
const MOST_HOPS: usize = 16;

#[derive(Debug, Clone, Default)]
pub struct Vswitch {
    pub integration: Datapath,
    pub tunnel: Datapath,
}

/// A bridge: its ports, its flows, and what it has learned as a plain switch.
#[derive(Debug, Clone, Default)]
pub struct Datapath {
    pub ports: BTreeMap<u32, Port>,
    pub tables: Tables,
    macs: BTreeMap<(u16, u64), (u32, Seconds)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub kind: Kind,
    pub vlans: Vlans,
}

/// Which VLANs a port carries (`vlan_mode` in ovs-vswitchd.conf.db(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Vlans {
    /// This one, without a tag.
    Access(u16),
    /// These, with their tags, and 0 without; empty: all.
    Trunk(BTreeSet<u16>),
}

impl Vlans {
    fn carries(&self, vlan: u16) -> bool {
        match self {
            Vlans::Access(tag) => *tag == vlan,
            Vlans::Trunk(trunks) => trunks.is_empty() || trunks.contains(&vlan),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A VM's, with its interface id, or somebody else's.
    Interface(Option<String>),
    Patch {
        peer: String,
    },
    Tunnel(Tunnel),
    Local,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    pub tunnel_type: TunnelType,
    pub local: IpAddr,
    pub remote: IpAddr,
}

/// Where a frame went, and what it taught.
#[derive(Debug, Default, Clone)]
pub struct Walk {
    /// Names of interfaces that it left by.
    pub delivered: Vec<(String, Frame)>,
    /// Tunnels that it left by; the key is the frame's.
    pub sent: Vec<(Tunnel, Frame)>,
    flows: Vec<(Bridge, Flow)>,
    macs: Vec<(u16, u64, u32)>,
}

impl Vswitch {
    pub fn of(&self, bridge: Bridge) -> &Datapath {
        match bridge {
            Bridge::Integration => &self.integration,
            Bridge::Tunnel => &self.tunnel,
        }
    }

    pub fn of_mut(&mut self, bridge: Bridge) -> &mut Datapath {
        match bridge {
            Bridge::Integration => &mut self.integration,
            Bridge::Tunnel => &mut self.tunnel,
        }
    }

    /// A frame comes in at an interface of `br-int`.
    pub fn from_interface(&self, name: &str, frame: Frame) -> Walk {
        match self.integration.number(name) {
            Some(port) => self.walk(Bridge::Integration, port, frame),
            None => Walk::default(),
        }
    }

    /// A frame comes out of the underlay. `None`: no tunnel port takes it.
    pub fn from_underlay(&self, tunnel: Tunnel, frame: Frame) -> Option<Walk> {
        let (port, _) = self.tunnel.ports.iter().find(|(_, port)| port.kind == Kind::Tunnel(tunnel))?;
        Some(self.walk(Bridge::Tunnel, *port, frame))
    }

    /// What a walk taught stays with the switches.
    pub fn learn(&mut self, walk: Walk, now: Seconds) {
        for (bridge, flow) in walk.flows {
            self.of_mut(bridge).tables.add(flow, now);
        }
        for (vlan, mac, port) in walk.macs {
            self.integration.macs.insert((vlan, mac), (port, now + MAC_AGING));
        }
    }

    /// Time has passed.
    pub fn expire(&mut self, now: Seconds) {
        for bridge in [&mut self.integration, &mut self.tunnel] {
            bridge.tables.expire(now);
            bridge.macs.retain(|_, (_, expires)| *expires > now);
        }
    }

    fn walk(&self, bridge: Bridge, port: u32, frame: Frame) -> Walk {
        let mut walk = Walk::default();
        let mut under_way = VecDeque::from([(bridge, port, frame)]);
        for _ in 0..MOST_HOPS {
            let Some((bridge, in_port, frame)) = under_way.pop_front() else { break };
            let datapath = self.of(bridge);
            let passage = pass(&datapath.tables, in_port, frame);
            walk.flows.extend(passage.learned.into_iter().map(|flow| (bridge, flow)));
            for (out, frame) in passage.outputs {
                let outputs = match out {
                    Out::Port(port) => vec![(port, frame)],
                    Out::Normal => datapath.normal(in_port, frame, &mut walk.macs),
                };
                for (port, frame) in outputs {
                    self.leave(bridge, port, frame, &mut walk, &mut under_way);
                }
            }
        }
        walk
    }

    fn leave(
        &self,
        bridge: Bridge,
        port: u32,
        frame: Frame,
        walk: &mut Walk,
        under_way: &mut VecDeque<(Bridge, u32, Frame)>,
    ) {
        let Some(port) = self.of(bridge).ports.get(&port) else { return };
        match &port.kind {
            Kind::Interface(_) => walk.delivered.push((port.name.clone(), frame)),
            Kind::Tunnel(tunnel) => walk.sent.push((*tunnel, frame)),
            Kind::Local => {}
            Kind::Patch { peer } => {
                let other = if bridge == Bridge::Integration { Bridge::Tunnel } else { Bridge::Integration };
                if let Some(number) = self.of(other).number(peer) {
                    // Tunnel metadata does not cross a patch.
                    under_way.push_back((other, number, Frame { tunnel_id: 0, ..frame }));
                }
            }
        }
    }
}

impl Datapath {
    pub fn number(&self, name: &str) -> Option<u32> {
        self.ports.iter().find(|(_, port)| port.name == name).map(|(number, _)| *number)
    }

    /// Sets a port up as configured; where its VLAN changed, what was learned at it is forgotten.
    pub fn set_port(&mut self, number: u32, port: Port) {
        if self.ports.get(&number).is_some_and(|there| there.vlans != port.vlans) {
            self.forget(number);
        }
        self.ports.insert(number, port);
    }

    pub fn remove_port(&mut self, number: u32) {
        self.forget(number);
        self.ports.remove(&number);
    }

    pub fn clear(&mut self) {
        self.ports.clear();
        self.tables.clear();
        self.macs.clear();
    }

    fn forget(&mut self, port: u32) {
        self.macs.retain(|_, (at, _)| *at != port);
    }

    /// Plain switching (the NORMAL action of ovs-actions(7)), as far as access ports and trunks go.
    fn normal(&self, in_port: u32, frame: Frame, learned: &mut Vec<(u16, u64, u32)>) -> Vec<(u32, Frame)> {
        let Some(from) = self.ports.get(&in_port) else { return Vec::new() };
        let vlan = match (&from.vlans, frame.vid().filter(|vid| *vid != 0)) {
            // An access port takes no frame of a VLAN.
            (Vlans::Access(_), Some(_)) => return Vec::new(),
            (Vlans::Access(tag), None) => *tag,
            (Vlans::Trunk(_), vid) => vid.unwrap_or(0),
        };
        if !from.vlans.carries(vlan) {
            return Vec::new();
        }
        if !is_group(frame.src) {
            learned.push((vlan, frame.src, in_port));
        }
        let known = self.macs.get(&(vlan, frame.dst)).filter(|_| !frame.is_group()).map(|(port, _)| *port);
        let in_vlan = |port: &Port| port.vlans.carries(vlan) && port.kind != Kind::Local;
        let there = self.ports.iter().filter(|(number, port)| **number != in_port && in_vlan(port));
        let chosen = there.filter(|(number, _)| known.is_none_or(|known| known == **number));
        let leave = |port: &Port| match port.vlans {
            Vlans::Trunk(_) if vlan != 0 => Frame { tag: Some(frame.tag.unwrap_or_default() & 0xe000 | vlan), ..frame },
            _ => Frame { tag: None, ..frame },
        };
        chosen.map(|(number, port)| (*number, leave(port))).collect()
    }
}
