//! The types of attributes: each value is read into its one normal form, or refused in Neutron's words.

use std::collections::HashSet;
use std::net::IpAddr;

use ipnet::IpNet;
use model::Mac;
use serde_json::{Value, json};
use uuid::Uuid;

use super::error::{ApiError, Result};
use super::table::Object;
use super::{dns, port_values, rule_values, service_types};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// At most this many characters.
    Text(usize),
    /// Or null.
    OptionalText(usize),
    Bool,
    /// From, to.
    Integer(i64, i64),
    OneOf(&'static [&'static str]),
    Uuid,
    Ip,
    Cidr,
    Mac,
    Object,
    /// Of security group rules: see [`rule_values`].
    Protocol,
    Ethertype,
    Port,
    Prefix,
    /// Of ports: see [`port_values`].
    DhcpOptions,
    AddressPairs,
    /// See [`dns`].
    DnsName,
    DnsDomain,
    /// Of subnets: see [`service_types`].
    ServiceTypes,
    /// A list of what this says, without repetition.
    Texts(usize),
    Uuids,
    Ips,
    /// A list of objects with these keys.
    Objects(&'static [Key]),
    /// A list of objects of another resource, by the name of their description: shown only.
    Described(&'static str),
}

/// A key of the objects in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) kind: &'static Kind,
    pub(crate) required: bool,
}

impl Kind {
    /// The value in its normal form.
    pub(crate) fn parse(self, attribute: &str, value: &Value) -> Result<Value> {
        match self {
            Kind::Bool => return to_bool(value).map(Value::Bool).ok_or_else(|| not_boolean(value)),
            Kind::Integer(..) if to_integer(value).is_none() => {
                return Err(ApiError::invalid(format!("'{}' is not an integer", shown(value))));
            }
            Kind::Protocol => return rule_values::protocol(value),
            Kind::Ethertype => return rule_values::ethertype(value),
            Kind::Port => return rule_values::port(value),
            Kind::Prefix => return rule_values::prefix(value),
            Kind::DhcpOptions => return port_values::dhcp_options(value),
            Kind::AddressPairs => return port_values::address_pairs(value),
            Kind::ServiceTypes => return service_types::parse(value),
            Kind::DnsName => return dns::name(value),
            Kind::DnsDomain => return dns::domain(value),
            _ => {}
        }
        self.read(value)
            .map_err(|reason| ApiError::bad_request(format!("Invalid input for {attribute}. Reason: {reason}.")))
    }

    /// As [`Kind::parse`]; the error is the reason alone.
    pub(super) fn read(self, value: &Value) -> std::result::Result<Value, String> {
        match self {
            Kind::Bool => to_bool(value)
                .map(Value::Bool)
                .ok_or_else(|| format!("'{}' is not a valid boolean value", shown(value))),
            Kind::Integer(min, max) => integer(value, min, max),
            Kind::OptionalText(_) if value.is_null() => Ok(Value::Null),
            Kind::Text(max) | Kind::OptionalText(max) => text(value, max).map(Value::from),
            Kind::OneOf(values) => one_of(value, values),
            Kind::Uuid => uuid(value),
            Kind::Ip => parsed::<IpAddr>(value, "is not a valid IP address"),
            Kind::Mac => mac(value),
            Kind::Cidr => cidr(value),
            Kind::Object => match value {
                Value::Object(_) => Ok(value.clone()),
                // Neutron reads null as an empty dictionary
                Value::Null => Ok(json!({})),
                _ => Err(format!("'{}' is not a dictionary", shown(value))),
            },
            Kind::Texts(max) => list(value, Kind::Text(max)),
            Kind::Uuids => list(value, Kind::Uuid),
            Kind::Ips => list(value, Kind::Ip),
            Kind::Objects(keys) => objects(value, keys),
            Kind::Described(_) => Ok(value.clone()),
            Kind::Protocol
            | Kind::Ethertype
            | Kind::Port
            | Kind::Prefix
            | Kind::DhcpOptions
            | Kind::AddressPairs
            | Kind::ServiceTypes
            | Kind::DnsName
            | Kind::DnsDomain => self.parse("", value).map_err(|error| error.to_string()),
        }
    }

    /// What a filter compares with. Refused is what cannot even be compared with values of this kind: as with Neutron,
    /// that depends on the kind, and an id or an address that is none finds nothing.
    pub(crate) fn of_filter(self, attribute: &str, value: String) -> Result<String> {
        let given = Value::from(value.as_str());
        match self {
            Kind::Bool => self.parse(attribute, &given)?,
            // those out of range are no mistake
            Kind::Integer(..) => Kind::Integer(i64::MIN, i64::MAX).parse(attribute, &given)?,
            Kind::Cidr => {
                let net = value.parse::<IpNet>();
                let net = net.map_err(|_| ApiError::invalid(format!("{value} is not in a CIDR format")))?;
                return Ok(net.trunc().to_string());
            }
            Kind::Protocol | Kind::Ethertype | Kind::Port | Kind::Prefix if !value.is_empty() => {
                self.parse(attribute, &given)?
            }
            _ => given,
        };
        Ok(value)
    }

    /// Whether a filter says what of the value it means: objects have no one value to compare with.
    pub(crate) fn is_structured(self) -> bool {
        matches!(self, Kind::Object | Kind::Objects(_) | Kind::Described(_) | Kind::DhcpOptions | Kind::AddressPairs)
    }
}

