/// A header or metadata field, as OXM (OpenFlow 1.3.5 section 7.2.3.7) and NXM (ovs-fields(7)) name it.
///
/// Values of all fields are held as numbers in the low [`Field::bits`] bits of a `u128`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    InPort,
    Metadata,
    TunnelId,
    /// IPv4 source of the encapsulation (`tun_src`).
    TunnelIpv4Src,
    /// IPv4 destination of the encapsulation (`tun_dst`).
    TunnelIpv4Dst,
    TunnelIpv6Src,
    TunnelIpv6Dst,
    /// 32-bit register 0–15 (`reg0`).
    Reg(u8),
    /// 64-bit register 0–7 (`xreg0`): two 32-bit ones side by side.
    XReg(u8),
    EthDst,
    EthSrc,
    EthType,
    /// 12-bit VLAN id plus the bit 0x1000, "a tag is present".
    VlanVid,
    VlanPcp,
    /// `NXM_OF_VLAN_TCI`: the whole 16-bit tag control field, with 0x1000 as "present".
    VlanTci,
    ArpOp,
    ArpSpa,
    ArpTpa,
    ArpSha,
    ArpTha,
    IpDscp,
    IpEcn,
    IpProto,
    IpTtl,
    Ipv4Src,
    Ipv4Dst,
    Ipv6Src,
    Ipv6Dst,
    TcpSrc,
    TcpDst,
    UdpSrc,
    UdpDst,
    Icmpv4Type,
    Icmpv4Code,
    Icmpv6Type,
    Icmpv6Code,
    NdTarget,
    NdSll,
    NdTll,
    NdReserved,
    NdOptionsType,
    /// A field that this crate has no name for: OXM class, field number and (for class 0xffff) experimenter; its
    /// width in bytes is known from the wire only.
    Unknown {
        class: u16,
        number: u8,
        experimenter: u32,
        bytes: u8,
    },
}
