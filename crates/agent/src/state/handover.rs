//! Taking the bridges over from a stock agent without a frame lost.
//!
//! A bridge that loses its last controller loses its flows, too (`flush.rs`). So what a stock agent has left stays in force until
//! the server has said all and ours is in; then its flows go, and in the place of its controllers comes one that leads nowhere.

use std::collections::BTreeSet;

use ovsdb::Target;
use ovsdb::Transaction;
use pipeline::Bridge;
use uuid::Uuid;

use super::HostState;
use super::switch::Phase;
use crate::events::Level;

#[derive(Debug, Default)]
pub(super) struct Handover {
    /// Controllers that were there when the database was read for the first time; none before that.
    found: Option<BTreeSet<Uuid>>,
}

/// A controller that nobody can be: a socket in Open vSwitch's run directory, of a name that nothing there has.
pub(crate) fn nowhere(bridge: &str) -> String {
    format!("unix:{bridge}.culvert")
}

impl HostState {
    /// The database has been read.
    pub(super) fn note_controllers(&mut self) {
        if self.handover.found.is_some() {
            return;
        }
        self.handover.found = Some(self.database.replica.controllers().keys().copied().collect());
        for bridge in [Bridge::Integration, Bridge::Tunnel]
            .into_iter()
            .filter(|bridge| self.is_handing_over(*bridge))
            .collect::<Vec<_>>()
        {
            self.say(
                Level::Info,
                format!("{bridge} has another agent's controller: what that agent left there stays in force until all of ours is in"),
            );
            // What was read before counted as somebody else's.
            if self.switch(bridge).phase != Phase::Down {
                self.dump(bridge);
            }
        }
    }

    /// Another agent's controllers were found on this bridge, and are still there.
    pub(super) fn is_handing_over(&self, bridge: Bridge) -> bool {
        let found = |uuid| self.handover.found.as_ref().is_some_and(|found| found.contains(uuid));
        self.controllers(self.name_of(bridge)).iter().any(found)
    }

    /// What another agent left may go: the server has said of all that is plugged here what it is to be.
    pub(super) fn may_take_over(&self) -> bool {
        self.link.host_complete() && !self.wiring.keeps_ports()
    }

    /// Nobody commands a bridge but us: its controllers go, at the right moment and in the right way.
    pub(super) fn disarm(&self, transaction: &mut Transaction, bridge: Bridge, target: &Target) {
        let Target::Row(uuid) = *target else { return };
        if !self.is_handing_over(bridge) {
            if !self.controllers(self.name_of(bridge)).is_empty() {
                transaction.clear_controller(&self.database.replica, uuid);
            }
        } else if self.is_all_in() {
            transaction.replace_controllers(uuid, &nowhere(self.name_of(bridge)));
        }
    }

    fn is_all_in(&self) -> bool {
        let idle =
            [&self.integration, &self.tunnel].iter().all(|switch| switch.is_idle() && switch.removals.is_empty());
        self.may_take_over() && idle && !self.pipeline.is_dirty() && !self.installed.has_strays()
    }

    /// Of the bridge of this name, without the one that leads nowhere.
    fn controllers(&self, name: &str) -> BTreeSet<Uuid> {
        let replica = &self.database.replica;
        let Some((_, bridge)) = replica.bridge_by_name(name) else { return BTreeSet::new() };
        let leads =
            |uuid: &&Uuid| replica.controllers().get(uuid).is_none_or(|controller| controller.target != nowhere(name));
        bridge.controller.iter().filter(leads).copied().collect()
    }

    fn name_of(&self, bridge: Bridge) -> &str {
        match bridge {
            Bridge::Integration => &self.config.integration_bridge,
            Bridge::Tunnel => &self.config.tunnel_bridge,
        }
    }
}
