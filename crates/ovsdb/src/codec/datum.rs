use std::collections::BTreeMap;

use serde_json::{Value, json};
use uuid::Uuid;

use super::malformed;
use crate::Error;

/// A scalar (RFC 7047 section 5.1, `<atom>`).
#[derive(Debug, Clone, PartialEq)]
pub enum Atom {
    Integer(i64),
    Real(f64),
    Boolean(bool),
    String(String),
    Uuid(Uuid),
    /// A row that the same transaction inserts under this name.
    NamedUuid(String),
}

/// A column's value (RFC 7047 section 5.1, `<value>`). A set of one element may come in either form.
#[derive(Debug, Clone, PartialEq)]
pub enum Datum {
    Atom(Atom),
    Set(Vec<Atom>),
    Map(Vec<(Atom, Atom)>),
}

/// Columns of a row by name (RFC 7047 section 5.1, `<row>`).
pub type Row = BTreeMap<String, Datum>;

pub fn row_from_json(value: &Value) -> Result<Row, Error> {
    let columns = value.as_object().ok_or_else(|| malformed("a row", value))?;
    columns.iter().map(|(name, datum)| Ok((name.clone(), Datum::from_json(datum)?))).collect()
}

pub fn row_to_json(row: &Row) -> Value {
    row.iter().map(|(name, datum)| (name.clone(), datum.to_json())).collect()
}

impl Datum {
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        match tagged(value) {
            Some(("set", Value::Array(atoms))) => {
                atoms.iter().map(Atom::from_json).collect::<Result<_, _>>().map(Datum::Set)
            }
            Some(("map", Value::Array(pairs))) => {
                pairs.iter().map(pair_from_json).collect::<Result<_, _>>().map(Datum::Map)
            }
            _ => Atom::from_json(value).map(Datum::Atom),
        }
    }

    pub fn to_json(&self) -> Value {
        match self {
            Datum::Atom(atom) => atom.to_json(),
            Datum::Set(atoms) => json!(["set", atoms.iter().map(Atom::to_json).collect::<Vec<_>>()]),
            Datum::Map(pairs) => {
                let pairs: Vec<_> = pairs.iter().map(|(key, value)| json!([key.to_json(), value.to_json()])).collect();
                json!(["map", pairs])
            }
        }
    }

    /// The elements of a set in either of its forms; `None` for a map.
    pub fn elements(&self) -> Option<&[Atom]> {
        match self {
            Datum::Atom(atom) => Some(std::slice::from_ref(atom)),
            Datum::Set(atoms) => Some(atoms),
            Datum::Map(_) => None,
        }
    }
}

impl Atom {
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        let atom = match value {
            Value::Bool(boolean) => Some(Atom::Boolean(*boolean)),
            Value::String(text) => Some(Atom::String(text.clone())),
            Value::Number(number) if number.is_f64() => number.as_f64().map(Atom::Real),
            Value::Number(number) => number.as_i64().map(Atom::Integer),
            Value::Array(_) => match tagged(value) {
                Some(("uuid", Value::String(text))) => Uuid::parse_str(text).ok().map(Atom::Uuid),
                Some(("named-uuid", Value::String(name))) => Some(Atom::NamedUuid(name.clone())),
                _ => None,
            },
            _ => None,
        };
        atom.ok_or_else(|| malformed("a value", value))
    }

    pub fn to_json(&self) -> Value {
        match self {
            Atom::Integer(integer) => json!(integer),
            Atom::Real(real) => json!(real),
            Atom::Boolean(boolean) => json!(boolean),
            Atom::String(text) => json!(text),
            Atom::Uuid(uuid) => json!(["uuid", uuid]),
            Atom::NamedUuid(name) => json!(["named-uuid", name]),
        }
    }
}

/// The two elements of a form such as `["set", …]`.
fn tagged(value: &Value) -> Option<(&str, &Value)> {
    match value.as_array()?.as_slice() {
        [Value::String(tag), content] => Some((tag, content)),
        _ => None,
    }
}

