//! How ports of an IPv6 subnet get their addresses: rules between its attributes, as Neutron has them. Pure.

use ipnet::IpNet;
use serde_json::Value;

use super::error::{ApiError, Result};
use super::table::Object;

/// `dhcpv6-stateful`: given out; the others: formed by the ports.
pub(crate) const MODES: &[&str] = &["dhcpv6-stateful", "dhcpv6-stateless", "slaac"];

const ATTRIBUTES: [&str; 2] = ["ipv6_ra_mode", "ipv6_address_mode"];

/// Of a subnet that is to be made.
pub(crate) fn check(enable_dhcp: bool, cidr: &IpNet, attributes: &Object) -> Result<()> {
    let [ra, address] = modes(attributes);
    let IpNet::V6(cidr) = cidr else {
        let named = ATTRIBUTES.into_iter().zip([ra, address]).find(|(_, mode)| mode.is_some());
        return named
            .map_or(Ok(()), |(name, _)| Err(ApiError::invalid(format!("{name} is not valid when ip_version is 4"))));
    };
    if ra.or(address).is_some() && !enable_dhcp {
        let message = "ipv6_ra_mode or ipv6_address_mode cannot be set when enable_dhcp is set to False";
        return Err(ApiError::invalid(message));
    }
    if let Some((ra, address)) = ra.zip(address).filter(|(ra, address)| ra != address) {
        return Err(ApiError::invalid(format!(
            "ipv6_ra_mode set to '{ra}' with ipv6_address_mode set to '{address}' is not valid. If both attributes are \
             set, they must be the same value"
        )));
    }
    let formed = ["slaac", "dhcpv6-stateless"];
    if ra.or(address).is_some_and(|mode| formed.contains(&mode)) && cidr.prefix_len() != 64 {
        return Err(ApiError::invalid(format!(
            "Invalid CIDR {cidr} for IPv6 address mode. OpenStack uses the EUI-64 address format, which requires the \
             prefix to be /64"
        )));
    }
    Ok(())
}

/// Of a subnet that is there: who gives the addresses out, or tells the ports how to form them, must not go.
pub(crate) fn check_change(enable_dhcp: Option<bool>, attributes: &Object) -> Result<()> {
    if enable_dhcp == Some(false) && modes(attributes).iter().any(Option::is_some) {
        return Err(ApiError::invalid("Cannot disable enable_dhcp with ipv6 attributes set"));
    }
    Ok(())
}

fn modes(attributes: &Object) -> [Option<&str>; 2] {
    ATTRIBUTES.map(|name| attributes.get(name).and_then(Value::as_str))
}
