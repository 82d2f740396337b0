//! The values of security group rules: read into one form, and checked against each other, in Neutron's words. Pure.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::Value;
use store::{PROTOCOLS, protocol_number};

use super::error::{ApiError, Result};
use super::kind::shown;
use super::table::Object;

/// Protocols that have ports.
const WITH_PORTS: &[(&str, u8)] = &[("dccp", 33), ("sctp", 132), ("tcp", 6), ("udp", 17), ("udplite", 136)];
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;
/// Extension headers and the like: with IPv4 there is no such thing.
const IPV6_ONLY: &[&str] = &[
    "ipv6-encap",
    "ipv6-frag",
    "ipv6-icmp",
    "icmpv6",
    "ipv6-nonxt",
    "ipv6-opts",
    "ipv6-route",
    "41",
    "44",
    "58",
    "59",
    "60",
    "43",
];

/// A name that Neutron knows, or a number from 0 to 255, as a string; null: any.
pub(super) fn protocol(value: &Value) -> Result<Value> {
    let number = match value {
        Value::Null => return Ok(Value::Null),
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse::<i64>().ok(),
        _ => None,
    };
    let name = value.as_str().map(str::to_ascii_lowercase);
    match (number, name) {
        (Some(number), _) if (0..=255).contains(&number) => Ok(number.to_string().into()),
        (None, Some(name)) if PROTOCOLS.iter().any(|(known, _)| *known == name) => Ok(name.into()),
        _ => {
            let known: Vec<String> = PROTOCOLS.iter().map(|(name, _)| format!("'{name}'")).collect();
            let message = format!(
                "Security group rule protocol {} not supported. Only protocol values [None, {}] and integer \
                 representations [0 to 255] are supported.",
                shown(value),
                known.join(", ")
            );
            Err(ApiError::bad("SecurityGroupRuleInvalidProtocol", message))
        }
    }
}

/// `IPv4` or `IPv6`, in whichever case it comes.
pub(super) fn ethertype(value: &Value) -> Result<Value> {
    let text = value.as_str().unwrap_or_default();
    let known = ["IPv4", "IPv6"].into_iter().find(|known| known.eq_ignore_ascii_case(text));
    known.map(Value::from).ok_or_else(|| {
        let message = format!(
            "Security group rule for ethertype '{}' not supported. Allowed values are ['IPv4', 'IPv6'].",
            shown(value)
        );
        ApiError::bad("SecurityGroupRuleInvalidEtherType", message)
    })
}

/// A port, or a type or code of ICMP; null: any.
pub(super) fn port(value: &Value) -> Result<Value> {
    let number = match value {
        Value::Null => return Ok(Value::Null),
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse::<u64>().ok(),
        _ => None,
    };
    let port = number.and_then(|number| u16::try_from(number).ok());
    port.map(Value::from).ok_or_else(|| invalid_port(&shown(value)))
}

fn invalid_port(port: &str) -> ApiError {
    ApiError::bad("SecurityGroupInvalidPortValue", format!("Invalid value for port {port}"))
}

/// An address with its prefix length; null or nothing: any.
pub(super) fn prefix(value: &Value) -> Result<Value> {
    let text = match value {
        Value::Null => return Ok(Value::Null),
        Value::String(text) if text.is_empty() => return Ok(Value::Null),
        Value::String(text) => text,
        _ => return Err(invalid_prefix(value)),
    };
    // as netaddr does, the host's bits are kept
    let net = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    net.map(|net| net.to_string().into()).ok_or_else(|| invalid_prefix(value))
}

fn invalid_prefix(value: &Value) -> ApiError {
    ApiError::bad("InvalidCIDR", format!("Invalid CIDR {} given as IP prefix.", shown(value)))
}

