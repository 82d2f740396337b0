use std::fmt;
use std::net::IpAddr;

use model::TunnelType;

use crate::Modes;
use crate::modes::VXLAN_PORT;

/// Longest name that Linux and OVSDB take for an interface.
const MAX_NAME: usize = 15;

/// A tunnel from this host: its type and the endpoint at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tunnel {
    pub tunnel_type: TunnelType,
    pub remote: IpAddr,
}

impl Tunnel {
    pub fn new(tunnel_type: TunnelType, remote: IpAddr) -> Self {
        Tunnel { tunnel_type, remote }
    }

    /// The interface's name: Neutron's `<type>-<address in 8 hex digits>` (`vxlan-0a000127`); for IPv6, which does not
    /// fit, a stable hash that fills the 15 characters.
    pub fn name(&self) -> String {
        let tunnel_type = self.tunnel_type.as_str();
        match self.remote {
            IpAddr::V4(v4) => format!("{tunnel_type}-{:08x}", u32::from(v4)),
            IpAddr::V6(v6) => {
                let room = MAX_NAME.saturating_sub(tunnel_type.len() + 1);
                let digits: String = base32(fnv(&v6.octets())).take(room).collect();
                format!("{tunnel_type}-{digits}")
            }
        }
    }

    /// The interface's `options` in OVSDB (ovs-vswitchd.conf.db(5)), as Neutron sets them, in alphabetical order.
    pub fn options(&self, modes: &Modes) -> Vec<(&'static str, String)> {
        let mut options = vec![
            ("df_default", "true".to_owned()),
            ("egress_pkt_mark", "0".to_owned()),
            ("in_key", "flow".to_owned()),
            ("local_ip", modes.local_ip().to_string()),
            ("out_key", "flow".to_owned()),
            ("remote_ip", self.remote.to_string()),
        ];
        if self.tunnel_type == TunnelType::Vxlan && modes.vxlan_udp_port() != VXLAN_PORT {
            options.insert(1, ("dst_port", modes.vxlan_udp_port().to_string()));
        }
        options
    }
}

impl fmt::Display for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.name(), self.remote)
    }
}

fn fnv(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

/// The digits of a number, five bits each, lowest first.
fn base32(number: u64) -> impl Iterator<Item = char> {
    (0..13u32).filter_map(move |place| char::from_digit((number >> (5 * place) & 31) as u32, 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_neutrons_and_fit() {
        let name = |tunnel_type, ip: &str| Tunnel::new(tunnel_type, ip.parse().unwrap()).name();
        assert_eq!(name(TunnelType::Vxlan, "10.0.1.39"), "vxlan-0a000127");
        assert_eq!(name(TunnelType::Gre, "10.0.1.21"), "gre-0a000115");
        let (a, b) = (name(TunnelType::Vxlan, "fd00::1"), name(TunnelType::Vxlan, "fd00::2"));
        assert!(a != b && a.len() == MAX_NAME && a.starts_with("vxlan-"), "{a} {b}");
    }

    #[test]
    fn options_are_neutrons() {
        let modes = Modes::new([10, 0, 1, 31].into(), &TunnelType::ALL, true, true).unwrap();
        let tunnel = Tunnel::new(TunnelType::Vxlan, [10, 0, 1, 21].into());
        let text = |modes: &Modes| {
            let options = tunnel.options(modes);
            options.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
        };
        let plain = "df_default=true egress_pkt_mark=0 in_key=flow local_ip=10.0.1.31 out_key=flow remote_ip=10.0.1.21";
        assert_eq!(text(&modes), plain);
        assert!(text(&modes.vxlan_port(8472)).contains("df_default=true dst_port=8472 egress"));
    }
}
