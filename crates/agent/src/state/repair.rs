//! What others change of ours is put right again: at once where Open vSwitch tells of it, else by the next comparison. Each
//! item is counted, and named in the log: who changes flows is a question that operators ask.

use std::collections::BTreeSet;

use pipeline::{Bridge, Change, Op, Ownership, Row, Tunnel};
use serde::Serialize;

use super::HostState;
use super::switch::Phase;
use crate::events::{FlowChange, Level};

/// Items of one comparison that the log names; how many there were more it says in one line.
const NAMED: usize = 20;

#[derive(Debug, Default)]
pub(super) struct Repair {
    counts: Repaired,
    /// Rows that somebody else touched and that have not been compared since.
    touched: BTreeSet<Row>,
    /// Bridges that are read because it was time: all that differs there was somebody else.
    reviewing: BTreeSet<Bridge>,
}

/// What was put right since the agent started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    pub flows: u64,
    pub tunnel_ports: u64,
    pub ports: u64,
}

impl Repair {
    pub(super) fn counts(&self) -> Repaired {
        self.counts
    }

    /// The switch itself is another: what differs there now, nobody else has changed.
    pub(super) fn forget(&mut self, bridge: Bridge) {
        self.touched.retain(|row| row.bridge() != bridge);
        self.reviewing.remove(&bridge);
    }
}

impl HostState {
    /// Both bridges are read anew, unless something is under way that will show what they hold.
    pub(super) fn review(&mut self) {
        for bridge in [Bridge::Integration, Bridge::Tunnel] {
            if self.switch(bridge).is_idle() {
                self.dump(bridge);
                self.repair.reviewing.insert(bridge);
            }
        }
    }

    pub(super) fn on_changed(&mut self, bridge: Bridge, changes: Vec<FlowChange>) {
        if self.switch(bridge).phase == Phase::Dumping {
            // What was read may be from before or after.
            let ours = |change: &FlowChange| match change {
                FlowChange::Set(flow) | FlowChange::Gone(flow) => {
                    matches!(Ownership::of(bridge, flow), Ownership::Row(_) | Ownership::Stray)
                }
                FlowChange::Unknown => true,
            };
            self.switch(bridge).unsure |= changes.iter().any(ours);
            return;
        }
        for change in changes {
            match change {
                FlowChange::Set(flow) => match self.installed.adopt(bridge, flow) {
                    Ownership::Row(row) => self.touch(bridge, row),
                    Ownership::Stray => self.note_stray(bridge),
                    Ownership::Learned(_) | Ownership::Foreign => {}
                },
                FlowChange::Gone(flow) => {
                    if let Ownership::Row(row) = Ownership::of(bridge, &flow) {
                        self.installed.remove(&row);
                        self.touch(bridge, row);
                    }
                }
                FlowChange::Unknown => {
                    self.dump(bridge);
                    self.repair.reviewing.insert(bridge);
                    return;
                }
            }
        }
    }

    fn touch(&mut self, bridge: Bridge, row: Row) {
        self.repair.touched.insert(row);
        self.switch(bridge).look_at(vec![row]);
    }

    /// Of the steps that a comparison found: those that undo what somebody else did.
    pub(super) fn note_repairs(&mut self, bridge: Bridge, ops: &[Op]) {
        let all = self.repair.reviewing.remove(&bridge);
        let touched = std::mem::take(&mut self.repair.touched);
        let mut named = 0;
        for op in ops.iter().filter(|op| all || touched.contains(&op.row)) {
            self.repair.counts.flows += 1;
            named += 1;
            if named <= NAMED {
                let what = match op.change {
                    Change::Add => "was missing",
                    Change::Modify | Change::Recookie => "was changed",
                    Change::Remove => "was added",
                };
                let text = format!("a flow of {bridge} {what}, and not by this agent: put right: {:?}", op.row);
                self.say(Level::Warn, text);
            }
        }
        if named > NAMED {
            self.say(Level::Warn, format!("so were {} more flows of {bridge}", named - NAMED));
        }
        // Those of the other bridge are still to be compared.
        self.repair.touched = touched.into_iter().filter(|row| row.bridge() != bridge).collect();
    }

    fn note_stray(&mut self, bridge: Bridge) {
        self.repair.counts.flows += 1;
        self.say(
            Level::Warn,
            format!("a flow of no form of ours was added to {bridge}, and not by this agent: removed"),
        );
    }

    pub(super) fn note_lost_tunnel(&mut self, tunnel: Tunnel) {
        self.repair.counts.tunnel_ports += 1;
        self.say(Level::Warn, format!("the tunnel port {tunnel} was removed, and not by this agent: made anew"));
    }

    pub(super) fn note_changed_port(&mut self, name: &str) {
        self.repair.counts.ports += 1;
        self.say(Level::Warn, format!("the tag of {name} was changed, and not by this agent: set again"));
    }
}
