//! Names and values of fields.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::error::{Error, Result};
use crate::field::Form;
use crate::{Field, PortNo, Subfield, port};

const PORTS: &[(PortNo, &str)] = &[
    (port::IN_PORT, "IN_PORT"),
    (port::TABLE, "TABLE"),
    (port::NORMAL, "NORMAL"),
    (port::FLOOD, "FLOOD"),
    (port::ALL, "ALL"),
    (port::CONTROLLER, "CONTROLLER"),
    (port::LOCAL, "LOCAL"),
    (port::ANY, "ANY"),
];

/// The name of a reserved port.
pub(super) fn port_name(port: PortNo) -> Option<&'static str> {
    PORTS.iter().find(|(number, _)| *number == port).map(|(_, name)| *name)
}

pub(super) fn port(text: &str) -> Result<PortNo> {
    match PORTS.iter().find(|(_, name)| name.eq_ignore_ascii_case(text)) {
        Some((number, _)) => Ok(*number),
        None => number(text),
    }
}

/// A number, decimal or (with `0x`) hexadecimal, that fits.
pub(super) fn number<T: TryFrom<u128>>(text: &str) -> Result<T> {
    let wide = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u128::from_str_radix(hex, 16),
        None => text.parse(),
    };
    let fitting = wide.ok().filter(|_| !text.contains('+')).and_then(|wide| T::try_from(wide).ok());
    fitting.ok_or_else(|| Error::text("a number in range", text))
}

/// A field by its name in a match or in `set_field`, older names included.
pub(super) fn field(name: &str) -> Result<Field> {
    let unknown = || Error::text("a field", name);
    let register = |prefix: &str, count: u8| {
        let n = name.strip_prefix(prefix)?.parse::<u8>().ok()?;
        (n < count).then_some(n)
    };
    if let Some(n) = register("reg", 16) {
        return Ok(Field::Reg(n));
    }
    if let Some(n) = register("xreg", 8) {
        return Ok(Field::XReg(n));
    }
    if let Some(code) = name.strip_prefix("oxm-") {
        return unnamed(code).ok_or_else(unknown);
    }
    let name = match name {
        "dl_src" => "eth_src",
        "dl_dst" => "eth_dst",
        "dl_type" => "eth_type",
        "dl_vlan_pcp" => "vlan_pcp",
        "nw_src" => "ip_src",
        "nw_dst" => "ip_dst",
        "ip_proto" => "nw_proto",
        "ip_ttl" => "nw_ttl",
        "ip_ecn" => "nw_ecn",
        "tunnel_id" => "tun_id",
        "icmpv4_type" => "icmp_type",
        "icmpv4_code" => "icmp_code",
        name => name,
    };
    with_names().find(|(_, info)| info.name == name).map(|(field, _)| field).ok_or_else(unknown)
}

fn with_names() -> impl Iterator<Item = (Field, crate::field::Info)> {
    let fields = Field::PLAIN.iter().copied().chain([Field::Metadata]);
    fields.filter_map(|field| Some((field, field.info()?)))
}

fn unnamed(code: &str) -> Option<Field> {
    let mut parts = code.split('-');
    let class = u16::from_str_radix(parts.next()?, 16).ok()?;
    let number = u8::from_str_radix(parts.next()?, 16).ok().filter(|number| *number < 128)?;
    let bytes = u8::from_str_radix(parts.next()?, 16).ok().filter(|bytes| *bytes <= 16)?;
    let experimenter = u32::from_str_radix(parts.next()?, 16).ok()?;
    parts.next().is_none().then_some(Field::Unknown { class, number, experimenter, bytes })
}

/// Prints a field's name.
pub(super) struct Name(pub(super) Field);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Field::Reg(n) => write!(f, "reg{n}"),
            Field::XReg(n) => write!(f, "xreg{n}"),
            Field::Unknown { class, number, experimenter, bytes } => {
                write!(f, "oxm-{class:x}-{number:x}-{bytes:x}-{experimenter:x}")
            }
            named => f.write_str(named.info().map_or("", |info| info.name)),
        }
    }
}

fn form(field: Field) -> Form {
    field.info().map_or(Form::Hex, |info| info.form)
}

/// A field's value, without a mask.
pub(super) fn value(field: Field, text: &str) -> Result<u128> {
    let value = match form(field) {
        Form::Mac if text.contains(':') => mac(text),
        Form::Ipv4 if text.contains('.') => text.parse::<Ipv4Addr>().ok().map(|ip| u32::from(ip).into()),
        Form::Ipv6 if text.contains(':') => text.parse::<Ipv6Addr>().ok().map(u128::from),
        Form::Port => port(text).ok().map(u128::from),
        _ => number(text).ok(),
    };
    value.filter(|value| *value <= field.ones()).ok_or_else(|| Error::text("a value of that field", text))
}

fn mac(text: &str) -> Option<u128> {
    let mut octets = 0;
    let value = text.split(':').try_fold(0, |value, octet| {
        octets += 1;
        let octet = Some(octet).filter(|octet| octet.len() <= 2 && !octet.starts_with('+'))?;
        Some(value << 8 | u128::from(u8::from_str_radix(octet, 16).ok()?))
    })?;
    (octets == 6).then_some(value)
}

