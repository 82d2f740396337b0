//! What the agent alters of a bridge and pays for with all its flows.
//!
//! Open vSwitch drops the flows of a bridge that loses its last controller, gets another fail mode while it has none, or another
//! datapath type
//! (`connmgr_set_controllers` and `connmgr_set_fail_mode` of its `ofproto/connmgr.c`; seen on 3.1). So nothing is put into the
//! bridge until that has happened, and what is missing then was nobody else's doing.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb::Transaction;
use ovsdb::codec::{Condition, Datum, Operation};
use pipeline::Bridge;

use super::HostState;
use super::switch::Phase;
use crate::events::Level;

/// Bridges that are about to lose their flows.
#[derive(Debug, Default)]
pub(super) struct Flush {
    bridges: BTreeSet<Bridge>,
    /// They have lost them once vswitchd is at this `next_cfg`; none while the transaction is under way.
    until: Option<i64>,
}

/// Columns of a bridge that cost its flows, and what becomes of them.
const COSTLY: [(&str, &str); 3] = [
    ("controller", "its controllers are taken off"),
    ("fail_mode", "its fail mode becomes secure"),
    ("datapath_type", "its datapath type changes"),
];

impl Flush {
    pub(super) fn is_due(&self, bridge: Bridge) -> bool {
        self.bridges.contains(&bridge)
    }

    /// The transaction is in the database.
    pub(super) fn written(&mut self, next_cfg: Option<i64>) {
        self.until = next_cfg;
    }
}

impl HostState {
    /// Looks through a transaction that is about to be sent; with what tells when it is in effect, if that matters.
    pub(super) fn expect_flush(&mut self, mut operations: Vec<Operation>) -> Vec<Operation> {
        let facts = &self.facts.bridges;
        let mut costs = Vec::new();
        for (bridge, uuid) in [(Bridge::Integration, facts.integration), (Bridge::Tunnel, facts.tunnel)] {
            let Some(uuid) = uuid else { continue };
            let of_it = operations.iter().filter_map(|operation| match operation {
                Operation::Update { table, conditions, row }
                    if table == "Bridge" && *conditions == [Condition::row(uuid)] =>
                {
                    Some(row)
                }
                _ => None,
            });
            let written: BTreeMap<&String, &Datum> = of_it.flatten().collect();
            let had = self.database.replica.bridges().get(&uuid).is_some_and(|bridge| !bridge.controller.is_empty());
            let costs_flows = |column: &str, value: &Datum| match column {
                "controller" => *value == Datum::Set(vec![]),
                "fail_mode" => !had,
                _ => true,
            };
            let is_written = |column| written.iter().any(|(name, value)| *name == column && costs_flows(column, value));
            let why = COSTLY.iter().filter(|(column, _)| is_written(column));
            let why: Vec<_> = why.map(|(_, why)| *why).collect();
            if !why.is_empty() {
                costs.push((bridge, why.join(", ")));
            }
        }
        if costs.is_empty() {
            return operations;
        }
        let mut next_cfg = Transaction::new();
        next_cfg.next_cfg();
        operations.extend(next_cfg.into_operations());
        for (bridge, why) in costs {
            self.say(
                Level::Warn,
                format!("{bridge}: {why}, and with that Open vSwitch drops all its flows; those that are known are put in again at once"),
            );
            self.flush.bridges.insert(bridge);
        }
        operations
    }

    /// What has lost its flows is read, and filled.
    pub(super) fn settle_flush(&mut self) {
        if self.flush.until.is_some_and(|until| self.database.replica.is_applied(until)) {
            self.end_flush();
        }
    }

    /// It is over, or will not come, or nobody knows.
    pub(super) fn end_flush(&mut self) {
        let Flush { bridges, .. } = std::mem::take(&mut self.flush);
        for bridge in bridges {
            if self.switch(bridge).phase != Phase::Down {
                self.dump(bridge);
            }
        }
    }
}
