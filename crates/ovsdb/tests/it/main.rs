//! Against a real `ovsdb-server` of the machine's Open vSwitch, each in a directory of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test's helpers fail as its tests do")]

mod faults;
mod follower;
mod golden;
mod proxy;
mod resume;
mod seeds;
mod server;
mod transactions;
