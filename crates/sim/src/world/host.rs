//! One host: its agent, its Open vSwitch, and what is on its way between the two.

use std::collections::VecDeque;
use std::net::IpAddr;

use agent::events::{Command, Database, Event, Features, FlowChange, Refused, Server, Switch, Way};
use agent::{HostState, Settings};
use model::HostName;
use openflow::FlowMod;
use ovsdb::codec::Operation;
use pipeline::Bridge;
use sync::messages::ToServer;

use crate::defect::{self, Defect};
use crate::judge::Violation;
use crate::ovs::{Effect, Ovs, Seconds};
use crate::setup::{Setup, endpoint, host_name};
use crate::step::Side;

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each comes and goes by itself")]
pub(crate) struct Host {
    pub(crate) name: HostName,
    settings: Settings,
    bundles: bool,
    boots: u32,
    /// How often it was given another address on the underlay.
    moves: u8,
    number: u8,
    /// Its tunnel bridge refuses some flows; and has, since somebody looked at all of them.
    pub(crate) refuses: bool,
    pub(crate) has_refused: bool,
    /// The server refused the last stream; the agent waits before it tries again.
    pub(crate) turned_away: bool,
    defect: Option<Defect>,
    pub(crate) agent: Option<HostState>,
    /// What the agent has left on its disk, which is behind what it knows.
    checkpoint: Option<Vec<u8>>,
    /// Events that agents here were told of.
    told: u64,
    pub(crate) ovs: Ovs,
    /// `ovsdb-server`: transactions that came, and what it said.
    pub(crate) transactions: VecDeque<(u64, Vec<Operation>)>,
    pub(crate) from_database: VecDeque<Database>,
    /// The database says something that `ovs-vswitchd` has not put into effect.
    pub(crate) unconfigured: bool,
    pub(crate) sides: [Connection; 2],
    /// What the agent says to the server.
    pub(crate) outgoing: Vec<ToServer>,
    pub(crate) hang_up: Option<String>,
    /// Flow-mods that changed a switch, or would have.
    pub(crate) flow_mods: u64,
    /// Transactions that agents sent.
    pub(crate) writes: u64,
    pub(crate) said: VecDeque<String>,
    /// Of [`Defect::EditByMessage`]: addresses whose rows go with the next flow-mods.
    pub(crate) edits: Vec<(u64, u32)>,
}

/// A bridge's management socket.
#[derive(Debug, Default)]
pub(crate) struct Connection {
    pub(crate) open: bool,
    session: u64,
    pub(crate) orders: VecDeque<Order>,
    pub(crate) says: VecDeque<Switch>,
    /// What was on its way when the connection broke: it comes once more, behind the beginning of the next.
    late: Vec<Switch>,
}

impl Connection {
    /// More waits than is worth looking at one by one.
    pub(crate) fn has_many(&self) -> bool {
        matches!(self.orders.front(), Some(Order::Apply { flow_mods, .. }) if flow_mods.len() > 3)
    }
}

#[derive(Debug)]
pub(crate) enum Order {
    Dump,
    Apply { flow_mods: VecDeque<FlowMod>, together: bool, taken: usize, refused: Vec<Refused> },
}

/// How many events an agent may be told of before its disk is next written.
const SAVED_EVERY: u64 = 8;

/// Words of an agent's log that are kept for a report.
const SAID: usize = 8;

impl Host {
    pub(crate) fn new(host: u8, setup: &Setup, defect: Option<Defect>) -> Self {
        let name = host_name(host);
        let settings = Settings {
            local_ip: Some(endpoint(host, 0)),
            l2_population: !setup.is_mesh(host),
            arp_responder: !setup.is_mesh(host),
            host: Some(name.clone()),
            local_vlans: format!("1-{}", setup.local_vlans),
            ..Settings::default()
        };
        Host {
            name,
            settings,
            bundles: setup.bundles,
            boots: 0,
            moves: 0,
            number: host,
            refuses: false,
            has_refused: false,
            turned_away: false,
            defect,
            agent: None,
            checkpoint: None,
            told: 0,
            ovs: Ovs::default(),
            transactions: VecDeque::new(),
            from_database: VecDeque::new(),
            unconfigured: false,
            sides: [Connection::default(), Connection::default()],
            outgoing: Vec::new(),
            hang_up: None,
            flow_mods: 0,
            writes: 0,
            said: VecDeque::new(),
            edits: Vec::new(),
        }
    }

