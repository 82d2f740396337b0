//! The shapes that every other part of Culvert shares: addresses, ids, segments, revisions and FDB entries.
//!
//! Everything here is a plain value: no I/O, no clock, no randomness.

mod backoff;
mod change;
mod digest;
mod entry;
mod error;
mod host;
mod ids;
mod mac;
mod port;
mod revision;
mod segment;
mod vlan;

pub use backoff::Backoff;
pub use change::{Change, Committed};
pub use digest::Digest;
pub use entry::{Entry, FLOODING_IP, FLOODING_MAC};
pub use error::Error;
pub use host::{Host, HostName};
pub use ids::{NetworkId, PortId, SubnetId};
pub use mac::Mac;
pub use port::{Binding, Network, Port, PortStatus};
pub use revision::{Epoch, Generation, Revision};
pub use segment::{Segment, TunnelKey, TunnelType};
pub use vlan::{DEAD_VLAN, LocalVlan};
