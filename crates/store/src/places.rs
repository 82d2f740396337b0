//! The subnets of a network, as places where a port can have an address.

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;
use model::{Mac, NetworkId, Segment, SubnetId};
use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use crate::batch::Batch;
use crate::db::{Connection, Row, attributes_from};
use crate::packed::{self, Packed, Part};
use crate::types::{Attributes, FixedIp, FixedIpChoice};
use crate::{Error, Result, networks, subnets};

/// What a network has for its ports.
pub(crate) struct Site {
    network: NetworkId,
    pub(crate) segment: Segment,
    /// Its ports are, unless they say otherwise.
    pub(crate) secured: bool,
    /// Of the project that asks, if it has one yet.
    pub(crate) default_group: Option<Uuid>,
    /// Oldest first; each with the owners that it is dedicated to, if any.
    subnets: Vec<(Place, Vec<String>)>,
}

/// Where an address can come from.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) subnet: SubnetId,
    pub(crate) cidr: IpNet,
    /// Ports form their addresses themselves, from the prefix and their MAC.
    forms_own: bool,
}

/// Oldest first, those that are dedicated to the port's owner before all others (as Neutron).
pub(crate) struct Places {
    places: Vec<Place>,
    router: bool,
}

/// Owners of ports that carry a router's address, and so do not form one.
const ROUTERS: &[&str] = &[
    "network:router_interface",
    "network:ha_router_replicated_interface",
    "network:router_interface_distributed",
    "network:router_centralized_snat",
];

/// Owners of ports that a network's own services make. As with Neutron, these ports hold neither their network nor their
/// subnets.
const GOING_ALONG: &[&str] = &["network:dhcp", "network:distributed", "network:floatingip_agent_gateway"];

impl Site {
    /// Of a network that may not exist.
    pub(crate) async fn of(db: &mut Connection, network: NetworkId) -> Result<Site> {
        let mut batch = Batch::default();
        Site::ask(&mut batch, network, None);
        let answers = batch.fetch(db).await?;
        Site::read(network, answers.first().map(Vec::as_slice).unwrap_or_default())
    }

    /// Asks for what [`Site::read`] reads, for new ports of this project, if any.
    pub(crate) fn ask(batch: &mut Batch, network: NetworkId, project: Option<&str>) {
        let subnet = packed::row(&[Part::Bytes("c.id"), Part::Text("c.cidr"), Part::Text("c.attributes")]);
        let subnets = packed::rows(&subnet, Some("c.created_at, c.id"));
        let query = batch.statement().push("SELECT s.tunnel_type, s.tunnel_key, n.attributes, (SELECT ").push(subnets);
        query.push(" FROM subnets c WHERE c.network_id = n.id) AS subnets, (SELECT g.id FROM security_groups g ");
        query.push("WHERE g.is_default AND g.project_id = ").push_bind(project.map(str::to_owned));
        query.push(") AS default_group FROM networks n JOIN segments s ON s.network_id = n.id WHERE n.id = ");
        query.push_bind(network.0);
    }

    pub(crate) fn read(network: NetworkId, rows: &[Row]) -> Result<Site> {
        let row = rows.first().ok_or(Error::NetworkNotFound(network))?;
        let attributes = attributes_from(row.try_get("attributes")?)?;
        let subnets = Packed::new(row.try_get("subnets")?).rows(|subnet| {
            let (id, cidr, attributes) = (subnet.uuid()?, subnet.text()?, attributes_from(subnet.text()?)?);
            let place =
                Place { subnet: SubnetId(id), cidr: subnets::parse_cidr(cidr)?, forms_own: forms_own(&attributes) };
            let types = attributes.get("service_types").and_then(Value::as_array).into_iter().flatten();
            Ok((place, types.filter_map(Value::as_str).map(str::to_owned).collect()))
        })?;
        Ok(Site {
            network,
            default_group: row.try_get("default_group")?,
            segment: networks::read_segment(row)?,
            secured: attributes.get("port_security_enabled").and_then(Value::as_bool).unwrap_or(true),
            subnets,
        })
    }

