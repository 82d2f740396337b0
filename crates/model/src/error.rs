use thiserror::Error as ThisError;

/// What can be wrong with a value that came from outside.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Error {
    #[error("\"{0}\" is not a MAC address: write six hexadecimal octets, as in fa:16:3e:00:00:01")]
    Mac(String),
    #[error("\"{0}\" is not a tunnel type: use gre or vxlan")]
    TunnelType(String),
    #[error("tunnel key {key} does not fit {tunnel_type}: keys run from 1 to {max}")]
    TunnelKey { tunnel_type: &'static str, key: u64, max: u32 },
    #[error("{0} is not a local VLAN: they run from 1 to 4094")]
    LocalVlan(u32),
    #[error("\"{0}\" is not a UUID")]
    Uuid(String),
    #[error("\"{0}\" is not a host name: use 1 to 255 letters, digits, dots, dashes and underscores")]
    HostName(String),
    #[error("\"{0}\" is not a port status: it is DOWN, BUILD or ACTIVE")]
    PortStatus(String),
}
