//! Hosts, a server, and what is on its way between them. Nothing happens by itself: [`World::take`] makes one step.

mod api;
mod dialect;
mod faults;
mod history;
mod host;
mod net;
mod rest;
mod server;
mod store;
mod strangers;
mod streams;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use agent::events::Event;
use model::{Committed, NetworkId, Revision};
use sync::messages::ToServer;
use sync::server::ConnectionId;

use crate::defect::{self, Defect};
use crate::judge::{Facts, Moment, Port, Violation};
use crate::ovs::{Frame, Seconds};
use crate::setup::{Made, Setup, host_name, interface, port_id};
use crate::step::{Side, Step};
use history::Backup;
use host::Host;
use server::Server;
use store::Store;
use streams::Stream;

/// Flow-mods that a bridge takes at a time when it is quick.
const MANY: usize = 50;

#[derive(Debug)]
pub struct World {
    setup: Setup,
    defect: Option<Defect>,
    now: Duration,
    /// Steps taken.
    steps: u64,
    hosts: Vec<Host>,
    store: Store,
    store_fails: bool,
    server: Option<Server>,
    /// A copy of the database.
    backup: Option<Backup>,
    /// An older database has taken the place of the one that was, and not everybody has got over it.
    restored: bool,
    streams: BTreeMap<u64, Stream>,
    /// What hosts have said lately, on which stream.
    heard: BTreeMap<u8, VecDeque<(ConnectionId, ToServer)>>,
    opened: u64,
    facts: Facts,
    moment: Moment,
    /// How many were made in each slot.
    networks_made: BTreeMap<u8, u16>,
    ports_made: BTreeMap<u8, u16>,
    /// What frames meet may have changed since it was looked at.
    unseen: bool,
    /// Messages that agents were sent, for who counts.
    pub messages: u64,
    /// Messages that agents have read, and what they have acknowledged: for defects.
    read: u64,
    acknowledged: BTreeMap<(u8, NetworkId), Revision>,
}

impl World {
    /// Bridges are there, agents and the server run, and nobody has said anything yet.
    pub fn new(setup: Setup, defect: Option<Defect>) -> Result<Self, Violation> {
        let mut world = World {
            setup,
            defect,
            now: Duration::from_secs(1000),
            steps: 0,
            hosts: (0..setup.hosts).map(|host| Host::new(host, &setup, defect)).collect(),
            store: Store::new(),
            store_fails: false,
            server: None,
            backup: None,
            restored: false,
            streams: BTreeMap::new(),
            heard: BTreeMap::new(),
            opened: 0,
            facts: Facts::new(setup),
            moment: Moment::default(),
            networks_made: BTreeMap::new(),
            ports_made: BTreeMap::new(),
            unseen: false,
            messages: 0,
            read: 0,
            acknowledged: BTreeMap::new(),
        };
        world.hosts.iter_mut().try_for_each(Host::start_agent)?;
        world.server = Some(Server::start(&world.store, setup.tombstones, world.now, defect));
        Ok(world)
    }

    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Makes one step, and looks whether all that must always hold still does. What is not possible does nothing.
    pub fn take(&mut self, step: Step) -> Result<(), Violation> {
        self.steps += 1;
        self.step(step)?;
        self.flush()?;
        self.look()
    }

    /// What must hold at every moment.
    fn look(&mut self) -> Result<(), Violation> {
        if std::mem::take(&mut self.unseen) {
            self.moment.check(&self.facts, self)?;
        }
        Ok(())
    }

