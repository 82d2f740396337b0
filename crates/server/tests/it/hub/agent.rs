//! An agent without OVS: it wires what it is ordered to at once, and keeps all that it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use model::{Entry, Generation, HostName, NetworkId, PortId, Revision};
use serde_json::Value;
use server::neutron_form::View;
use sync::agent::{Held, Receiver, Sender, Update, connect};
use sync::messages::{Answer, Hello, Interface, Interfaces, Order, PortReport, RowProblem, ToAgent, ToServer, Wire};
use tokio::task::JoinHandle;

use super::world::eventually;

/// A host's agent. What it holds outlives its streams, as in a real one.
pub(crate) struct Agent {
    pub(crate) name: HostName,
    hello: Hello,
    state: Arc<Mutex<State>>,
    stream: Option<(Sender, JoinHandle<()>)>,
}

#[derive(Default)]
pub(crate) struct State {
    held: Held,
    plugged: BTreeSet<String>,
    hold_wiring: bool,
    orders: BTreeMap<String, Order>,
    pub(crate) wired: BTreeMap<PortId, Generation>,
    pub(crate) tables: BTreeMap<NetworkId, BTreeMap<PortId, Entry>>,
    /// All messages since they were last taken.
    log: Vec<ToAgent>,
    view: View,
    said: Vec<Value>,
    /// Acknowledgements that are held back while the agent lags.
    lagging: Option<Vec<(NetworkId, Revision)>>,
    /// What it names as impossible whenever it confirms.
    refuses: Vec<RowProblem>,
    /// Why the last stream ended.
    pub(crate) ended: Option<String>,
}

impl Agent {
    pub(crate) fn new(name: &str, endpoint: &str) -> Agent {
        let name: HostName = name.parse().unwrap();
        let hello = Hello {
            software: "test agent".to_owned(),
            boot_id: "boot".to_owned(),
            ..Hello::new(name.clone(), endpoint.parse().unwrap())
        };
        Agent { name, hello, state: Arc::default(), stream: None }
    }

    /// Opens a stream and sends the inventory, as a real agent does.
    pub(crate) async fn connect(&mut self, server: SocketAddr) {
        self.connect_without_inventory(server).await;
        self.inventory(true).await;
        let state = Arc::clone(&self.state);
        eventually("the host is complete", || {
            state.lock().unwrap().log.iter().any(|message| matches!(message, ToAgent::HostComplete(_)))
        })
        .await;
    }

    /// Connects again and again, as a real agent does, until the server has it.
    pub(crate) async fn come_back(&mut self, server: SocketAddr) {
        loop {
            self.connect_without_inventory(server).await;
            let present = self.with(|state| state.plugged.iter().map(|id| state.interface(id)).collect());
            let inventory = Interfaces { inventory: true, present, gone: Vec::new() };
            // Who is refused cannot say it any more.
            let _ = self.stream.as_ref().unwrap().0.send(ToServer::Interfaces(inventory)).await;
            let complete = |state: &State| state.log.iter().any(|message| matches!(message, ToAgent::HostComplete(_)));
            eventually("the host is complete, or refused", || self.with(|s| complete(s) || s.ended.is_some())).await;
            if self.with(|state| complete(state)) {
                return;
            }
            let reason = self.with(|state| state.ended.clone()).unwrap_or_default();
            assert!(!reason.contains("refuses"), "{reason}");
        }
    }

    pub(crate) async fn connect_without_inventory(&mut self, server: SocketAddr) {
        let hello = self.with(|state| {
            (state.ended, state.log) = (None, Vec::new());
            state.held.begin(self.hello.clone())
        });
        let (sender, receiver) = connect(&server.to_string(), hello).await.unwrap();
        let reader = tokio::spawn(read(receiver, sender.clone(), Arc::clone(&self.state)));
        self.stream = Some((sender, reader));
    }

    pub(crate) async fn inventory(&self, complete: bool) {
        let present = self.with(|state| state.plugged.iter().map(|id| state.interface(id)).collect());
        self.send(ToServer::Interfaces(Interfaces { inventory: complete, present, gone: Vec::new() })).await;
    }

    /// Cuts the stream, as a crash does.
    pub(crate) fn cut(&mut self) {
        if let Some((_, reader)) = self.stream.take() {
            reader.abort();
        }
    }

    /// The agent restarts: it finds its interfaces, and has forgotten everything else.
    pub(crate) fn forget(&mut self) {
        self.cut();
        self.with(|state| *state = State { plugged: std::mem::take(&mut state.plugged), ..State::default() });
    }

    pub(crate) async fn plug(&self, port: &str) {
        let interface = self.with(|state| {
            state.plugged.insert(port.to_owned());
            state.interface(port)
        });
        self.report(vec![interface], Vec::new()).await;
    }

    pub(crate) async fn unplug(&self, port: &str) {
        self.unplug_unseen(port);
        self.report(Vec::new(), vec![port.to_owned()]).await;
    }

    /// The interface goes while nobody looks (or its host is down).
    pub(crate) fn unplug_unseen(&self, port: &str) {
        self.with(|state| {
            state.plugged.remove(port);
            state.orders.remove(port);
            state.wired.remove(&port.parse().unwrap());
        });
    }

    /// An interface that is there before the agent is.
    pub(crate) fn plugged_before(&self, port: &str) {
        self.with(|state| state.plugged.insert(port.to_owned()));
    }

    /// From now on orders are not carried out, or are again.
    pub(crate) fn hold_wiring(&self, hold: bool) {
        self.with(|state| state.hold_wiring = hold);
    }

