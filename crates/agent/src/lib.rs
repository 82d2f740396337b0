//! The agent: makes a host's Open vSwitch forward what the server says that the host must know.
//!
//! [`HostState`] is pure: what happened goes in, what is to be done comes out. [`run`] connects it to the database, the
//! two bridges and the server, with one task for each.

mod checkpoint;
mod error;
pub mod events;
mod io;
mod run;
pub mod settings;
mod state;
pub mod static_feed;
pub mod survey;

pub use error::Error;
pub use run::{own_name, run};
pub use settings::{Config, Control, DatapathType, Settings};
pub use state::{HostState, PortState, PortStatus, Restored, Status};
