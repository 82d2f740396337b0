//! Fields and what is known of each: one table, from which names, widths and code points are read.

/// How `ovs-ofctl` writes a field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Decimal,
    Hex,
    Mac,
    Ipv4,
    Ipv6,
    Port,
}

/// A code point of OXM or NXM: class, field number, name.
pub(crate) type Code = (u16, u8, &'static str);

/// What is known of a field; see [`Field::info`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Info {
    /// Name in a match and after `set_field:…->` (ovs-fields(7)).
    pub(crate) name: &'static str,
    pub(crate) bits: u16,
    pub(crate) form: Form,
    /// What Open vSwitch used before there was a standard; `learn` and the text form still do.
    pub(crate) nxm: Option<Code>,
    /// The standard's, used in matches and actions of OpenFlow 1.2 and later.
    pub(crate) oxm: Option<Code>,
}

macro_rules! fields {
    ($($(#[$doc:meta])* $variant:ident, $name:literal, $bits:literal, $form:ident, $nxm:expr, $oxm:expr;)*) => {
        /// A header or metadata field, as OXM (OpenFlow 1.3.5 section 7.2.3.7) and NXM (ovs-fields(7)) name it.
        ///
        /// Values of all fields are held as numbers in the low [`Field::bits`] bits of a `u128`. The order of the
        /// variants is the order in which Open vSwitch writes the fields of a match, so a [`crate::Match`], being
        /// ordered by field, encodes to the same bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $($(#[$doc])* $variant,)*
            /// 32-bit register 0–15 (`reg0`).
            Reg(u8),
            /// 64-bit register 0–7 (`xreg0`): two 32-bit ones side by side.
            XReg(u8),
            Metadata,
            /// A field that this crate has no name for: OXM class, field number and (for class 0xffff) experimenter;
            /// its width in bytes is known from the wire only.
            Unknown { class: u16, number: u8, experimenter: u32, bytes: u8 },
        }

        impl Field {
            /// Every field with a row of its own in the table: all but registers, metadata and unknown ones.
            pub(crate) const PLAIN: &'static [Field] = &[$(Field::$variant,)*];

            /// `None` for registers and unknown fields, whose names are made from their numbers.
            pub(crate) fn info(self) -> Option<Info> {
                match self {
                    $(Field::$variant => {
                        Some(Info { name: $name, bits: $bits, form: Form::$form, nxm: $nxm, oxm: $oxm })
                    })*
                    Field::Metadata => Some(METADATA),
                    Field::Reg(_) | Field::XReg(_) | Field::Unknown { .. } => None,
                }
            }
        }
    };
}

const METADATA: Info =
    Info { name: "metadata", bits: 64, form: Form::Hex, nxm: None, oxm: Some((BASIC, 2, "OXM_OF_METADATA")) };

/// `OFPXMC_NXM_0`.
const NXM0: u16 = 0x0000;
/// `OFPXMC_NXM_1`.
const NXM1: u16 = 0x0001;
/// Used by Open vSwitch for the two ND fields that no standard has.
const ERIC: u16 = 0x1000;
/// `OFPXMC_OPENFLOW_BASIC`.
const BASIC: u16 = 0x8000;
/// `OFPXMC_EXPERIMENTER`.
pub(crate) const EXPERIMENTER: u16 = 0xffff;

fields! {
    InPort, "in_port", 32, Port, None, Some((BASIC, 0, "OXM_OF_IN_PORT"));
    /// The same port as the 16-bit number of OpenFlow 1.0. Open vSwitch has it as a field of its own.
    InPortNxm, "in_port", 16, Port, Some((NXM0, 0, "NXM_OF_IN_PORT")), None;
    EthSrc, "eth_src", 48, Mac, Some((NXM0, 2, "NXM_OF_ETH_SRC")), Some((BASIC, 4, "OXM_OF_ETH_SRC"));
    EthDst, "eth_dst", 48, Mac, Some((NXM0, 1, "NXM_OF_ETH_DST")), Some((BASIC, 3, "OXM_OF_ETH_DST"));
    EthType, "eth_type", 16, Hex, Some((NXM0, 3, "NXM_OF_ETH_TYPE")), Some((BASIC, 5, "OXM_OF_ETH_TYPE"));
    /// 12-bit VLAN id plus the bit 0x1000, "a tag is present".
    VlanVid, "vlan_vid", 13, Decimal, None, Some((BASIC, 6, "OXM_OF_VLAN_VID"));
    VlanPcp, "vlan_pcp", 3, Decimal, None, Some((BASIC, 7, "OXM_OF_VLAN_PCP"));
    /// `NXM_OF_VLAN_TCI`: the whole 16-bit tag control field, with 0x1000 as "present".
    VlanTci, "vlan_tci", 16, Hex, Some((NXM0, 4, "NXM_OF_VLAN_TCI")), None;
    Ipv4Src, "ip_src", 32, Ipv4, Some((NXM0, 7, "NXM_OF_IP_SRC")), Some((BASIC, 11, "OXM_OF_IPV4_SRC"));
    Ipv4Dst, "ip_dst", 32, Ipv4, Some((NXM0, 8, "NXM_OF_IP_DST")), Some((BASIC, 12, "OXM_OF_IPV4_DST"));
    Ipv6Src, "ipv6_src", 128, Ipv6, Some((NXM1, 19, "NXM_NX_IPV6_SRC")), Some((BASIC, 26, "OXM_OF_IPV6_SRC"));
    Ipv6Dst, "ipv6_dst", 128, Ipv6, Some((NXM1, 20, "NXM_NX_IPV6_DST")), Some((BASIC, 27, "OXM_OF_IPV6_DST"));
    IpDscp, "ip_dscp", 6, Decimal, None, Some((BASIC, 8, "OXM_OF_IP_DSCP"));
    IpEcn, "nw_ecn", 2, Decimal, Some((NXM1, 28, "NXM_NX_IP_ECN")), Some((BASIC, 9, "OXM_OF_IP_ECN"));
    IpTtl, "nw_ttl", 8, Decimal, Some((NXM1, 29, "NXM_NX_IP_TTL")), None;
    IpProto, "nw_proto", 8, Decimal, Some((NXM0, 6, "NXM_OF_IP_PROTO")), Some((BASIC, 10, "OXM_OF_IP_PROTO"));
    TcpSrc, "tcp_src", 16, Decimal, Some((NXM0, 9, "NXM_OF_TCP_SRC")), Some((BASIC, 13, "OXM_OF_TCP_SRC"));
    TcpDst, "tcp_dst", 16, Decimal, Some((NXM0, 10, "NXM_OF_TCP_DST")), Some((BASIC, 14, "OXM_OF_TCP_DST"));
    UdpSrc, "udp_src", 16, Decimal, Some((NXM0, 11, "NXM_OF_UDP_SRC")), Some((BASIC, 15, "OXM_OF_UDP_SRC"));
    UdpDst, "udp_dst", 16, Decimal, Some((NXM0, 12, "NXM_OF_UDP_DST")), Some((BASIC, 16, "OXM_OF_UDP_DST"));
    Icmpv4Type, "icmp_type", 8, Decimal, Some((NXM0, 13, "NXM_OF_ICMP_TYPE")), Some((BASIC, 19, "OXM_OF_ICMPV4_TYPE"));
    Icmpv4Code, "icmp_code", 8, Decimal, Some((NXM0, 14, "NXM_OF_ICMP_CODE")), Some((BASIC, 20, "OXM_OF_ICMPV4_CODE"));
    Icmpv6Type, "icmpv6_type", 8, Decimal, Some((NXM1, 21, "NXM_NX_ICMPV6_TYPE")), Some((BASIC, 29, "OXM_OF_ICMPV6_TYPE"));
    Icmpv6Code, "icmpv6_code", 8, Decimal, Some((NXM1, 22, "NXM_NX_ICMPV6_CODE")), Some((BASIC, 30, "OXM_OF_ICMPV6_CODE"));
    NdReserved, "nd_reserved", 32, Decimal, Some((ERIC, 1, "ERICOXM_OF_ICMPV6_ND_RESERVED")), None;
    NdTarget, "nd_target", 128, Ipv6, Some((NXM1, 23, "NXM_NX_ND_TARGET")), Some((BASIC, 31, "OXM_OF_IPV6_ND_TARGET"));
    NdOptionsType, "nd_options_type", 8, Decimal, Some((ERIC, 2, "ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE")), None;
    NdSll, "nd_sll", 48, Mac, Some((NXM1, 24, "NXM_NX_ND_SLL")), Some((BASIC, 32, "OXM_OF_IPV6_ND_SLL"));
    NdTll, "nd_tll", 48, Mac, Some((NXM1, 25, "NXM_NX_ND_TLL")), Some((BASIC, 33, "OXM_OF_IPV6_ND_TLL"));
    ArpOp, "arp_op", 16, Decimal, Some((NXM0, 15, "NXM_OF_ARP_OP")), Some((BASIC, 21, "OXM_OF_ARP_OP"));
    ArpSpa, "arp_spa", 32, Ipv4, Some((NXM0, 16, "NXM_OF_ARP_SPA")), Some((BASIC, 22, "OXM_OF_ARP_SPA"));
    ArpTpa, "arp_tpa", 32, Ipv4, Some((NXM0, 17, "NXM_OF_ARP_TPA")), Some((BASIC, 23, "OXM_OF_ARP_TPA"));
    ArpSha, "arp_sha", 48, Mac, Some((NXM1, 17, "NXM_NX_ARP_SHA")), Some((BASIC, 24, "OXM_OF_ARP_SHA"));
    ArpTha, "arp_tha", 48, Mac, Some((NXM1, 18, "NXM_NX_ARP_THA")), Some((BASIC, 25, "OXM_OF_ARP_THA"));
    TunnelId, "tun_id", 64, Hex, Some((NXM1, 16, "NXM_NX_TUN_ID")), Some((BASIC, 38, "OXM_OF_TUNNEL_ID"));
    /// IPv4 source of the encapsulation (`tun_src`).
    TunnelIpv4Src, "tun_src", 32, Ipv4, Some((NXM1, 31, "NXM_NX_TUN_IPV4_SRC")), None;
    /// IPv4 destination of the encapsulation (`tun_dst`).
    TunnelIpv4Dst, "tun_dst", 32, Ipv4, Some((NXM1, 32, "NXM_NX_TUN_IPV4_DST")), None;
    TunnelIpv6Src, "tun_ipv6_src", 128, Ipv6, Some((NXM1, 109, "NXM_NX_TUN_IPV6_SRC")), None;
    TunnelIpv6Dst, "tun_ipv6_dst", 128, Ipv6, Some((NXM1, 110, "NXM_NX_TUN_IPV6_DST")), None;
}

impl Field {
    /// Width in bits of its value.
    pub fn bits(self) -> u16 {
        match self {
            Field::Reg(_) => 32,
            Field::XReg(_) => 64,
            Field::Unknown { bytes, .. } => u16::from(bytes) * 8,
            known => known.info().map_or(0, |info| info.bits),
        }
    }

    /// Width in bytes of its value on the wire.
    pub(crate) fn bytes(self) -> usize {
        usize::from(self.bits().div_ceil(8))
    }

    /// All bits of its value set: the mask that means "no mask".
    pub(crate) fn ones(self) -> u128 {
        ones(self.bits())
    }
}

/// The lowest `bits` bits set.
pub(crate) fn ones(bits: u16) -> u128 {
    match bits {
        0 => 0,
        1..128 => (1 << bits) - 1,
        _ => u128::MAX,
    }
}
