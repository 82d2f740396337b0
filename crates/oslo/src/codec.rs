//! Messages and the bytes that they are: a JSON envelope around the text of a JSON message.
//!
//! Source: oslo.messaging, `_drivers/common.py` (`serialize_msg`), `_drivers/amqp.py`, `_drivers/amqpdriver.py`,
//! `rpc/client.py`; `_drivers/impl_rabbit.py` for what goes with it.

mod context;
pub(crate) mod failure;
mod reply;
mod request;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::context::Context;
pub use self::reply::Reply;
pub use self::request::{ReplyTo, Request};
use crate::Error;
use crate::json::python;

/// `content_type` and `content_encoding` of every message, its `delivery_mode` (persistent) and `priority`: as kombu sets them.
pub const CONTENT_TYPE: &str = "application/json";
pub const CONTENT_ENCODING: &str = "utf-8";
pub const DELIVERY_MODE: u8 = 2;
pub const PRIORITY: u8 = 0;

/// What can come from a queue.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    Request(Request),
    Reply(Reply),
}

#[derive(Serialize, Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "oslo.version", borrow)]
    version: std::borrow::Cow<'a, str>,
    #[serde(rename = "oslo.message", borrow)]
    message: std::borrow::Cow<'a, str>,
}

/// What tells a request from a reply.
#[derive(Deserialize)]
struct Probe<'a> {
    #[serde(borrow)]
    method: Option<&'a RawValue>,
}

const ENVELOPE: &str = "2.0";

impl Message {
    /// Reads a body. A message with `method` is a request; any other is a reply.
    pub fn decode(body: &[u8]) -> Result<Message, Error> {
        let envelope: Envelope<'_> = serde_json::from_slice(body)?;
        if !envelope.version.starts_with("2.") {
            return Err(Error::Envelope(envelope.version.into_owned()));
        }
        let probe: Probe<'_> = serde_json::from_str(&envelope.message)?;
        Ok(match probe.method {
            Some(_) => Message::Request(serde_json::from_str(&envelope.message)?),
            None => Message::Reply(Reply::parse(&envelope.message)?),
        })
    }

    /// The body, byte for byte as oslo.messaging writes it.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let message = match self {
            Message::Request(request) => python(request)?,
            Message::Reply(reply) => reply.text()?,
        };
        Ok(python(&Envelope { version: ENVELOPE.into(), message: message.into() })?.into_bytes())
    }
}
