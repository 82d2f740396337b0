//! The server: REST API and agent sessions; joins the store and the directory.

pub mod admin;
pub mod config;
mod error;
pub mod hosts;
mod http;
pub mod hub;
mod key_range;
pub mod neutron_form;
pub mod rest;
mod room;
mod run;
pub mod writer;

pub use config::Settings;
pub use error::Error;
pub use key_range::KeyRange;
pub use run::{Server, run};

/// Name and version, as agents and operators see them.
const SOFTWARE: &str = concat!("culvert ", env!("CARGO_PKG_VERSION"));
