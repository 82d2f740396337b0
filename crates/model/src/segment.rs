use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// How a network's frames are carried between hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TunnelType {
    /// GRE with a key (RFC 2890): 32-bit tunnel keys.
    Gre,
    /// VXLAN (RFC 7348): 24-bit tunnel keys (VNI).
    Vxlan,
}

impl TunnelType {
    pub const ALL: [TunnelType; 2] = [TunnelType::Gre, TunnelType::Vxlan];

    /// The spelling of the API, of OVSDB's `Interface.type` and of tunnel port names.
    pub fn as_str(self) -> &'static str {
        match self {
            TunnelType::Gre => "gre",
            TunnelType::Vxlan => "vxlan",
        }
    }

    /// The largest key that the encapsulation's header holds.
    pub fn max_key(self) -> u32 {
        match self {
            TunnelType::Gre => u32::MAX,
            TunnelType::Vxlan => (1 << 24) - 1,
        }
    }

    /// Bytes that the encapsulation adds to a frame's payload over IPv4, inner Ethernet header included
    /// (what Neutron subtracts from the underlay's MTU).
    pub fn overhead(self) -> u32 {
        match self {
            TunnelType::Gre => 42,
            TunnelType::Vxlan => 50,
        }
    }
}

impl fmt::Display for TunnelType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TunnelType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        TunnelType::ALL
            .into_iter()
            .find(|tunnel_type| tunnel_type.as_str() == text)
            .ok_or_else(|| Error::TunnelType(text.to_owned()))
    }
}

/// The number that tells networks of one type apart on the wire (VNI, GRE key).
pub type TunnelKey = u32;

/// What identifies a network on the underlay: the same key on two tunnel types is two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Segment {
    pub tunnel_type: TunnelType,
    pub key: TunnelKey,
}

impl Segment {
    /// A segment whose key fits its type; 0 is nobody's (OVS reads a missing key as 0).
    pub fn new(tunnel_type: TunnelType, key: u64) -> Result<Self, Error> {
        let max = tunnel_type.max_key();
        match u32::try_from(key) {
            Ok(key) if key >= 1 && key <= max => Ok(Segment { tunnel_type, key }),
            _ => Err(Error::TunnelKey { tunnel_type: tunnel_type.as_str(), key, max }),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.tunnel_type, self.key)
    }
}
