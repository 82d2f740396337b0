use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use directory::{Directory, HostDirty};
use model::{Epoch, HostName, NetworkId, PortId, Revision};

use super::cursor::{Cursor, Next};
use super::interfaces::Known;
use super::{Effect, Refusal};
use crate::messages::{
    Ack, Endpoint, Endpoints, HeldNetwork, Hello, HostComplete, MINOR, Missing, NetworkInfo, Orders, Question, Resync,
    ToAgent, ToServer, Welcome,
};

/// Most deltas under way to one agent. h2 closes a connection with thousands of small frames unread; and who has not
/// confirmed so much is better served by fewer, larger ones. A network with nothing under way may always send.
const MOST_UNCONFIRMED: usize = 256;
/// Most orders in one message.
const ORDERS: usize = 500;
/// Bytes of an order, about.
const ORDER: usize = 100;

/// The server's side of one agent's stream. Messages come in by [`Session::on_message`], what changed in the directory by
/// [`Session::mark`]; [`Session::drain`] gives what to send, when there is room for it.
///
/// After a hello: `Welcome`; after the inventory `Orders`, what each network lacks, and `HostComplete`; then whatever
/// changes. There is no other path for a new agent, one that reconnects, and one that lags.
#[derive(Debug)]
pub struct Session {
    host: HostName,
    l2_population: bool,
    minor: u32,
    welcome: Option<Welcome>,
    /// What the agent held of networks in this epoch; each is used up when the network's cursor begins.
    held: BTreeMap<NetworkId, HeldNetwork>,
    interfaces: Known,
    cursors: BTreeMap<NetworkId, Cursor>,
    /// Networks dropped, and how often, that the agent has not confirmed as dropped: what it confirms of them was sent
    /// before, and says nothing of what was sent since.
    dropping: BTreeMap<NetworkId, u32>,
    /// Networks at which to look.
    dirty: BTreeSet<NetworkId>,
    /// Networks of which the host last named rows that it cannot program.
    troubled: BTreeSet<NetworkId>,
    endpoints: EndpointCursor,
    questions: Vec<Question>,
    host_completed: bool,
    refused: u64,
}

#[derive(Debug)]
struct EndpointCursor {
    sent: Revision,
    dirty: bool,
    whole: bool,
}

/// What there is to send and to do.
#[derive(Debug, Default)]
pub struct Drained {
    pub messages: Vec<ToAgent>,
    /// What the orders and entries in them take on the wire, about.
    pub bytes: usize,
    pub effects: Vec<Effect>,
}

impl Session {
    /// For a host that the directory knows (its registration is applied). `software`: this server's name and version.
    pub fn new(hello: &Hello, epoch: Epoch, software: &str) -> Self {
        let same_epoch = hello.epoch == Some(epoch);
        let held = hello.held.iter().filter(|_| same_epoch).map(|held| (held.network, *held)).collect();
        let sent = if same_epoch { hello.endpoints_held } else { Revision::ZERO };
        Session {
            host: hello.host.clone(),
            l2_population: hello.l2_population,
            minor: hello.minor.min(MINOR),
            welcome: Some(Welcome { minor: MINOR, software: software.to_owned(), epoch }),
            held,
            interfaces: Known::of_version(hello.minor),
            cursors: BTreeMap::new(),
            dropping: BTreeMap::new(),
            dirty: BTreeSet::new(),
            troubled: BTreeSet::new(),
            endpoints: EndpointCursor { sent, dirty: !hello.l2_population, whole: sent == Revision::ZERO },
            questions: Vec::new(),
            host_completed: false,
            refused: 0,
        }
    }

    pub fn host(&self) -> &HostName {
        &self.host
    }

    /// The minor version of the protocol that both sides speak.
    pub fn minor(&self) -> u32 {
        self.minor
    }

    /// Whether the agent has been sent everything once and was told so.
    pub fn is_complete(&self) -> bool {
        self.host_completed
    }

    /// Reports of this agent that were not believed.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Whether the port was plugged on the host when its Open vSwitch lost its database, and has not been since.
    pub fn is_missing(&self, port: PortId) -> bool {
        self.interfaces.is_missing(port)
    }

