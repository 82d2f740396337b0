//! End to end: real Open vSwitch, real tunnels, real frames, in labs of the tests' own. They need root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod by_hand;
mod docs;
mod expect;
mod frames;
mod full_mesh;
mod monitor;
mod openstack;
mod overlay;
mod ovs;
mod scenario;
mod side_by_side;
mod story;
mod stream;
mod support;
mod switch;
mod teardown;
mod verbs;
