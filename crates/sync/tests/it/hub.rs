//! The least server and the least agent that the shells need, over real TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use directory::Directory;
use model::{Change, Entry, NetworkId, PortId};
use sync::Error;
use sync::agent::{Held, Update};
use sync::messages::{Interface, Interfaces, Order, PortReport, Question, ToAgent, ToServer};
use sync::server::{Closing, ConnectionId, Effect, Event, Outbound, Session, serve};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};
use tokio::time::{sleep, timeout};

use crate::facts::{Facts, epoch, hello, port};

const DEADLINE: Duration = Duration::from_secs(30);
const BATCH: usize = 256 << 10;

/// Waits for something to become true: polled, with a deadline that is no measure of speed.
pub(crate) async fn eventually(what: &str, mut check: impl FnMut() -> bool) {
    let poll = async {
        while !check() {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(DEADLINE, poll).await.unwrap_or_else(|_| panic!("{what} did not come about"));
}

#[derive(Clone)]
pub(crate) struct Hub {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<HubState>>,
}

pub(crate) struct HubState {
    pub(crate) facts: Facts,
    pub(crate) directory: Directory,
    pub(crate) streams: BTreeMap<ConnectionId, Stream>,
    pub(crate) answers: Vec<String>,
    pub(crate) closed: Vec<String>,
    /// Refuse who says hello, with this sentence.
    pub(crate) refuse: Option<String>,
}

pub(crate) struct Stream {
    pub(crate) session: Session,
    outbound: Outbound,
    room: bool,
}

impl Hub {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (facts, directory) = Facts::begin();
        let (streams, answers, closed) = (BTreeMap::new(), vec![], vec![]);
        let state = HubState { facts, directory, streams, answers, closed, refuse: None };
        let hub = Hub { address, state: Arc::new(Mutex::new(state)) };
        let (sender, mut events) = mpsc::channel(64);
        tokio::spawn(serve(listener, sender, std::future::pending()));
        let ours = hub.clone();
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                ours.lock().take(event);
            }
        });
        hub
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, HubState> {
        self.state.lock().unwrap()
    }
}

impl HubState {
    pub(crate) fn commit(&mut self, changes: Vec<Change>) {
        self.facts.commit(&mut self.directory, changes);
        self.pump();
    }

    pub(crate) fn session(&self, on: &model::HostName) -> Option<&Session> {
        self.streams.values().map(|stream| &stream.session).find(|session| session.host() == on)
    }

    pub(crate) fn ask(&mut self, on: &model::HostName, question: &Question) {
        let streams = self.streams.values_mut();
        streams.filter(|stream| stream.session.host() == on).for_each(|stream| stream.session.ask(question.clone()));
        self.pump();
    }

    fn take(&mut self, event: Event) {
        let mut effects = vec![];
        match event {
            Event::Opened { outbound, .. } if self.refuse.is_some() => {
                outbound.close(Closing::Refused(self.refuse.clone().unwrap()));
            }
            Event::Opened { id, hello, outbound, .. } => {
                let session = Session::new(&hello, epoch(1), "test");
                self.streams.insert(id, Stream { session, outbound, room: false });
            }
            Event::Room { id } => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    stream.room = true;
                }
            }
            Event::Message { id, message } => {
                if let Some(stream) = self.streams.get_mut(&id) {
                    effects = stream.session.on_message(message, &mut self.directory);
                }
            }
            Event::Closed { id, reason } => {
                self.streams.remove(&id);
                self.closed.push(reason);
            }
        }
        self.act(effects);
        self.pump();
    }

    fn pump(&mut self) {
        let dirty = self.directory.take_dirty();
        let mut effects = vec![];
        for stream in self.streams.values_mut() {
            if let Some(dirty) = dirty.hosts.get(stream.session.host()) {
                stream.session.mark(dirty);
            }
            if stream.room && stream.session.has_work() {
                let drained = stream.session.drain(&self.directory, BATCH);
                effects.extend(drained.effects);
                if !drained.messages.is_empty() {
                    assert!(stream.outbound.send(drained.messages), "there was room");
                    stream.room = false;
                }
            }
        }
        self.act(effects);
    }

    fn act(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::SetWired { port, wired, .. } => {
                    let known = self.facts.ports[&port].clone();
                    self.commit(vec![Change::Port(model::Port { wired, former: None, ..known })]);
                }
                Effect::Answer { text, .. } => self.answers.push(text),
                Effect::Resync { .. } | Effect::Violation(_) => panic!("{effect:?}"),
                _ => {}
            }
        }
    }
}

