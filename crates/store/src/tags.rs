//! Tags: words that users hang on objects. They live among an object's attributes, and are changed one by one here, in
//! a transaction, so that two who add one each both keep theirs.

use serde_json::Value;
use sqlx::Row as _;
use uuid::Uuid;

use model::{NetworkId, PortId, SubnetId};

use crate::db::{attributes_from, attributes_text};
use crate::types::Attributes;
use crate::write::{Touched, Write};
use crate::{Error, Result, Store};

const TAGS: &str = "tags";

/// What can have tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tagged {
    Network(NetworkId),
    Subnet(SubnetId),
    Port(PortId),
    SecurityGroup(Uuid),
}

/// A change of an object's tags. Adding one that is there and removing all where none is change nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TagChange {
    Add(String),
    /// [`Error::TagNotFound`] if it is not there.
    Remove(String),
    Replace(Vec<String>),
}

impl Store {
    /// An object's tags, in order.
    pub async fn tags(&self, of: Tagged) -> Result<Vec<String>> {
        let mut reader = self.reader().await?;
        let row = sqlx::query(of.select()).bind(of.id()).fetch_optional(&mut *reader).await?;
        Ok(read(&attributes_from(row.ok_or_else(|| of.missing())?.try_get(0)?)?))
    }

    /// Counts as a change of the object, if it is one.
    pub async fn change_tags(&self, of: Tagged, change: TagChange) -> Result<()> {
        self.write(move |write| Box::pin(async move { self::change(write, of, change).await })).await
    }
}

async fn change(write: &mut Write<'_>, of: Tagged, change: TagChange) -> Result<()> {
    let row = sqlx::query(of.select()).bind(of.id()).fetch_optional(write.db().await?).await?;
    let mut attributes = attributes_from(row.ok_or_else(|| of.missing())?.try_get(0)?)?;
    let before = read(&attributes);
    let after = apply(&before, change)?;
    if after == before {
        return Ok(());
    }
    attributes.insert(TAGS.to_owned(), after.into());
    let now = write.now;
    sqlx::query(of.update())
        .bind(attributes_text(&attributes)?)
        .bind(now)
        .bind(of.id())
        .execute(write.db().await?)
        .await?;
    write.touch(of.touched(), None);
    Ok(())
}

fn read(attributes: &Attributes) -> Vec<String> {
    let tags = attributes.get(TAGS).and_then(Value::as_array);
    tags.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The tags after the change, sorted. Pure.
fn apply(before: &[String], change: TagChange) -> Result<Vec<String>> {
    let mut after = match change {
        TagChange::Add(tag) => before.iter().cloned().chain([tag]).collect(),
        TagChange::Remove(tag) if !before.contains(&tag) => return Err(Error::TagNotFound(tag)),
        TagChange::Remove(tag) => before.iter().filter(|known| **known != tag).cloned().collect(),
        TagChange::Replace(tags) => tags,
    };
    after.sort_unstable();
    after.dedup();
    Ok(after)
}

impl Tagged {
    fn id(self) -> Uuid {
        match self {
            Tagged::Network(id) => id.0,
            Tagged::Subnet(id) => id.0,
            Tagged::Port(id) => id.0,
            Tagged::SecurityGroup(id) => id,
        }
    }

    fn select(self) -> &'static str {
        match self {
            Tagged::Network(_) => "SELECT attributes FROM networks WHERE id = $1",
            Tagged::Subnet(_) => "SELECT attributes FROM subnets WHERE id = $1",
            Tagged::Port(_) => "SELECT attributes FROM ports WHERE id = $1",
            Tagged::SecurityGroup(_) => "SELECT attributes FROM security_groups WHERE id = $1",
        }
    }

    fn update(self) -> &'static str {
        match self {
            Tagged::Network(_) => {
                "UPDATE networks SET attributes = $1, updated_at = $2, revision_number = revision_number + 1 WHERE id = $3"
            }
            Tagged::Subnet(_) => {
                "UPDATE subnets SET attributes = $1, updated_at = $2, revision_number = revision_number + 1 WHERE id = $3"
            }
            Tagged::Port(_) => {
                "UPDATE ports SET attributes = $1, updated_at = $2, revision_number = revision_number + 1 WHERE id = $3"
            }
            Tagged::SecurityGroup(_) => {
                "UPDATE security_groups SET attributes = $1, updated_at = $2, revision_number = revision_number + 1 \
                 WHERE id = $3"
            }
        }
    }

    fn missing(self) -> Error {
        match self {
            Tagged::Network(id) => Error::NetworkNotFound(id),
            Tagged::Subnet(id) => Error::SubnetNotFound(id),
            Tagged::Port(id) => Error::PortNotFound(id),
            Tagged::SecurityGroup(id) => Error::SecurityGroupNotFound(id),
        }
    }

    fn touched(self) -> Touched {
        match self {
            Tagged::Network(id) => Touched::Network(id),
            Tagged::Subnet(id) => Touched::Subnet(id),
            Tagged::Port(id) => Touched::Port(id),
            Tagged::SecurityGroup(id) => Touched::SecurityGroup(id),
        }
    }
}
