//! The pipeline as its users see it: facts in, flows and plans out.

// A helper of a test may fail as the test itself may.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod adoption;
mod fixture;
mod order;
mod ovs;
mod property;
mod scenario;
mod switch;
