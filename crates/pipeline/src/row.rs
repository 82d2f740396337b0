use std::fmt;
use std::net::Ipv4Addr;

use model::{DEAD_VLAN, LocalVlan, Mac, Segment};
use openflow::{Field, Flow, Match, PortNo};

use crate::tables::{
    self, ABOVE, CLASSIFY, DEFAULT, FLOOD, FROM_LOCAL, LEARN, NORMAL, QUESTION, RESPONDER, TOP, UNICAST,
};

/// The low bit of an Ethernet address's first octet: set for broadcast and multicast.
const GROUP_BIT: [u8; 6] = [1, 0, 0, 0, 0, 0];
/// `NXM_OF_VLAN_TCI[0..11]`: what a learned flow matches of the VLAN tag.
const VID_BITS: u128 = 0x0fff;

/// The bridges that have flows of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bridge {
    Integration,
    Tunnel,
}

impl Bridge {
    pub fn name(self) -> &'static str {
        match self {
            Bridge::Integration => "br-int",
            Bridge::Tunnel => "br-tun",
        }
    }
}

impl fmt::Display for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One flow, named by what it matches: bridge, table, priority and match follow from the row alone ([`Row::rule`]), so
/// any row can be removed, and a flow found on a switch read back, without knowing what it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Row {
    /// `br-int`: frames of the dead VLAN (4095) are dropped before anything else.
    Dead,
    /// `br-int`: what comes in here is admitted.
    Admit { port: PortNo },
    /// `br-int`: all else is dropped.
    Refuse,

    /// What comes in here: from `br-int`, or from another host by a type of tunnel.
    Classify { port: PortNo },
    /// From `br-int`: broadcast ARP, when the responder is on.
    LocalArp,
    /// From `br-int`: frames for one station.
    LocalUnicast,
    /// From `br-int`: broadcast and multicast.
    LocalMulticast,
    /// From another host: a network's tunnel key.
    Key(Segment),
    /// From another host: learn the sender, hand the frame to `br-int`.
    Learn,
    /// An ARP probe (RFC 5227 section 2.1.1: sender IP 0.0.0.0): for the owner itself to answer.
    Probe,
    /// An ARP request whose sender and target IP differ in this bit (0–31); `target`: which of them has it set.
    ///
    /// OpenFlow cannot compare two fields, so "sender IP is not target IP" takes two rows for each of 32 bits. What is
    /// equal in all of them is an announcement, which must never be answered: `br-int` would learn the VM's own MAC on
    /// the patch port and drop what comes for it. A guard row per known IP would do too, and cost a third flow per port.
    Question { bit: u8, target: bool },
    /// Frames for a known port of another host.
    Unicast { vlan: LocalVlan, mac: Mac },
    /// ARP requests for a known IP of another host: answered here.
    Responder { vlan: LocalVlan, ip: Ipv4Addr },
    /// ARP requests for the IP of a port that is wired here: `br-int` has delivered them.
    LocalIp { vlan: LocalVlan, ip: Ipv4Addr },
    /// Broadcast, multicast and unknown unicast of a network.
    Flood { vlan: LocalVlan },
    /// What no other row of this table of `br-tun` takes.
    Default { table: u8 },

    /// All that the switch learned for a VLAN. Never installed, only removed.
    Learned { vlan: LocalVlan },
    /// What the switch learned for one MAC. Never installed, only removed.
    LearnedMac { vlan: LocalVlan, mac: Mac },
    /// What the switch learned that leads to this tunnel port. Never installed, only removed.
    LearnedTo { port: PortNo },
}

/// What must be known to be complete before a row that nobody wants any more may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Nothing: it follows from how this host works.
    Base,
    /// The inventory of this host's interfaces.
    Local(PortNo),
    /// The entries of the network that has this VLAN, or that no network has it.
    Vlan(LocalVlan),
    /// The list of networks of this host.
    Segment(Segment),
    /// All that may use this tunnel port: every network of this host.
    Tunnel(PortNo),
}

impl Row {
    pub fn bridge(&self) -> Bridge {
        match self {
            Row::Dead | Row::Admit { .. } | Row::Refuse => Bridge::Integration,
            _ => Bridge::Tunnel,
        }
    }

    pub fn scope(&self) -> Scope {
        match *self {
            Row::Admit { port } => Scope::Local(port),
            Row::Classify { port } | Row::LearnedTo { port } => Scope::Tunnel(port),
            Row::Key(segment) => Scope::Segment(segment),
            Row::Unicast { vlan, .. }
            | Row::Responder { vlan, .. }
            | Row::LocalIp { vlan, .. }
            | Row::Flood { vlan }
            | Row::Learned { vlan }
            | Row::LearnedMac { vlan, .. } => Scope::Vlan(vlan),
            _ => Scope::Base,
        }
    }

