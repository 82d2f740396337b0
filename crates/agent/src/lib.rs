//! The agent: makes a host's Open vSwitch forward what the server says that the host must know.

mod error;
pub mod events;
pub mod settings;
mod state;
pub mod static_feed;

pub use error::Error;
pub use settings::{Config, DatapathType, Settings};
pub use state::HostState;
