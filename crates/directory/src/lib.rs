//! What each host must know: networks, ports, hosts, who is plugged where, interest, revisions.
//!
//! Pure and owned by one task. Facts come in from the store ([`Directory::apply`]) and from agents
//! ([`Directory::inventory`], [`Directory::seen`], [`Directory::gone`]); everything else is derived from them, so the
//! order in which facts arrive does not matter. What changed for whom is gathered in [`Dirty`] until it is taken.

mod dirty;
mod endpoints;
mod entries;
mod log;
mod order;
pub mod propagation;
mod queries;
mod reports;
mod state;
mod sum;

pub use dirty::{Dirty, HostDirty};
pub use entries::{EntryChange, NetworkView};
pub use log::Position;
pub use order::{Isolated, Order, port_of};
pub use state::{Directory, Limits};
pub use sum::Sum;