    /// The agent's process begins, connected to its database.
    pub(crate) fn start_agent(&mut self) -> Result<(), Violation> {
        if self.agent.is_some() {
            return Ok(());
        }
        let config = self.settings.clone().parse(None).map_err(Violation::broken)?;
        let mut agent = HostState::new(config, format!("boot{}", self.boots)).map_err(Violation::broken)?;
        if let Some(checkpoint) = &self.checkpoint {
            agent.restore(checkpoint).map_err(Violation::broken)?;
        }
        self.agent = Some(agent);
        if Defect::ClearAtStart.is(self.defect) {
            self.ovs.vswitch.tunnel.tables.clear();
        }
        self.from_database.extend([Database::Connected, Database::Update(self.ovs.database.everything())]);
        Ok(())
    }

    /// The agent is killed; its sockets still hold `kept` flow-mods that the bridges read, and a transaction if any.
    pub(crate) fn kill_agent(&mut self, kept: u8, now: Seconds) -> Result<(), Violation> {
        self.agent = None;
        if kept > 0 {
            self.transact();
        }
        for side in Side::ALL {
            for _ in 0..kept {
                self.take_flows(side, now)?;
            }
            let connection = &mut self.sides[side as usize];
            (connection.open, connection.orders, connection.says) = (false, VecDeque::new(), VecDeque::new());
            connection.late.clear();
        }
        self.transactions.clear();
        self.from_database.clear();
        Ok(())
    }

    /// Hands something to the agent, and takes what it asks for.
    pub(crate) fn tell(&mut self, event: Event) -> Result<(), Violation> {
        let Some(agent) = &mut self.agent else { return Ok(()) };
        agent.handle(event);
        self.told += 1;
        loop {
            let Some(agent) = &mut self.agent else { return Ok(()) };
            let commands = agent.settle();
            if commands.is_empty() {
                break;
            }
            for command in commands {
                self.execute(command)?;
            }
        }
        let due = self.told.is_multiple_of(SAVED_EVERY);
        if let Some(checkpoint) = self.agent.as_mut().filter(|_| due).and_then(HostState::checkpoint) {
            self.checkpoint = Some(checkpoint);
        }
        Ok(())
    }

    fn execute(&mut self, command: Command) -> Result<(), Violation> {
        match command {
            Command::Transact { id, operations } => {
                self.writes += 1;
                self.transactions.push_back((id, operations));
            }
            Command::Refetch => return Err(Violation::new("replica", "an agent's copy of its database is broken")),
            Command::Dump { bridge, session } => self.order(Side::of(bridge), session, Order::Dump),
            Command::Apply { bridge, session, mut flow_mods, way } => {
                let mut together = way == Way::Together;
                if Defect::BreakBeforeMake.is(self.defect) {
                    flow_mods = defect::break_first(&self.ovs.vswitch.of(bridge).tables, flow_mods);
                    together = false;
                }
                let order = Order::Apply { flow_mods: flow_mods.into(), together, taken: 0, refused: Vec::new() };
                self.order(Side::of(bridge), session, order);
                self.sides[side(bridge)].says.extend(defect::answer_at_once(self.defect, session));
            }
            Command::Send(message) => self.outgoing.push(message),
            Command::HangUp { reason } => self.hang_up = Some(reason),
            Command::Say(level, text) => {
                self.said.push_back(format!("{level:?}: {text}"));
                if self.said.len() > SAID {
                    self.said.pop_front();
                }
            }
        }
        Ok(())
    }

    fn order(&mut self, side: Side, session: u64, order: Order) {
        let connection = &mut self.sides[side as usize];
        if connection.open && session == connection.session {
            connection.orders.push_back(order);
        }
    }

