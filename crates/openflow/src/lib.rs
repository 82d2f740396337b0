//! OpenFlow 1.3 and 1.4 with what Open vSwitch adds to them: codec, text form in `ovs-ofctl` syntax, connection.
//!
//! The types of this crate ([`Flow`], [`Match`], [`Action`]) are plain values; the codec is pure; only `connection`
//! does I/O. What the codec does not know it keeps as opaque bytes, so that nothing is lost on the way through.

mod action;
pub mod codec;
pub mod connection;
mod error;
mod field;
mod flow;
mod flow_mod;
mod hash;
mod matching;
mod message;
mod monitor;
mod normal;
mod port_desc;
mod switch_error;
mod text;

pub use action::{Action, Instruction, Learn, LearnSource, LearnSpec, LearnTarget, Subfield};
pub use error::{Error, Result};
pub use field::Field;
pub use flow::{Flow, FlowKey, Meaning};
pub use flow_mod::{Command, FlowFilter, FlowMod};
pub use matching::{Masked, Match};
pub use message::{
    Aggregate, BundleControl, BundleStep, Features, FlowRemoved, FlowStats, Hello, Message, MultipartReply,
    MultipartRequest, PortReason, TableStats, Version,
};
pub use monitor::{FlowEvent, FlowMonitor, FlowUpdate};
pub use port_desc::{Ethernet, PortDesc, PortStats};
pub use switch_error::SwitchError;

/// Number of an OpenFlow port of a bridge (`ofport` of OVSDB).
pub type PortNo = u32;

/// Reserved port numbers (OpenFlow 1.3.5 section 7.2.1, `ofp_port_no`).
pub mod port {
    use super::PortNo;

    /// The first reserved number: real ports are below it.
    pub const MAX: PortNo = 0xffff_ff00;
    pub const IN_PORT: PortNo = 0xffff_fff8;
    pub const TABLE: PortNo = 0xffff_fff9;
    pub const NORMAL: PortNo = 0xffff_fffa;
    pub const FLOOD: PortNo = 0xffff_fffb;
    pub const ALL: PortNo = 0xffff_fffc;
    pub const CONTROLLER: PortNo = 0xffff_fffd;
    pub const LOCAL: PortNo = 0xffff_fffe;
    pub const ANY: PortNo = 0xffff_ffff;
}

/// Flags of a flow (OpenFlow 1.3.5 section 7.3.4.2, `OFPFF_*`).
pub mod flow_flags {
    pub const SEND_FLOW_REMOVED: u16 = 1;
    pub const CHECK_OVERLAP: u16 = 2;
    pub const RESET_COUNTS: u16 = 4;
    pub const NO_PACKET_COUNTS: u16 = 8;
    pub const NO_BYTE_COUNTS: u16 = 16;
    /// Those that a switch keeps with the flow; the others concern the flow-mod alone.
    pub(crate) const KEPT: u16 = !(CHECK_OVERLAP | RESET_COUNTS);
}
