//! RPC as oslo.messaging speaks it over RabbitMQ, so that Culvert can stand beside stock Neutron processes.
//!
//! - [`codec`]: requests and replies, and the bytes that they are; [`Failure`], what went wrong at the other end.
//! - [`object`]: Neutron's versioned objects, at the version that the other side speaks.
//! - [`address`]: which exchanges and queues there are for a topic, and with what they are declared.
//! - [`Duplicates`]: a message that comes twice is taken once.
//!
//! All of it is pure: no I/O, no clock, no randomness. Ids and times come in as values.

pub mod address;
pub mod codec;
mod duplicates;
mod error;
mod json;
pub mod object;
mod version;

pub use codec::failure::{Failure, Kind};
pub use duplicates::Duplicates;
pub use error::Error;
pub use json::Json;
pub use version::Version;
