//! An agent without a switch: the real protocol on a real connection; what it is told it confirms at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use model::{Generation, HostName, NetworkId, PortId};
use sync::agent::{Held, Holding, Update, connect};
use sync::messages::{Hello, Interface, Interfaces, Order, PortReport, ToAgent, ToServer};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How long an agent waits that was refused, or lost its stream for a reason of its own.
const RETRY: Duration = Duration::from_millis(200);

/// A way to an agent's task, which ends with this.
#[derive(Debug)]
pub(super) struct Agent {
    state: Arc<Mutex<State>>,
    commands: UnboundedSender<Command>,
}

#[derive(Debug)]
pub(super) enum Command {
    Plug(Vec<PortId>),
    /// End the stream, and begin another after this time.
    Reconnect(Duration),
}

/// An agent has confirmed entries of these ports.
#[derive(Debug)]
pub(super) struct Confirmed {
    pub(super) agent: usize,
    pub(super) ports: Vec<PortId>,
    pub(super) at: Instant,
}

/// What came on all streams of an agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) messages: u64,
    pub(super) snapshots: u64,
}

#[derive(Debug)]
struct State {
    index: usize,
    host: HostName,
    held: Held,
    plugged: BTreeSet<PortId>,
    orders: BTreeMap<String, Order>,
    wired: BTreeMap<PortId, Generation>,
    heard: Heard,
    /// When the server last said that this stream has had everything.
    in_sync: Option<Instant>,
}

impl Agent {
    pub(super) fn start(server: String, index: usize, confirmed: UnboundedSender<Confirmed>) -> anyhow::Result<Agent> {
        let state = Arc::new(Mutex::new(State {
            index,
            host: format!("host{index}").parse()?,
            held: Held::new(),
            plugged: BTreeSet::new(),
            orders: BTreeMap::new(),
            wired: BTreeMap::new(),
            heard: Heard::default(),
            in_sync: None,
        }));
        let (commands, receiver) = unbounded_channel();
        tokio::spawn(Task { server, state: state.clone(), commands: receiver, confirmed }.run());
        Ok(Agent { state, commands })
    }

    pub(super) fn command(&self, command: Command) {
        // Its task lives as long as this does.
        let _ = self.commands.send(command);
    }

    pub(super) fn heard(&self) -> Heard {
        lock(&self.state).heard
    }

    pub(super) fn in_sync(&self) -> Option<Instant> {
        lock(&self.state).in_sync
    }

    pub(super) fn wired(&self) -> usize {
        lock(&self.state).wired.len()
    }

    pub(super) fn holdings(&self) -> Vec<Holding> {
        lock(&self.state).held.networks().collect()
    }
}

struct Task {
    server: String,
    state: Arc<Mutex<State>>,
    commands: UnboundedReceiver<Command>,
    confirmed: UnboundedSender<Confirmed>,
}

impl Task {
    async fn run(mut self) {
        // Ends when the handle is gone.
        while let Some(wait) = self.stream().await {
            tokio::time::sleep(wait).await;
        }
    }

    /// One stream, to its end; how long to wait for the next, or that there is to be none.
    async fn stream(&mut self) -> Option<Duration> {
        let (hello, inventory) = lock(&self.state).begin();
        let Ok((sender, mut receiver)) = connect(&self.server, hello).await else { return Some(RETRY) };
        sender.send(inventory).await.ok();
        loop {
            let replies = tokio::select! {
                message = receiver.next() => {
                    let Ok(message) = message else { return Some(RETRY) };
                    let (replies, ports) = lock(&self.state).receive(message);
                    for reply in replies {
                        sender.send(reply).await.ok();
                    }
                    if !ports.is_empty() {
                        let agent = lock(&self.state).index;
                        // Nobody listens between measurements.
                        let _ = self.confirmed.send(Confirmed { agent, ports, at: Instant::now() });
                    }
                    continue;
                }
                command = self.commands.recv() => match command? {
                    Command::Plug(ports) => lock(&self.state).plug(ports),
                    Command::Reconnect(wait) => return Some(wait),
                },
            };
            sender.send(replies).await.ok();
        }
    }
}

impl State {
    fn begin(&mut self) -> (Hello, ToServer) {
        self.in_sync = None;
        let index = u32::try_from(self.index).unwrap_or(u32::MAX);
        let hello = Hello {
            software: "swarm".to_owned(),
            boot_id: "swarm".to_owned(),
            ..Hello::new(self.host.clone(), super::endpoint(index).into())
        };
        let present = self.plugged.iter().map(|port| self.interface(*port)).collect();
        let inventory = ToServer::Interfaces(Interfaces { inventory: true, present, gone: Vec::new() });
        (self.held.begin(hello), inventory)
    }

    fn plug(&mut self, ports: Vec<PortId>) -> ToServer {
        let present = ports.iter().map(|port| self.interface(*port)).collect();
        self.plugged.extend(ports);
        ToServer::Interfaces(Interfaces { inventory: false, present, gone: Vec::new() })
    }

    fn interface(&self, port: PortId) -> Interface {
        let id = port.to_string();
        let order_held = self.orders.get(&id).map(Order::digest);
        Interface { order_held, wired: self.wired.get(&port).copied(), id }
    }

    /// What to answer, and whose entries came.
    fn receive(&mut self, message: ToAgent) -> (Vec<ToServer>, Vec<PortId>) {
        self.heard.messages += 1;
        self.heard.snapshots += u64::from(matches!(message, ToAgent::Snapshot(_)));
        let Ok(received) = self.held.receive(message) else { return (Vec::new(), Vec::new()) };
        let (mut replies, mut ports) = (received.replies, Vec::new());
        match received.update {
            Some(Update::Orders(orders)) => {
                self.orders.extend(orders.ports.into_iter().map(|order| (order.id, order.order)));
            }
            Some(Update::Entries { network, upserts, revision, .. }) => {
                replies.extend(self.held.confirm(network, revision, Vec::new()));
                ports.extend(upserts.iter().map(|entry| entry.port));
            }
            Some(Update::HostComplete(_)) => self.in_sync = Some(Instant::now()),
            Some(Update::Dropped(_) | Update::Endpoints { .. } | Update::Question(_)) | None => {}
        }
        self.wire(&mut replies);
        (replies, ports)
    }

    /// Carries out the orders whose networks are known.
    fn wire(&mut self, replies: &mut Vec<ToServer>) {
        for order in self.orders.values() {
            let Order::Wire(wire) = order else { continue };
            let ready = self.wired.get(&wire.port) != Some(&wire.generation) && self.knows(wire.network);
            if ready {
                self.wired.insert(wire.port, wire.generation);
                let (port, generation, reason) = (wire.port, wire.generation, String::new());
                replies.push(ToServer::Report(PortReport { port, generation, wired: true, reason }));
            }
        }
    }

    fn knows(&self, network: NetworkId) -> bool {
        self.held.confirmed(network).is_some()
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
