use std::time::Duration;

use thiserror::Error as ThisError;

use crate::{Failure, Version};

/// What can be wrong with what a peer sent, or with what it is to be sent.
#[derive(Debug, ThisError)]
pub enum Error {
    #[error("the message is not JSON of the form that oslo.messaging sends")]
    Json(#[from] serde_json::Error),
    #[error("the message has envelope version \"{0}\": only 2.x is known; is the sender an oslo.messaging process?")]
    Envelope(String),
    #[error("\"{0}\" is not a version: two numbers with a dot between them, as in 1.4")]
    Version(String),
    #[error("a {wanted} was awaited, and a {found} came")]
    OtherObject { wanted: &'static str, found: String },
    #[error("{name} {version} is not known here, which speaks 1.{first} to 1.{last}")]
    ObjectVersion { name: &'static str, version: Version, first: u32, last: u32 },
    #[error("field {field} of {name} cannot be read")]
    Field { name: &'static str, field: &'static str, source: Box<Error> },
    #[error("\"{0}\" is no name for a topic or a server: it is empty, has a control character, or more than 200 bytes")]
    Name(String),
    #[error(
        "the transport URL is wrong: {0}; write rabbit://USER:PASSWORD@HOST:PORT/VIRTUAL-HOST, with a comma between hosts"
    )]
    TransportUrl(&'static str),
    #[error("cannot connect to RabbitMQ at {broker}: does it run, and are user, password and virtual host right?")]
    Connect { broker: String, source: Box<lapin::Error> },
    #[error("RabbitMQ at {broker} has not taken the connection within {} s", limit.as_secs())]
    BrokerTimeout { broker: String, limit: Duration },
    #[error("RabbitMQ refuses exchange {name}: another declares it with other settings, or this user may not")]
    Declaration { name: String, source: Box<lapin::Error> },
    #[error("the connection to RabbitMQ broke, or it refused a queue: then its settings differ from the cloud's")]
    Amqp(#[source] Box<lapin::Error>),
    #[error("RabbitMQ does not deliver from queue {0} any more: it is made again")]
    QueueGone(String),
    #[error("no connection to RabbitMQ came in time")]
    NotConnected,
    #[error("RabbitMQ has not confirmed the message in time")]
    Unconfirmed,
    #[error("RabbitMQ refused the message: is it short of memory or disk?")]
    Refused,
    #[error("there is no queue {0}: who called is gone")]
    NoQueue(String),
    #[error("nobody has answered {method} within {} ms: does a server run that serves it?", limit.as_millis())]
    NoAnswer { method: String, limit: Duration },
    #[error(transparent)]
    Failed(Box<Failure>),
    #[error("the connection is not wanted any more")]
    Closed,
}

impl From<lapin::Error> for Error {
    fn from(error: lapin::Error) -> Self {
        Error::Amqp(Box::new(error))
    }
}
