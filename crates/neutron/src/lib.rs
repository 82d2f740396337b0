//! `culvert agent` under a stock neutron-server: the server's half of our own protocol, played from Neutron's RPC.
//!
//! [`Session`] is pure: what the agent says, what Neutron answers and what it casts go in; messages to the agent and calls to
//! make come out. The agent's state hears nothing but the messages that it hears from our own server.
//!
//! Facts of the wire: Neutron 21 (`neutron/plugins/ml2/rpc.py`, `neutron/api/rpc/`, `ml2/drivers/l2pop/`).

mod ask;
mod casts;
mod endpoints;
mod error;
mod events;
mod facts;
mod identity;
mod network;
mod session;
mod table;
pub mod time;

pub use ask::{Ask, Stamp};
pub use casts::subscriptions;
pub use error::Error;
pub use events::{Effect, Outcome};
pub use identity::{Identity, NETWORK_VERSION, PORT_VERSION};
pub use session::Session;
