use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use crate::{Field, PortNo};

/// A field's value under a mask; bits outside the mask are zero in the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Masked {
    pub value: u128,
    /// `None`: all bits count.
    pub mask: Option<u128>,
}

/// What a flow matches: a value, or a masked value, per field. Order does not matter, so equal matches compare equal.
///
/// Prerequisites (an ARP field needs `eth_type=0x0806`) are the caller's to set; the builders below set them.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Match(pub BTreeMap<Field, Masked>);

impl Match {
    /// Matches every packet.
    pub fn any() -> Self {
        Match::default()
    }

    #[must_use]
    pub fn with(mut self, field: Field, value: u128) -> Self {
        self.0.insert(field, Masked { value, mask: None });
        self
    }

    #[must_use]
    pub fn with_masked(mut self, field: Field, value: u128, mask: u128) -> Self {
        self.0.insert(field, Masked { value: value & mask, mask: Some(mask) });
        self
    }

    #[must_use]
    pub fn in_port(self, port: PortNo) -> Self {
        self.with(Field::InPort, port.into())
    }

    /// A tagged frame of VLAN `vid` (0–4095), any priority bits.
    #[must_use]
    pub fn vlan(self, vid: u16) -> Self {
        self.with(Field::VlanVid, u128::from(vid | 0x1000))
    }

    #[must_use]
    pub fn eth_dst(self, mac: [u8; 6]) -> Self {
        self.with(Field::EthDst, mac_value(mac))
    }

    #[must_use]
    pub fn eth_dst_masked(self, mac: [u8; 6], mask: [u8; 6]) -> Self {
        self.with_masked(Field::EthDst, mac_value(mac), mac_value(mask))
    }

    #[must_use]
    pub fn tunnel_id(self, key: u64) -> Self {
        self.with(Field::TunnelId, key.into())
    }

    /// ARP frames (`eth_type=0x0806`), the prerequisite of all `arp_*` fields.
    #[must_use]
    pub fn arp(self) -> Self {
        self.with(Field::EthType, 0x0806)
    }

    /// ARP operation: 1 is a request, 2 a reply (RFC 826).
    #[must_use]
    pub fn arp_op(self, op: u16) -> Self {
        self.arp().with(Field::ArpOp, op.into())
    }

    /// ARP target IP.
    #[must_use]
    pub fn arp_tpa(self, ip: Ipv4Addr) -> Self {
        self.arp().with(Field::ArpTpa, u32::from(ip).into())
    }

    /// ARP sender IP.
    #[must_use]
    pub fn arp_spa(self, ip: Ipv4Addr) -> Self {
        self.arp().with(Field::ArpSpa, u32::from(ip).into())
    }

    pub fn get(&self, field: Field) -> Option<Masked> {
        self.0.get(&field).copied()
    }
}

pub(crate) fn mac_value(mac: [u8; 6]) -> u128 {
    mac.iter().fold(0, |acc, octet| acc << 8 | u128::from(*octet))
}