    /// Takes what the agent says. The directory learns of interfaces; take its [`Directory::take_dirty`] afterwards.
    pub fn on_message(&mut self, message: ToServer, directory: &mut Directory) -> Vec<Effect> {
        let mut effects = Vec::new();
        match message {
            ToServer::Hello(_) => effects.push(Effect::Violation("a second hello on one stream".to_owned())),
            ToServer::Interfaces(report) => {
                let first_inventory = report.inventory && !self.interfaces.inventoried;
                self.interfaces.report(report, &self.host, directory, &mut effects);
                if first_inventory {
                    self.dirty.extend(directory.networks_of(&self.host));
                }
            }
            ToServer::Report(report) => effects.extend(self.interfaces.wired(report, &self.host, directory)),
            ToServer::Ack(ack) => self.ack(ack, &mut effects),
            ToServer::Resync(Resync { network, reason }) => {
                self.resync(network, directory);
                effects.push(Effect::Resync { network, reason });
            }
            ToServer::Answer(answer) => {
                effects.push(Effect::Answer { question: answer.question, text: answer.text });
            }
            ToServer::Missing(Missing { ids }) => self.interfaces.missing(&ids),
        }
        self.count(&effects);
        effects
    }

    /// What changed in the directory for this host.
    pub fn mark(&mut self, dirty: &HostDirty) {
        self.dirty.extend(&dirty.networks);
        for port in &dirty.orders {
            self.interfaces.mark(*port);
        }
    }

    /// The list of endpoints changed.
    pub fn mark_endpoints(&mut self) {
        self.endpoints.dirty = !self.l2_population;
    }

    /// Asks the agent something; the answer comes as an effect.
    pub fn ask(&mut self, question: Question) {
        self.questions.push(question);
    }

    /// Whether the host is known to be right about a network up to a revision: it has confirmed it, or nothing since was
    /// of concern to it. A host in full-mesh mode has nothing to confirm.
    pub fn confirmed(&self, network: NetworkId, revision: Revision) -> bool {
        !self.l2_population || self.confirmed_up_to(network).is_some_and(|confirmed| confirmed >= revision)
    }

    /// `None`: nothing yet.
    pub fn confirmed_up_to(&self, network: NetworkId) -> Option<Revision> {
        self.cursors.get(&network).map(Cursor::confirmed)
    }

    /// Up to here the host has been sent the network's entries; `None`: nothing yet. What is newer waits until it has
    /// confirmed some of what was sent, or its connection takes more.
    pub fn sent_up_to(&self, network: NetworkId) -> Option<Revision> {
        self.cursors.get(&network).map(Cursor::sent)
    }

    /// Whether [`Session::drain`] may have something to give.
    pub fn has_work(&self) -> bool {
        let waits_for_inventory = !self.interfaces.inventoried;
        let work = self.interfaces.is_dirty() || !self.dirty.is_empty() || !self.host_completed;
        self.welcome.is_some() || !self.questions.is_empty() || self.endpoints.dirty || (work && !waits_for_inventory)
    }

    /// What to send now, up to about `budget` bytes (and at least one message, if there is one).
    pub fn drain(&mut self, directory: &Directory, budget: usize) -> Drained {
        let mut drained = Drained::default();
        if let Some(welcome) = self.welcome.take() {
            drained.messages.push(ToAgent::Welcome(welcome));
        }
        drained.messages.extend(mem::take(&mut self.questions).into_iter().map(ToAgent::Question));
        drained.messages.extend(self.endpoints(directory));
        if self.interfaces.inventoried {
            let mut room = budget;
            let done =
                self.orders(directory, &mut room, &mut drained) && self.networks(directory, &mut room, &mut drained);
            if done && self.dirty.is_empty() && !self.host_completed {
                drained.messages.push(self.host_complete(directory));
            }
            drained.bytes = budget - room;
        }
        self.count(&drained.effects);
        drained
    }

    /// Orders, with the facts of networks that go before them. Returns false if there is no room for more.
    fn orders(&mut self, directory: &Directory, room: &mut usize, drained: &mut Drained) -> bool {
        let mut orders = Orders::default();
        for network in &self.dirty {
            let Some(view) = directory.view(*network, &self.host) else { continue };
            let cursor = self.cursors.entry(*network).or_insert_with(|| {
                if self.l2_population {
                    Cursor::new(self.held.remove(network), view)
                } else {
                    Cursor::without_entries()
                }
            });
            let info = directory.network(*network).map(NetworkInfo::from);
            if cursor.info != info {
                orders.networks.extend(info);
                cursor.info = info;
            }
        }
        loop {
            let ports = &mut orders.ports;
            let most = (*room / ORDER).clamp(1, ORDERS);
            while ports.len() < most {
                match self.interfaces.next_order(&self.host, directory, &mut drained.effects) {
                    Some(order) => ports.push(order),
                    None => break,
                }
            }
            let full = ports.len() == most;
            if !ports.is_empty() || !orders.networks.is_empty() {
                *room = room.saturating_sub(ORDER * (ports.len() + orders.networks.len()));
                drained.messages.push(ToAgent::Orders(mem::take(&mut orders)));
            }
            if !full {
                return *room > 0;
            }
            if *room == 0 {
                return false;
            }
        }
    }

