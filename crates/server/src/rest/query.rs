//! The query of a list: which objects (`name=`, `fixed_ips=ip_address=`), which attributes (`fields=`), in which order
//! (`sort_key=`, `sort_dir=`), how many (`limit=`, `marker=`). Pure.

use std::cmp::Ordering;

use serde_json::Value;
use store::Filter;

use super::error::{ApiError, Result};
use super::kind::{Kind, to_bool};
use super::table::{Attribute, Object, Table};
use super::tags::TagFilter;

#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Empty: all.
    pub(crate) fields: Vec<String>,
    conditions: Vec<Condition>,
    /// Attribute; whether descending.
    sort: Vec<(String, bool)>,
    limit: Option<usize>,
    marker: Option<String>,
    reverse: bool,
    tags: TagFilter,
}

/// An attribute must be one of the values.
#[derive(Debug)]
struct Condition {
    attribute: &'static Attribute,
    /// Of an attribute that is a list of objects: their key.
    key: Option<String>,
    values: Vec<String>,
}

/// A part of a list.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) objects: Vec<Object>,
    /// The marker of the next page, if there is more.
    pub(crate) next: Option<String>,
}

impl Listing {
    pub(crate) fn parse(table: &'static Table, pairs: Vec<(String, String)>) -> Result<Listing> {
        let mut listing = Listing::default();
        let (mut sort_keys, mut sort_dirs) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            match name.as_str() {
                "fields" => listing.fields.push(value),
                "sort_key" => sort_keys.push(value),
                "sort_dir" => sort_dirs.push(value),
                "limit" => listing.limit = parse_limit(&value)?,
                "marker" => listing.marker = Some(value),
                "page_reverse" => listing.reverse = to_bool(&Value::from(value)).unwrap_or_default(),
                name if table.attribute("tags").is_some() && listing.tags.take(name, &value) => {}
                _ => listing.require(table, &name, value)?,
            }
        }
        listing.sort = parse_sort(table, sort_keys, &sort_dirs)?;
        Ok(listing)
    }

    /// The `fields` alone: all that showing one object minds.
    pub(crate) fn fields(pairs: Vec<(String, String)>) -> Vec<String> {
        pairs.into_iter().filter(|(name, _)| name == "fields").map(|(_, value)| value).collect()
    }

    fn require(&mut self, table: &'static Table, name: &str, value: String) -> Result<()> {
        let attribute = table.attribute(name);
        let Some(attribute) = attribute else {
            return Err(ApiError::bad_request(format!("['{name}'] is invalid attribute for filtering")));
        };
        let (key, value) = match (attribute.kind, value.split_once('=')) {
            (Kind::Objects(_), Some((key, value))) => (Some(key.to_owned()), value.to_owned()),
            _ => (None, value),
        };
        let same = |condition: &&mut Condition| condition.attribute.name == attribute.name && condition.key == key;
        match self.conditions.iter_mut().find(same) {
            // a repeated name is an alternative
            Some(condition) => condition.values.push(value),
            None => self.conditions.push(Condition { attribute, key, values: vec![value] }),
        }
        Ok(())
    }

    /// The conditions that the store can serve from an index.
    pub(crate) fn indexed(&self, table: &'static Table) -> Filter {
        let columns = self.conditions.iter().filter(|condition| condition.values.iter().all(|value| !value.is_empty()));
        let columns = columns.filter_map(|condition| {
            let column = match &condition.key {
                None => condition.attribute.index,
                Some(key) => (table.key_index)(condition.attribute.name, key),
            };
            Some((column?, condition.values.clone()))
        });
        Filter(columns.collect())
    }

    /// The page that was asked for, of all objects.
    pub(crate) fn select(&self, table: &Table, mut objects: Vec<Object>) -> Result<Page> {
        objects.retain(|object| self.tags.holds(object));
        objects.retain(|object| self.conditions.iter().all(|condition| condition.holds(object)));
        objects.sort_by(|one, other| self.order(one, other));
        if self.reverse {
            objects.reverse();
        }
        if let Some(marker) = &self.marker {
            let position = objects.iter().position(|object| id(object) == Some(marker));
            let position = position.ok_or_else(|| {
                ApiError::not_found(table.not_found, format!("The marker {marker} could not be found."))
            })?;
            objects.drain(..=position);
        }
        let mut next = None;
        if let Some(limit) = self.limit.filter(|limit| *limit < objects.len()) {
            objects.truncate(limit);
            next = objects.last().and_then(id).map(str::to_owned);
        }
        if self.reverse {
            objects.reverse();
        }
        Ok(Page { objects, next })
    }

    fn order(&self, one: &Object, other: &Object) -> Ordering {
        let orders = self.sort.iter().map(|(key, descending)| {
            let order = compare(one.get(key), other.get(key));
            if *descending { order.reverse() } else { order }
        });
        orders.fold(Ordering::Equal, Ordering::then)
    }
}

