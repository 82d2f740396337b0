//! The host state: what the database, the switches and the server have said, and what follows from it. Pure.
//!
//! [`HostState::handle`] takes in what happened; [`HostState::settle`] compares what should be with what is and asks for
//! the difference. There is one such comparison, and the start, the change and the repair all take it.

mod base;
mod checkpoint;
mod database;
pub(crate) mod facts;
mod flows;
mod flush;
pub(crate) mod handover;
mod missing;
mod repair;
mod reports;
mod server;
mod status;
mod switch;
mod tunnels;
mod vlans;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};

use model::NetworkId;
use openflow::PortNo;
use pipeline::{Bridge, Installed, Modes, State};
use sync::messages::{NetworkInfo, PortOrder};

use crate::events::{Command, Event, Level};
use crate::{Config, Error};
use checkpoint::Parked;
pub use checkpoint::Restored;
use database::Database;
use facts::Facts;
use flush::Flush;
use handover::Handover;
use repair::Repair;
use reports::Reports;
use server::Link;
pub use status::{PortState, PortStatus, Status};
use switch::Switch;
use tunnels::Tunnels;
use vlans::Vlans;
use wiring::Wiring;

/// One host, as its agent knows it.
#[derive(Debug)]
pub struct HostState {
    config: Config,
    pipeline: State,
    /// What the switches hold, as far as they have confirmed it or are being told.
    installed: Installed,
    /// Counts changes of what is wanted.
    change: u64,
    database: Database,
    facts: Facts,
    integration: Switch,
    tunnel: Switch,
    /// Others' ports, as the pipeline has been told.
    foreign: BTreeSet<PortNo>,
    /// Others' ports of which nothing is let in, as the log was told.
    trunks: BTreeSet<String>,
    vlans: Vlans,
    tunnels: Tunnels,
    wiring: Wiring,
    link: Link,
    /// What the server says of networks and interfaces; kept while it is gone.
    networks: BTreeMap<NetworkId, NetworkInfo>,
    orders: BTreeMap<String, PortOrder>,
    reports: Reports,
    parked: Parked,
    repair: Repair,
    flush: Flush,
    handover: Handover,
    /// Interface ids that were here when the database was lost, and are not since.
    missing: BTreeSet<String>,
    /// What is known has changed since it was last given to the disk.
    unsaved: bool,
    commands: Vec<Command>,
}

impl HostState {
    /// A host of which nothing is known. `boot_id` tells a restarted agent from a rebooted host.
    pub fn new(config: Config, boot_id: String) -> Result<Self, Error> {
        let modes = Modes::new(config.local_ip, &config.tunnel_types, config.l2_population, config.arp_responder)?
            .flood_limit(config.flood_limit);
        Ok(HostState {
            pipeline: State::new(modes),
            installed: Installed::default(),
            change: 0,
            database: Database::default(),
            facts: Facts::default(),
            foreign: BTreeSet::new(),
            trunks: BTreeSet::new(),
            integration: Switch::new(),
            tunnel: Switch::new(),
            vlans: Vlans::new(config.local_vlans)?,
            tunnels: Tunnels::default(),
            wiring: Wiring::default(),
            link: Link::new(&config, boot_id),
            networks: BTreeMap::new(),
            orders: BTreeMap::new(),
            reports: Reports::default(),
            parked: Parked::default(),
            repair: Repair::default(),
            flush: Flush::default(),
            handover: Handover::default(),
            missing: BTreeSet::new(),
            unsaved: false,
            commands: Vec::new(),
            config,
        })
    }

    /// Takes in what happened. Cheap: call it for all that has come before calling [`HostState::settle`].
    pub fn handle(&mut self, event: Event) {
        match event {
            Event::Database(event) => self.on_database(event),
            Event::Switch(bridge, event) => self.on_switch(bridge, event),
            Event::Server(event) => self.on_server(event),
            Event::Review => self.review(),
            Event::Retry => self.on_retry(),
        }
    }

    /// Compares what should be with what is; returns what is to be done about the difference, in order.
    ///
    /// Nothing is asked for twice: what is under way counts as outstanding until its outcome is handed in. Call it until
    /// it asks for nothing: what takes others long is asked for first, and they are at it while the rest is compared.
    pub fn settle(&mut self) -> Vec<Command> {
        loop {
            if self.database.is_current() {
                self.settle_flush();
                self.settle_base();
                self.settle_wiring();
                self.settle_tunnels();
            }
            if !self.commands.is_empty() {
                return std::mem::take(&mut self.commands);
            }
            self.settle_flows();
            // A VLAN that became free may be just what a port waits for; so may the first comparison.
            let first_look = self.database.is_current() && self.wiring.stale;
            if !self.settle_vlans() && !first_look {
                break;
            }
        }
        self.settle_reports();
        std::mem::take(&mut self.commands)
    }

    fn switch(&mut self, bridge: Bridge) -> &mut Switch {
        match bridge {
            Bridge::Integration => &mut self.integration,
            Bridge::Tunnel => &mut self.tunnel,
        }
    }

    fn say(&mut self, level: Level, text: impl Into<String>) {
        self.commands.push(Command::Say(level, text.into()));
    }
}

#[cfg(test)]
mod tests;
