//! The world outside the host state, one task for each part of it.

pub(crate) mod admin;
pub(crate) mod checkpoint;
pub(crate) mod database;
pub(crate) mod file;
pub(crate) mod neutron;
mod lanes;
pub(crate) mod server;
pub(crate) mod switch;
