//! The world outside the host state, one task for each part of it.

pub(crate) mod admin;
pub(crate) mod checkpoint;
pub(crate) mod database;
pub(crate) mod file;
mod lanes;
pub(crate) mod neutron;
pub(crate) mod server;
pub(crate) mod switch;
