use std::fmt;

use serde::de::{self, DeserializeOwned, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use super::Context;
use crate::{Error, Json, Version};

/// Asks for a method. A call if it says where the reply goes, else a cast.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    pub method: String,
    /// An object, with a member for each argument.
    pub args: Json,
    pub namespace: Option<String>,
    /// Of the interface that the method is of; none: 1.0.
    pub version: Option<Version>,
    pub reply_to: Option<ReplyTo>,
    /// For the filter of [`Duplicates`](crate::Duplicates).
    pub unique_id: Option<Uuid>,
    pub context: Context,
}

/// Where a reply goes, and how the caller knows it again.
#[derive(Debug, Clone, PartialEq)]
pub struct ReplyTo {
    pub queue: String,
    /// `_msg_id`: 32 hexadecimal digits if oslo.messaging has made it. Said back as it came.
    pub message_id: String,
    /// Seconds after which the caller wants a sign of life (`call_monitor_timeout`); none: it wants none.
    pub monitor: Option<f64>,
}

impl Request {
    /// Reads the arguments as a struct that has a field for each.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.args.read()
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("method", &self.method)?;
        map.serialize_entry("args", &self.args)?;
        if let Some(namespace) = &self.namespace {
            map.serialize_entry("namespace", namespace)?;
        }
        if let Some(version) = &self.version {
            map.serialize_entry("version", version)?;
        }
        if let Some(reply) = &self.reply_to {
            map.serialize_entry("_msg_id", &reply.message_id)?;
            map.serialize_entry("_reply_q", &reply.queue)?;
            map.serialize_entry("_timeout", &reply.monitor)?;
        }
        if let Some(id) = &self.unique_id {
            map.serialize_entry("_unique_id", &id.simple())?;
        }
        for (name, value) in &self.context.0 {
            map.serialize_entry(&format!("{CONTEXT}{name}"), value)?;
        }
        map.end()
    }
}

const CONTEXT: &str = "_context_";

impl<'de> Deserialize<'de> for Request {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

/// Members that are not known are passed over: osprofiler's `trace_info`, and what is yet to come.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Request;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a request of oslo.messaging")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Request, A::Error> {
        let (mut method, mut args, mut namespace, mut version, mut unique_id) = (None, None, None, None, None);
        let (mut queue, mut message_id, mut monitor) = (None, None, None);
        let mut context = Context::default();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "method" => method = map.next_value()?,
                "args" => args = Some(map.next_value()?),
                "namespace" => namespace = map.next_value()?,
                "version" => version = map.next_value()?,
                "_msg_id" => message_id = map.next_value()?,
                "_reply_q" => queue = map.next_value()?,
                "_timeout" => monitor = map.next_value()?,
                "_unique_id" => unique_id = map.next_value()?,
                key => match key.strip_prefix(CONTEXT) {
                    Some(name) => context.0.push((name.to_owned(), map.next_value()?)),
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                },
            }
        }
        let reply_to = match (queue, message_id) {
            (Some(queue), Some(message_id)) => Some(ReplyTo { queue, message_id, monitor }),
            (None, None) => None,
            // Nobody could be told what came of it.
            _ => return Err(de::Error::custom("of _msg_id and _reply_q one is missing")),
        };
        Ok(Request {
            method: method.ok_or_else(|| de::Error::missing_field("method"))?,
            args: args.ok_or_else(|| de::Error::missing_field("args"))?,
            namespace,
            version,
            reply_to,
            unique_id,
            context,
        })
    }
}
