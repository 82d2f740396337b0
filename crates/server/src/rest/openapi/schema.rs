//! Attributes as JSON Schema.

use serde_json::{Map, Value, json};

use super::super::kind::{Key, Kind};
use super::super::port_values::{ADDRESS_PAIR, DHCP_OPTION};
use super::super::table::{Attribute, Null, Post, Table};

/// An object as it is shown. `fields` can leave out any attribute, so none is required.
pub(crate) fn shown(table: &Table) -> Value {
    let properties = properties(table, |attribute| attribute.shown, |kind| of(kind, Side::Shown));
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// What makes an object.
pub(crate) fn created(table: &Table) -> Value {
    let properties = properties(table, |attribute| attribute.post != Post::Never, |kind| of(kind, Side::Given));
    let required = table.attributes.iter().filter(|attribute| attribute.post == Post::Required);
    let required: Vec<&str> = required.map(|attribute| attribute.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

/// What changes it.
pub(crate) fn updated(table: &Table) -> Value {
    let properties = properties(table, |attribute| attribute.put, |kind| of(kind, Side::Given));
    json!({"type": "object", "properties": properties, "additionalProperties": false})
}

/// An object with these members, and no others.
pub(crate) fn object(properties: &Value) -> Value {
    let names: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({"type": "object", "properties": properties, "required": names, "additionalProperties": false})
}

/// To one of the document's schemas.
pub(crate) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// `security_group` → `SecurityGroup`
pub(crate) fn name(table: &Table) -> String {
    let words = table.singular.split('_').map(|word| {
        let mut letters = word.chars();
        letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect::<String>()
    });
    words.collect()
}

fn properties(
    table: &Table,
    wanted: impl Fn(&Attribute) -> bool,
    schema: impl Fn(Kind) -> Value,
) -> Map<String, Value> {
    let wanted = table.attributes.iter().filter(|attribute| wanted(attribute));
    let property = |attribute: &Attribute| {
        let schema = schema(attribute.kind);
        let schema =
            if attribute.null == Null::Refused { schema } else { json!({"anyOf": [schema, {"type": "null"}]}) };
        (attribute.name.to_owned(), schema)
    };
    wanted.map(property).collect()
}

/// What clients give is bounded; what is shown may hold more, and other forms.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Side {
    Given,
    Shown,
}

fn of(kind: Kind, side: Side) -> Value {
    let list = |kind| json!({"type": "array", "items": of(kind, side), "uniqueItems": side == Side::Given});
    match kind {
        Kind::Text(max) if side == Side::Given => json!({"type": "string", "maxLength": max}),
        Kind::OptionalText(max) => json!({"anyOf": [of(Kind::Text(max), side), {"type": "null"}]}),
        // an unbound port shows an empty host name
        Kind::Text(_) | Kind::Prefix | Kind::DnsName | Kind::DnsDomain => json!({"type": "string"}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Integer(min, max) => json!({"type": "integer", "minimum": min, "maximum": max}),
        Kind::OneOf(values) => json!({"enum": values}),
        Kind::Uuid => json!({"type": "string", "format": "uuid"}),
        Kind::Ip => json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
        Kind::Cidr => json!({"type": "string", "pattern": "^[0-9a-fA-F.:]+/[0-9]+$"}),
        Kind::Mac => json!({"type": "string", "pattern": "^([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$"}),
        Kind::Object => json!({"type": "object"}),
        Kind::Protocol => json!({"type": ["string", "integer"]}),
        Kind::Ethertype => json!({"enum": ["IPv4", "IPv6"]}),
        Kind::Port => json!({"type": "integer"}),
        Kind::DhcpOptions => of(Kind::Objects(DHCP_OPTION), side),
        Kind::AddressPairs => of(Kind::Objects(ADDRESS_PAIR), side),
        Kind::ServiceTypes => list(Kind::Text(255)),
        Kind::Texts(max) => list(Kind::Text(max)),
        Kind::Uuids => list(Kind::Uuid),
        Kind::Ips => list(Kind::Ip),
        Kind::Objects(keys) => json!({"type": "array", "items": item(keys, side)}),
        Kind::Described(name) => json!({"type": "array", "items": reference(name)}),
    }
}

fn item(keys: &[Key], side: Side) -> Value {
    let properties: Map<String, Value> = keys.iter().map(|key| (key.name.to_owned(), of(*key.kind, side))).collect();
    let required: Vec<&str> = keys.iter().filter(|key| key.required).map(|key| key.name).collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
