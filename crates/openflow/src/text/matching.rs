//! Matches, both ways. Names depend on what else is matched: `icmp_type` is ICMPv4's or ICMPv6's.

use std::fmt;

use super::value::{self, Name, Value};
use crate::error::{Error, Result};
use crate::{Field, Masked, Match};

/// Words for an Ethernet type, alone or with an IP protocol.
const PROTOCOLS: &[(&str, u128, Option<u128>)] = &[
    ("arp", 0x0806, None),
    ("rarp", 0x8035, None),
    ("mpls", 0x8847, None),
    ("mplsm", 0x8848, None),
    ("icmp", 0x0800, Some(1)),
    ("tcp", 0x0800, Some(6)),
    ("udp", 0x0800, Some(17)),
    ("icmp6", 0x86dd, Some(58)),
    ("tcp6", 0x86dd, Some(6)),
    ("udp6", 0x86dd, Some(17)),
    ("ip", 0x0800, None),
    ("ipv6", 0x86dd, None),
];

/// A match in the making.
#[derive(Debug, Default)]
pub(super) struct Builder {
    matching: Match,
    /// Fields whose names mean something only once the protocol is known.
    later: Vec<(String, String)>,
}

impl Builder {
    pub(super) fn add(&mut self, key: &str, text: &str) -> Result<()> {
        if let Some((_, ethertype, protocol)) = PROTOCOLS.iter().find(|(word, ..)| *word == key && text.is_empty()) {
            self.put(Field::EthType, *ethertype, None);
            if let Some(protocol) = protocol {
                self.put(Field::IpProto, *protocol, None);
            }
            return Ok(());
        }
        match key {
            "dl_vlan" => match value::number::<u16>(text)? {
                0xffff => self.put(Field::VlanVid, 0, None),
                vid @ 0..0x1000 => self.put(Field::VlanVid, u128::from(vid | 0x1000), None),
                _ => return Err(Error::text("a VLAN id", text)),
            },
            "nw_tos" => self.put(Field::IpDscp, u128::from(value::number::<u8>(text)? >> 2), None),
            "icmp_type" | "icmp_code" | "tp_src" | "tp_dst" => self.later.push((key.into(), text.into())),
            key => {
                let field = value::field(key)?;
                let (value, mask) = value::masked(field, text)?;
                self.put(field, value, mask);
            }
        }
        Ok(())
    }

    fn put(&mut self, field: Field, value: u128, mask: Option<u128>) {
        self.matching.0.insert(field, Masked { value, mask });
    }

    pub(super) fn build(mut self) -> Result<Match> {
        let protocol = self.matching.get(Field::IpProto).map(|masked| masked.value);
        for (key, text) in std::mem::take(&mut self.later) {
            let field = match (key.as_str(), protocol) {
                ("icmp_type", Some(58)) => Field::Icmpv6Type,
                ("icmp_code", Some(58)) => Field::Icmpv6Code,
                ("icmp_type", _) => Field::Icmpv4Type,
                ("icmp_code", _) => Field::Icmpv4Code,
                ("tp_src", Some(6)) => Field::TcpSrc,
                ("tp_dst", Some(6)) => Field::TcpDst,
                ("tp_src", Some(17)) => Field::UdpSrc,
                ("tp_dst", Some(17)) => Field::UdpDst,
                _ => return Err(Error::text("a field (it needs `tcp`, `udp` or the like beside it)", &key)),
            };
            let (value, mask) = value::masked(field, &text)?;
            self.put(field, value, mask);
        }
        // A priority without a tag cannot be: Open vSwitch adds "any tag".
        if self.matching.get(Field::VlanPcp).is_some() && self.matching.get(Field::VlanVid).is_none() {
            self.put(Field::VlanVid, 0x1000, Some(0x1000));
        }
        // Open vSwitch turns `vlan_tci` and 64-bit registers into what the wire has for them, in the same way.
        Ok(self.matching.normalised())
    }
}

impl fmt::Display for Match {
    /// Nothing at all for the match of every packet.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = |field| self.get(field).filter(|masked| masked.mask.is_none()).map(|masked| masked.value);
        let (ethertype, protocol) = (exact(Field::EthType), exact(Field::IpProto));
        let word = PROTOCOLS
            .iter()
            .find(|(_, kind, inner)| Some(*kind) == ethertype && (inner.is_none() || *inner == protocol));
        if let Some((word, ..)) = word {
            f.write_str(word)?;
        }
        let said = |field| match field {
            Field::EthType => word.is_some(),
            Field::IpProto => word.is_some_and(|(.., inner)| inner.is_some()),
            _ => false,
        };
        let mut fields: Vec<_> = self.0.iter().filter(|(field, _)| !said(**field)).collect();
        fields.sort_by_key(|(field, _)| rank(**field));
        fields.into_iter().enumerate().try_for_each(|(index, (field, masked))| {
            f.write_str(if index == 0 && word.is_none() { "" } else { "," })?;
            print(f, *field, *masked, protocol)
        })
    }
}

/// The order in which Open vSwitch prints fields, roughly: what people are used to read.
fn rank(field: Field) -> u8 {
    match field {
        Field::Reg(_) | Field::XReg(_) => 0,
        Field::TunnelId | Field::TunnelIpv4Src | Field::TunnelIpv4Dst | Field::TunnelIpv6Src | Field::TunnelIpv6Dst => {
            1
        }
        Field::Metadata => 2,
        Field::InPort | Field::InPortNxm => 3,
        Field::VlanVid | Field::VlanPcp | Field::VlanTci => 4,
        _ => 5,
    }
}

fn print(
    f: &mut fmt::Formatter<'_>,
    field: Field,
    Masked { value, mask }: Masked,
    protocol: Option<u128>,
) -> fmt::Result {
    let name = match (field, mask) {
        (Field::VlanVid, None) if value & 0x1000 != 0 => return write!(f, "dl_vlan={}", value & 0xfff),
        (Field::VlanVid, mask) => return write!(f, "vlan_tci={value:#06x}/{:#06x}", mask.unwrap_or(0x1fff)),
        (Field::VlanTci, mask) => return write!(f, "vlan_tci={value:#06x}/{:#06x}", mask.unwrap_or(0xffff)),
        (Field::IpDscp, None) => return write!(f, "nw_tos={}", value << 2),
        (Field::VlanPcp, _) => "dl_vlan_pcp",
        (Field::EthSrc, _) => "dl_src",
        (Field::EthDst, _) => "dl_dst",
        (Field::EthType, _) => "dl_type",
        (Field::Ipv4Src, _) => "nw_src",
        (Field::Ipv4Dst, _) => "nw_dst",
        (Field::Icmpv6Type, _) if protocol == Some(58) => "icmp_type",
        (Field::Icmpv6Code, _) if protocol == Some(58) => "icmp_code",
        (field, _) => return write!(f, "{}={}", Name(field), Value(field, value, mask)),
    };
    write!(f, "{name}={}", Value(field, value, mask))
}
