//! The agent on a real Open vSwitch: its own `ovsdb-server` and `ovs-vswitchd`, in a temporary directory and a private
//! network namespace. Needs root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod behaviour;
mod ovs;
mod proxy;
mod survey;