    /// Table, priority and match, as a flow that does nothing.
    pub fn rule(&self) -> Flow {
        let any = Match::any();
        match *self {
            Row::Dead => Flow::new(0, u16::MAX, any.vlan(DEAD_VLAN)),
            Row::Admit { port } => Flow::new(0, NORMAL, any.in_port(port)),
            Row::Refuse => Flow::new(0, DEFAULT, any),

            Row::Classify { port } => Flow::new(CLASSIFY, NORMAL, any.in_port(port)),
            Row::LocalArp => Flow::new(FROM_LOCAL, NORMAL, any.arp().eth_dst(Mac::BROADCAST.0)),
            Row::LocalUnicast => Flow::new(FROM_LOCAL, DEFAULT, any.eth_dst_masked([0; 6], GROUP_BIT)),
            Row::LocalMulticast => Flow::new(FROM_LOCAL, DEFAULT, any.eth_dst_masked(GROUP_BIT, GROUP_BIT)),
            Row::Key(Segment { tunnel_type, key }) => {
                Flow::new(tables::from_tunnel(tunnel_type), NORMAL, any.tunnel_id(key.into()))
            }
            Row::Learn => Flow::new(LEARN, NORMAL, any),
            Row::Probe => Flow::new(QUESTION, TOP, any.arp_op(1).arp_spa(Ipv4Addr::UNSPECIFIED)),
            Row::Question { bit, target } => {
                let bit = 1u128 << (bit & 31);
                let (sender, asked) = if target { (0, bit) } else { (bit, 0) };
                let question = any.arp_op(1).with_masked(Field::ArpSpa, sender, bit);
                Flow::new(QUESTION, ABOVE, question.with_masked(Field::ArpTpa, asked, bit))
            }
            Row::Unicast { vlan, mac } => Flow::new(UNICAST, ABOVE, any.vlan(vlan.get()).eth_dst(mac.0)),
            Row::Responder { vlan, ip } => Flow::new(RESPONDER, NORMAL, any.vlan(vlan.get()).arp_op(1).arp_tpa(ip)),
            Row::LocalIp { vlan, ip } => Flow::new(RESPONDER, ABOVE, any.vlan(vlan.get()).arp_op(1).arp_tpa(ip)),
            Row::Flood { vlan } => Flow::new(FLOOD, NORMAL, any.vlan(vlan.get())),
            Row::Default { table } => Flow::new(table, DEFAULT, any),

            Row::Learned { vlan } => Flow::new(UNICAST, NORMAL, learned_vlan(vlan)),
            Row::LearnedMac { vlan, mac } => Flow::new(UNICAST, NORMAL, learned_vlan(vlan).eth_dst(mac.0)),
            Row::LearnedTo { .. } => Flow::new(UNICAST, NORMAL, any),
        }
    }

    /// The rows that do not depend on any object, in any mode.
    pub(crate) fn fixed() -> impl Iterator<Item = Row> {
        let questions = (0..32).flat_map(|bit| [false, true].map(|target| Row::Question { bit, target }));
        let defaults = tables::TABLES.iter().map(|(table, _)| Row::Default { table: *table });
        [Row::Dead, Row::Refuse, Row::LocalArp, Row::LocalUnicast, Row::LocalMulticast, Row::Learn, Row::Probe]
            .into_iter()
            .chain(questions)
            .chain(defaults)
    }
}

/// As `learn` writes it: the 12 bits of the VLAN id without the bit that says that a tag is present.
fn learned_vlan(vlan: LocalVlan) -> Match {
    Match::any().with_masked(Field::VlanTci, vlan.get().into(), VID_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_small() {
        // One is kept for every flow installed.
        assert_eq!(size_of::<Row>(), 12);
    }

    #[test]
    fn exactly_one_question_row_takes_each_differing_bit() {
        let rows: Vec<_> =
            Row::fixed().filter(|row| matches!(row, Row::Question { .. })).map(|row| row.rule()).collect();
        let takes = |spa: u32, tpa: u32| {
            let matches = |flow: &&Flow| {
                [(Field::ArpSpa, spa), (Field::ArpTpa, tpa)].iter().all(|(field, value)| {
                    let masked = flow.matching.get(*field).unwrap();
                    u128::from(*value) & masked.mask.unwrap() == masked.value
                })
            };
            rows.iter().filter(matches).count()
        };
        assert_eq!(rows.len(), 64);
        for (spa, tpa) in [(0x0a00_0005, 0x0a00_0009), (0, u32::MAX), (u32::MAX, 0x7fff_ffff), (7, 7), (0, 0)] {
            assert_eq!(takes(spa, tpa), (spa ^ tpa).count_ones() as usize, "{spa:x} asks for {tpa:x}");
        }
    }
}
