//! A host in memory: a database, a vswitchd that gives out port numbers, two switches that keep flows. It does what the
//! state asks for, at once or when told, and writes down every write.

use std::collections::{BTreeMap, BTreeSet};

use openflow::{Command, Flow, FlowKey, FlowMod};
use ovsdb::Update;
use ovsdb::codec::{Atom, Condition, Datum, Mutator, Operation, Row, RowUpdate, TableUpdates};
use pipeline::{Bridge, Cookie};
use sync::messages::{ToAgent, ToServer};
use uuid::Uuid;

use crate::events::{Command as Asked, Database, Event, Features, FlowChange, Level, Refused, Server, Switch, Way};
use crate::{HostState, Settings};

type Table = BTreeMap<Uuid, Row>;
/// Why the switch takes a flow-mod not, and whether for its actions.
pub(super) type Refuse = fn(&Flow) -> Option<(&'static str, bool)>;

pub(super) struct World {
    pub(super) state: HostState,
    pub(super) tables: BTreeMap<String, Table>,
    pub(super) flows: BTreeMap<Bridge, BTreeMap<FlowKey, Flow>>,
    /// Every transaction that wrote something, as text.
    pub(super) writes: Vec<String>,
    /// Every flow-mod, in order.
    pub(super) mods: Vec<(Bridge, FlowMod)>,
    /// Flow-mods of each batch, and how they go.
    pub(super) batches: Vec<(usize, Way)>,
    pub(super) sent: Vec<ToServer>,
    pub(super) said: Vec<(Level, String)>,
    /// What happened, in order, for questions of order: "add-port gre-…", "flow 22", "del-port …".
    pub(super) story: Vec<String>,
    /// Answers of the switches that are held back, if asked to.
    pub(super) hold_switches: bool,
    held: Vec<Event>,
    /// vswitchd does nothing.
    pub(super) vswitchd_stopped: bool,
    /// Names of interfaces that vswitchd cannot make.
    pub(super) broken: BTreeSet<String>,
    /// Names of interfaces that vswitchd has not come to yet.
    pub(super) absent: BTreeSet<String>,
    pub(super) refuse: Refuse,
    next: u128,
    session: u64,
}

impl World {
    pub(super) fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut world = World {
            state: state(change),
            tables: BTreeMap::new(),
            flows: BTreeMap::from([(Bridge::Integration, BTreeMap::new()), (Bridge::Tunnel, BTreeMap::new())]),
            writes: Vec::new(),
            mods: Vec::new(),
            batches: Vec::new(),
            sent: Vec::new(),
            said: Vec::new(),
            story: Vec::new(),
            hold_switches: false,
            held: Vec::new(),
            vswitchd_stopped: false,
            broken: BTreeSet::new(),
            absent: BTreeSet::new(),
            refuse: |_| None,
            next: 1,
            session: 0,
        };
        let root = Row::from([("next_cfg".into(), 0i64.into()), ("cur_cfg".into(), 0i64.into())]);
        world.insert("Open_vSwitch", root);
        world
    }

    /// Connects everything and goes on until nothing is left to do.
    pub(super) fn start(&mut self) {
        self.state.handle(Event::Database(Database::Connected));
        self.update();
        self.connect_switches();
        self.state.handle(Event::Server(Server::Opening));
        self.run();
    }

    pub(super) fn connect_switches(&mut self) {
        self.session += 1;
        for bridge in [Bridge::Integration, Bridge::Tunnel] {
            let features = Features { bundles: true };
            let connected = Switch::Connected { session: self.session, features };
            self.state.handle(Event::Switch(bridge, connected));
        }
    }

    /// The agent is killed and started again; everything else stays.
    pub(super) fn restart(&mut self, change: impl FnOnce(&mut Settings)) {
        self.state = state(change);
        self.forget();
        self.start();
    }

    /// The agent is killed: from now on nobody hears of what happens.
    pub(super) fn die(&mut self) {
        self.state = state(|_| {});
    }

    /// The same, and the new agent finds a checkpoint.
    pub(super) fn restart_from(&mut self, checkpoint: &[u8]) {
        self.state = state(|_| {});
        self.state.restore(checkpoint).expect("a sound checkpoint");
        self.forget();
        self.start();
    }

    /// The same, and the switches are read before the database is.
    pub(super) fn restart_switches_first(&mut self) {
        self.state = state(|_| {});
        self.forget();
        self.connect_switches();
        self.run();
        self.state.handle(Event::Database(Database::Connected));
        self.update();
        self.state.handle(Event::Server(Server::Opening));
        self.run();
    }

    /// Somebody else does this to flows, and the switch tells.
    pub(super) fn hand(&mut self, bridge: Bridge, changes: Vec<FlowChange>) {
        let flows = self.flows.get_mut(&bridge).unwrap();
        for change in &changes {
            match change {
                FlowChange::Set(flow) => drop(flows.insert(flow.key(), flow.clone())),
                FlowChange::Gone(flow) => drop(flows.remove(&flow.key())),
                FlowChange::Unknown => {}
            }
        }
        self.state.handle(Event::Switch(bridge, Switch::Changed { session: self.session, changes }));
    }

    /// The switches end, which takes the flows with it.
    pub(super) fn lose_switches(&mut self) {
        for (bridge, flows) in &mut self.flows {
            flows.clear();
            let lost = Switch::Lost { session: self.session, reason: "the peer closed the connection".to_owned() };
            self.state.handle(Event::Switch(*bridge, lost));
        }
    }

    /// Empties the logs.
    pub(super) fn forget(&mut self) {
        self.writes.clear();
        self.mods.clear();
        self.batches.clear();
        self.sent.clear();
        self.said.clear();
        self.story.clear();
    }

    pub(super) fn tell(&mut self, messages: impl IntoIterator<Item = ToAgent>) {
        for message in messages {
            self.state.handle(Event::Server(Server::Message(message)));
        }
        self.run();
    }

    /// The switches give so many of the answers that they hold back.
    pub(super) fn confirm(&mut self, answers: usize) {
        for event in self.held.drain(..answers).collect::<Vec<_>>() {
            self.state.handle(event);
        }
        self.run();
    }

    pub(super) fn release(&mut self) {
        self.hold_switches = false;
        for event in std::mem::take(&mut self.held) {
            self.state.handle(event);
        }
        self.run();
    }

    pub(super) fn run(&mut self) {
        for _ in 0..1000 {
            let commands = self.state.settle();
            if commands.is_empty() {
                return;
            }
            for command in commands {
                self.execute(command);
            }
        }
        panic!("the state asks for ever more: {:#?}", self.story.iter().rev().take(20).collect::<Vec<_>>());
    }

    fn execute(&mut self, command: Asked) {
        match command {
            Asked::Transact { id, operations } => {
                let result = self.transact(operations);
                if result.is_ok() && !self.vswitchd_stopped {
                    self.vswitchd();
                }
                self.update();
                self.state.handle(Event::Database(Database::Done { id, result }));
            }
            Asked::Refetch => panic!("the replica refused an update"),
            Asked::Dump { bridge, session } => {
                let flows = self.flows[&bridge].values().cloned().collect();
                self.state.handle(Event::Switch(bridge, Switch::Flows { session, flows }));
                self.state.handle(Event::Switch(bridge, Switch::Dumped { session }));
            }
            Asked::Apply { bridge, session, flow_mods, way } => {
                self.batches.push((flow_mods.len(), way));
                let refused = self.apply(bridge, flow_mods);
                let done = Event::Switch(bridge, Switch::Applied { session, refused });
                if self.hold_switches { self.held.push(done) } else { self.state.handle(done) }
            }
            Asked::Send(message) => self.sent.push(message),
            Asked::HangUp { reason } => panic!("the stream is ended: {reason}"),
            Asked::Say(level, text) => self.said.push((level, text)),
        }
    }

    fn apply(&mut self, bridge: Bridge, flow_mods: Vec<FlowMod>) -> Vec<Refused> {
        let mut refused = Vec::new();
        for (index, flow_mod) in flow_mods.into_iter().enumerate() {
            let flows = self.flows.get_mut(&bridge).unwrap();
            let FlowMod { command, flow, cookie_mask, out_port } = &flow_mod;
            let (table, key) = (flow.table, flow.key());
            match command {
                Command::Add => {
                    self.story.push(format!("add {bridge} table {table}"));
                    if let Some((reason, bad_action)) = (self.refuse)(flow) {
                        refused.push(Refused { index, reason: reason.to_owned(), bad_action });
                    } else {
                        flows.insert(key, flow.clone());
                    }
                }
                Command::DeleteStrict => {
                    self.story.push(format!("remove {bridge} table {table}"));
                    flows.remove(&key);
                }
                Command::Delete => {
                    self.story.push(match out_port {
                        Some(port) => format!("unlearn port {port}"),
                        None => format!("remove {bridge} table {table}"),
                    });
                    let to_port = |there: &Flow| {
                        out_port
                            .is_none_or(|port| format!("{:?}", there.instructions).contains(&format!("Output({port})")))
                    };
                    let covered = |there: &Flow| {
                        let cookie = (there.cookie ^ flow.cookie) & cookie_mask == 0;
                        let matches =
                            flow.matching.0.iter().all(|(field, value)| there.matching.0.get(field) == Some(value));
                        cookie && matches && [u8::MAX, there.table].contains(&table) && to_port(there)
                    };
                    flows.retain(|_, there| !covered(there));
                }
                other => panic!("not expected of an agent: {other:?}"),
            }
            self.mods.push((bridge, flow_mod));
        }
        refused
    }

    /// All rows at once: the replica finds what is different.
    pub(super) fn update(&mut self) {
        let rows = |table: &Table| table.iter().map(|(uuid, row)| (*uuid, RowUpdate::Initial(row.clone()))).collect();
        let tables = TableUpdates(self.tables.iter().map(|(name, table)| (name.clone(), rows(table))).collect());
        self.state.handle(Event::Database(Database::Update(Update { complete: true, tables })));
    }

    /// Somebody plugs an interface; `tag` as the operator gives it.
    pub(super) fn plug(&mut self, name: &str, id: Option<&str>, tag: Option<i64>) {
        let ids: Vec<_> = id.iter().map(|id| (Atom::from("iface-id"), Atom::from(*id))).collect();
        let interface = self
            .insert("Interface", Row::from([("name".into(), name.into()), ("external_ids".into(), Datum::Map(ids))]));
        let mut row = Row::from([("name".into(), name.into()), ("interfaces".into(), set([interface]))]);
        row.extend(tag.map(|tag| ("tag".to_owned(), tag.into())));
        let port = self.insert("Port", row);
        let bridge = self.find("Bridge", "br-int");
        add(self.tables.get_mut("Bridge").unwrap().get_mut(&bridge).unwrap(), "ports", set([port]));
        self.vswitchd();
        self.update();
        self.run();
    }

    pub(super) fn unplug(&mut self, name: &str) {
        let port = self.find("Port", name);
        for bridge in self.tables.get_mut("Bridge").unwrap().values_mut() {
            remove(bridge, "ports", &set([port]));
        }
        self.vswitchd();
        self.update();
        self.run();
    }

    /// The interface's device goes, or comes back, and its row stays.
    pub(super) fn set_device(&mut self, name: &str, there: bool) {
        let uuid = self.find("Interface", name);
        let number = if there { i64::from(u32::try_from(uuid.as_u128()).unwrap()) } else { -1 };
        let row = self.tables.get_mut("Interface").unwrap().get_mut(&uuid).unwrap();
        row.insert("ofport".into(), number.into());
        self.update();
        self.run();
    }

    pub(super) fn tag(&self, name: &str) -> Option<i64> {
        match self.tables["Port"][&self.find("Port", name)].get("tag")? {
            Datum::Atom(Atom::Integer(tag)) => Some(*tag),
            Datum::Set(atoms) => match atoms.first()? {
                Atom::Integer(tag) => Some(*tag),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn has_port(&self, name: &str) -> bool {
        self.tables.get("Port").is_some_and(|ports| ports.values().any(|row| row.get("name") == Some(&name.into())))
    }

    /// Flows of a table of br-tun.
    pub(super) fn table(&self, table: u8) -> Vec<&Flow> {
        self.flows[&Bridge::Tunnel].values().filter(|flow| flow.table == table && flow.priority > 0).collect()
    }

    /// As if the switch had learned something.
    pub(super) fn learn(&mut self, row: pipeline::Row, port: u32) {
        let flow = row.rule().apply([openflow::Action::Output(port)]);
        let flow = flow.cookie(Cookie { kind: pipeline::Kind::Learned, object: 0 }.to_u64());
        self.flows.get_mut(&Bridge::Tunnel).unwrap().insert(flow.key(), flow);
    }

    pub(super) fn find(&self, table: &str, name: &str) -> Uuid {
        let named = |(_, row): &(&Uuid, &Row)| row.get("name") == Some(&name.into());
        *self.tables[table].iter().find(named).unwrap_or_else(|| panic!("no {table} {name}")).0
    }

    pub(super) fn insert(&mut self, table: &str, row: Row) -> Uuid {
        let uuid = Uuid::from_u128(self.next);
        self.next += 1;
        self.tables.entry(table.to_owned()).or_default().insert(uuid, row);
        uuid
    }

    fn transact(&mut self, operations: Vec<Operation>) -> Result<Option<i64>, String> {
        let backup = self.tables.clone();
        let mut names = BTreeMap::new();
        let mut next_cfg = None;
        self.writes.push(format!("{operations:?}"));
        for operation in operations {
            match operation {
                Operation::Insert { table, mut row, name } => {
                    for datum in row.values_mut() {
                        resolve(datum, &names);
                    }
                    let taken = |other: &Row| other.get("name").is_some() && other.get("name") == row.get("name");
                    if self.tables.get(&table).is_some_and(|rows| rows.values().any(taken)) {
                        self.tables = backup;
                        return Err("constraint violation".to_owned());
                    }
                    let uuid = self.insert(&table, row);
                    names.extend(name.map(|name| (name, uuid)));
                }
                Operation::Update { table, conditions, mut row } => {
                    for datum in row.values_mut() {
                        resolve(datum, &names);
                    }
                    for target in self.meet(&table, &conditions, &names) {
                        self.tables.get_mut(&table).unwrap().get_mut(&target).unwrap().extend(row.clone());
                    }
                }
                Operation::Mutate { table, conditions, mutations } => {
                    for target in self.meet(&table, &conditions, &names) {
                        let row = self.tables.get_mut(&table).unwrap().get_mut(&target).unwrap();
                        for mutation in &mutations {
                            let mut value = mutation.value.clone();
                            resolve(&mut value, &names);
                            match mutation.mutator {
                                Mutator::Insert => add(row, &mutation.column, value),
                                Mutator::Delete => remove(row, &mutation.column, &value),
                                Mutator::Add => {
                                    let number = integer(row.get(&mutation.column)) + integer(Some(&value));
                                    row.insert(mutation.column.clone(), number.into());
                                }
                            }
                        }
                    }
                }
                Operation::Select { table, conditions, columns } if columns == ["next_cfg"] => {
                    let root = self.meet(&table, &conditions, &names)[0];
                    next_cfg = Some(integer(self.tables[&table][&root].get("next_cfg")));
                }
                Operation::Wait { table, conditions, .. } => {
                    if self.meet(&table, &conditions, &names).is_empty() {
                        self.tables = backup;
                        return Err("timed out".to_owned());
                    }
                }
                other => panic!("not expected of an agent: {other:?}"),
            }
        }
        Ok(next_cfg)
    }

    fn meet(&self, table: &str, conditions: &[Condition], names: &BTreeMap<String, Uuid>) -> Vec<Uuid> {
        let rows = self.tables.get(table).into_iter().flat_map(BTreeMap::keys).copied();
        let Some(condition) = conditions.first() else { return rows.collect() };
        let mut value = condition.value.clone();
        resolve(&mut value, names);
        rows.filter(|uuid| value == Datum::Atom(Atom::Uuid(*uuid))).collect()
    }

    /// Removes what nothing refers to, gives out port numbers, and has all configuration in effect.
    pub(super) fn vswitchd(&mut self) {
        for (owner, column, owned) in [("Bridge", "ports", "Port"), ("Port", "interfaces", "Interface")] {
            let rows = self.tables.get(owner).into_iter().flat_map(BTreeMap::values);
            let used: Vec<_> = rows.flat_map(|row| elements(row.get(column))).collect();
            let gone = |uuid: &Uuid| !used.contains(&Atom::Uuid(*uuid));
            let table = self.tables.entry(owned.to_owned()).or_default();
            for (uuid, row) in table.iter() {
                if gone(uuid) && owned == "Port" {
                    self.story.push(format!("del-port {:?}", row.get("name")));
                }
            }
            table.retain(|uuid, _| !gone(uuid));
        }
        let bridges: Vec<String> = ["br-int", "br-tun"].map(str::to_owned).into();
        let fresh: Vec<Uuid> = self.tables["Interface"]
            .iter()
            .filter(|(_, row)| elements(row.get("ofport")).is_empty() && row.get("ofport").is_none())
            .map(|(uuid, _)| *uuid)
            .collect();
        for uuid in fresh {
            let name = match self.tables["Interface"][&uuid].get("name") {
                Some(Datum::Atom(Atom::String(name))) => name.clone(),
                _ => String::new(),
            };
            if self.absent.contains(&name) {
                continue;
            }
            self.story.push(format!("add-port {name}"));
            let number =
                if bridges.contains(&name) { 65534 } else { i64::from(u32::try_from(uuid.as_u128()).unwrap()) };
            let row = self.tables.get_mut("Interface").unwrap().get_mut(&uuid).unwrap();
            if self.broken.contains(&name) {
                row.insert("ofport".into(), (-1i64).into());
                row.insert("error".into(), "could not add network device: File exists".into());
            } else {
                row.insert("ofport".into(), number.into());
            }
        }
        for row in self.tables.get_mut("Open_vSwitch").unwrap().values_mut() {
            let next = row["next_cfg"].clone();
            row.insert("cur_cfg".into(), next);
        }
    }
}

fn state(change: impl FnOnce(&mut Settings)) -> HostState {
    let mut settings = Settings { local_ip: Some([10, 0, 1, 31].into()), ..Settings::default() };
    change(&mut settings);
    let config = settings.parse(Some("compute1")).expect("sound settings");
    HostState::new(config, "boot".to_owned()).expect("a sound state")
}

pub(super) fn set(uuids: impl IntoIterator<Item = Uuid>) -> Datum {
    Datum::Set(uuids.into_iter().map(Atom::Uuid).collect())
}

fn elements(datum: Option<&Datum>) -> Vec<Atom> {
    match datum {
        Some(Datum::Set(atoms)) => atoms.clone(),
        Some(Datum::Atom(atom)) => vec![atom.clone()],
        _ => Vec::new(),
    }
}

fn integer(datum: Option<&Datum>) -> i64 {
    match elements(datum).first() {
        Some(Atom::Integer(number)) => *number,
        _ => 0,
    }
}

fn add(row: &mut Row, column: &str, value: Datum) {
    let before = row.remove(column);
    let after = match (before, value) {
        (Some(Datum::Map(mut pairs)), Datum::Map(new)) => {
            let fresh = new.into_iter().filter(|(key, _)| !pairs.iter().any(|(there, _)| there == key));
            let fresh: Vec<_> = fresh.collect();
            pairs.extend(fresh);
            Datum::Map(pairs)
        }
        (_, Datum::Map(new)) => Datum::Map(new),
        (before, new) => {
            let mut atoms = elements(before.as_ref());
            atoms.extend(elements(Some(&new)));
            Datum::Set(atoms)
        }
    };
    row.insert(column.to_owned(), after);
}

fn remove(row: &mut Row, column: &str, value: &Datum) {
    let gone = elements(Some(value));
    match row.get_mut(column) {
        Some(Datum::Map(pairs)) => pairs.retain(|(key, _)| !gone.contains(key)),
        Some(Datum::Set(atoms)) => atoms.retain(|atom| !gone.contains(atom)),
        _ => {}
    }
}

fn resolve(datum: &mut Datum, names: &BTreeMap<String, Uuid>) {
    let fix = |atom: &mut Atom| {
        if let Atom::NamedUuid(name) = atom {
            *atom = Atom::Uuid(names[name.as_str()]);
        }
    };
    match datum {
        Datum::Atom(atom) => fix(atom),
        Datum::Set(atoms) => atoms.iter_mut().for_each(fix),
        Datum::Map(_) => {}
    }
}