fn pair_from_json(value: &Value) -> Result<(Atom, Atom), Error> {
    match value.as_array().map(Vec::as_slice) {
        Some([key, value]) => Ok((Atom::from_json(key)?, Atom::from_json(value)?)),
        _ => Err(malformed("a key and a value", value)),
    }
}

macro_rules! atom_from {
    ($($from:ty => $variant:ident),*) => {
        $(impl From<$from> for Atom {
            fn from(value: $from) -> Self {
                Atom::$variant(value.into())
            }
        })*
    };
}
atom_from!(i64 => Integer, u16 => Integer, bool => Boolean, &str => String, String => String, Uuid => Uuid);

impl<T: Into<Atom>> From<T> for Datum {
    fn from(atom: T) -> Self {
        Datum::Atom(atom.into())
    }
}

impl<T: Into<Atom>> FromIterator<T> for Datum {
    /// A set.
    fn from_iter<I: IntoIterator<Item = T>>(atoms: I) -> Self {
        Datum::Set(atoms.into_iter().map(Into::into).collect())
    }
}

impl From<&BTreeMap<String, String>> for Datum {
    fn from(map: &BTreeMap<String, String>) -> Self {
        Datum::Map(map.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn atoms() -> impl Strategy<Value = Atom> {
        prop_oneof![
            any::<i64>().prop_map(Atom::Integer),
            // Eighths: exact both in binary and in a few decimal digits.
            any::<i32>().prop_map(|eighths| Atom::Real(f64::from(eighths) / 8.0)),
            any::<bool>().prop_map(Atom::Boolean),
            any::<String>().prop_map(Atom::String),
            any::<u128>().prop_map(|bits| Atom::Uuid(Uuid::from_u128(bits))),
            "[a-z_][a-z0-9_]{0,8}".prop_map(Atom::NamedUuid),
        ]
    }

    pub(crate) fn datums() -> impl Strategy<Value = Datum> {
        prop_oneof![
            atoms().prop_map(Datum::Atom),
            prop::collection::vec(atoms(), 0..4).prop_map(Datum::Set),
            prop::collection::vec((atoms(), atoms()), 0..4).prop_map(Datum::Map),
        ]
    }

    #[test]
    fn reads_every_form_of_rfc_7047() {
        let uuid = Uuid::from_u128(0x1234);
        for (json, datum) in [
            (json!(7), Datum::from(7i64)),
            (json!(0.5), Datum::Atom(Atom::Real(0.5))),
            (json!(true), Datum::from(true)),
            (json!("set"), Datum::from("set")),
            (json!(["uuid", uuid.to_string()]), Datum::from(uuid)),
            (json!(["named-uuid", "p0"]), Datum::Atom(Atom::NamedUuid("p0".into()))),
            (json!(["set", []]), Datum::Set(vec![])),
            (json!(["set", [1, 2]]), [1i64, 2].into_iter().collect()),
            (json!(["map", [["a", 1]]]), Datum::Map(vec![("a".into(), 1i64.into())])),
        ] {
            assert_eq!(Datum::from_json(&json).unwrap(), datum);
            assert_eq!(datum.to_json(), json);
        }
    }

    #[test]
    fn refuses_what_is_no_value() {
        for bad in [
            json!(null),
            json!({}),
            json!([]),
            json!(["uuid", "x"]),
            json!(["set", 1]),
            json!(["set", [["set", []]]]),
            json!(["map", [["a"]]]),
            json!(u64::MAX),
        ] {
            assert!(Datum::from_json(&bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn decodes_what_it_encodes(datum in datums()) {
            let bytes = serde_json::to_vec(&datum.to_json()).unwrap();
            prop_assert_eq!(Datum::from_json(&serde_json::from_slice(&bytes).unwrap()).unwrap(), datum);
        }
    }
}
