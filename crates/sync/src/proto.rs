//! Generated from `proto/sync.proto` by `cargo run -p xtask --features proto -- proto`.
#![allow(clippy::pedantic, unreachable_pub, missing_debug_implementations, rust_2018_idioms)]

include!("gen/culvert.sync.v1.rs");
