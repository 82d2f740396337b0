//! End to end: real Open vSwitch, real tunnels, real frames, in labs of the tests' own. They need root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod by_hand;
mod frames;
mod full_mesh;
mod overlay;
mod ovs;
mod side_by_side;
mod support;
mod switch;
mod teardown;
mod verbs;
