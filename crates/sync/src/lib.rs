//! The agent-server protocol: messages, session state machines, and the gRPC shell around them.
//!
//! [`server::Session`] and [`agent::Held`] are pure: messages and facts in, messages and effects out.
//! [`server::serve`] and [`agent::connect`] carry messages over TCP and know nothing of their meaning.

pub mod agent;
mod codec;
mod convert;
mod error;
pub mod messages;
mod orders;
mod proto;
pub mod server;

pub use error::Error;
