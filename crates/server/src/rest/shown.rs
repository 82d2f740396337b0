//! An object as it is shown, not yet put together: what is written as text at once is never an object in memory.

use std::net::IpAddr;

use model::{Mac, PortStatus};
use serde::Serialize;
use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::Value;
use store::{Attributes, Stamp};
use uuid::Uuid;

use super::error::{ApiError, Result};
use super::table::{Object, Table};
use super::time;

/// Bytes of an object, as most ports are.
const EXPECTED: usize = 1024;

/// Its attributes. Those that neither are its own nor were kept have their defaults.
#[derive(Debug)]
pub(crate) struct Shown<'a> {
    pub(crate) own: Vec<(&'static str, Own<'a>)>,
    pub(crate) kept: &'a Attributes,
}

/// A value as the store has it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Own<'a> {
    Flag(bool),
    Number(i64),
    Id(Uuid),
    Mac(Mac),
    Status(PortStatus),
    Text(&'a str),
    /// Made for showing.
    Written(String),
    Addresses(Vec<Address>),
    Names(Vec<Name>),
    Json(&'a Value),
    /// An object without members.
    Nothing {},
}

/// An item of `fixed_ips`.
#[derive(Debug, Serialize)]
pub(crate) struct Address {
    pub(crate) subnet_id: Uuid,
    pub(crate) ip_address: IpAddr,
}

/// An item of `dns_assignment`.
#[derive(Debug, Serialize)]
pub(crate) struct Name {
    pub(crate) ip_address: IpAddr,
    pub(crate) hostname: String,
    pub(crate) fqdn: String,
}

/// What every stored object shows: whose it is, and its stamp.
pub(crate) fn common(project: &str, stamp: Stamp) -> [(&'static str, Own<'_>); 5] {
    [
        ("project_id", Own::Text(project)),
        ("tenant_id", Own::Text(project)),
        ("created_at", Own::Written(time::zulu(stamp.created_at))),
        ("updated_at", Own::Written(time::zulu(stamp.updated_at))),
        ("revision_number", Own::Number(stamp.revision_number)),
    ]
}

impl Shown<'_> {
    /// Without the defaults.
    pub(crate) fn object(&self) -> Result<Object> {
        let mut object = self.kept.clone();
        for (name, value) in &self.own {
            object.insert((*name).to_owned(), serde_json::to_value(value).map_err(|error| unfit(&error))?);
        }
        Ok(object)
    }

    /// As JSON, in the order of the table.
    pub(crate) fn text(&self, table: &Table) -> Result<Vec<u8>> {
        let mut text = Vec::with_capacity(EXPECTED);
        self.write(table, &mut text).map_err(|error| unfit(&error))?;
        Ok(text)
    }

    fn write(&self, table: &Table, text: &mut Vec<u8>) -> serde_json::Result<()> {
        let mut json = serde_json::Serializer::new(text);
        let mut object = json.serialize_map(None)?;
        for attribute in table.attributes {
            let own = self.own.iter().find(|(name, _)| *name == attribute.name);
            match (own, self.kept.get(attribute.name)) {
                (Some((_, value)), _) => object.serialize_entry(attribute.name, value)?,
                (None, Some(value)) => object.serialize_entry(attribute.name, value)?,
                (None, None) => object.serialize_entry(attribute.name, &attribute.missing())?,
            }
        }
        object.end()
    }
}

fn unfit(error: &serde_json::Error) -> ApiError {
    store::Error::Corrupt(error.to_string()).into()
}