/// What single values cannot show; and two spellings of one thing become one.
pub(super) fn check(rule: &mut Object) -> Result<()> {
    normalize(rule);
    check_ports(rule)?;
    let ethertype = rule.get("ethertype").and_then(Value::as_str).unwrap_or_default();
    if let Some(cidr) = rule.get("remote_ip_prefix").and_then(Value::as_str) {
        let version = if cidr.contains(':') { "IPv6" } else { "IPv4" };
        if version != ethertype {
            let message = format!("Conflicting value ethertype {ethertype} for CIDR {cidr}");
            return Err(ApiError::bad("SecurityGroupRuleParameterConflict", message));
        }
    }
    let protocol = rule.get("protocol").and_then(Value::as_str).unwrap_or_default();
    if ethertype == "IPv4" && IPV6_ONLY.contains(&protocol) {
        let message = format!("Invalid ethertype {ethertype} for protocol {protocol}.");
        return Err(ApiError::bad("SecurityGroupEthertypeConflictWithProtocol", message));
    }
    let set = |name| rule.get(name).is_some_and(|value| !value.is_null());
    if set("remote_ip_prefix") && set("remote_group_id") {
        let message = "Only one of remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.";
        return Err(ApiError::bad("SecurityGroupMultipleRemoteEntites", message));
    }
    Ok(())
}

/// ICMP in IPv6 has a name and a number of its own; all ports are the same as none.
fn normalize(rule: &mut Object) {
    if rule.get("ethertype").and_then(Value::as_str) == Some("IPv6") {
        let icmpv6 = match rule.get("protocol").and_then(Value::as_str) {
            Some("icmp" | "icmpv6") => Some("ipv6-icmp"),
            Some("1") => Some("58"),
            _ => None,
        };
        if let Some(icmpv6) = icmpv6 {
            rule.insert("protocol".to_owned(), icmpv6.into());
        }
    }
    if (number(rule, "port_range_min"), number(rule, "port_range_max")) == (Some(1), Some(65_535)) {
        rule.insert("port_range_min".to_owned(), Value::Null);
        rule.insert("port_range_max".to_owned(), Value::Null);
    }
}

fn number(rule: &Object, name: &str) -> Option<u64> {
    rule.get(name).and_then(Value::as_u64)
}

fn check_ports(rule: &Object) -> Result<()> {
    let (min, max) = (number(rule, "port_range_min"), number(rule, "port_range_max"));
    if min.is_none() && max.is_none() {
        return Ok(());
    }
    let protocol = rule.get("protocol").and_then(Value::as_str);
    let Some(protocol) = protocol.and_then(protocol_number) else {
        let message = "Must also specify protocol if port range is given.";
        return Err(ApiError::bad("SecurityGroupProtocolRequiredWithPorts", message));
    };
    if WITH_PORTS.iter().any(|(_, number)| *number == protocol) {
        return check_port_range(min, max);
    }
    if [ICMP, ICMPV6].contains(&protocol) {
        return check_icmp(min, max);
    }
    let valid: Vec<String> = WITH_PORTS.iter().map(|(name, _)| name.to_uppercase()).collect();
    let message = format!(
        "Ports cannot be specified for protocol {protocol}. Ports are only supported for {}.",
        valid.join(", ")
    );
    Err(ApiError::bad("SecurityGroupInvalidProtocolForPort", message))
}

fn check_port_range(min: Option<u64>, max: Option<u64>) -> Result<()> {
    if min == Some(0) || max == Some(0) {
        return Err(invalid_port("0"));
    }
    if min.zip(max).is_some_and(|(min, max)| min <= max) {
        return Ok(());
    }
    let message = "For TCP/UDP protocols, port_range_min must be <= port_range_max";
    Err(ApiError::bad("SecurityGroupInvalidPortRange", message))
}

/// The range holds the type and the code.
fn check_icmp(kind: Option<u64>, code: Option<u64>) -> Result<()> {
    for (field, attribute, value) in [("type", "port_range_min", kind), ("code", "port_range_max", code)] {
        if let Some(value) = value.filter(|value| *value > 255) {
            let message = format!("Invalid value for ICMP {field} ({attribute}) {value}. It must be 0 to 255.");
            return Err(ApiError::bad("SecurityGroupInvalidIcmpValue", message));
        }
    }
    match (kind, code) {
        (None, Some(code)) => {
            let message =
                format!("ICMP code (port-range-max) {code} is provided but ICMP type (port-range-min) is missing.");
            Err(ApiError::bad("SecurityGroupMissingIcmpType", message))
        }
        _ => Ok(()),
    }
}
