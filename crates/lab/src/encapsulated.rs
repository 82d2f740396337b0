use std::net::Ipv4Addr;

use etherparse::{ArpOperation, ArpPacketSlice, NetSlice, SlicedPacket, TransportSlice};
use model::{Mac, TunnelType};

use crate::Frame;

/// An Ethernet frame that was carried in a tunnel, with what the tunnel's headers said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encapsulated {
    pub tunnel_type: TunnelType,
    /// The VNI or GRE key; 0 where a header has none, as OVS reads it.
    pub key: u32,
    /// The endpoint that sent it.
    pub from: Ipv4Addr,
    /// The endpoint that it was sent to.
    pub to: Ipv4Addr,
    /// The inner frame.
    pub frame: Vec<u8>,
}

/// Those of the captured frames that carry another frame in GRE or VXLAN.
pub fn encapsulated(frames: &[Frame]) -> Vec<Encapsulated> {
    frames.iter().filter_map(|frame| Encapsulated::decode(&frame.bytes)).collect()
}

impl Encapsulated {
    /// Decodes an outer frame; `None` if it is neither Ethernet in GRE (RFC 2784, RFC 2890) nor VXLAN (RFC 7348) over IPv4.
    pub fn decode(outer: &[u8]) -> Option<Self> {
        let packet = SlicedPacket::from_ethernet(outer).ok()?;
        let Some(NetSlice::Ipv4(ip)) = &packet.net else { return None };
        let payload = ip.payload();
        let (tunnel_type, (key, frame)) = match &packet.transport {
            Some(TransportSlice::Udp(udp)) if udp.destination_port() == VXLAN_PORT => {
                (TunnelType::Vxlan, vxlan(udp.payload())?)
            }
            _ if payload.ip_number.0 == IP_PROTOCOL_GRE => (TunnelType::Gre, gre(payload.payload)?),
            _ => return None,
        };
        let header = ip.header();
        let (from, to) = (header.source_addr(), header.destination_addr());
        Some(Encapsulated { tunnel_type, key, from, to, frame: frame.to_vec() })
    }

    /// Whether the inner frame is ARP, of any operation.
    pub fn is_arp(&self) -> bool {
        self.arp_operation().is_some()
    }

    pub fn is_arp_request(&self) -> bool {
        self.arp_operation() == Some(ArpOperation::REQUEST)
    }

    fn arp_operation(&self) -> Option<ArpOperation> {
        self.inner()?.net?.arp_ref().map(ArpPacketSlice::operation)
    }

    /// Whether the inner frame is ICMP over IPv4.
    pub fn is_icmp(&self) -> bool {
        let inner = self.inner();
        inner.is_some_and(|packet| matches!(packet.transport, Some(TransportSlice::Icmpv4(_))))
    }

    /// Source and destination of the inner frame.
    pub fn macs(&self) -> Option<(Mac, Mac)> {
        let (destination, rest) = self.frame.split_first_chunk()?;
        rest.first_chunk().map(|source| (Mac(*source), Mac(*destination)))
    }

    /// The inner frame, further decoded.
    pub fn inner(&self) -> Option<SlicedPacket<'_>> {
        SlicedPacket::from_ethernet(&self.frame).ok()
    }
}

const VXLAN_PORT: u16 = 4789;
const IP_PROTOCOL_GRE: u8 = 47;
/// Transparent Ethernet Bridging: what a GRE header says when an Ethernet frame follows.
const ETHERTYPE_TEB: u16 = 0x6558;

/// 8 bytes: flags (0x08: the VNI is valid), 3 reserved, 3 of VNI, 1 reserved.
fn vxlan(payload: &[u8]) -> Option<(u32, &[u8])> {
    let (header, frame) = payload.split_first_chunk::<8>()?;
    let [flags, _, _, _, a, b, c, _] = *header;
    let vni = if flags & 0x08 == 0 { 0 } else { u32::from_be_bytes([0, a, b, c]) };
    Some((vni, frame))
}

/// Flags and version, protocol; then checksum (0x8000), key (0x2000) and sequence number (0x1000), 4 bytes each if flagged.
fn gre(payload: &[u8]) -> Option<(u32, &[u8])> {
    let (header, mut rest) = payload.split_first_chunk::<4>()?;
    let [flags_high, flags_low, protocol_high, protocol_low] = *header;
    if u16::from_be_bytes([protocol_high, protocol_low]) != ETHERTYPE_TEB {
        return None;
    }
    let flags = u16::from_be_bytes([flags_high, flags_low]);
    let mut key = 0;
    for flag in [0x8000, 0x2000, 0x1000] {
        if flags & flag != 0 {
            let (field, tail) = rest.split_first_chunk::<4>()?;
            if flag == 0x2000 {
                key = u32::from_be_bytes(*field);
            }
            rest = tail;
        }
    }
    Some((key, rest))
}

#[cfg(test)]
mod tests {
    use etherparse::PacketBuilder;

    use super::*;

    /// An ARP request as it leaves a VM.
    fn arp_request() -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend([0xfa, 0x16, 0x3e, 0, 0, 1, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1]);
        frame.extend([0xfa, 0x16, 0x3e, 0, 0, 1, 10, 1, 0, 1, 0, 0, 0, 0, 0, 0, 10, 1, 0, 2]);
        frame
    }

    fn over_ip() -> etherparse::PacketBuilderStep<etherparse::IpHeaders> {
        PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 1, 31], [10, 0, 1, 39], 64)
    }

    fn check(outer: &[u8], tunnel_type: TunnelType, key: u32) {
        let inner = Encapsulated::decode(outer).unwrap();
        assert_eq!((inner.tunnel_type, inner.key), (tunnel_type, key));
        assert_eq!((inner.from, inner.to), (Ipv4Addr::new(10, 0, 1, 31), Ipv4Addr::new(10, 0, 1, 39)));
        assert_eq!(inner.macs(), Some((Mac([0xfa, 0x16, 0x3e, 0, 0, 1]), Mac::BROADCAST)));
        assert!(inner.is_arp() && inner.is_arp_request() && !inner.is_icmp());
        assert_eq!(inner.frame, arp_request());
    }

    #[test]
    fn finds_the_frame_in_vxlan() {
        let mut payload = vec![0x08, 0, 0, 0, 0, 0x03, 0xe9, 0];
        payload.extend(arp_request());
        let mut outer = Vec::new();
        over_ip().udp(50_000, VXLAN_PORT).write(&mut outer, &payload).unwrap();
        check(&outer, TunnelType::Vxlan, 1001);
    }

    #[test]
    fn finds_the_frame_in_gre_with_and_without_other_fields() {
        for header in
            [vec![0x20, 0, 0x65, 0x58, 0, 0, 0, 6], vec![0xb0, 0, 0x65, 0x58, 1, 2, 3, 4, 0, 0, 0, 6, 9, 9, 9, 9]]
        {
            let payload = [header, arp_request()].concat();
            let mut outer = Vec::new();
            over_ip().write(&mut outer, IP_PROTOCOL_GRE.into(), &payload).unwrap();
            check(&outer, TunnelType::Gre, 6);
        }
    }

    #[test]
    fn other_frames_carry_none() {
        assert_eq!(Encapsulated::decode(&arp_request()), None);
        let mut outer = Vec::new();
        over_ip().udp(1, 2).write(&mut outer, &[0; 64]).unwrap();
        assert_eq!(Encapsulated::decode(&outer), None);
        for length in 0..outer.len() {
            assert_eq!(Encapsulated::decode(&outer[..length]), None, "cut at {length}");
        }
    }
}