/// The object with the attributes that were asked for. Neutron ignores those that it does not know.
pub(crate) fn project(mut object: Object, fields: &[String]) -> Object {
    if !fields.is_empty() {
        object.retain(|name, _| fields.contains(name));
    }
    object
}

fn id(object: &Object) -> Option<&str> {
    object.get("id").and_then(Value::as_str)
}

fn parse_limit(text: &str) -> Result<Option<usize>> {
    match text.parse() {
        // as Neutron: no limit
        Ok(0) => Ok(None),
        Ok(limit) => Ok(Some(limit)),
        Err(_) => Err(ApiError::bad_request(format!("Limit must be an integer 0 or greater and not '{text}'"))),
    }
}

fn parse_sort(table: &Table, keys: Vec<String>, dirs: &[String]) -> Result<Vec<(String, bool)>> {
    if let Some(unknown) = keys.iter().find(|key| table.attribute(key).is_none()) {
        return Err(ApiError::bad_request(format!("['{unknown}'] is invalid attribute for sort_keys")));
    }
    if dirs.len() > keys.len() {
        return Err(ApiError::bad_request("The number of sort_keys and sort_dirs must be same"));
    }
    if let Some(unknown) = dirs.iter().find(|dir| !["asc", "desc"].contains(&dir.as_str())) {
        return Err(ApiError::bad_request(format!("sort_dirs value '{unknown}' is neither 'asc' nor 'desc'")));
    }
    let dirs = dirs.iter().map(|dir| dir == "desc").chain(std::iter::repeat(false));
    Ok(keys.into_iter().zip(dirs).collect())
}

fn compare(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    match (one, other) {
        (Some(Value::Number(one)), Some(Value::Number(other))) => one.as_i64().cmp(&other.as_i64()),
        (Some(Value::Bool(one)), Some(Value::Bool(other))) => one.cmp(other),
        (one, other) => one.and_then(Value::as_str).cmp(&other.and_then(Value::as_str)),
    }
}

impl Condition {
    fn holds(&self, object: &Object) -> bool {
        let Some(value) = object.get(self.attribute.name) else { return false };
        self.values.iter().any(|wanted| match &self.key {
            None => self.is(value, wanted),
            Some(key) => value.as_array().into_iter().flatten().any(|item| has(item, key, wanted)),
        })
    }

    fn is(&self, value: &Value, wanted: &str) -> bool {
        if value.is_null() {
            return wanted.is_empty();
        }
        if let Some(list) = value.as_array() {
            return list.iter().any(|item| item.as_str() == Some(wanted));
        }
        // in its normal form: `True` is true, an address in capitals is that in small letters
        let normal = self.attribute.kind.parse(self.attribute.name, &Value::from(wanted));
        normal.map_or_else(|_| value.as_str() == Some(wanted), |normal| *value == normal)
    }
}

fn has(item: &Value, key: &str, wanted: &str) -> bool {
    match key {
        "ip_address_substr" => item.get("ip_address").and_then(Value::as_str).is_some_and(|ip| ip.contains(wanted)),
        _ => item.get(key).and_then(Value::as_str) == Some(wanted),
    }
}
