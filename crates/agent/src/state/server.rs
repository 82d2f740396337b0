//! What the server says, and what it has been told of this host.

use std::collections::{BTreeMap, BTreeSet};

use model::{HostName, NetworkId, Revision};
use pipeline::Tunnel;
use sync::agent::{Held, Received, Update};
use sync::messages::{Answer, Endpoint, Hello, MINOR, Orders, Question, QuestionKind, RowProblem, ToAgent, ToServer};

use super::HostState;
use crate::Config;
use crate::events::{self, Command};

#[derive(Debug)]
pub(super) struct Link {
    held: Held,
    identity: Identity,
    pub(super) stream: Stream,
    /// The server has answered on this stream, so it hears what it is told.
    welcomed: bool,
    /// Since the agent started the server has once said all networks that this host has.
    host_complete: bool,
    /// Networks of which all entries are known. They stay known while the server is gone.
    complete: BTreeSet<NetworkId>,
    /// Full mesh: the list of endpoints is known, and there is nothing else to know of a network.
    endpoints_complete: bool,
    endpoints: BTreeMap<HostName, Endpoint>,
}

/// How far the stream to the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    Down,
    Opened,
    /// The server has this stream's inventory, and hears of what changes.
    Inventoried,
}

#[derive(Debug)]
struct Identity {
    config: Config,
    boot_id: String,
}

impl Link {
    pub(super) fn new(config: &Config, boot_id: String) -> Self {
        Link {
            held: Held::default(),
            identity: Identity { config: config.clone(), boot_id },
            stream: Stream::Down,
            welcomed: false,
            host_complete: false,
            complete: BTreeSet::new(),
            endpoints_complete: false,
            endpoints: BTreeMap::new(),
        }
    }

    /// What the server is told first, but for what is held.
    pub(super) fn introduction(&self, arp_responder: bool) -> Hello {
        let Identity { config, boot_id } = &self.identity;
        Hello {
            minor: MINOR,
            software: concat!("culvert ", env!("CARGO_PKG_VERSION")).to_owned(),
            host: config.host.clone(),
            endpoint: config.local_ip,
            tunnel_types: config.tunnel_types.clone(),
            l2_population: config.l2_population,
            arp_responder,
            boot_id: boot_id.clone(),
            epoch: None,
            held: Vec::new(),
            endpoints_held: Revision::ZERO,
        }
    }

    pub(super) fn held(&self) -> &Held {
        &self.held
    }

    pub(super) fn receive(&mut self, message: ToAgent) -> Result<Received, sync::Error> {
        self.held.receive(message)
    }

    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.values()
    }

    /// Sets what is known of endpoints, and says which tunnels a full mesh has by that.
    pub(super) fn learn_endpoints(&mut self, replace: bool, upserts: Vec<Endpoint>, removes: &[HostName]) {
        if replace {
            self.endpoints.clear();
        }
        self.endpoints.retain(|host, _| !removes.contains(host));
        self.endpoints.extend(upserts.into_iter().map(|endpoint| (endpoint.host.clone(), endpoint)));
    }

    pub(super) fn mesh(&self) -> impl Iterator<Item = Tunnel> {
        self.endpoints.values().flat_map(|endpoint| {
            let types = endpoint.tunnel_types.iter();
            types.map(|tunnel_type| Tunnel::new(*tunnel_type, endpoint.address))
        })
    }

    /// The switches have confirmed a network up to here.
    pub(super) fn confirm(&mut self, id: NetworkId, revision: Revision, problems: Vec<RowProblem>) -> Option<ToServer> {
        self.held.confirm(id, revision, problems)
    }

    /// The switches have confirmed a complete set of the network's entries.
    pub(super) fn is_confirmed(&self, network: NetworkId) -> bool {
        self.held.confirmed(network).is_some()
    }

    /// Networks of which entries are known.
    pub(super) fn known_networks(&self) -> impl Iterator<Item = NetworkId> {
        self.complete.iter().copied()
    }

    pub(super) fn is_open(&self) -> bool {
        self.stream != Stream::Down
    }

    pub(super) fn is_welcomed(&self) -> bool {
        self.welcomed
    }

    pub(super) fn host_complete(&self) -> bool {
        self.host_complete
    }

    pub(super) fn is_complete(&self, network: NetworkId) -> bool {
        if self.identity.config.l2_population { self.complete.contains(&network) } else { self.endpoints_complete }
    }
}

