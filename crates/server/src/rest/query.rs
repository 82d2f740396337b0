//! The query of a list: which objects (`name=`, `fixed_ips=ip_address=`), which attributes (`fields=`), in which order
//! (`sort_key=`, `sort_dir=`), how many (`limit=`, `marker=`). Pure.

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use store::{Column, Direction, Filter};
use uuid::Uuid;

use super::context::Context;
use super::error::{ApiError, Result};
use super::kind::to_bool;
use super::table::{Attribute, Object, Table};
use super::tags::TagFilter;

/// Objects of one page, whatever limit is asked for: a page is held whole. The others are on the next.
const PAGE_MAX: usize = 5000;

/// Decoded pairs of the query, in their order. Bytes that are not UTF-8 are refused: read otherwise, they would be
/// another value.
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl<S: Sync> FromRequestParts<S> for Pairs {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Pairs> {
        let unfit = || ApiError::bad_request("The query is not UTF-8");
        let query = parts.uri.query().unwrap_or_default();
        percent_decode_str(query).decode_utf8().map_err(|_| unfit())?;
        let Query(pairs) = Query::try_from_uri(&parts.uri).map_err(|_| unfit())?;
        Ok(Pairs(pairs))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Empty: all.
    pub(crate) fields: Vec<String>,
    pub(crate) limit: Option<usize>,
    /// The page before the marker instead of that after it.
    pub(crate) reverse: bool,
    conditions: Vec<Condition>,
    sort: Vec<(Column, Direction)>,
    marker: Option<String>,
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

impl Listing {
    pub(crate) fn parse(table: &'static Table, pairs: Vec<(String, String)>) -> Result<Listing> {
        let mut listing = Listing::default();
        let (mut sort_keys, mut sort_dirs) = (Vec::new(), Vec::new());
        for (name, value) in pairs {
            match name.as_str() {
                "fields" => listing.fields.push(value),
                "sort_key" => sort_keys.push(value),
                "sort_dir" => sort_dirs.push(value),
                "limit" => {
                    let limit = parse_limit(&value);
                    let limit = if table.lenient { limit.unwrap_or_default() } else { limit? };
                    listing.limit = limit.map(|limit| limit.min(PAGE_MAX));
                }
                "marker" => listing.marker = Some(value),
                "page_reverse" => listing.reverse = to_bool(&Value::from(value)).unwrap_or_default(),
                name if table.attribute("tags").is_some() && listing.tags.take(name, &value) => {}
                _ => listing.require(table, &name, value)?,
            }
        }
        let sort = parse_sort(table, &sort_keys, &sort_dirs);
        listing.sort = if table.lenient { sort.unwrap_or_default() } else { sort? };
        Ok(listing)
    }

    fn require(&mut self, table: &'static Table, name: &str, value: String) -> Result<()> {
        let filters = |attribute: &&Attribute| !attribute.kind.is_structured() || table.has_keys(name);
        let Some(attribute) = table.attribute(name).filter(filters) else {
            return Err(ApiError::bad_request(format!("['{name}'] is invalid attribute for filtering")));
        };
        let (key, value) = match value.split_once('=') {
            _ if !table.has_keys(name) => (None, value),
            None | Some(("", _)) => {
                return Err(ApiError::invalid(format!("'{value}' is not of the form <key>=[value]")));
            }
            // as with Neutron, another key says nothing
            Some((key, _)) if table.key(name, key).is_none() => return Ok(()),
            Some((key, value)) => (Some(key.to_owned()), value.to_owned()),
        };
        let value = attribute.kind.of_filter(name, value)?;
        let same = |condition: &&mut Condition| condition.attribute.name == attribute.name && condition.key == key;
        match self.conditions.iter_mut().find(same) {
            // a repeated name is an alternative
            Some(condition) => condition.values.push(value),
            None => self.conditions.push(Condition { attribute, key, values: vec![value] }),
        }
        Ok(())
    }

    /// What of it the store does: conditions on what it knows, and the order.
    pub(crate) fn filter(&self, table: &Table, context: &Context) -> Filter {
        let mut conditions: Vec<_> = self.conditions.iter().filter_map(|condition| condition.indexed(table)).collect();
        if !context.is_admin && !shares(table) {
            conditions.push((Column::ProjectId, vec![context.project_id.clone()]));
        }
        Filter { conditions, order: self.sort.clone(), reverse: self.reverse, ..Filter::default() }
    }

    /// Whether the store's [`Listing::filter`] leaves nothing to check.
    pub(crate) fn is_exact(&self, table: &Table, context: &Context) -> bool {
        (context.is_admin || !shares(table))
            && self.tags.is_empty()
            && self.conditions.iter().all(|condition| condition.indexed(table).is_some())
    }

    /// Whether each object that the store finds is shown, and all of it.
    pub(crate) fn takes_all_as_they_are(&self) -> bool {
        self.conditions.is_empty() && self.tags.is_empty() && self.fields.is_empty()
    }

    /// The one project whose objects are asked for.
    pub(crate) fn project(&self) -> Option<&str> {
        let names = ["project_id", "tenant_id"];
        let condition = self.conditions.iter().find(|condition| names.contains(&condition.attribute.name))?;
        condition.values.first().map(String::as_str).filter(|project| !project.is_empty())
    }

    pub(crate) fn holds(&self, object: &Object) -> bool {
        self.tags.holds(object) && self.conditions.iter().all(|condition| condition.holds(object))
    }

    /// What was asked for of a few objects that no table holds: neither ordered nor in pages.
    pub(crate) fn pick(&self, mut objects: Vec<Object>) -> Vec<Object> {
        objects.retain(|object| self.holds(object));
        objects.into_iter().map(|object| project(object, &self.fields)).collect()
    }

    /// The object that the page follows. Without a limit there are no pages, and a marker means nothing (as Neutron).
    pub(crate) fn marker(&self, table: &Table) -> Result<Option<Uuid>> {
        let Some(marker) = self.marker.as_ref().filter(|_| self.limit.is_some()) else { return Ok(None) };
        Uuid::parse_str(marker).map(Some).map_err(|_| table.unknown(marker))
    }
}

/// Objects of other projects may be for all to see.
fn shares(table: &Table) -> bool {
    table.attribute("shared").is_some_and(|attribute| attribute.shown)
}

/// The addresses of the pages beside one: its own, with another marker.
#[derive(Debug)]
pub(crate) struct Links {
    address: String,
    /// Of the query, what does not say which page.
    kept: String,
}

impl Links {
    pub(crate) fn new(address: &str, query: &str) -> Links {
        let says_page = |pair: &&str| ["marker", "page_reverse"].contains(&pair.split('=').next().unwrap_or_default());
        let kept = query.split('&').filter(|pair| !says_page(pair)).collect::<Vec<_>>().join("&");
        Links { address: address.to_owned(), kept }
    }

    pub(crate) fn next(&self, last: Option<Uuid>) -> String {
        let marker = last.map(|last| format!("&marker={last}")).unwrap_or_default();
        format!("{}?{}{marker}", self.address, self.kept)
    }

    pub(crate) fn previous(&self, first: Option<Uuid>) -> String {
        format!("{}&page_reverse=True", self.next(first))
    }
}

/// The object with the attributes that were asked for. Neutron ignores those that it does not know.
pub(crate) fn project(mut object: Object, fields: &[String]) -> Object {
    if !fields.is_empty() {
        object.retain(|name, _| fields.contains(name));
    }
    object
}

fn parse_limit(text: &str) -> Result<Option<usize>> {
    match text.parse() {
        // as Neutron: no limit
        Ok(0) => Ok(None),
        Ok(limit) => Ok(Some(limit)),
        Err(_) => {
            let message = format!("Bad limit request: Limit must be an integer 0 or greater and not '{text}'.");
            Err(ApiError::bad("BadRequest", message))
        }
    }
}

fn parse_sort(table: &Table, keys: &[String], directions: &[String]) -> Result<Vec<(Column, Direction)>> {
    if keys.len() != directions.len() {
        return Err(ApiError::bad_request("The number of sort_keys and sort_dirs must be same"));
    }
    let column = |key: &String| table.attribute(key)?.sort_column();
    let unknown: Vec<&String> = keys.iter().filter(|key| column(key).is_none()).collect();
    if !unknown.is_empty() {
        return Err(ApiError::bad_request(format!("{} is invalid attribute for sort_keys", listed(&unknown))));
    }
    let direction = |text: &String| match text.as_str() {
        "asc" => Some(Direction::Ascending),
        "desc" => Some(Direction::Descending),
        _ => None,
    };
    let unknown: Vec<&String> = directions.iter().filter(|text| direction(text).is_none()).collect();
    if !unknown.is_empty() {
        let unknown = listed(&unknown);
        let message = format!("{unknown} is invalid value for sort_dirs, valid value is 'asc' and 'desc'");
        return Err(ApiError::bad_request(message));
    }
    Ok(keys.iter().filter_map(column).zip(directions.iter().filter_map(direction)).collect())
}

/// As Python shows a list.
fn listed(texts: &[&String]) -> String {
    format!("[{}]", texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", "))
}

impl Condition {
    /// As the store can serve it, if it can: with each value in the normal form of its kind.
    fn indexed(&self, table: &Table) -> Option<(Column, Vec<String>)> {
        let column = match &self.key {
            None => self.attribute.index?,
            Some(key) => table.key(self.attribute.name, key)??,
        };
        // an empty value means what is not there
        if self.values.iter().any(String::is_empty) {
            return None;
        }
        let normal =
            |wanted: &String| match self.attribute.kind.parse(self.attribute.name, &Value::from(wanted.as_str())) {
                Ok(Value::String(normal)) => normal,
                Ok(Value::Bool(normal)) => normal.to_string(),
                _ => wanted.clone(),
            };
        Some((column, self.values.iter().map(normal).collect()))
    }

    fn holds(&self, object: &Object) -> bool {
        if !self.attribute.shown && self.attribute.index.is_some() {
            // what the store has found is so
            return true;
        }
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
