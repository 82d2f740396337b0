//! Hosts as network namespaces, each with its own Open vSwitch: for the demo, the tests and the benchmarks.
//!
//! A lab has a name, and everything made for it bears that name, so that two labs run side by side and all of one can be
//! found again and removed, whatever became of the process that made it:
//!
//! ```text
//!  cv-demo-server   cv-demo-compute1   cv-demo-compute2   cv-demo-network     namespaces (+ cv-demo-vm-<vm> per VM)
//!        mg           mg    ul           mg    ul           mg    ul
//!        └────────────┴─────┼────────────┴─────┼────────────┘     │
//!                br-mg      └──────────────────┴── br-ul ─────────┘           Linux bridges in cv-demo-switch
//! ```
//!
//! On a host, `ul` is a port of the OVS bridge `br-ul` (userspace datapath), which carries the tunnel endpoint's address:
//! that is where userspace tunnels look for it. A VM is a namespace with one end of a veth; the other end is on the host's
//! `br-int`, plugged as Nova and libvirt plug it.
//!
//! A lab outlives the process that makes it; [`Lab::open`] finds it again and [`down`] removes it.

mod capture;
mod command;
mod control;
mod encapsulated;
mod error;
mod host;
mod lab;
mod name;
mod namespace;
mod node;
mod ovs;
mod pcap;
mod probe;
mod process;
mod rest;
mod spec;
mod state;
mod teardown;
mod topology;
mod vm;

pub use reqwest::Method;
pub use rustix::process::Signal;

pub use crate::capture::Capture;
pub use crate::control::ControlSpec;
pub use crate::encapsulated::{Encapsulated, encapsulated};
pub use crate::error::Error;
pub use crate::host::Host;
pub use crate::lab::Lab;
pub use crate::name::{LabName, NodeName};
pub use crate::namespace::Inside;
pub use crate::node::{Node, Ping};
pub use crate::ovs::Daemon;
pub use crate::pcap::Frame;
pub use crate::probe::{Loss, PairReport, Point, ProbeReport, Probes};
pub use crate::process::{Identity, Process};
pub use crate::rest::Rest;
pub use crate::spec::{DEFAULT_BASE, HostSpec, SERVER_ADDRESS, Spec};
pub use crate::teardown::{down, list};
pub use crate::vm::{Vm, VmSpec};