    /// `ovsdb-server` carries out the next transaction.
    pub(crate) fn transact(&mut self) {
        let Some((id, operations)) = self.transactions.pop_front() else { return };
        let result = self.ovs.database.transact(operations);
        if result.is_ok() {
            match self.defect {
                Some(Defect::TrustTheDatabase) => self.ovs.claim_applied(),
                Some(Defect::FloodBeforeTunnel) => self.ovs.number_tunnels(),
                _ => {}
            }
            self.database_changed();
        }
        self.from_database.push_back(Database::Done { id, result });
    }

    /// Something wrote to the database.
    pub(crate) fn database_changed(&mut self) {
        self.unconfigured = true;
        self.notify();
    }

    /// The agent's monitor tells of a change.
    fn notify(&mut self) {
        if self.agent.is_some() {
            self.from_database.push_back(Database::Update(self.ovs.database.everything()));
        }
    }

    /// `ovs-vswitchd` puts into effect what the database says.
    pub(crate) fn reconfigure(&mut self) {
        self.unconfigured = false;
        if self.ovs.reconfigure() {
            self.notify();
        }
    }

    pub(crate) fn connect_switch(&mut self, side: Side) {
        let there = self.ovs.has_bridge(side.bridge()) && self.agent.is_some();
        let connection = &mut self.sides[side as usize];
        if there && !connection.open {
            connection.open = true;
            connection.session += 1;
            let features = Features { bundles: self.bundles };
            connection.says.push_back(Switch::Connected { session: connection.session, features });
            let late = std::mem::take(&mut connection.late).into_iter();
            connection.says.extend(late.map(|said| defect::said_late(self.defect, said, connection.session)));
        }
    }

    /// The connection breaks; what was on its way is lost, in both directions.
    pub(crate) fn lose_switch(&mut self, side: Side) {
        let connection = &mut self.sides[side as usize];
        if connection.open {
            (connection.open, connection.orders) = (false, VecDeque::new());
            let said = std::mem::take(&mut connection.says).into_iter();
            connection.late =
                said.filter(|said| !matches!(said, Switch::Connected { .. } | Switch::Lost { .. })).collect();
            connection.says.push_back(Switch::Lost { session: connection.session, reason: "broken".to_owned() });
        }
    }

    /// A bridge takes the next of what it was sent: one flow-mod, or a bundle as a whole, or a request for all flows.
    pub(crate) fn take_flows(&mut self, side: Side, now: Seconds) -> Result<(), Violation> {
        let connection = &mut self.sides[side as usize];
        let session = connection.session;
        match connection.orders.front_mut() {
            None => return Ok(()),
            Some(Order::Dump) => {
                let flows = self.ovs.vswitch.of(side.bridge()).tables.flows().cloned();
                let flows = flows.map(|flow| defect::as_sent(self.defect, flow)).collect();
                connection.says.push_back(Switch::Flows { session, flows });
                connection.says.push_back(Switch::Dumped { session });
            }
            Some(Order::Apply { flow_mods, together, taken, refused }) => {
                let count = if *together && self.bundles { flow_mods.len() } else { 1 };
                let some: Vec<_> = flow_mods.drain(..count.min(flow_mods.len())).collect();
                for sent in some {
                    let index = *taken;
                    *taken += 1;
                    self.flow_mods += 1;
                    if self.refuses && is_refused(side, &sent) {
                        self.has_refused = true;
                        refused.push(Refused { index, reason: "the table is full".to_owned(), bad_action: false });
                        continue;
                    }
                    let Some(flow_mod) = defect::to_switch(self.defect, sent.clone()) else { continue };
                    let tables = &mut self.ovs.vswitch.of_mut(side.bridge()).tables;
                    if tables.apply(&flow_mod, now) == Effect::Redundant && flow_mod == sent {
                        return Err(Violation::new(
                            "nothing is sent that changes nothing",
                            format!("{} was sent to {} again: {}", flow_mod.flow, side.bridge(), self.name),
                        ));
                    }
                }
                let connection = &mut self.sides[side as usize];
                match connection.orders.front_mut() {
                    Some(Order::Apply { flow_mods, .. }) if !flow_mods.is_empty() => return Ok(()),
                    Some(Order::Apply { refused, .. }) if !Defect::AckBeforeBarrier.is(self.defect) => {
                        let refused = std::mem::take(refused);
                        connection.says.push_back(Switch::Applied { session, refused });
                    }
                    _ => {}
                }
                self.edit_rows(now);
            }
        }
        self.sides[side as usize].orders.pop_front();
        Ok(())
    }

