use std::net::Ipv4Addr;

use model::{LocalVlan, Mac, Segment, TunnelType};
use openflow::{Field, Flow};

use crate::tables::{ABOVE, CLASSIFY, FLOOD, FROM_GRE, FROM_VXLAN, NORMAL, RESPONDER, UNICAST};
use crate::{Bridge, Cookie, Row};

/// Whose a flow on a bridge of ours is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ownership {
    /// Ours, and of a form that we still use.
    Row(Row),
    /// Ours by place or by tag, of a form that we do not use: of an earlier release, or left by a stock agent.
    Stray,
    /// Made by the switch itself. The row is a [`Row::LearnedMac`].
    Learned(Row),
    /// Somebody else's: never touched, unless it stands where a row of ours belongs.
    Foreign,
}

impl Ownership {
    /// `br-tun` is ours as a whole, but for what the switch learned; on `br-int` only flows with our tag are.
    pub fn of(bridge: Bridge, flow: &Flow) -> Self {
        let tagged = Cookie::parse(flow.cookie).is_some();
        match Row::from_flow(bridge, flow) {
            Some(row @ Row::LearnedMac { .. }) => Ownership::Learned(row),
            Some(row) if tagged || bridge == Bridge::Tunnel => Ownership::Row(row),
            None if tagged || bridge == Bridge::Tunnel => Ownership::Stray,
            _ => Ownership::Foreign,
        }
    }
}

impl Row {
    /// The row that a flow found on a switch is, by table, priority and match; `None`: it is of no form that we use.
    /// What the switch learned comes back as [`Row::LearnedMac`], whoever's `learn` made it.
    pub fn from_flow(bridge: Bridge, flow: &Flow) -> Option<Row> {
        let key = flow.key();
        let is = |row: &Row| row.bridge() == bridge && row.rule().key() == key;
        candidate(bridge, flow).filter(is).or_else(|| Row::fixed().find(is))
    }
}

/// The row that a flow could be by the values that it matches; the caller compares the whole of it.
fn candidate(bridge: Bridge, flow: &Flow) -> Option<Row> {
    let number = |field| flow.matching.get(field).map(|masked| masked.value);
    let port = || number(Field::InPort).and_then(|port| u32::try_from(port).ok());
    let vlan = || number(Field::VlanVid).or_else(|| number(Field::VlanTci)).and_then(local_vlan);
    let mac = || number(Field::EthDst).and_then(mac);
    let ip = || number(Field::ArpTpa).and_then(|ip| u32::try_from(ip).ok()).map(Ipv4Addr::from);
    let key = |tunnel_type| {
        let key = number(Field::TunnelId).and_then(|key| u64::try_from(key).ok())?;
        Segment::new(tunnel_type, key).ok().map(Row::Key)
    };
    Some(match (bridge, flow.table, flow.priority) {
        (Bridge::Integration, 0, NORMAL) => Row::Admit { port: port()? },
        (Bridge::Tunnel, CLASSIFY, NORMAL) => Row::Classify { port: port()? },
        (Bridge::Tunnel, FROM_GRE, NORMAL) => key(TunnelType::Gre)?,
        (Bridge::Tunnel, FROM_VXLAN, NORMAL) => key(TunnelType::Vxlan)?,
        (Bridge::Tunnel, UNICAST, ABOVE) => Row::Unicast { vlan: vlan()?, mac: mac()? },
        (Bridge::Tunnel, UNICAST, NORMAL) => Row::LearnedMac { vlan: vlan()?, mac: mac()? },
        (Bridge::Tunnel, RESPONDER, NORMAL) => Row::Responder { vlan: vlan()?, ip: ip()? },
        (Bridge::Tunnel, RESPONDER, ABOVE) => Row::LocalIp { vlan: vlan()?, ip: ip()? },
        (Bridge::Tunnel, FLOOD, NORMAL) => Row::Flood { vlan: vlan()? },
        _ => return None,
    })
}

fn local_vlan(value: u128) -> Option<LocalVlan> {
    u16::try_from(value & 0x0fff).ok().and_then(|tag| LocalVlan::new(tag).ok())
}

/// The low 48 bits of a field's value.
fn mac(value: u128) -> Option<Mac> {
    value.to_be_bytes().last_chunk().copied().map(Mac)
}
