//! What is known of one bridge's flows, and what is under way to it.

use std::collections::{BTreeSet, VecDeque};

use openflow::FlowMod;
use pipeline::{Bridge, Op, Ownership, Row, Stage};

use super::HostState;
use crate::events::{self, Command, Level, Refused};

/// Flow-mods of one batch, and batches that the switch has not confirmed. Bounds what is held in memory, and keeps the
/// switch busy while the next batch is made ready.
const BATCH: usize = 1024;
const MOST_UNDER_WAY: usize = 4;
/// Steps of one stage from which on they are spread over several connections: Open vSwitch takes so many messages of each
/// (50 in 3.1) before it looks after everything else.
const SPREAD_FROM: usize = 512;
/// The same of what is spread: smaller, as each connection is to have some.
const SPREAD_BATCH: usize = 256;
const MOST_SPREAD: usize = 16;

#[derive(Debug)]
pub(super) struct Switch {
    pub(super) phase: Phase,
    /// Rows to compare with what is installed.
    pub(super) pending: BTreeSet<Row>,
    /// The steps that were found and do not fit the batch under way, in their order.
    pub(super) planned: VecDeque<Op>,
    /// Removals of what is no row: learned towards a tunnel port that goes, or of no form that we use.
    pub(super) removals: Vec<FlowMod>,
    /// Rows found here that nobody wants, as far as is known: not to be removed before what they belong to is complete.
    pub(super) orphans: BTreeSet<Row>,
    /// Oldest first: the switch answers in this order.
    pub(super) under_way: VecDeque<Batch>,
    /// What was found here has been compared once with what is wanted.
    pub(super) compared: bool,
    /// All up to this change is in, confirmed by a barrier.
    pub(super) confirmed: u64,
    /// Somebody changed flows while they were being read: they are read once more.
    pub(super) unsure: bool,
    /// Rows that the switch refused, until they change.
    pub(super) refused: BTreeSet<Row>,
    session: u64,
    bundles: Option<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Down,
    /// Being read.
    Dumping,
    Ready,
}

/// Flow-mods that the switch has not confirmed yet.
#[derive(Debug)]
pub(super) struct Batch {
    /// In the order sent; removals of what is no row come after them.
    pub(super) ops: Vec<Op>,
    /// The change that the switch is at once this is in.
    pub(super) change: u64,
    /// The stage that it is a part of, if that is spread over several connections.
    pub(super) spread: Option<Stage>,
}

/// Steps that can go now.
#[derive(Debug)]
pub(super) struct Next {
    pub(super) ops: Vec<Op>,
    /// As in [`Batch`].
    pub(super) spread: Option<Stage>,
}

