//! A database that is replaced by an older copy of it: what happened since has not happened.

use std::collections::BTreeMap;

use super::World;
use super::store::Store;
use crate::judge::Port;
use crate::setup::Made;

/// A copy of the database, and what had been asked for when it was made.
#[derive(Debug)]
pub(super) struct Backup {
    store: Store,
    networks: BTreeMap<u8, Made>,
    ports: BTreeMap<u8, Port>,
}

impl World {
    /// Hosts that register only afterwards would be strangers to the copy, and refused.
    pub(super) fn back_up(&mut self) {
        if self.store.hosts.len() == self.hosts.len() {
            let (networks, ports) = (self.facts.networks.clone(), self.facts.ports.clone());
            self.backup = Some(Backup { store: self.store.clone(), networks, ports });
        }
    }

    pub(super) fn restore(&mut self) {
        let Some(Backup { store, networks, ports }) = self.backup.take() else { return };
        self.server_dies();
        self.restored = true;
        self.store = store.in_place_of(&self.store);
        let lost = std::mem::replace(&mut self.facts.ports, ports);
        self.facts.networks = networks;
        let concerned: Vec<Made> = lost.values().chain(self.facts.ports.values()).map(|port| port.made).collect();
        for port in concerned {
            self.facts.unsettle_move(port);
            self.moment.unplugged(port);
        }
        self.moment.note_interests(&self.facts, false);
    }

    pub(super) fn begin_history(&mut self) {
        let epoch = (!self.store_fails).then(|| self.store.begin_history());
        if let Some(server) = &mut self.server {
            server.history_began(epoch);
        }
    }
}
