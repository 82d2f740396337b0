//! Against the real Open vSwitch, and against arbitrary bytes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test's helpers fail by panicking

mod golden;
mod ofctl;
mod opaque;
mod orders;
mod ovs;
mod peers;
mod property;
mod seeds;
mod switch;
