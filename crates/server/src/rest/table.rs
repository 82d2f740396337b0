//! What a resource is made of: the one description from which validation, defaults, rendering and filters come.

use serde_json::{Map, Value, json};
use store::Column;

use super::error::{ApiError, Result};
use super::kind::Kind;

/// An object of the API: attribute → value.
pub(crate) type Object = Map<String, Value>;

/// A resource and its attributes.
#[derive(Debug)]
pub(crate) struct Table {
    /// `network`
    pub(crate) singular: &'static str,
    /// `networks`
    pub(crate) plural: &'static str,
    /// The type of the error when there is none of that id.
    pub(crate) not_found: &'static str,
    /// The message of that error, about the id that was asked for.
    pub(crate) missing: fn(&str) -> String,
    /// Of attributes that are lists of objects: the keys by which lists can be filtered, with their columns.
    pub(crate) keys: &'static [(&'static str, &'static str, Option<Column>)],
    pub(crate) attributes: &'static [Attribute],
    /// Neutron lists them in its own order and whole, whatever is asked for. Ours minds what makes sense, and as there
    /// nothing else is a mistake.
    pub(crate) lenient: bool,
}

/// One attribute.
#[derive(Debug)]
pub(crate) struct Attribute {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) post: Post,
    pub(crate) put: bool,
    pub(crate) null: Null,
    /// The store can find and order objects by it.
    pub(crate) index: Option<Column>,
    /// The store can order objects by it, and no more.
    pub(crate) order: Option<Column>,
    pub(crate) reserved: Reserved,
    /// Not so: the store finds objects by it, or a creation may say it, and that is all.
    pub(crate) shown: bool,
}

/// What null says when it is given as the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Null {
    /// Nothing: it is refused.
    Refused,
    /// That there is none.
    None,
    /// The default; where the resource works that out, nothing.
    Default,
}

/// What of an attribute only an administrator may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reserved {
    No,
    ToSet,
    /// And so to set.
    ToSee,
}

/// What a creation may or must say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Post {
    Never,
    Required,
    Default(Default),
}

/// The value of what a creation does not say.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Default {
    /// The resource works it out.
    Open,
    Null,
    True,
    False,
    Text(&'static str),
    EmptyList,
    EmptyObject,
}

impl Attribute {
    /// Shown only.
    pub(crate) const fn read_only(name: &'static str, kind: Kind) -> Attribute {
        let (post, reserved) = (Post::Never, Reserved::No);
        Attribute { name, kind, post, put: false, null: Null::None, index: None, order: None, reserved, shown: true }
    }

    /// Of lists alone: no object shows it.
    pub(crate) const fn filter_only(name: &'static str, kind: Kind, column: Column) -> Attribute {
        Attribute { shown: false, ..Attribute::read_only(name, kind).indexed(column) }
    }

    /// Must be given on creation, and stays.
    pub(crate) const fn required(name: &'static str, kind: Kind) -> Attribute {
        Attribute { post: Post::Required, null: Null::Refused, ..Attribute::read_only(name, kind) }
    }

    /// May be given on creation, and stays.
    pub(crate) const fn create_only(name: &'static str, kind: Kind, default: Default) -> Attribute {
        Attribute { post: Post::Default(default), null: Null::Refused, ..Attribute::read_only(name, kind) }
    }

    /// May be given at any time.
    pub(crate) const fn writable(name: &'static str, kind: Kind, default: Default) -> Attribute {
        Attribute { put: true, ..Attribute::create_only(name, kind, default) }
    }

    pub(crate) const fn nullable(self) -> Attribute {
        Attribute { null: Null::None, ..self }
    }

    /// Null is as if nothing was said.
    pub(crate) const fn or_default(self) -> Attribute {
        Attribute { null: Null::Default, ..self }
    }

    pub(crate) const fn indexed(self, column: Column) -> Attribute {
        Attribute { index: Some(column), ..self }
    }

    pub(crate) const fn ordered(self, column: Column) -> Attribute {
        Attribute { order: Some(column), ..self }
    }

    /// What objects are ordered by for this attribute, if they can be.
    pub(crate) fn sort_column(&self) -> Option<Column> {
        self.order.or(self.index).filter(|column| column.is_ordered())
    }

    pub(crate) const fn reserved(self, reserved: Reserved) -> Attribute {
        Attribute { reserved, ..self }
    }

    /// What an object shows that was stored without it.
    pub(crate) fn missing(&self) -> Value {
        let default = match self.post {
            Post::Default(default) => default.value(),
            Post::Never | Post::Required => None,
        };
        default.unwrap_or(Value::Null)
    }

    /// `None`: as if nothing was said.
    fn parse(&self, value: &Value) -> Result<Option<Value>> {
        match (self.null, self.post) {
            (Null::None, _) if value.is_null() => Ok(Some(Value::Null)),
            (Null::Default, Post::Default(default)) if value.is_null() => Ok(default.value()),
            _ => self.kind.parse(self.name, value).map(Some),
        }
    }
}

