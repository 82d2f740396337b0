//! What others change of ours is put right again: at once where Open vSwitch tells of it, else by the next comparison. Each
//! item is counted, and named in the log: who changes flows is a question that operators ask.

use std::collections::{BTreeMap, BTreeSet};

use pipeline::{Bridge, Change, Op, Ownership, Row, Tunnel};
use serde::Serialize;

use super::HostState;
use super::switch::Phase;
use crate::events::{FlowChange, Level};

/// Items of a kind that the log names in a minute; how many there were more it says at the minute's end.
const NAMED: u64 = 20;
/// How often a flow is put right between two ticks; more often only with the next one. Two that write the same flow at once,
/// each as soon as it hears of the other, would do nothing else.
const AT_ONCE: u32 = 2;
/// Ticks ([`crate::events::Event::Retry`], each second) to a minute.
const MINUTE: u32 = 60;

#[derive(Debug, Default)]
pub(super) struct Repair {
    counts: Repaired,
    /// Rows that somebody else touched and that have not been compared since.
    touched: BTreeSet<Row>,
    /// Bridges that are read because it was time: all that differs there was somebody else.
    reviewing: BTreeSet<Bridge>,
    /// How often each row was put right since the last tick.
    lately: BTreeMap<Row, u32>,
    /// Rows that somebody else touched once too often: they are looked at with the next tick.
    waiting: BTreeSet<Row>,
    minute: Minute,
}

/// What was put right within the present minute.
#[derive(Debug, Default)]
struct Minute {
    ticks: u32,
    named: BTreeMap<&'static str, u64>,
    unnamed: u64,
    /// How often each row was.
    rows: BTreeMap<Row, u32>,
}

/// What was put right since the agent started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Repaired {
    pub flows: u64,
    pub tunnel_ports: u64,
    /// Tags, of wired ports and of isolated ones.
    pub ports: u64,
    /// Bridges, their settings, and patch ports.
    pub bridges: u64,
}

impl Repair {
    pub(super) fn counts(&self) -> Repaired {
        self.counts
    }

    /// The switch itself is another: what differs there now, nobody else has changed.
    pub(super) fn forget(&mut self, bridge: Bridge) {
        self.touched.retain(|row| row.bridge() != bridge);
        self.waiting.retain(|row| row.bridge() != bridge);
        self.reviewing.remove(&bridge);
    }

    /// It is read because it was time, not because it is new.
    /// What is compared next may undo what others did, each step of which counts.
    pub(super) fn counts_steps(&self, bridge: Bridge) -> bool {
        self.is_reviewing(bridge) || !self.touched.is_empty()
    }

    pub(super) fn is_reviewing(&self, bridge: Bridge) -> bool {
        self.reviewing.contains(&bridge)
    }

    /// Nothing of others' doing is left to be put right later.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl HostState {
    /// Both bridges are read anew, and what they refused is tried again, unless something is under way that will show what they hold.
    pub(super) fn review(&mut self) {
        for bridge in [Bridge::Integration, Bridge::Tunnel] {
            if self.switch(bridge).is_idle() {
                // What was refused may be taken by now.
                self.switch(bridge).refused.clear();
                self.dump(bridge);
                self.repair.reviewing.insert(bridge);
            }
        }
        self.confirm_again([]);
    }

    pub(super) fn on_changed(&mut self, bridge: Bridge, changes: Vec<FlowChange>) {
        if self.flush.is_due(bridge) {
            return;
        }
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
        if self.repair.lately.get(&row).is_some_and(|times| *times >= AT_ONCE) {
            self.repair.waiting.insert(row);
            return;
        }
        self.repair.touched.insert(row);
        self.switch(bridge).look_at(vec![row]);
    }

    /// A second has passed.
    pub(super) fn tick_repairs(&mut self) {
        self.repair.lately.clear();
        for row in std::mem::take(&mut self.repair.waiting) {
            self.touch(row.bridge(), row);
        }
        self.repair.minute.ticks += 1;
        if self.repair.minute.ticks < MINUTE {
            return;
        }
        let Minute { unnamed, rows, .. } = std::mem::take(&mut self.repair.minute);
        let most = rows.iter().max_by_key(|(_, times)| **times).filter(|(_, times)| **times > 1);
        let most = most.map(|(row, times)| format!("; most often, {times} times: {row:?} of {}", row.bridge()));
        if unnamed > 0 {
            let text = format!(
                "{unnamed} more changes by others were put right in the last minute{}: does another agent or a controller work \
                 on these bridges?",
                most.unwrap_or_default()
            );
            self.say(Level::Warn, text);
        }
    }

    /// Of the steps that a comparison found: those that undo what somebody else did.
    pub(super) fn note_repairs(&mut self, bridge: Bridge, ops: &[Op]) {
        let all = self.repair.reviewing.remove(&bridge);
        let touched = std::mem::take(&mut self.repair.touched);
        for op in ops.iter().filter(|op| all || touched.contains(&op.row)) {
            self.repair.counts.flows += 1;
            *self.repair.lately.entry(op.row).or_default() += 1;
            *self.repair.minute.rows.entry(op.row).or_default() += 1;
            let what = match op.change {
                Change::Add => "was missing",
                Change::Modify | Change::Recookie => "was changed",
                Change::Remove => "was added",
            };
            self.name("flow", || format!("a flow of {bridge} {what}, and not by this agent: put right: {:?}", op.row));
        }
        // Those of the other bridge are still to be compared.
        self.repair.touched = touched.into_iter().filter(|row| row.bridge() != bridge).collect();
    }

    pub(super) fn note_stray(&mut self, bridge: Bridge) {
        self.repair.counts.flows += 1;
        self.name("flow", || {
            format!("a flow of no form of ours was added to {bridge}, and not by this agent: removed")
        });
    }

    pub(super) fn note_lost_tunnel(&mut self, tunnel: Tunnel) {
        self.repair.counts.tunnel_ports += 1;
        self.name("tunnel port", || format!("the tunnel port {tunnel} was removed, and not by this agent: made anew"));
    }

    pub(super) fn note_changed_tunnel(&mut self, tunnel: Tunnel) {
        self.repair.counts.tunnel_ports += 1;
        self.name("tunnel port", || {
            format!("options of the tunnel port {tunnel} were changed, and not by this agent: set again")
        });
    }

    /// What was done to a bridge or to its patch port, in words.
    pub(super) fn note_changed_bridge(&mut self, what: &str) {
        self.repair.counts.bridges += 1;
        self.name("bridge", || format!("{what}, and not by this agent: put right"));
    }

    pub(super) fn note_changed_port(&mut self, name: &str) {
        self.repair.counts.ports += 1;
        self.name("port", || format!("the tag of {name} was changed, and not by this agent: set again"));
    }

    /// Into the log, unless there is much of the kind there already.
    fn name(&mut self, kind: &'static str, text: impl FnOnce() -> String) {
        let named = self.repair.minute.named.entry(kind).or_default();
        if *named < NAMED {
            *named += 1;
            self.say(Level::Warn, text());
        } else {
            self.repair.minute.unnamed += 1;
        }
    }
}
