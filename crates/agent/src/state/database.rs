//! The copy of the database, and the transactions under way.

use std::collections::{BTreeMap, BTreeSet};

use ovsdb::Replica;
use ovsdb::codec::Operation;
use pipeline::Bridge;
use uuid::Uuid;

use super::HostState;
use super::facts::Facts;
use crate::events::{self, Command, Level};

#[derive(Debug, Default)]
pub(super) struct Database {
    pub(super) replica: Replica,
    connected: bool,
    /// The replica holds all there is, as of this connection.
    complete: bool,
    next_id: u64,
    under_way: BTreeMap<u64, Purpose>,
    /// Purposes that failed: not tried again before [`HostState::on_retry`].
    failed: Vec<Purpose>,
    /// Why the bridges cannot be made, as the log was told.
    pub(super) base_error: Option<String>,
    /// What is to be known of the bridges' datapath types, as the log was told.
    pub(super) datapath_types_said: Vec<(Level, String)>,
    /// What was wrong with bridges and patch ports the last time; none until they have been as they should be once: what is not
    /// since, somebody has changed.
    pub(super) base_wrong: Option<BTreeSet<String>>,
}

/// What a transaction is for. At most one of a purpose is under way; what comes up meanwhile goes into the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Bridges and patch ports.
    Base,
    /// The tags of these ports.
    Tags(Vec<Uuid>),
    AddTunnels,
    RemoveTunnels,
}

impl Purpose {
    fn is_like(&self, other: &Purpose) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl Database {
    /// Connected, and the replica holds all there is.
    pub(super) fn is_current(&self) -> bool {
        self.connected && self.complete
    }

    /// Nothing like it is under way, or has failed a moment ago.
    pub(super) fn is_free(&self, purpose: &Purpose) -> bool {
        !self.under_way.values().chain(&self.failed).any(|other| other.is_like(purpose))
    }

    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty() && self.failed.is_empty()
    }

    /// Whether there is anything to be tried again.
    fn retry(&mut self) -> bool {
        let failed = !self.failed.is_empty();
        self.failed.clear();
        failed
    }

    fn begin(&mut self, purpose: Purpose, operations: Vec<Operation>) -> Command {
        self.next_id += 1;
        self.under_way.insert(self.next_id, purpose);
        Command::Transact { id: self.next_id, operations }
    }
}

impl HostState {
    pub(super) fn on_retry(&mut self) {
        self.tick_repairs();
        if self.database.retry() {
            self.wiring.stale = true;
            self.tunnels.stale = true;
        }
        // Whether all is in by now.
        self.wiring.stale |= [Bridge::Integration, Bridge::Tunnel].iter().any(|bridge| self.is_handing_over(*bridge));
    }

    pub(super) fn transact(&mut self, purpose: Purpose, operations: Vec<Operation>) {
        if !operations.is_empty() {
            let command = self.database.begin(purpose, operations);
            self.commands.push(command);
        }
    }

    pub(super) fn on_database(&mut self, event: events::Database) {
        match event {
            events::Database::Connected => {
                self.database.connected = true;
                self.database.complete = false;
            }
            events::Database::Lost => {
                // What was under way has an unknown outcome: the next copy tells, so it is compared anew.
                self.database.connected = false;
                self.database.under_way.clear();
                self.database.failed.clear();
                self.wiring.forget_writes();
                self.end_flush();
                self.forget_deletions();
            }
            events::Database::Update(update) => match self.database.replica.apply(&update) {
                Ok(changes) => {
                    // Each connection begins with one update that brings the copy up to date.
                    self.database.complete = true;
                    self.note_controllers();
                    if !changes.is_empty() || !self.wiring.surveyed {
                        self.facts = {
                            let (integration, tunnel) = (&self.config.integration_bridge, &self.config.tunnel_bridge);
                            Facts::survey(&self.database.replica, integration, tunnel)
                        };
                        self.wiring.stale = true;
                        self.tunnels.stale = true;
                    }
                }
                Err(error) => {
                    self.database.complete = false;
                    self.say(Level::Error, format!("{error}; fetching a complete copy"));
                    self.commands.push(Command::Refetch);
                }
            },
            events::Database::Done { id, result } => self.on_transacted(id, result),
        }
    }

    fn on_transacted(&mut self, id: u64, result: Result<Option<i64>, String>) {
        let Some(purpose) = self.database.under_way.remove(&id) else { return };
        self.tunnels.stale = true;
        let next_cfg = result.as_ref().ok().copied().flatten();
        match &purpose {
            Purpose::Tags(ports) => self.wiring.written(ports, next_cfg),
            Purpose::Base if result.is_err() => self.end_flush(),
            Purpose::Base => self.flush.written(next_cfg),
            Purpose::AddTunnels | Purpose::RemoveTunnels => {}
        }
        if let Err(reason) = result {
            let what = match &purpose {
                Purpose::Base => "bridges and patch ports cannot be made",
                Purpose::Tags(_) => "tags of ports cannot be set",
                Purpose::AddTunnels => "tunnel ports cannot be made",
                Purpose::RemoveTunnels => "tunnel ports cannot be removed",
            };
            self.say(Level::Error, format!("{what}: {reason}"));
            if purpose == Purpose::RemoveTunnels {
                self.forget_deletions();
            }
            self.database.failed.push(purpose);
        }
    }
}
