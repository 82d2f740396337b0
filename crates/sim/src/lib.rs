//! Seeded simulation: the real directory, sessions, hub, agent state and pipeline in one process, with a simulated
//! network, database and clock and a model of Open vSwitch that forwards frames. A seed decides everything.
//!
//! [`run::run`] runs a seed; [`judge`] says what must hold; [`shrink::shrink`] finds the shortest list of steps that
//! still breaks it.

pub mod defect;
pub mod judge;
pub mod many;
pub mod ovs;
pub mod rng;
pub mod run;
pub mod script;
pub mod setup;
pub mod shrink;
pub mod step;
pub mod trace;
pub mod world;
