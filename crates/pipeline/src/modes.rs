use std::net::IpAddr;

use model::TunnelType;

use crate::{Error, Tunnel};

/// Outputs that one pass through the userspace datapath of OVS 3.1 holds; what is above is cut off silently.
pub const FLOOD_LIMIT: usize = 780;
/// The UDP port that IANA gave to VXLAN (RFC 7348 section 5).
pub const VXLAN_PORT: u16 = 4789;

/// How this host works: fixed for the life of a [`crate::State`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    local_ip: IpAddr,
    tunnel_types: Vec<TunnelType>,
    l2_population: bool,
    arp_responder: bool,
    flood_limit: usize,
    vxlan_port: u16,
}

impl Modes {
    /// `local_ip` is this host's tunnel endpoint. Refuses a responder that could know no address, as Neutron's agent
    /// does, and a host without tunnels.
    pub fn new(
        local_ip: IpAddr,
        tunnel_types: &[TunnelType],
        l2_population: bool,
        arp_responder: bool,
    ) -> Result<Self, Error> {
        if tunnel_types.is_empty() {
            return Err(Error::NoTunnelType);
        }
        if arp_responder && !l2_population {
            return Err(Error::ResponderNeedsPopulation);
        }
        let tunnel_types = tunnel_types.to_vec();
        Ok(Modes {
            local_ip,
            tunnel_types,
            l2_population,
            arp_responder,
            flood_limit: FLOOD_LIMIT,
            vxlan_port: VXLAN_PORT,
        })
    }

    /// For a switch that cannot write `arp_op` (OVS before 2.1): the responder is off altogether.
    #[must_use]
    pub fn without_arp_op(mut self) -> Self {
        self.arp_responder = false;
        self
    }

    /// The largest number of outputs in a flood list (default [`FLOOD_LIMIT`]).
    #[must_use]
    pub fn flood_limit(mut self, outputs: usize) -> Self {
        self.flood_limit = outputs;
        self
    }

    /// The UDP port of VXLAN (default [`VXLAN_PORT`]).
    #[must_use]
    pub fn vxlan_port(mut self, port: u16) -> Self {
        self.vxlan_port = port;
        self
    }

    pub fn local_ip(&self) -> IpAddr {
        self.local_ip
    }

    pub fn l2_population(&self) -> bool {
        self.l2_population
    }

    pub fn arp_responder(&self) -> bool {
        self.arp_responder
    }

    pub(crate) fn max_flood(&self) -> usize {
        self.flood_limit
    }

    pub(crate) fn vxlan_udp_port(&self) -> u16 {
        self.vxlan_port
    }

    pub(crate) fn serves_type(&self, tunnel_type: TunnelType) -> bool {
        self.tunnel_types.contains(&tunnel_type)
    }

    /// Whether this host can make the tunnel: type enabled, same address family, and not to itself.
    pub fn serves(&self, tunnel: &Tunnel) -> bool {
        self.serves_type(tunnel.tunnel_type)
            && tunnel.remote != self.local_ip
            && tunnel.remote.is_ipv4() == self.local_ip.is_ipv4()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_responder_without_population_is_refused() {
        let ip = IpAddr::from([10, 0, 1, 31]);
        let new = |population, responder| Modes::new(ip, &TunnelType::ALL, population, responder);
        assert_eq!(new(false, true), Err(Error::ResponderNeedsPopulation));
        assert!(new(true, true).is_ok_and(|modes| modes.arp_responder() && !modes.without_arp_op().arp_responder()));
        assert_eq!(Modes::new(ip, &[], true, true), Err(Error::NoTunnelType));
    }
}
