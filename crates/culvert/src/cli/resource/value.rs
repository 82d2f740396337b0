//! From options to attributes and filters, and from names to ids.

use std::borrow::Borrow;

use serde_json::Value;
use uuid::Uuid;

use super::command::pairs;
use super::{Fixed, Given, Key, Kind, Object, Resource};
use crate::cli::exit::Failure;
use crate::cli::rest::Rest;

/// How many objects of one name an error lists.
const LISTED: usize = 10;

impl Given {
    /// The value that the attribute is to have.
    pub(super) async fn value(&self, rest: &Rest) -> anyhow::Result<Value> {
        let only = || self.values.first().cloned().unwrap_or_default();
        Ok(match self.option.kind {
            Kind::Text(_) => only().into(),
            Kind::Number(_) => only().parse::<u64>()?.into(),
            Kind::Id(resource) => resource.id(rest, &only()).await?.into(),
            Kind::Flag(Fixed::True) => true.into(),
            Kind::Flag(Fixed::False) => false.into(),
            Kind::Flag(Fixed::Null) => Value::Null,
            Kind::Flag(Fixed::EmptyList) => Value::Array(Vec::new()),
            Kind::Texts(_) => self.values.clone().into(),
            Kind::Objects(keys) => {
                let mut objects = Vec::new();
                for text in &self.values {
                    let members = members(keys, text, rest).await?;
                    let object: Object =
                        members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
                    objects.push(Value::from(object));
                }
                Value::Array(objects)
            }
        })
    }

    /// The parts of a list's query that select by it.
    pub(super) async fn filters(&self, rest: &Rest) -> anyhow::Result<Vec<String>> {
        let Kind::Objects(keys) = self.option.kind else {
            return Ok(match self.value(rest).await? {
                Value::String(text) => vec![text],
                Value::Null => vec![String::new()],
                value => vec![value.to_string()],
            });
        };
        let mut filters = Vec::new();
        for text in &self.values {
            let members = members(keys, text, rest).await?;
            filters.extend(members.into_iter().map(|(name, value)| format!("{name}={value}")));
        }
        Ok(filters)
    }
}

async fn members(keys: &'static [Key], text: &str, rest: &Rest) -> anyhow::Result<Vec<(&'static str, String)>> {
    let mut members = Vec::new();
    for (key, value) in pairs(keys, text).map_err(anyhow::Error::msg)? {
        let value = match key.of {
            Some(resource) => resource.id(rest, value).await?,
            None => value.to_owned(),
        };
        members.push((key.attribute, value));
    }
    Ok(members)
}

impl Resource {
    /// The id of the one object that is called so, by name or id.
    pub(super) async fn id(&self, rest: &Rest, name: &str) -> anyhow::Result<String> {
        let by = if Uuid::parse_str(name).is_ok() { "id" } else { self.name };
        let found = rest.list(self.api.1, &[(by, name), ("fields", "id")]).await?;
        let ids: Vec<&str> = found.iter().filter_map(id).collect();
        match ids[..] {
            [only] => Ok(only.to_owned()),
            _ => Err(self.unclear(name, &ids).into()),
        }
    }

    /// A name that is nobody's, or that of several, which are these.
    pub(in crate::cli) fn unclear(&self, name: &str, ids: &[impl Borrow<str>]) -> Failure {
        let noun = self.noun;
        if ids.is_empty() {
            let hint = Some(format!("`culvert {noun} list` shows those that there are"));
            return Failure::NotFound { what: format!("there is no {noun} {name}"), hint };
        }
        let listed = ids.iter().take(LISTED).map(Borrow::borrow).collect::<Vec<_>>().join(", ");
        let more = if ids.len() > LISTED { ", …" } else { "" };
        let what = format!("{} {noun}s are called {name}: {listed}{more}", ids.len());
        Failure::NotFound { what, hint: Some("say which one by its id".to_owned()) }
    }
}

pub(super) fn id(object: &Object) -> Option<&str> {
    object.get("id").and_then(Value::as_str)
}
