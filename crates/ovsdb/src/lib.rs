//! OVSDB (RFC 7047) with Open vSwitch's extensions (ovsdb-server(7)): codec, typed replica, connection.
//!
//! [`Client::connect`] starts a task that keeps a connection, reconnects by itself and hands out [`Event`]s. The consumer
//! owns a [`Replica`] and feeds it each [`Event::Update`]; what comes back is what really changed. [`Transaction`]
//! builds the writes that an agent needs, and builds none where the replica shows that nothing is missing.
//!
//! Only `connection` does I/O; `codec`, `replica`, `state` and `txn` are pure.

pub mod codec;
mod connection;
mod endpoint;
mod error;
mod events;
pub mod replica;
mod schema;
mod state;
pub mod txn;

pub use connection::{Client, Options};
pub use endpoint::Endpoint;
pub use error::{Error, Failure};
pub use events::{Change, Edit, Event, Kind, Update};
pub use replica::Replica;
pub use replica::{Bridge, Controller, Interface, OpenVSwitch, Port};
pub use schema::{Cardinality, Schema, Selection};
pub use state::{Cursor, Output, Session};
pub use txn::{BridgeSpec, PortSpec, Target, Transaction};

/// The database that ovs-vswitchd is configured from (ovs-vswitchd.conf.db(5)).
pub const DATABASE: &str = "Open_vSwitch";