impl Default {
    fn value(self) -> Option<Value> {
        match self {
            Default::Open => None,
            Default::Null => Some(Value::Null),
            Default::True => Some(Value::Bool(true)),
            Default::False => Some(Value::Bool(false)),
            Default::Text(text) => Some(Value::from(text)),
            Default::EmptyList => Some(json!([])),
            Default::EmptyObject => Some(json!({})),
        }
    }
}

impl Table {
    /// The collection's name in a path: `security-groups`.
    pub(crate) fn path(&self) -> String {
        self.plural.replace('_', "-")
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// Whether lists are filtered by keys of this attribute.
    pub(crate) fn has_keys(&self, attribute: &str) -> bool {
        self.keys.iter().any(|(of, ..)| *of == attribute)
    }

    /// The column of such a key, if it has one; `None`: it is no such key.
    pub(crate) fn key(&self, attribute: &str, key: &str) -> Option<Option<Column>> {
        let found = self.keys.iter().find(|(of, name, _)| (*of, *name) == (attribute, key));
        found.map(|(.., column)| *column)
    }

    /// The error when there is no object of this id.
    pub(crate) fn unknown(&self, id: &str) -> ApiError {
        ApiError::not_found(self.not_found, (self.missing)(id))
    }

    /// What a creation says, every value parsed, every default filled in.
    pub(crate) fn parse_post(&self, body: &Object) -> Result<Object> {
        self.refuse_unknown(body)?;
        let mut object = Object::new();
        for attribute in self.attributes {
            let value = match (body.get(attribute.name), attribute.post) {
                (Some(_), Post::Never) => {
                    return Err(ApiError::bad_request(format!("Attribute '{}' not allowed in POST", attribute.name)));
                }
                (Some(value), _) => attribute.parse(value)?,
                (None, Post::Required) => {
                    return Err(ApiError::bad_request(format!(
                        "Failed to parse request. Required attribute '{}' not specified",
                        attribute.name
                    )));
                }
                (None, Post::Default(default)) => default.value(),
                (None, Post::Never) => None,
            };
            object.extend(value.map(|value| (attribute.name.to_owned(), value)));
        }
        Ok(object)
    }

    /// What an update says, every value parsed.
    pub(crate) fn parse_put(&self, body: &Object) -> Result<Object> {
        self.refuse_unknown(body)?;
        let mut object = Object::new();
        for attribute in self.attributes {
            let Some(value) = body.get(attribute.name) else { continue };
            if !attribute.put {
                return Err(ApiError::bad_request(format!("Cannot update read-only attribute {}", attribute.name)));
            }
            object.extend(attribute.parse(value)?.map(|value| (attribute.name.to_owned(), value)));
        }
        Ok(object)
    }

    fn refuse_unknown(&self, body: &Object) -> Result<()> {
        let unknown: Vec<&str> =
            body.keys().map(String::as_str).filter(|name| self.attribute(name).is_none()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        Err(ApiError::bad_request(format!("Unrecognized attribute(s) '{}'", unknown.join(", "))))
    }

    /// Completes an object for showing: an attribute that it was stored without has its default.
    pub(crate) fn complete(&self, mut object: Object) -> Object {
        for attribute in self.attributes.iter().filter(|attribute| attribute.shown) {
            if !object.contains_key(attribute.name) {
                object.insert(attribute.name.to_owned(), attribute.missing());
            }
        }
        object
    }
}

/// Attributes that most resources have.
pub(crate) mod common {
    use store::Column;

    use super::super::kind::Kind;
    use super::super::tags;
    use super::{Attribute, Default};

    pub(crate) const ID: Attribute = Attribute::read_only("id", Kind::Uuid).indexed(Column::Id);
    pub(crate) const NAME: Attribute = Attribute::writable("name", Kind::Text(255), Default::Text(""));
    pub(crate) const PROJECT_ID: Attribute =
        Attribute::create_only("project_id", Kind::Text(255), Default::Open).indexed(Column::ProjectId);
    pub(crate) const TENANT_ID: Attribute =
        Attribute::create_only("tenant_id", Kind::Text(255), Default::Open).indexed(Column::ProjectId);
    pub(crate) const DESCRIPTION: Attribute = Attribute::writable("description", Kind::Text(255), Default::Text(""));
    pub(crate) const ADMIN_STATE_UP: Attribute =
        Attribute::writable("admin_state_up", Kind::Bool, Default::True).indexed(Column::AdminStateUp);
    /// Set through a collection of their own ([`super::super::tags`]).
    pub(crate) const TAGS: Attribute = Attribute::read_only("tags", tags::TAGS);
    pub(crate) const CREATED_AT: Attribute = Attribute::read_only("created_at", Kind::Text(32));
    pub(crate) const UPDATED_AT: Attribute = Attribute::read_only("updated_at", Kind::Text(32));
    pub(crate) const REVISION_NUMBER: Attribute = Attribute::read_only("revision_number", Kind::Integer(0, i64::MAX));
}
