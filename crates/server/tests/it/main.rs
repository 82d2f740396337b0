//! The server, driven from outside through real sockets.

// the helpers of tests, too, fail by panicking
#![allow(clippy::unwrap_used, clippy::panic)]

mod agents;
mod bindings;
mod concurrency;
mod described;
mod errors;
mod hub;
mod if_match;
mod ipv6;
mod lists;
mod networks;
mod openapi;
mod openstack_client;
mod ports;
mod quotas;
mod recordings;
mod rest_server;
mod security_groups;
mod subnets;
mod tags;
mod unavailable;
mod updates;
mod vnic_types;
