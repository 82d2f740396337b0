use std::time::Duration;

use crate::PortNo;

/// A port of a bridge (section 7.2.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortDesc {
    pub port: PortNo,
    pub mac: [u8; 6],
    /// Cut off by OpenFlow after 15 bytes.
    pub name: String,
    /// `OFPPC_*` bits; 1: administratively down.
    pub config: u32,
    /// `OFPPS_*` bits; 1: no link.
    pub state: u32,
    pub ethernet: Ethernet,
}

/// What an Ethernet port can do (`OFPPF_*` bits), zero where unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ethernet {
    pub current: u32,
    pub advertised: u32,
    pub supported: u32,
    pub peer: u32,
    /// kbit/s.
    pub current_speed: u32,
    /// kbit/s.
    pub max_speed: u32,
}

/// A port's counters (section 7.3.5.6); all ones where the switch does not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PortStats {
    pub port: PortNo,
    pub duration: Duration,
    pub rx_packets: u64,
    pub tx_packets: u64,
    pub rx_bytes: u64,
    pub tx_bytes: u64,
    pub rx_dropped: u64,
    pub tx_dropped: u64,
    pub rx_errors: u64,
    pub tx_errors: u64,
}
