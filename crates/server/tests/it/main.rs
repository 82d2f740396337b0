//! The server, driven from outside through real sockets.

// the helpers of tests, too, fail by panicking
#![allow(clippy::unwrap_used, clippy::panic)]

mod concurrency;
mod errors;
mod hub;
mod networks;
mod openstack_client;
mod ports;
mod recordings;
mod rest_server;
mod subnets;
