//! The whole server on loopback with a real database, agents made of the protocol's own parts (no OVS), driven by REST.

mod admin;
mod admission;
mod agent;
mod faults;
mod interest;
mod life;
mod proxy;
mod restart;
mod scenario;
mod world;
