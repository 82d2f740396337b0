//! Neutron's versioned objects (oslo.versionedobjects), read and written at exactly the version that the other side speaks.
//!
//! Each type is described once, in a table: its fields in Neutron's order, and the minor version that each came with. A
//! reader and a writer follow from it. Source: `neutron/objects/` of Neutron 21 to 29, `oslo_versionedobjects/base.py`.

mod address_group;
mod field;
mod network;
mod port;
mod security_group;
mod subnet;
mod table;

use std::collections::BTreeMap;

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

pub use self::address_group::{AddressAssociation, AddressGroup};
pub use self::field::{Field, MiscValues};
pub use self::network::{Network, NetworkPortSecurity, NetworkSegment};
pub use self::port::{
    AllowedAddressPair, DistributedPortBinding, ExtraDhcpOpt, IpAllocation, Port, PortBinding, PortBindingLevel,
    PortDataPlaneStatus, PortDns, PortHints, PortSecurity,
};
pub use self::security_group::{SecurityGroup, SecurityGroupRule};
pub use self::subnet::{DnsNameServer, IpAllocationPool, Route, Subnet};
use crate::address::Name;
use crate::{Error, Json, Version};

/// A type of versioned objects. The major version of all is 1.
pub trait Object: Sized {
    /// As in `Port`.
    const NAME: &'static str;
    /// Minor versions that are known, first and last.
    const MINORS: (u32, u32);
    /// Objects in fields of this one: at which minor version they are, from which one of this one on. What is not named is
    /// at its last.
    const CHILDREN: Children;

    #[doc(hidden)]
    fn read_fields(data: &Data) -> Result<Self, Error>;

    #[doc(hidden)]
    fn write_fields<M: SerializeMap>(&self, holder: Holder, map: &mut M) -> Result<(), M::Error>;

    #[doc(hidden)]
    fn set_fields(&self, minor: u32) -> Vec<&'static str>;

    /// The last version that is known here.
    fn latest() -> Version {
        Version::new(1, Self::MINORS.1)
    }

    /// The object, and the version that it was at. A field that is not of the type is passed over.
    fn read(primitive: &Json) -> Result<(Self, Version), Error> {
        let Primitive { name, namespace, version, data } = primitive.read()?;
        if name != Self::NAME || namespace != NAMESPACE {
            return Err(Error::OtherObject { wanted: Self::NAME, found: format!("{namespace}.{name}") });
        }
        Self::check(version)?;
        Ok((Self::read_fields(&data)?, version))
    }

    /// The object at this version: without the fields that came later.
    fn write(&self, version: Version) -> Result<Json, Error> {
        Self::check(version)?;
        Json::of(&At { object: self, minor: version.minor, changes: false })
    }

    /// With the names of the fields that are set, as a server pushes what has been deleted.
    fn write_changes(&self, version: Version) -> Result<Json, Error> {
        Self::check(version)?;
        Json::of(&At { object: self, minor: version.minor, changes: true })
    }

    /// The topic of pushes of such objects at this version, as in `neutron-vo-Port-1.7`.
    fn topic(version: Version) -> Result<Name, Error> {
        Name::new(&format!("neutron-vo-{}-{version}", Self::NAME))
    }

    #[doc(hidden)]
    fn check(version: Version) -> Result<(), Error> {
        let (first, last) = Self::MINORS;
        let known = version.major == 1 && (first..=last).contains(&version.minor);
        known.then_some(()).ok_or(Error::ObjectVersion { name: Self::NAME, version, first, last })
    }
}

pub type Children = &'static [(&'static str, &'static [(u32, u32)])];

/// `versioned_object.data`.
#[doc(hidden)]
pub type Data = BTreeMap<String, Json>;

/// The object that a field is in, at the version that is written.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct Holder {
    minor: u32,
    children: Children,
}

impl Holder {
    fn minor_of<T: Object>(&self) -> u32 {
        let steps = self.children.iter().find(|(name, _)| *name == T::NAME).map_or(&[][..], |(_, steps)| steps);
        let step = steps.iter().rev().find(|(from, _)| *from <= self.minor);
        step.map_or(T::MINORS.1, |(_, minor)| *minor)
    }
}

const NAMESPACE: &str = "versionedobjects";

#[derive(Deserialize)]
struct Primitive {
    #[serde(rename = "versioned_object.name")]
    name: String,
    #[serde(rename = "versioned_object.namespace")]
    namespace: String,
    #[serde(rename = "versioned_object.version")]
    version: Version,
    #[serde(rename = "versioned_object.data")]
    data: Data,
}

/// An object as it is at one version.
struct At<'a, T> {
    object: &'a T,
    minor: u32,
    changes: bool,
}

impl<T: Object> Serialize for At<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("versioned_object.name", T::NAME)?;
        map.serialize_entry("versioned_object.namespace", NAMESPACE)?;
        map.serialize_entry("versioned_object.version", &Version::new(1, self.minor))?;
        map.serialize_entry("versioned_object.data", &Fields(self))?;
        if self.changes {
            map.serialize_entry("versioned_object.changes", &self.object.set_fields(self.minor))?;
        }
        map.end()
    }
}

struct Fields<'a, T>(&'a At<'a, T>);

impl<T: Object> Serialize for Fields<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.object.write_fields(Holder { minor: self.0.minor, children: T::CHILDREN }, &mut map)?;
        map.end()
    }
}
