//! The server: REST API and agent sessions; joins the store and the directory.

pub mod hosts;
pub mod rest;
