//! End to end: real Open vSwitch, real tunnels, real frames, in labs of the tests' own. They need root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod addresses;
mod by_hand;
mod frames;
mod full_mesh;
mod inspect;
mod learned;
mod local_vlans;
mod observer;
mod old_switch;
mod openstack;
mod overlay;
mod ovs;
mod port_life;
mod refused;
mod restart;
mod side_by_side;
mod story;
mod support;
mod switch;
mod teardown;
mod verbs;
