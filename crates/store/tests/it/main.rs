//! The store on a real database file.

// the helpers of tests, too, fail by panicking
#![allow(clippy::unwrap_used, clippy::panic)]

mod addresses;
mod followers;
mod hosts;
mod kill;
mod support;
mod together;
mod versions;