    /// From now on nothing is confirmed.
    pub(crate) fn lag(&self) {
        self.with(|state| state.lagging = Some(Vec::new()));
    }

    /// From now on the switch refuses the rows of this port; with no reason: of none.
    pub(crate) fn refuse(&self, port: &str, reason: Option<&str>) {
        let problem = |reason: &str| RowProblem { port: port.parse().unwrap(), reason: reason.to_owned() };
        self.with(|state| state.refuses = reason.map(problem).into_iter().collect());
    }

    /// Confirms what it has held back, and from now on everything at once.
    pub(crate) async fn catch_up(&self) {
        let waiting = self.with(|state| {
            let waiting = state.lagging.take().unwrap_or_default();
            waiting
                .into_iter()
                .filter_map(|(network, revision)| state.held.confirm(network, revision, Vec::new()))
                .collect::<Vec<_>>()
        });
        for ack in waiting {
            self.send(ack).await;
        }
    }

    pub(crate) async fn send(&self, message: ToServer) {
        self.stream.as_ref().unwrap().0.send(message).await.unwrap();
    }

    pub(crate) fn with<T>(&self, body: impl FnOnce(&mut State) -> T) -> T {
        body(&mut self.state.lock().unwrap())
    }

    /// What was sent since this was last asked, in Neutron's form.
    pub(crate) fn told(&self) -> Vec<Value> {
        self.with(|state| std::mem::take(&mut state.said))
    }

    /// Messages since this was last asked.
    pub(crate) fn messages(&self) -> Vec<ToAgent> {
        self.with(|state| std::mem::take(&mut state.log))
    }

    /// Endpoints of a network's entries, by MAC.
    pub(crate) fn knows(&self, mac: &str) -> Option<String> {
        let mac = mac.parse().unwrap();
        self.with(|state| {
            let entry = state.tables.values().flat_map(BTreeMap::values).find(|entry| entry.mac == mac);
            entry.map(|entry| entry.endpoint.to_string())
        })
    }

    pub(crate) fn wired(&self, port: &str) -> Option<Generation> {
        self.with(|state| state.wired.get(&port.parse().unwrap()).copied())
    }

    /// The reason for which an interface is kept apart.
    pub(crate) fn isolated(&self, id: &str) -> Option<String> {
        self.with(|state| match state.orders.get(id) {
            Some(Order::Isolate(reason)) => Some(reason.clone()),
            _ => None,
        })
    }

    async fn report(&self, present: Vec<Interface>, gone: Vec<String>) {
        self.send(ToServer::Interfaces(Interfaces { inventory: false, present, gone })).await;
    }
}

async fn read(mut receiver: Receiver, sender: Sender, state: Arc<Mutex<State>>) {
    loop {
        let message = match receiver.next().await {
            Ok(message) => message,
            Err(error) => {
                state.lock().unwrap().ended = Some(error.to_string());
                return;
            }
        };
        let replies = state.lock().unwrap().receive(message);
        for reply in replies {
            // The stream may break at any moment; the reader sees that.
            let _ = sender.send(reply).await;
        }
    }
}

impl State {
    fn interface(&self, id: &str) -> Interface {
        let order_held = self.orders.get(id).map(Order::digest);
        let wired = id.parse().ok().and_then(|port| self.wired.get(&port).copied());
        Interface { id: id.to_owned(), order_held, wired }
    }

    fn receive(&mut self, message: ToAgent) -> Vec<ToServer> {
        self.said.extend(self.view.on_message(&message).iter().map(|said| serde_json::to_value(said).unwrap()));
        self.log.push(message.clone());
        let received = self.held.receive(message).unwrap();
        let mut replies = received.replies;
        match received.update {
            Some(Update::Orders(orders)) => {
                for order in orders.ports {
                    self.orders.insert(order.id, order.order);
                }
            }
            Some(Update::Entries { network, replace, upserts, removes, revision }) => {
                let table = self.tables.entry(network).or_default();
                if replace {
                    table.clear();
                }
                table.extend(upserts.into_iter().map(|entry| (entry.port, entry)));
                table.retain(|port, _| !removes.contains(port));
                match &mut self.lagging {
                    Some(waiting) => waiting.push((network, revision)),
                    None => replies.extend(self.held.confirm(network, revision, self.refuses.clone())),
                }
            }
            Some(Update::Dropped(network)) => {
                self.tables.remove(&network);
            }
            Some(Update::Question(question)) => {
                let text = format!("{:?}", question.kind);
                replies.push(ToServer::Answer(Answer { question: question.question, text }));
            }
            Some(Update::HostComplete(_) | Update::Endpoints { .. }) | None => {}
        }
        replies.extend(self.wire());
        replies
    }

    /// Carries out orders whose network is complete here.
    fn wire(&mut self) -> Vec<ToServer> {
        let mut reports = Vec::new();
        if self.hold_wiring {
            return reports;
        }
        for (id, order) in self.orders.iter().filter(|(id, _)| self.plugged.contains(*id)) {
            match order {
                Order::Wire(Wire { port, network, generation, .. }) => {
                    let ready = self.held.confirmed(*network).is_some() && self.wired.get(port) != Some(generation);
                    if ready {
                        self.wired.insert(*port, *generation);
                        let (port, generation, reason) = (*port, *generation, String::new());
                        reports.push(ToServer::Report(PortReport { port, generation, wired: true, reason }));
                    }
                }
                Order::Isolate(_) => {
                    if let Ok(port) = id.parse() {
                        self.wired.remove(&port);
                    }
                }
            }
        }
        reports
    }
}
