//! The agent: makes a host's Open vSwitch forward what the server says that the host must know.

mod error;
pub mod settings;
pub mod static_feed;

pub use error::Error;
pub use settings::{Config, Settings};