impl HostState {
    pub(super) fn on_server(&mut self, event: events::Server) {
        match event {
            events::Server::Opening => {
                self.link.stream = Stream::Opened;
                self.link.welcomed = false;
                self.reports.start_over();
                let hello = self.link.introduction(self.pipeline.modes().arp_responder());
                let hello = self.link.held.begin(hello);
                self.send(ToServer::Hello(hello));
            }
            events::Server::Lost => {
                self.link.stream = Stream::Down;
                self.link.welcomed = false;
            }
            events::Server::Message(message) => self.on_message(message),
        }
    }

    fn on_message(&mut self, message: ToAgent) {
        if matches!(message, ToAgent::Welcome(_)) {
            self.link.welcomed = true;
            // What was unplugged while nobody listened: its order is void now, and not before. A server that did not answer
            // cannot give another, and what is plugged again without one is wired as it was.
            if self.wiring.surveyed {
                self.forget_orders();
            }
        }
        match self.link.receive(message) {
            Ok(received) => {
                received.replies.into_iter().for_each(|reply| self.send(reply));
                received.update.into_iter().for_each(|update| self.take_update(update));
            }
            Err(error) => self.commands.push(Command::HangUp { reason: error.to_string() }),
        }
    }

    pub(super) fn send(&mut self, message: ToServer) {
        self.commands.push(Command::Send(message));
    }

    /// Orders for interfaces that are not there are void.
    pub(super) fn forget_orders(&mut self) {
        self.orders.retain(|id, _| self.facts.plugged.contains_key(id));
        self.unsaved = true;
    }

    fn take_update(&mut self, update: Update) {
        self.unsaved = true;
        match update {
            Update::Orders(orders) => self.take_orders(orders),
            Update::Entries { network, replace, upserts, removes, revision } => {
                self.believe_entries(network);
                if replace {
                    self.pipeline.replace_entries(network, upserts);
                } else {
                    self.pipeline.apply_entries(network, upserts, &removes);
                }
                if self.link.complete.insert(network) {
                    self.review_orphans();
                }
                let at = self.change() + u64::from(self.pipeline.is_dirty());
                self.reports.owe_ack(network, revision, at);
            }
            Update::Dropped(network) => self.drop_network(network),
            Update::HostComplete(listed) => {
                let known = self.link.known_networks().chain(self.parked.networks());
                let others: Vec<_> = known.filter(|id| !listed.contains(id)).collect();
                for network in others {
                    self.drop_network(network);
                }
                // What the server has nothing to add to is right.
                for network in listed {
                    if self.link.held.is_whole(network) {
                        self.believe_entries(network);
                        self.link.complete.insert(network);
                    }
                }
                self.believe_rest();
                self.link.endpoints_complete |= self.link.held.endpoints_held() > Revision::ZERO;
                self.link.host_complete = true;
                // Ports that no order spoke of are nobody's now.
                self.wiring.stale = true;
                self.review_orphans();
            }
            Update::Endpoints { replace, upserts, removes } => {
                self.link.learn_endpoints(replace, upserts, &removes);
                self.believe_endpoints();
                self.link.endpoints_complete = true;
                self.review_orphans();
            }
            Update::Question(question) => self.answer(&question),
        }
    }

    fn take_orders(&mut self, orders: Orders) {
        self.networks.extend(orders.networks.into_iter().map(|info| (info.network, info)));
        // An interface that went while its order was on its way: the order is void, and the next report brings another. Not
        // so as long as the server has not been told: the interface may be back before it is.
        let is_there = |id: &str| self.facts.plugged.contains_key(id) || self.reports.is_present(id);
        let there: Vec<_> = orders.ports.into_iter().filter(|order| is_there(&order.id)).collect();
        for order in there {
            self.parked.believe_order(&order.id);
            self.orders.insert(order.id.clone(), order);
        }
        self.wiring.stale = true;
    }

    /// The server has nothing to say of this network any more.
    fn drop_network(&mut self, network: NetworkId) {
        self.pipeline.replace_entries(network, Vec::new());
        self.link.complete.remove(&network);
        self.parked.forget(network);
        if self.vlans.of(network).is_none() {
            self.networks.remove(&network);
        }
        self.reports.forget_network(network);
    }

    fn answer(&mut self, question: &Question) {
        let text = match question.kind {
            QuestionKind::ExplainDrop { tunnel_type, key, from } => self.pipeline.explain_drop(tunnel_type, key, from),
        };
        self.send(ToServer::Answer(Answer { question: question.question, text }));
    }
}