    fn step(&mut self, step: Step) -> Result<(), Violation> {
        let now = self.seconds();
        match step {
            Step::CreateNetwork { network } => self.create_network(network),
            Step::DeleteNetwork { network } => self.delete_network(network),
            Step::CreatePort { port, network, host } => self.create_port(port, network, host),
            Step::DeletePort { port } => self.delete_port(port),
            Step::Bind { port, host } => self.bind(port, host),
            Step::SetUp { port, up } => self.set_up(port, up),
            Step::Readdress { port } => self.readdress(port),
            Step::Prepare { port, host } => self.prepare(port, host, true),
            Step::Forget { port, host } => self.prepare(port, host, false),

            Step::Plug { host, port } => self.plug(host, port),
            Step::Unplug { host, port } => self.unplug(host, port),
            Step::Announce { host, port } => self.announce(host, port),
            Step::Talk { from, to } => self.talk(from, to),

            Step::Commit => self.with_server(|server, _, now| server.read_commit(now))?,
            Step::Write => self.write()?,
            Step::Register => {
                let fails = self.store_fails;
                self.with_server(|server, store, now| server.register(store, fails, now))?;
            }
            Step::StoreFails => self.store_fails = true,
            Step::StoreHeals => self.store_fails = false,
            Step::FollowAnew => self.with_server(|server, store, now| server.follow_anew(store, now))?,
            Step::ServerDies => self.server_dies(),
            Step::ServerStarts => self.server_starts()?,
            Step::Backup => self.back_up(),
            Step::Restore => self.restore(),
            Step::BeginHistory => self.begin_history(),

            Step::Dial { host } => self.dial(host)?,
            Step::Cut { host, kept } => self.cut(host, kept),
            Step::ToServer { host, oldest } => self.server_reads(host, oldest)?,
            Step::Again { host } => self.again(host)?,
            Step::Namesake { host } => self.namesake(host)?,
            Step::Room { host } => self.room(host)?,
            Step::ToAgent { host } => self.agent_reads(host)?,

            Step::Transact { host } => self.with_host(host, Host::transact),
            Step::FromDatabase { host } => self.on_host(host, Host::read_database)?,
            Step::Reconfigure { host } => {
                self.with_host(host, Host::reconfigure);
                self.announce_arrivals(host);
                self.unseen = true;
            }
            Step::Flows { host, bridge, many } => {
                let count = if many { MANY } else { 1 };
                self.on_host(host, |host| (0..count).try_for_each(|_| host.take_flows(bridge, now)))?;
                self.announce_arrivals(host);
                self.unseen = true;
            }
            Step::FromSwitch { host, bridge } => self.on_host(host, |host| host.read_switch(bridge))?,
            Step::SwitchLost { host, bridge } => self.with_host(host, |host| host.lose_switch(bridge)),
            Step::SwitchConnects { host, bridge } => self.with_host(host, |host| host.connect_switch(bridge)),
            Step::AgentDies { host, kept } => self.agent_dies(host, kept)?,
            Step::AgentStarts { host } => self.on_host(host, Host::start_agent)?,
            Step::VswitchdRestarts { host } => self.vswitchd_restarts(host),
            Step::OvsdbRestarts { host } => self.with_host(host, Host::restart_database),
            Step::Review { host } => self.on_host(host, |host| host.tell(Event::Review))?,
            Step::HostReboots { host } => self.host_reboots(host)?,
            Step::RemoveFlow { host, nth } => self.remove_flow(host, nth),
            Step::Refuse { host, some } => self.refuse(host, some),
            Step::MoveEndpoint { host } => self.move_endpoint(host)?,
            Step::Retry { host } => self.on_host(host, |host| host.tell(Event::Retry))?,

            Step::Wait { seconds } => self.wait(seconds)?,
            Step::Quiet => self.quiet()?,
            Step::RestartAll { agents, server } => self.restart_all(agents, server)?,
        }
        Ok(())
    }

    /// What could happen next by itself: something is on its way.
    pub fn possible(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if let Some(server) = &self.server {
            steps.extend((!server.commits.is_empty()).then_some(Step::Commit));
            steps.extend((!server.registrations.is_empty()).then_some(Step::Register));
            steps.extend(server.history_wanted.then_some(Step::BeginHistory));
            steps.extend((server.has_wishes() && !self.store_fails).then_some(Step::Write));
        } else {
            steps.push(Step::ServerStarts);
        }
        for (host, state) in (0u8..).zip(&self.hosts) {
            self.possible_on_streams(host, &mut steps);
            let runs = state.agent.is_some();
            let may = [
                (!runs, Step::AgentStarts { host }),
                (!state.transactions.is_empty(), Step::Transact { host }),
                (runs && !state.from_database.is_empty(), Step::FromDatabase { host }),
                (state.unconfigured, Step::Reconfigure { host }),
            ];
            steps.extend(may.into_iter().filter_map(|(may, step)| may.then_some(step)));
            for bridge in Side::ALL {
                let connection = &state.sides[bridge as usize];
                let ready = runs && !connection.open && state.ovs.has_bridge(bridge.bridge());
                let may = [
                    (ready && connection.says.is_empty(), Step::SwitchConnects { host, bridge }),
                    (!connection.orders.is_empty(), Step::Flows { host, bridge, many: false }),
                    (connection.has_many(), Step::Flows { host, bridge, many: true }),
                    (runs && !connection.says.is_empty(), Step::FromSwitch { host, bridge }),
                ];
                steps.extend(may.into_iter().filter_map(|(may, step)| may.then_some(step)));
            }
        }
        steps
    }

    fn with_host(&mut self, host: u8, act: impl FnOnce(&mut Host)) {
        if let Some(host) = self.hosts.get_mut(usize::from(host)) {
            act(host);
        }
    }

    fn on_host(&mut self, host: u8, act: impl FnOnce(&mut Host) -> Result<(), Violation>) -> Result<(), Violation> {
        self.hosts.get_mut(usize::from(host)).map_or(Ok(()), act)
    }

    /// Does something with the server, if there is one, and carries out what it asks for.
    fn with_server(&mut self, act: impl FnOnce(&mut Server, &mut Store, Duration)) -> Result<(), Violation> {
        let Some(server) = &mut self.server else { return Ok(()) };
        act(server, &mut self.store, self.now);
        let commands = server.settle(self.now);
        commands.into_iter().try_for_each(|command| self.execute(command))
    }