impl Switch {
    pub(super) fn new() -> Self {
        Switch {
            phase: Phase::Down,
            pending: BTreeSet::new(),
            planned: VecDeque::new(),
            removals: Vec::new(),
            orphans: BTreeSet::new(),
            under_way: VecDeque::new(),
            compared: false,
            confirmed: 0,
            unsure: false,
            refused: BTreeSet::new(),
            session: 0,
            bundles: None,
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.phase == Phase::Ready
    }

    /// Ready, and nothing is to be done or under way.
    pub(super) fn is_idle(&self) -> bool {
        self.is_ready() && self.pending.is_empty() && self.planned.is_empty() && self.under_way.is_empty()
    }

    pub(super) fn bundles(&self) -> bool {
        self.bundles == Some(true)
    }

    pub(super) fn session(&self) -> u64 {
        self.session
    }

    /// The next of the planned steps, but for what must wait until what is under way is in: a stage is in before the next
    /// begins, where one of the two is spread.
    pub(super) fn take_next(&mut self) -> Option<Next> {
        let first = self.planned.front()?.stage;
        let end_of = |stage: Stage| self.planned.partition_point(|op| op.stage <= stage);
        let last = self.under_way.back();
        let goes_on = last.is_some_and(|last| last.spread == Some(first));
        let spread = (goes_on || end_of(first) >= SPREAD_FROM).then_some(first);
        let most = if spread.is_some() { MOST_SPREAD } else { MOST_UNDER_WAY };
        if self.under_way.len() >= most || last.is_some_and(|last| last.spread != spread) {
            return None;
        }
        let mut end = 0;
        if spread.is_some() {
            end = end_of(first).min(SPREAD_BATCH);
        } else {
            while let Some(op) = self.planned.get(end).filter(|_| end < BATCH) {
                let stage_end = end_of(op.stage);
                if end > 0 && stage_end - end >= SPREAD_FROM {
                    break;
                }
                end = stage_end;
            }
        }
        let ops = self.planned.drain(..end.min(BATCH)).collect();
        if self.planned.is_empty() {
            // A large plan's memory is given back.
            self.planned = VecDeque::new();
        }
        Some(Next { ops, spread })
    }

    /// These rows may differ now from what is installed.
    pub(super) fn look_at(&mut self, rows: Vec<Row>) {
        for row in &rows {
            self.refused.remove(row);
        }
        if self.pending.is_empty() {
            // Built at once, which is much cheaper than row by row.
            self.pending = rows.into_iter().collect();
        } else {
            self.pending.extend(rows);
        }
    }

    /// Everything is to be read, and compared, anew.
    fn forget(&mut self, phase: Phase) {
        self.phase = phase;
        self.pending.clear();
        self.planned.clear();
        self.removals.clear();
        self.orphans.clear();
        self.under_way.clear();
        self.compared = false;
        self.unsure = false;
        self.confirmed = 0;
    }
}

impl HostState {
    pub(super) fn on_switch(&mut self, bridge: Bridge, event: events::Switch) {
        let current = self.switch(bridge).session;
        match event {
            events::Switch::Connected { session, features } => {
                let switch = self.switch(bridge);
                let first = switch.bundles.replace(features.bundles) != Some(features.bundles);
                switch.session = session;
                switch.refused.clear();
                self.dump(bridge);
                if first && !features.bundles {
                    self.say(
                        Level::Warn,
                        format!(
                            "Open vSwitch takes no bundles on {bridge}: flows of one change go in one after the other, so \
                             a port that moves may lose frames for a moment"
                        ),
                    );
                }
            }
            events::Switch::Lost { session, reason } if session >= current => {
                let was_up = self.switch(bridge).phase != Phase::Down;
                self.forget(bridge, Phase::Down);
                self.repair.forget(bridge);
                if was_up {
                    self.say(Level::Warn, format!("{bridge} is not connected: {reason}; its flows stay as they are"));
                }
            }
            events::Switch::Flows { session, flows } if session == current => {
                let taken_over = self.is_handing_over(bridge);
                for flow in flows {
                    let ownership = if taken_over {
                        self.installed.take_over(bridge, flow)
                    } else {
                        self.installed.adopt(bridge, flow)
                    };
                    if ownership == Ownership::Stray && self.repair.is_reviewing(bridge) {
                        self.note_stray(bridge);
                    }
                }
            }
            events::Switch::Changed { session, changes } if session == current => self.on_changed(bridge, changes),
            events::Switch::Dumped { session } if session == current && self.switch(bridge).unsure => {
                self.dump(bridge);
            }
            events::Switch::Dumped { session } if session == current => {
                self.look_for_parked(bridge);
                let all = self.installed.and_wanted(&self.pipeline);
                let switch = self.switch(bridge);
                switch.phase = Phase::Ready;
                switch.pending = all.into_iter().filter(|row| row.bridge() == bridge).collect();
            }
            events::Switch::Applied { session, refused } if session == current => self.on_applied(bridge, &refused),
            // Of a connection that is gone.
            _ => {}
        }
    }

    fn forget(&mut self, bridge: Bridge, phase: Phase) {
        self.switch(bridge).forget(phase);
        self.installed.clear(bridge);
        self.tunnels.stay();
    }

    pub(super) fn dump(&mut self, bridge: Bridge) {
        self.forget(bridge, Phase::Dumping);
        let session = self.switch(bridge).session;
        self.commands.push(Command::Dump { bridge, session });
    }

    fn on_applied(&mut self, bridge: Bridge, refused: &[Refused]) {
        let Some(batch) = self.switch(bridge).under_way.pop_front() else { return };
        self.switch(bridge).confirmed = batch.change;
        let mut unsure = false;
        let mut rows = Vec::new();
        for Refused { index, reason, bad_action } in refused {
            let Some(op) = batch.ops.get(*index).copied() else { continue };
            if *bad_action && matches!(op.row, Row::Responder { .. }) && self.lose_responder(reason) {
                // The next comparison takes back all that belongs to the responder.
                unsure = true;
                break;
            }
            if !self.pipeline.modes().arp_responder() && matches!(op.row, Row::Responder { .. }) {
                continue;
            }
            self.say(Level::Error, format!("{bridge} refused a flow ({:?}): {reason}; the others are in", op.row));
            self.switch(bridge).refused.insert(op.row);
            rows.push(op.row);
            // Whether the old flow is still there is not known, unless there was none.
            if op.change == pipeline::Change::Add {
                self.installed.remove(&op.row);
            } else {
                unsure = true;
            }
        }
        if unsure {
            self.dump(bridge);
        }
        if !rows.is_empty() {
            self.confirm_again(&rows);
        }
    }
}
