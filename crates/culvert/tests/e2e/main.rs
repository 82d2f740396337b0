//! End to end: real Open vSwitch, real tunnels, real frames, in labs of the tests' own. They need root.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what is wrong by failing")]

mod addresses;
mod arp;
mod base;
mod by_hand;
mod chaos;
mod checkpoint;
mod command_line;
mod completion;
mod disk;
mod docs;
mod expect;
mod explain;
mod frames;
mod full_mesh;
mod gate;
mod hardening;
mod heal;
mod inspect;
mod install;
mod isolation;
mod learned;
mod local_vlans;
mod lost_database;
mod monitor;
mod observer;
mod old_switch;
mod openstack;
mod overlay;
mod ovs;
mod port_life;
mod readme;
mod refused;
mod restart;
mod review;
mod scenario;
mod side_by_side;
mod signals;
mod story;
mod stream;
mod support;
mod switch;
mod teardown;
mod tunnels;
mod verbs;
