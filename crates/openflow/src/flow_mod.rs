use crate::{Flow, Match, PortNo};

/// What a flow-mod does (section 7.3.4.1, `OFPFC_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Adds the flow, in place of one with the same table, priority and match.
    Add,
    /// Changes the instructions of all flows that the match includes.
    Modify,
    /// The same for the one flow with this priority and match.
    ModifyStrict,
    Delete,
    DeleteStrict,
}

/// An order to a switch about flows.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FlowMod {
    pub command: Command,
    /// The flow to add; for the others its table, match, cookie and, if strict, priority say which are meant.
    pub flow: Flow,
    /// Modify and delete: only flows whose cookie agrees with the flow's in these bits.
    pub cookie_mask: u64,
    /// Delete: only flows that output to this port.
    pub out_port: Option<PortNo>,
}

impl FlowMod {
    pub fn add(flow: Flow) -> Self {
        FlowMod { command: Command::Add, flow, cookie_mask: 0, out_port: None }
    }

    /// Changes the instructions of this flow, if it is there, and leaves its counters and time-outs.
    pub fn modify_strict(flow: Flow) -> Self {
        FlowMod { command: Command::ModifyStrict, ..FlowMod::add(flow) }
    }

    /// Removes the flow with this table, priority and match, whatever its cookie.
    pub fn delete_strict(flow: &Flow) -> Self {
        let flow = Flow::new(flow.table, flow.priority, flow.matching.clone());
        FlowMod { command: Command::DeleteStrict, ..FlowMod::add(flow) }
    }

    /// Removes all flows that the filter lets through.
    pub fn delete(filter: FlowFilter) -> Self {
        let FlowFilter { table, matching, cookie, cookie_mask, out_port } = filter;
        let flow = Flow::new(table.unwrap_or(u8::MAX), 0, matching).cookie(cookie);
        FlowMod { command: Command::Delete, flow, cookie_mask, out_port }
    }
}

/// Some of a switch's flows: those that all of this applies to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct FlowFilter {
    /// `None`: all tables.
    pub table: Option<u8>,
    /// Flows that match this or something narrower.
    pub matching: Match,
    pub cookie: u64,
    /// The bits in which a flow's cookie must agree with `cookie`.
    pub cookie_mask: u64,
    /// Flows that output to this port.
    pub out_port: Option<PortNo>,
}

impl FlowFilter {
    /// Every flow of every table.
    pub fn all() -> Self {
        FlowFilter::default()
    }

    pub fn table(table: u8) -> Self {
        FlowFilter { table: Some(table), ..FlowFilter::default() }
    }

    #[must_use]
    pub fn matching(mut self, matching: Match) -> Self {
        self.matching = matching;
        self
    }

    #[must_use]
    pub fn cookie(mut self, cookie: u64, mask: u64) -> Self {
        (self.cookie, self.cookie_mask) = (cookie & mask, mask);
        self
    }

    #[must_use]
    pub fn out_port(mut self, port: PortNo) -> Self {
        self.out_port = Some(port);
        self
    }
}