    /// What networks lack; then, when nothing is left to add, what the host no longer has. Returns as above.
    fn networks(&mut self, directory: &Directory, room: &mut usize, drained: &mut Drained) -> bool {
        let mut unconfirmed: usize = self.cursors.values().map(Cursor::unconfirmed).sum();
        let mut lost = Vec::new();
        for network in self.dirty.iter().copied().collect::<Vec<_>>() {
            let Some(view) = directory.view(network, &self.host) else {
                lost.push(network);
                continue;
            };
            let Some(cursor) = self.cursors.get_mut(&network) else { continue };
            loop {
                if *room == 0 {
                    return false;
                }
                if unconfirmed >= MOST_UNCONFIRMED && cursor.unconfirmed() > 0 {
                    // Its confirmation brings it back.
                    break;
                }
                match cursor.next(network, view, *room) {
                    Next::Message(message, bytes) => {
                        unconfirmed += 1;
                        *room = room.saturating_sub(bytes);
                        drained.messages.push(message);
                    }
                    Next::UpToDate => break,
                }
            }
            self.dirty.remove(&network);
            if cursor.confirmed() > cursor.reported {
                cursor.reported = cursor.confirmed();
                drained.effects.push(Effect::Confirmed { network, revision: cursor.confirmed() });
            }
        }
        for network in lost {
            self.dirty.remove(&network);
            if self.troubled.remove(&network) {
                drained.effects.push(Effect::Problems { network, problems: Vec::new() });
            }
            if self.cursors.remove(&network).is_some() {
                *self.dropping.entry(network).or_default() += 1;
                drained.messages.push(ToAgent::Dropped(network));
            }
        }
        true
    }

    fn host_complete(&mut self, directory: &Directory) -> ToAgent {
        self.host_completed = true;
        self.held.clear();
        let networks = self.cursors.iter().map(|(network, cursor)| (*network, cursor.sent())).collect();
        ToAgent::HostComplete(HostComplete { revision: directory.revision(), networks })
    }

    fn endpoints(&mut self, directory: &Directory) -> Option<ToAgent> {
        if !mem::take(&mut self.endpoints.dirty) {
            return None;
        }
        let (previous, revision) = (self.endpoints.sent, directory.endpoints_revision());
        let changes = directory.endpoint_changes(&self.host, previous).filter(|_| !self.endpoints.whole);
        let (previous, upserts, removes) = match changes {
            Some((upserts, removes)) if upserts.is_empty() && removes.is_empty() => return None,
            Some((upserts, removes)) => (previous, upserts, removes),
            None => (Revision::ZERO, directory.endpoints(&self.host), Vec::new()),
        };
        self.endpoints.whole = false;
        self.endpoints.sent = revision;
        let upserts = upserts.into_iter().map(Endpoint::from).collect();
        Some(ToAgent::Endpoints(Endpoints { previous, revision, upserts, removes }))
    }

    fn ack(&mut self, ack: Ack, effects: &mut Vec<Effect>) {
        let Ack { network, revision, problems } = ack;
        if let Some(drops) = self.dropping.get_mut(&network) {
            if revision == Revision::ZERO {
                *drops -= 1;
            }
            if *drops == 0 {
                self.dropping.remove(&network);
            }
            return;
        }
        let Some(cursor) = self.cursors.get_mut(&network) else { return };
        cursor.confirm(revision);
        effects.push(Effect::Confirmed { network, revision: cursor.confirmed() });
        let mended = problems.is_empty() && self.troubled.remove(&network);
        if mended || !problems.is_empty() {
            if !mended {
                self.troubled.insert(network);
            }
            effects.push(Effect::Problems { network, problems });
        }
        // What waited for the confirmation may go now.
        self.dirty.insert(network);
    }

    fn resync(&mut self, network: Option<NetworkId>, directory: &Directory) {
        let Some(network) = network.filter(|_| self.l2_population) else {
            (self.endpoints.whole, self.endpoints.dirty) = (true, !self.l2_population);
            return;
        };
        let view = directory.view(network, &self.host);
        if let (Some(cursor), Some(view)) = (self.cursors.get_mut(&network), view) {
            cursor.distrusted(view);
            self.dirty.insert(network);
        }
    }

    fn count(&mut self, effects: &[Effect]) {
        let refused =
            |effect: &&Effect| matches!(effect, Effect::Refused { refusal, .. } if *refusal != Refusal::AdminDown);
        self.refused += effects.iter().filter(refused).count() as u64;
    }
}
