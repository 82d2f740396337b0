//! Host state → tunnel ports and flows of `br-int` and `br-tun`. Pure: no I/O, no clock, no randomness.
//!
//! [`State`] holds what a host must do. A [`Row`] names one flow by what it matches; [`State::derive`] says what that
//! flow does, from the state alone. A change of the state only marks the rows that may have changed, so what is
//! installed step by step is what would be installed from scratch. [`plan`] compares rows with what the switch is known
//! to hold ([`Installed`]) and orders the difference so that nothing is broken on the way ([`Stage`]).

mod claims;
mod cookie;
mod derive;
mod entries;
mod error;
mod explain;
mod installed;
mod local;
mod modes;
mod network;
mod plan;
mod problem;
mod recognise;
mod remote;
mod row;
mod stage;
mod state;
mod tables;
mod tunnel;
mod tunnels;
mod vlans;

pub use cookie::{Cookie, Kind};
pub use derive::Derived;
pub use error::Error;
pub use installed::Installed;
pub use local::{LocalPort, PatchPorts};
pub use modes::{FLOOD_LIMIT, Modes, VXLAN_PORT};
pub use plan::{Change, Op, Plan, plan, plan_in_turn};
pub use problem::Problem;
pub use recognise::Ownership;
pub use row::{Bridge, Row, Scope};
pub use stage::Stage;
pub use state::State;
pub use tables::{TABLES, table_name};
pub use tunnel::Tunnel;
pub use tunnels::TunnelPort;
pub use vlans::LocalVlans;
