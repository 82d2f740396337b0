use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use model::Mac;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};
use uuid::Uuid;

use super::{Data, Holder, Object};
use crate::{Error, Json};

/// A field of an object: an object that was made of an id alone has not all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Field<T> {
    /// Nothing is said of it.
    #[default]
    Unset,
    /// Said to have no value.
    Null,
    Set(T),
}

impl<T> Field<T> {
    pub fn value(&self) -> Option<&T> {
        match self {
            Field::Set(value) => Some(value),
            Field::Unset | Field::Null => None,
        }
    }

    /// Something is said of it, be it that it has no value.
    pub fn is_set(&self) -> bool {
        !matches!(self, Field::Unset)
    }
}

/// None is [`Field::Null`].
impl<T> From<Option<T>> for Field<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Field::Null, Field::Set)
    }
}

/// A dictionary that Neutron sends as the text of a JSON object, such as a binding's profile.
#[derive(Debug, Clone, PartialEq)]
pub struct MiscValues(pub Json);

/// What a field can have for a value.
pub(crate) trait FieldType: Sized {
    fn read(value: &Json) -> Result<Self, Error>;
    fn write<S: Serializer>(&self, holder: Holder, serializer: S) -> Result<S::Ok, S::Error>;
}

pub(super) fn read<O: Object, T: FieldType>(data: &Data, field: &'static str) -> Result<Field<T>, Error> {
    match data.get(field) {
        None => Ok(Field::Unset),
        Some(null) if null.is_null() => Ok(Field::Null),
        Some(value) => match T::read(value) {
            Ok(value) => Ok(Field::Set(value)),
            Err(source) => Err(Error::Field { name: O::NAME, field, source: Box::new(source) }),
        },
    }
}

pub(super) fn write<T: FieldType, M: SerializeMap>(
    field: &Field<T>,
    name: &'static str,
    since: u32,
    holder: Holder,
    map: &mut M,
) -> Result<(), M::Error> {
    match field {
        _ if holder.minor < since => Ok(()),
        Field::Unset => Ok(()),
        Field::Null => map.serialize_entry(name, &()),
        Field::Set(value) => map.serialize_entry(name, &In { value, holder }),
    }
}

struct In<'a, T> {
    value: &'a T,
    holder: Holder,
}

impl<T: FieldType> Serialize for In<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.write(self.holder, serializer)
    }
}

/// Values that are on the wire as serde has them.
macro_rules! plain {
    ($($type:ty),*) => {$(
        impl FieldType for $type {
            fn read(value: &Json) -> Result<Self, Error> {
                value.read()
            }

            fn write<S: Serializer>(&self, _: Holder, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )*};
}

plain!(bool, i64, String, Uuid, Mac, IpAddr, IpNet, BTreeSet<Uuid>);

impl<T: FieldType> FieldType for Vec<T> {
    fn read(value: &Json) -> Result<Self, Error> {
        value.read::<Vec<Json>>()?.iter().map(T::read).collect()
    }

    fn write<S: Serializer>(&self, holder: Holder, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|value| list.serialize_element(&In { value, holder }))?;
        list.end()
    }
}

impl FieldType for MiscValues {
    fn read(value: &Json) -> Result<Self, Error> {
        Ok(MiscValues(serde_json::from_str(&value.read::<String>()?)?))
    }

    fn write<S: Serializer>(&self, _: Holder, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.as_str())
    }
}
