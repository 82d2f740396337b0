use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json::python;
use crate::{Error, Json};

/// An exception that the other end's method has raised.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failure {
    /// The exception's class, as in `InvalidInput`.
    pub class: String,
    /// Where the class is defined, as in `neutron_lib.exceptions`.
    pub module: String,
    pub message: String,
    /// Lines of Python's traceback.
    #[serde(rename = "tb")]
    pub traceback: Vec<String>,
    /// What the exception was made with, in order and by name.
    pub args: Json,
    pub kwargs: Json,
}

/// What a failure means for who has called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The other end has no such method, or not in this version of its interface: asking again is of no use.
    NotOffered,
    /// It has no such resource type, or not in this version.
    ResourceVersion,
    NotFound,
    InvalidInput,
    /// What was asked for clashes with what is there.
    Conflict,
    /// Its database cannot be used now, or was changed by another at the same moment: worth asking again.
    Unavailable,
    /// It has itself called somebody, in vain: worth asking again.
    TimedOut,
    Other,
}

/// By module (a prefix of it) and class. Exceptions of Neutron's plug-ins are derived from those of `neutron_lib`, but the
/// wire has only the class itself.
const KINDS: [(&str, &str, Kind); 16] = [
    ("oslo_messaging.rpc.dispatcher", "NoSuchMethod", Kind::NotOffered),
    ("oslo_messaging.rpc.dispatcher", "UnsupportedVersion", Kind::NotOffered),
    ("oslo_messaging.rpc.client", "RPCVersionCapError", Kind::NotOffered),
    ("neutron.api.rpc.", "InvalidResourceTypeClass", Kind::ResourceVersion),
    ("oslo_versionedobjects.exception", "InvalidTargetVersion", Kind::ResourceVersion),
    ("oslo_versionedobjects.exception", "IncompatibleObjectVersion", Kind::ResourceVersion),
    ("oslo_versionedobjects.exception", "UnsupportedObjectError", Kind::ResourceVersion),
    ("neutron.api.rpc.", "ResourceNotFound", Kind::NotFound),
    ("neutron_lib.exceptions", "InvalidInput", Kind::InvalidInput),
    ("neutron_lib.exceptions", "BadRequest", Kind::InvalidInput),
    ("neutron_lib.exceptions", "Conflict", Kind::Conflict),
    ("neutron_lib.exceptions", "InUse", Kind::Conflict),
    ("oslo_db.exception", "", Kind::Unavailable),
    ("sqlalchemy.", "", Kind::Unavailable),
    ("neutron_lib.exceptions", "ServiceUnavailable", Kind::Unavailable),
    ("oslo_messaging.exceptions", "MessagingTimeout", Kind::TimedOut),
];

impl Failure {
    /// Of a method of ours; `class` is one that the caller knows, or it gets a `RemoteError`.
    pub fn new(module: &str, class: &str, message: &str) -> Result<Failure, Error> {
        Ok(Failure {
            class: class.to_owned(),
            module: module.to_owned(),
            message: message.to_owned(),
            traceback: Vec::new(),
            args: Json::of(&[message])?,
            kwargs: Json::of(&serde_json::Map::new())?,
        })
    }

    pub fn kind(&self) -> Kind {
        let is =
            |module: &str, class: &str| self.module.starts_with(module) && (class.is_empty() || class == self.class);
        let known = KINDS.iter().find(|(module, class, _)| is(module, class)).map(|(.., kind)| *kind);
        // `PortNotFound`, `NetworkNotFound` and all others of that name.
        let not_found = || self.module.starts_with("neutron") && self.class.ends_with("NotFound");
        known.unwrap_or_else(|| if not_found() { Kind::NotFound } else { Kind::Other })
    }

    /// What cannot be read is a failure all the same.
    pub(super) fn parse(text: &str) -> Failure {
        let mut failure: Failure =
            serde_json::from_str(text).unwrap_or_else(|_| Failure { message: text.to_owned(), ..Failure::default() });
        // An exception that was itself a remote one, and is raised again.
        if let (Some(class), Some(module)) = (failure.class.strip_suffix(REMOTE), failure.module.strip_suffix(REMOTE)) {
            (failure.class, failure.module) = (class.to_owned(), module.to_owned());
        }
        failure
    }

    pub(super) fn text(&self) -> Result<String, Error> {
        python(self)
    }
}

const REMOTE: &str = "_Remote";

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.class.as_str() {
            "" => write!(f, "the other end has failed: {}", self.message),
            class => write!(f, "the other end has failed with {class}: {}", self.message),
        }
    }
}