#[derive(Clone)]
pub(crate) struct Agent {
    n: u8,
    state: Arc<Mutex<AgentState>>,
    /// While held, the agent does not read.
    pub(crate) reading: Arc<tokio::sync::Mutex<()>>,
    changed: Arc<Notify>,
}

#[derive(Default)]
pub(crate) struct AgentState {
    held: Held,
    pub(crate) plugged: BTreeSet<u8>,
    pub(crate) entries: BTreeMap<NetworkId, BTreeMap<PortId, Entry>>,
    /// What has come, by kind.
    pub(crate) kinds: BTreeMap<&'static str, usize>,
    pub(crate) complete: bool,
    pub(crate) error: Option<Error>,
    said: Vec<ToServer>,
}

impl Agent {
    pub(crate) fn new(n: u8, plugged: impl IntoIterator<Item = u8>) -> Self {
        let state = AgentState { plugged: plugged.into_iter().collect(), ..AgentState::default() };
        Agent { n, state: Arc::new(Mutex::new(state)), reading: Arc::default(), changed: Arc::default() }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, AgentState> {
        self.state.lock().unwrap()
    }

    pub(crate) fn plug(&self, id: u8) {
        let mut state = self.lock();
        state.plugged.insert(id);
        let present = vec![interface(id)];
        state.said.push(ToServer::Interfaces(Interfaces { inventory: false, present, gone: vec![] }));
        self.changed.notify_one();
    }

    /// Opens a stream and follows it until it breaks.
    pub(crate) fn run(&self, server: SocketAddr) {
        let agent = self.clone();
        {
            let mut state = agent.lock();
            (state.error, state.complete) = (None, false);
            state.kinds.clear();
        }
        tokio::spawn(async move {
            let error = agent.follow(server).await.unwrap_err();
            agent.lock().error = Some(error);
        });
    }

    async fn follow(&self, server: SocketAddr) -> Result<std::convert::Infallible, Error> {
        let hello = self.lock().held.begin(hello(self.n));
        let (sender, mut receiver) = sync::agent::connect(&server.to_string(), hello).await?;
        let present = self.lock().plugged.iter().map(|id| interface(*id)).collect();
        let mut say = vec![ToServer::Interfaces(Interfaces { inventory: true, present, gone: vec![] })];
        loop {
            say.append(&mut self.lock().said);
            for message in say.drain(..) {
                // If it fails the receiver tells why.
                let _ = sender.send(message).await;
            }
            drop(self.reading.lock().await);
            tokio::select! {
                message = receiver.next() => say = self.lock().receive(message?)?,
                () = self.changed.notified() => {}
            }
        }
    }
}

fn interface(id: u8) -> Interface {
    Interface { id: port(id).to_string(), order_held: None, wired: None }
}

impl AgentState {
    fn receive(&mut self, message: ToAgent) -> Result<Vec<ToServer>, Error> {
        let kind = match &message {
            ToAgent::Snapshot(_) | ToAgent::Complete(_) => "snapshot",
            ToAgent::Delta(_) => "delta",
            _ => "other",
        };
        *self.kinds.entry(kind).or_default() += 1;
        let received = self.held.receive(message)?;
        let mut replies = received.replies;
        match received.update {
            Some(Update::Entries { network, replace, upserts, removes, revision }) => {
                let entries = self.entries.entry(network).or_default();
                if replace {
                    entries.clear();
                }
                entries.retain(|port, _| !removes.contains(port));
                entries.extend(upserts.into_iter().map(|entry| (entry.port, entry)));
                replies.extend(self.held.confirm(network, revision, vec![]));
            }
            Some(Update::Orders(orders)) => {
                replies.extend(orders.ports.into_iter().filter_map(|order| match order.order {
                    Order::Isolate(_) => None,
                    Order::Wire(wire) => {
                        let (port, generation, reason) = (wire.port, wire.generation, String::new());
                        Some(ToServer::Report(PortReport { port, generation, wired: true, reason }))
                    }
                }));
            }
            Some(Update::HostComplete(networks)) => {
                self.entries.retain(|network, _| networks.contains(network));
                self.complete = true;
            }
            Some(Update::Dropped(network)) => drop(self.entries.remove(&network)),
            Some(Update::Question(question)) => {
                let text = "because".to_owned();
                replies.push(ToServer::Answer(sync::messages::Answer { question: question.question, text }));
            }
            Some(Update::Endpoints { .. }) | None => {}
        }
        Ok(replies)
    }
}
