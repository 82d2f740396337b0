//! RPC as oslo.messaging speaks it over RabbitMQ, so that Culvert can stand beside stock Neutron processes.
//!
//! - [`codec`]: requests and replies, and the bytes that they are; [`Failure`], what went wrong at the other end.
//! - [`object`]: Neutron's versioned objects, at the version that the other side speaks.
//! - [`address`]: which exchanges and queues there are for a topic, and with what they are declared.
//! - [`Duplicates`]: a message that comes twice is taken once.
//!
//! All of that is pure: no I/O, no clock, no randomness; ids and times come in as values. Around it is [`connection`], to one of
//! several brokers, without TLS as yet.

pub mod address;
pub mod codec;
pub mod connection;
mod duplicates;
mod error;
pub mod events;
mod json;
pub mod object;
pub mod transport;
mod version;

pub use codec::failure::{Failure, Kind};
pub use duplicates::Duplicates;
pub use error::Error;
pub use json::Json;
pub use version::Version;