/// `VALUE` or `VALUE/MASK`; for IP addresses also `VALUE/LENGTH`.
pub(super) fn masked(field: Field, text: &str) -> Result<(u128, Option<u128>)> {
    let Some((left, right)) = text.split_once('/') else { return Ok((value(field, text)?, None)) };
    let length = match form(field) {
        Form::Ipv4 | Form::Ipv6 => right.parse::<u16>().ok().filter(|length| *length <= field.bits()),
        _ => None,
    };
    let mask = match length {
        Some(length) => field.ones() & !crate::field::ones(field.bits() - length),
        None => value(field, right)?,
    };
    Ok((value(field, left)? & mask, Some(mask)))
}

/// Prints a value and its mask.
pub(super) struct Value(pub(super) Field, pub(super) u128, pub(super) Option<u128>);

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Value(field, value, mask) = *self;
        let form = form(field);
        bare(f, form, value)?;
        let Some(mask) = mask else { return Ok(()) };
        f.write_str("/")?;
        let length = field.bits().saturating_sub(u16::try_from(mask.trailing_zeros()).unwrap_or(0));
        let is_prefix = mask != 0 && mask == field.ones() & !crate::field::ones(field.bits() - length);
        match form {
            Form::Ipv4 | Form::Ipv6 if is_prefix => write!(f, "{length}"),
            Form::Decimal => write!(f, "{mask:#x}"),
            form => bare(f, form, mask),
        }
    }
}

#[allow(clippy::cast_possible_truncation)] // to the width of the address
fn bare(f: &mut fmt::Formatter<'_>, form: Form, value: u128) -> fmt::Result {
    match form {
        Form::Decimal => write!(f, "{value}"),
        Form::Hex if value == 0 => f.write_str("0"),
        Form::Hex => write!(f, "{value:#x}"),
        Form::Mac => (0..6).rev().try_for_each(|octet| {
            write!(f, "{:02x}{}", (value >> (8 * octet)) as u8, if octet == 0 { "" } else { ":" })
        }),
        Form::Ipv4 => write!(f, "{}", Ipv4Addr::from(value as u32)),
        Form::Ipv6 => write!(f, "{}", Ipv6Addr::from(value)),
        Form::Port => match port_name(value as PortNo) {
            Some(name) => f.write_str(name),
            None => write!(f, "{value}"),
        },
    }
}

/// Width of a field as `[]` means it: Open vSwitch leaves the bit "present" of a VLAN id out.
fn whole(field: Field) -> u16 {
    if field == Field::VlanVid { 12 } else { field.bits() }
}

impl fmt::Display for Subfield {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.field {
            Field::Reg(n) => write!(f, "NXM_NX_REG{n}")?,
            Field::XReg(n) => write!(f, "OXM_OF_PKT_REG{n}")?,
            field => match field.info().and_then(|info| info.nxm.or(info.oxm)) {
                Some((_, _, name)) => f.write_str(name)?,
                None => write!(f, "{}", Name(field))?,
            },
        }
        match (self.offset, self.bits) {
            (0, bits) if bits == whole(self.field) => f.write_str("[]"),
            (offset, 1) => write!(f, "[{offset}]"),
            (offset, bits) => write!(f, "[{offset}..{}]", u32::from(offset) + u32::from(bits.saturating_sub(1))),
        }
    }
}

/// `NAME[]`, `NAME[BIT]` or `NAME[FIRST..LAST]`.
pub(super) fn subfield(text: &str) -> Result<Subfield> {
    let wrong = || Error::text("a field's bits, such as NXM_NX_REG0[0..15]", text);
    let (name, range) = text.trim().strip_suffix(']').and_then(|text| text.split_once('[')).ok_or_else(wrong)?;
    let field = by_code_name(name).map_or_else(|| self::field(name), Ok)?;
    let (offset, last) = match range.split_once("..") {
        _ if range.is_empty() => (0, whole(field).saturating_sub(1)),
        Some((first, last)) => (number::<u16>(first)?, number::<u16>(last)?),
        None => {
            let bit = number::<u16>(range)?;
            (bit, bit)
        }
    };
    if last < offset || last >= field.bits() {
        return Err(wrong());
    }
    Ok(Subfield { field, offset, bits: last - offset + 1 })
}

fn by_code_name(name: &str) -> Option<Field> {
    let register = |prefix: &str, count: u8| {
        let n = name.strip_prefix(prefix)?.parse::<u8>().ok()?;
        (n < count).then_some(n)
    };
    if let Some(n) = register("NXM_NX_REG", 16) {
        return Some(Field::Reg(n));
    }
    if let Some(n) = register("OXM_OF_PKT_REG", 8) {
        return Some(Field::XReg(n));
    }
    let is_named = |code: Option<crate::field::Code>| code.is_some_and(|(_, _, code)| code == name);
    with_names().find(|(_, info)| is_named(info.nxm) || is_named(info.oxm)).map(|(field, _)| field)
}
