//! Sessions and what agents hold: over queues with random histories, and over real TCP.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests; the lint's own exception does not reach helpers")]

mod facts;
mod golden;
mod held;
mod history;
mod hub;
mod proxy;
mod rules;
mod stream;
mod world;
