use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{HostName, TunnelType};
use sync::messages::Endpoint;

use crate::ask::Tunnel;

/// Where the tunnels of hosts end.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    /// With the host's name, if it has been said.
    known: BTreeMap<(TunnelType, IpAddr), Option<String>>,
    /// Types of which the server has said all there is.
    complete: BTreeSet<TunnelType>,
    /// Hosts for which they have been asked for anew, in vain.
    missed: BTreeSet<String>,
}

impl Endpoints {
    /// All of one type.
    pub(crate) fn set(&mut self, tunnel_type: TunnelType, tunnels: Vec<Tunnel>) {
        self.known.retain(|(of, _), _| *of != tunnel_type);
        self.known.extend(tunnels.into_iter().map(|tunnel| ((tunnel_type, tunnel.address), tunnel.host)));
        self.complete.insert(tunnel_type);
    }

    pub(crate) fn add(&mut self, tunnel_type: TunnelType, address: IpAddr) {
        self.known.entry((tunnel_type, address)).or_default();
    }

    pub(crate) fn remove(&mut self, tunnel_type: TunnelType, address: IpAddr) {
        self.known.remove(&(tunnel_type, address));
    }

    pub(crate) fn is_complete(&self, tunnel_type: TunnelType) -> bool {
        self.complete.contains(&tunnel_type)
    }

    pub(crate) fn of(&self, tunnel_type: TunnelType, host: &str) -> Option<IpAddr> {
        let of_host = |((of, _), name): &(&(TunnelType, IpAddr), &Option<String>)| {
            *of == tunnel_type && name.as_deref() == Some(host)
        };
        self.known.iter().find(of_host).map(|((_, address), _)| *address)
    }

    /// A host has ports and no endpoint: once, that is worth asking anew.
    pub(crate) fn miss(&mut self, tunnel_type: TunnelType, host: &str) {
        if self.missed.insert(host.to_owned()) {
            self.complete.remove(&tunnel_type);
        }
    }

    pub(crate) fn forgive(&mut self) {
        self.missed.clear();
    }

    /// As our own server would say them, but for the own one.
    pub(crate) fn list(&self, own: IpAddr) -> Vec<Endpoint> {
        let mut list: BTreeMap<IpAddr, Endpoint> = BTreeMap::new();
        for ((tunnel_type, address), name) in self.known.iter().filter(|((_, address), _)| *address != own) {
            // An endpoint that was told of alone has no name; nor has one that no host of ours could have.
            let by_address = || address.to_string().replace(':', "-").parse::<HostName>().ok();
            let Some(host) = name.as_deref().and_then(|name| name.parse().ok()).or_else(by_address) else { continue };
            let endpoint = list.entry(*address);
            let endpoint = endpoint.or_insert(Endpoint { host, address: *address, tunnel_types: Vec::new() });
            endpoint.tunnel_types.push(*tunnel_type);
        }
        list.into_values().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tunnel(last: u8, host: Option<&str>) -> Tunnel {
        Tunnel { address: IpAddr::from([10, 0, 1, last]), host: host.map(ToOwned::to_owned) }
    }

    #[test]
    fn each_address_is_one_endpoint_with_all_its_types() {
        let mut endpoints = Endpoints::default();
        endpoints.set(TunnelType::Gre, vec![tunnel(31, Some("own")), tunnel(39, Some("compute2"))]);
        endpoints.set(TunnelType::Vxlan, vec![tunnel(39, Some("compute2"))]);
        endpoints.add(TunnelType::Gre, [10, 0, 1, 21].into());
        let list = endpoints.list([10, 0, 1, 31].into());
        let list: Vec<_> = list.iter().map(|it| (it.host.as_str(), it.tunnel_types.len())).collect();
        assert_eq!(list, [("10.0.1.21", 1), ("compute2", 2)]);
        assert_eq!(endpoints.of(TunnelType::Vxlan, "compute2"), Some([10, 0, 1, 39].into()));
        endpoints.set(TunnelType::Vxlan, Vec::new());
        assert_eq!(endpoints.of(TunnelType::Vxlan, "compute2"), None);
    }

    #[test]
    fn a_host_without_an_endpoint_is_asked_for_once() {
        let mut endpoints = Endpoints::default();
        endpoints.set(TunnelType::Gre, Vec::new());
        endpoints.miss(TunnelType::Gre, "compute3");
        assert!(!endpoints.is_complete(TunnelType::Gre));
        endpoints.set(TunnelType::Gre, Vec::new());
        endpoints.miss(TunnelType::Gre, "compute3");
        assert!(endpoints.is_complete(TunnelType::Gre));
    }
}