    /// The writer writes, and what becomes ACTIVE by that is looked at.
    fn write(&mut self) -> Result<(), Violation> {
        if self.store_fails {
            return Ok(());
        }
        let before = self.statuses();
        let Some(server) = &mut self.server else { return Ok(()) };
        server.write(&mut self.store, self.now);
        for (port, status) in self.statuses() {
            if status == model::PortStatus::Active && before.get(&port) != Some(&status) {
                self.moment.active(&self.facts, self, port)?;
            }
        }
        Ok(())
    }

    fn statuses(&self) -> BTreeMap<Made, model::PortStatus> {
        let ports = self.facts.ports.values();
        ports.filter_map(|port| Some((port.made, self.store.ports.get(&port_id(port.made))?.status))).collect()
    }

    fn committed(&mut self, commit: Option<Committed>) {
        let commit = commit.map(|commit| defect::committed(self.defect, commit));
        if let Some(server) = &mut self.server {
            server.commits.extend(commit);
        }
    }

    fn wait(&mut self, seconds: u16) -> Result<(), Violation> {
        self.now += Duration::from_secs(seconds.into());
        let now = self.seconds();
        for host in &mut self.hosts {
            host.ovs.vswitch.expire(now);
            host.turned_away = false;
        }
        self.unseen = true;
        // On a host that nobody hears of no port stays that was asked to move.
        let lost: Vec<Made> = self
            .facts
            .ports
            .values()
            .filter(|port| port.left.is_some_and(|left| !self.hears(left.host)))
            .map(|port| port.made)
            .collect();
        for port in lost {
            self.facts.unsettle_move(port);
            self.moment.disturb(port);
        }
        // Who was waited for long enough is waited for no longer.
        if Duration::from_secs(seconds.into()) >= server::PROPAGATION {
            for host in 0..self.setup.hosts {
                self.moment.stream_changed(host, self.steps);
            }
        }
        self.with_server(|server, _, now| server.expire(now))
    }

    fn announce(&mut self, host: u8, port: u8) {
        let Some(port) = self.facts.ports.get(&port).copied() else { return };
        // Where a VM is expected it does not run yet.
        if self.facts.is_prepared(&port, host) {
            return;
        }
        self.send(host, port.made, Frame::arp_request(port.mac(), port.ip(), port.ip()));
    }

    /// A VM that has moved makes itself known where it is now, again and again, as QEMU does for it: until then `br-int`
    /// there, as any switch, takes it to be where it last spoke.
    fn announce_arrivals(&mut self, host: u8) {
        let here = |port: &&Port| port.host == Some(host) && self.moment.was_elsewhere(port.made, host);
        let arrivals: Vec<u8> = self.facts.ports.values().filter(here).map(|port| port.made.slot).collect();
        for port in arrivals {
            self.announce(host, port);
        }
    }

    fn talk(&mut self, from: u8, to: u8) {
        let (Some(from), Some(to)) = (self.facts.ports.get(&from), self.facts.ports.get(&to)) else { return };
        let frame = Frame::data(from.mac(), to.mac());
        if let Some(host) = from.host {
            self.send(host, from.made, frame);
        }
    }

    fn plug(&mut self, host: u8, port: u8) {
        let Some(port) = self.facts.ports.get(&port).map(|port| port.made) else { return };
        let Some(state) = self.hosts.get_mut(usize::from(host)) else { return };
        if !state.ovs.has_bridge(pipeline::Bridge::Integration) || !self.facts.plugged.insert((host, port)) {
            return;
        }
        state.ovs.database.plug(&interface(port), &port_id(port).to_string(), Some(4095));
        state.database_changed();
        if self.facts.port(port).is_some_and(|port| port.left.is_some() && port.host == Some(host)) {
            self.arrives(port);
            self.moved(port, host, |_, _| ());
        } else {
            self.moved(port, host, Moment::disturb);
        }
    }

    /// One that moves is plugged where it goes. It works where it was until it does there; and who knows when that is.
    fn arrives(&mut self, port: Made) {
        self.facts.unsettle_move(port);
        self.moment.arrives(port);
    }

    /// By number, not by port: the port may be gone long since.
    fn unplug(&mut self, host: u8, port: u8) {
        let here = self.facts.plugged.iter().find(|(at, made)| *at == host && made.slot == port);
        let Some((_, port)) = here.copied() else { return };
        self.facts.plugged.remove(&(host, port));
        self.with_host(host, |host| {
            host.ovs.database.unplug(&interface(port));
            host.database_changed();
        });
        if self.facts.leaves(port, host) {
            self.moment.unplugged(port);
        }
        self.moved(port, host, Moment::unplugged);
    }

    /// A port was plugged or unplugged: that disturbs it where it is bound, and only there.
    fn moved(&mut self, port: Made, host: u8, how: impl FnOnce(&mut Moment, Made)) {
        if self.facts.port(port).is_some_and(|port| port.host == Some(host)) {
            how(&mut self.moment, port);
        }
        self.moment.note_interests(&self.facts, false);
        self.unseen = true;
    }

    /// The server has a stream of this host.
    fn hears(&self, host: u8) -> bool {
        self.server.as_ref().is_some_and(|server| server.hears(&host_name(host)))
    }

    fn seconds(&self) -> Seconds {
        self.now.as_secs()
    }
}
