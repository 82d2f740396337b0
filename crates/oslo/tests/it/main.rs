//! Against recordings of a stock Neutron (`tests/data/neutron-21`), and with any values.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod broker;
mod declarations;
mod messages;
mod objects;
mod property;
mod proxy;
mod rabbitmq;
mod recordings;
mod seeds;
