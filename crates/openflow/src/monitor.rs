//! Flow monitors: a switch tells of flows that others change (OpenFlow 1.4 section 7.3.5.18, `OFPMP_FLOW_MONITOR`).

use crate::{Flow, Match};

/// What to tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlowMonitor {
    /// The controller's own number for it.
    pub id: u32,
    /// [`FlowMonitor::ADD`] and so on.
    pub flags: u16,
    /// `None`: all tables.
    pub table: Option<u8>,
    /// Flows that match this or something narrower.
    pub matching: Match,
    /// `false`: the one of this number is to end.
    pub begin: bool,
}

impl FlowMonitor {
    /// Flows that are there already.
    pub const INITIAL: u16 = 1;
    pub const ADD: u16 = 2;
    pub const REMOVED: u16 = 4;
    pub const MODIFY: u16 = 8;
    /// With what the flow does.
    pub const INSTRUCTIONS: u16 = 16;
    /// What this connection itself changes in full too, and not only by its transaction id.
    pub const NO_ABBREV: u16 = 32;

    /// All that others change, anywhere.
    pub fn of_others() -> Self {
        let flags = Self::ADD | Self::REMOVED | Self::MODIFY | Self::INSTRUCTIONS;
        FlowMonitor { id: 1, flags, table: None, matching: Match::any(), begin: true }
    }
}

/// One thing that a monitor tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FlowUpdate {
    /// A flow, without its flags. Of one that was removed the instructions may be missing.
    Full {
        event: FlowEvent,
        /// Of a removal: `OFPRR_*`.
        reason: u8,
        flow: Flow,
    },
    /// This connection's own request with this transaction id did it.
    Own { xid: u32 },
    /// The switch could not keep up: what happens from here on is not told.
    Paused,
    /// It tells again.
    Resumed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlowEvent {
    /// It was there when the monitor began.
    Initial,
    Added,
    Removed,
    Modified,
}