/// What Neutron takes for a boolean: true, "True", 1, "1" and their opposites.
pub(crate) fn to_bool(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(value) => Some(*value),
        Value::Number(number) => match number.as_i64() {
            Some(0) => Some(false),
            Some(1) => Some(true),
            _ => None,
        },
        Value::String(text) if text == "1" || text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text == "0" || text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn not_boolean(value: &Value) -> ApiError {
    ApiError::invalid(format!("'{}' cannot be converted to boolean", shown(value)))
}

/// A number, or a string that is one: the client sends `"mtu": "1400"`. 1400.0 is an integer, too (JSON Schema 2020-12,
/// validation, section 6.1.1).
fn to_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64().or_else(|| {
            let whole = number.as_f64().filter(|number| number.fract() == 0.0)?;
            format!("{whole:.0}").parse().ok()
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn integer(value: &Value, min: i64, max: i64) -> std::result::Result<Value, String> {
    let number = to_integer(value).ok_or_else(|| format!("'{}' is not an integer", shown(value)))?;
    if number < min && min == 0 {
        return Err(format!("'{number}' should be non-negative"));
    }
    if number < min {
        return Err(format!("'{number}' is too small - must be at least '{min}'"));
    }
    if number > max {
        return Err(format!("'{number}' is too large - must be no larger than '{max}'"));
    }
    Ok(number.into())
}

fn text(value: &Value, max: usize) -> std::result::Result<&str, String> {
    // no engine but SQLite stores a NUL
    let text = value.as_str().filter(|text| !text.contains('\0'));
    let text = text.ok_or_else(|| format!("'{}' is not a valid string", shown(value)))?;
    if text.chars().count() > max { Err(format!("'{text}' exceeds maximum length of {max}")) } else { Ok(text) }
}

fn one_of(value: &Value, values: &[&str]) -> std::result::Result<Value, String> {
    let found = value.as_str().filter(|text| values.contains(text));
    found.map(Value::from).ok_or_else(|| format!("{} is not in valid_values", shown(value)))
}

fn uuid(value: &Value) -> std::result::Result<Value, String> {
    let parsed = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
    parsed.map(|id| id.to_string().into()).ok_or_else(|| format!("'{}' is not a valid UUID", shown(value)))
}

/// A string that parses, in the form that it is written back in.
fn parsed<T: std::str::FromStr + ToString>(value: &Value, complaint: &str) -> std::result::Result<Value, String> {
    let parsed = value.as_str().and_then(|text| text.parse::<T>().ok());
    parsed.map(|parsed| parsed.to_string().into()).ok_or_else(|| format!("'{}' {complaint}", shown(value)))
}

/// An address that a port can have.
fn mac(value: &Value) -> std::result::Result<Value, String> {
    let parsed = value.as_str().and_then(|text| text.parse::<Mac>().ok());
    match parsed {
        Some(mac) if !mac.is_multicast() && mac != Mac::ZERO => Ok(mac.to_string().into()),
        _ => Err(format!("'{}' is not a valid MAC address", shown(value))),
    }
}

fn cidr(value: &Value) -> std::result::Result<Value, String> {
    let text = value.as_str().unwrap_or_default();
    let Ok(net) = text.parse::<IpNet>() else {
        return Err(format!("'{}' is not a valid CIDR", shown(value)));
    };
    if net.trunc() == net {
        return Ok(net.to_string().into());
    }
    Err(format!("'{text}' is not a recognized CIDR, '{}' is recommended", net.trunc()))
}

fn list(value: &Value, kind: Kind) -> std::result::Result<Value, String> {
    let values = value.as_array().ok_or_else(|| format!("'{}' is not a list", shown(value)))?;
    let values = values.iter().map(|value| kind.read(value)).collect::<std::result::Result<Vec<_>, _>>()?;
    refuse_repetition(&values)?;
    Ok(values.into())
}

fn objects(value: &Value, keys: &[Key]) -> std::result::Result<Value, String> {
    let values = value.as_array().ok_or_else(|| format!("Invalid data format: '{}'", shown(value)))?;
    let objects = values.iter().map(|value| object(value, keys).map(Value::from));
    let objects = objects.collect::<std::result::Result<Vec<_>, _>>()?;
    refuse_repetition(&objects)?;
    Ok(objects.into())
}

/// An object with these keys, each value in its normal form.
pub(super) fn object(value: &Value, keys: &[Key]) -> std::result::Result<Object, String> {
    let object = value.as_object().ok_or_else(|| format!("Invalid data format: '{}'", shown(value)))?;
    if let Some(unknown) = object.keys().find(|name| keys.iter().all(|key| key.name != *name)) {
        return Err(format!("Unexpected keys supplied: {unknown}"));
    }
    let mut parsed = Object::new();
    for key in keys {
        match object.get(key.name) {
            Some(value) => {
                parsed.insert(key.name.to_owned(), key.kind.read(value)?);
            }
            None if key.required => return Err(format!("Expected keys not found: {}", key.name)),
            None => {}
        }
    }
    Ok(parsed)
}

fn refuse_repetition(values: &[Value]) -> std::result::Result<(), String> {
    let mut seen = HashSet::new();
    match values.iter().find(|value| !seen.insert(*value)) {
        Some(value) => Err(format!("Duplicate items in the list: '{}'", shown(value))),
        None => Ok(()),
    }
}

/// A value in a message, as Neutron shows it: a string without its quotes, anything else as Python writes it.
pub(super) fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| python(value), str::to_owned)
}

fn python(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{}'", text.replace('\\', r"\\").replace('\n', r"\n")),
        Value::Array(items) => format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", ")),
        Value::Object(object) => {
            let pairs = object.iter().map(|(name, value)| format!("'{name}': {}", python(value)));
            format!("{{{}}}", pairs.collect::<Vec<_>>().join(", "))
        }
    }
}
