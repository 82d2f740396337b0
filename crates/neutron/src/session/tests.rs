//! The session against a played neutron-server: its answers are put together as the server's objects are written.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod life;
mod losses;
mod played;