    fn edit_rows(&mut self, now: Seconds) {
        let tables = &mut self.ovs.vswitch.tunnel.tables;
        for (mac, ip) in std::mem::take(&mut self.edits) {
            let rows: Vec<_> = tables.flows().filter(|flow| defect::holds_address(flow, mac, ip)).cloned().collect();
            for row in rows {
                tables.apply(&FlowMod::delete_strict(&row), now);
            }
        }
    }

    /// Somebody removes one of the flows of `br-tun` that lead to other hosts, and the switch tells who listens.
    pub(crate) fn remove_flow(&mut self, nth: u8, now: Seconds) {
        let tables = &mut self.ovs.vswitch.tunnel.tables;
        let flows: Vec<_> = tables.flows().filter(|flow| flow.table >= 20 && flow.priority > 0).cloned().collect();
        let Some(flow) = usize::from(nth).checked_rem(flows.len()).and_then(|nth| flows.get(nth)) else { return };
        tables.apply(&FlowMod::delete_strict(flow), now);
        let connection = &mut self.sides[side(Bridge::Tunnel)];
        if connection.open && !Defect::DeafToOthers.is(self.defect) {
            let (session, changes) = (connection.session, vec![FlowChange::Gone(flow.clone())]);
            connection.says.push_back(Switch::Changed { session, changes });
        }
    }

    /// All that is not on a disk is gone.
    pub(crate) fn reboot(&mut self) {
        self.boots += 1;
        self.restart_vswitchd();
    }

    /// Its address on the underlay.
    pub(crate) fn endpoint(&self) -> IpAddr {
        endpoint(self.number, self.moves)
    }

    /// Another address, which the agent is told when it starts.
    pub(crate) fn move_endpoint(&mut self) {
        self.moves += 1;
        self.settings.local_ip = Some(self.endpoint());
    }

    pub(crate) fn restart_vswitchd(&mut self) {
        self.unconfigured = false;
        self.ovs.restart();
        for side in Side::ALL {
            self.lose_switch(side);
        }
        self.notify();
    }

    /// `ovsdb-server` is started again: the monitor begins anew; of what was under way nobody knows whether it was done.
    pub(crate) fn restart_database(&mut self) {
        if self.agent.is_none() {
            return;
        }
        self.transact();
        self.transactions.clear();
        self.from_database.clear();
        let everything = Database::Update(self.ovs.database.everything());
        self.from_database.extend([Database::Lost, Database::Connected, everything]);
    }

    pub(crate) fn read_database(&mut self) -> Result<(), Violation> {
        match self.from_database.pop_front() {
            Some(event) => self.tell(Event::Database(event)),
            None => Ok(()),
        }
    }

    pub(crate) fn read_switch(&mut self, side: Side) -> Result<(), Violation> {
        match self.sides[side as usize].says.pop_front() {
            Some(event) => self.tell(Event::Switch(side.bridge(), event)),
            None => Ok(()),
        }
    }

    pub(crate) fn server(&mut self, event: Server) -> Result<(), Violation> {
        self.tell(Event::Server(event))
    }
}

/// Of rows that lead to others, every second.
fn is_refused(side: Side, flow_mod: &FlowMod) -> bool {
    let flow = &flow_mod.flow;
    let adds = flow_mod.command == openflow::Command::Add;
    side == Side::Tun && adds && flow.table >= 20 && flow.priority > 0 && flow.key().0.is_multiple_of(2)
}

fn side(bridge: Bridge) -> usize {
    Side::of(bridge) as usize
}
