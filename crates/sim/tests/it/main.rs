//! The simulation itself: seeds within a budget, mistakes that it must find, and its model of Open vSwitch beside the
//! real one.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests; the lint's own exception does not reach helpers")]

mod lab;
mod ovs;
mod seeds;