    /// The places for a port of this owner: subnets that name no service types, or this one.
    pub(crate) fn places(&self, device_owner: &str) -> Result<Places> {
        let dedicated = self.subnets.iter().filter(|(_, owners)| owners.iter().any(|owner| owner == device_owner));
        let open = self.subnets.iter().filter(|(_, owners)| owners.is_empty());
        let places: Vec<Place> = dedicated.chain(open).map(|(place, _)| *place).collect();
        if places.is_empty() && !self.subnets.is_empty() {
            let (network, device_owner) = (self.network, device_owner.to_owned());
            return Err(Error::NoSubnetForOwner { network, device_owner });
        }
        Ok(Places { places, router: is_router(device_owner) })
    }
}

/// Whether ports form their own addresses in a subnet of these attributes: by SLAAC, with or without stateless DHCPv6.
pub(crate) fn forms_own(subnet: &Attributes) -> bool {
    ["ipv6_address_mode", "ipv6_ra_mode"].iter().any(|mode| {
        let mode = subnet.get(*mode).and_then(Value::as_str);
        matches!(mode, Some("slaac" | "dhcpv6-stateless"))
    })
}

/// Whether a port of this owner goes when its network does.
pub(crate) fn goes_along(device_owner: &str) -> bool {
    GOING_ALONG.contains(&device_owner)
}

pub(crate) fn is_router(device_owner: &str) -> bool {
    ROUTERS.contains(&device_owner)
}

impl Places {
    pub(crate) fn find(&self, subnet: SubnetId) -> Option<&Place> {
        self.places.iter().find(|place| place.subnet == subnet)
    }

    pub(crate) fn holding(&self, ip: IpAddr) -> Option<&Place> {
        self.places.iter().find(|place| place.cidr.contains(&ip))
    }

    /// Whether the port forms its address there itself.
    pub(crate) fn forms_own(&self, subnet: SubnetId) -> bool {
        !self.router && self.find(subnet).is_some_and(|place| place.forms_own)
    }

    /// Where addresses are given out, IPv4 and then IPv6; a version without any such place is left out.
    pub(crate) fn by_version(&self) -> Vec<Vec<SubnetId>> {
        let given_out = |v4: bool| {
            let places = self.places.iter().filter(|place| !place.forms_own && place.cidr.addr().is_ipv4() == v4);
            places.map(|place| place.subnet).collect::<Vec<_>>()
        };
        [given_out(true), given_out(false)].into_iter().filter(|of_version| !of_version.is_empty()).collect()
    }

    /// The choices but those of a subnet where the port forms its address anyway.
    pub(crate) fn without_own(&self, choices: &[FixedIpChoice]) -> Vec<FixedIpChoice> {
        let asks = |choice: &FixedIpChoice| !matches!(choice, FixedIpChoice::From(id) if self.forms_own(*id));
        choices.iter().copied().filter(asks).collect()
    }

    /// The addresses that a port of this MAC forms itself.
    pub(crate) fn own(&self, mac: Mac) -> Vec<FixedIp> {
        let places = self.places.iter().filter(|place| place.forms_own && !self.router);
        places.map(|place| FixedIp { subnet_id: place.subnet, ip: eui64(&place.cidr, mac) }).collect()
    }
}

/// The address that an interface forms from a /64 and its MAC (RFC 4291 appendix A).
pub(crate) fn eui64(cidr: &IpNet, mac: Mac) -> IpAddr {
    let mut interface = [0, 0, 0, 0xff, 0xfe, 0, 0, 0];
    let positions = [0, 1, 2, 5, 6, 7];
    for (position, octet) in positions.into_iter().zip(mac.0) {
        if let Some(place) = interface.get_mut::<usize>(position) {
            *place = octet;
        }
    }
    // the universal/local bit is inverted
    let interface = u64::from_be_bytes(interface) ^ 2 << 56;
    match cidr.network() {
        IpAddr::V6(network) => Ipv6Addr::from(u128::from(network) | u128::from(interface)).into(),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_forms_the_address_of_rfc_4291() {
        let cidr = "2001:db8:1:2::/64".parse().unwrap();
        let formed = eui64(&cidr, "34:56:78:9a:bc:de".parse().unwrap());
        assert_eq!(formed, "2001:db8:1:2:3656:78ff:fe9a:bcde".parse::<IpAddr>().unwrap());
    }
}
