//! What the server says, and what it has been told of this host.

use std::collections::BTreeSet;

use model::{NetworkId, Revision};
use pipeline::Tunnel;
use sync::messages::{Answer, Hello, MINOR, Orders, Question, QuestionKind, ToServer};

use super::HostState;
use super::held::{Held, Update};
use crate::Config;
use crate::events::{self, Command, Level};

#[derive(Debug)]
pub(super) struct Link {
    held: Held,
    identity: Identity,
    connected: bool,
    /// The server has the inventory of this connection.
    pub(super) inventory_sent: bool,
    /// Since the agent started the server has once said all networks that this host has.
    host_complete: bool,
    /// Networks of which all entries are known. They stay known while the server is gone.
    complete: BTreeSet<NetworkId>,
    /// Full mesh: the list of endpoints is known, and there is nothing else to know of a network.
    endpoints_complete: bool,
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
            connected: false,
            inventory_sent: false,
            host_complete: false,
            complete: BTreeSet::new(),
            endpoints_complete: false,
        }
    }

    fn hello(&self, arp_responder: bool) -> ToServer {
        let Identity { config, boot_id } = &self.identity;
        ToServer::Hello(Hello {
            minor: MINOR,
            software: concat!("culvert ", env!("CARGO_PKG_VERSION")).to_owned(),
            host: config.host.clone(),
            endpoint: config.local_ip,
            tunnel_types: config.tunnel_types.clone(),
            l2_population: config.l2_population,
            arp_responder,
            boot_id: boot_id.clone(),
            epoch: self.held.epoch(),
            held: self.held.held(),
            endpoints_held: self.held.endpoints_held(),
        })
    }

    pub(super) fn confirm(&mut self, network: NetworkId, revision: Revision) {
        self.held.confirm(network, revision);
    }

    /// Networks of which entries are known.
    pub(super) fn known_networks(&self) -> impl Iterator<Item = NetworkId> {
        self.complete.iter().copied()
    }

    pub(super) fn is_connected(&self) -> bool {
        self.connected
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
            events::Server::Connected => {
                self.link.connected = true;
                self.link.inventory_sent = false;
                self.reports.start_over();
                let hello = self.link.hello(self.pipeline.modes().arp_responder());
                self.send(hello);
            }
            events::Server::Lost { reason } => {
                if std::mem::take(&mut self.link.connected) {
                    self.say(Level::Warn, format!("the server is gone: {reason}; forwarding goes on as it is"));
                }
            }
            events::Server::Message(message) => {
                let (updates, answers) = self.link.held.on_message(message);
                answers.into_iter().for_each(|answer| self.send(answer));
                updates.into_iter().for_each(|update| self.take_update(update));
            }
        }
    }

    pub(super) fn send(&mut self, message: ToServer) {
        self.commands.push(Command::Send(message));
    }

    fn take_update(&mut self, update: Update) {
        match update {
            Update::Orders(orders) => self.take_orders(orders),
            Update::Entries { network, complete, upserts, removes, revision } => {
                if complete {
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
            Update::HostComplete { networks } => {
                let listed: BTreeSet<_> = networks.into_iter().collect();
                let others: Vec<_> = self.link.complete.iter().filter(|id| !listed.contains(id)).copied().collect();
                others.into_iter().for_each(|network| self.drop_network(network));
                self.link.host_complete = true;
                // Ports that no order spoke of are nobody's now.
                self.wiring.stale = true;
                self.review_orphans();
            }
            Update::Endpoints { endpoints } => {
                let tunnels = endpoints.into_iter().flat_map(|endpoint| {
                    let types = endpoint.tunnel_types.into_iter();
                    types.map(move |tunnel_type| Tunnel::new(tunnel_type, endpoint.address))
                });
                self.pipeline.set_endpoints(tunnels);
                self.link.endpoints_complete = true;
                self.review_orphans();
            }
            Update::Question(question) => self.answer(&question),
        }
    }

    fn take_orders(&mut self, orders: Orders) {
        self.networks.extend(orders.networks.into_iter().map(|info| (info.network, info)));
        self.orders.extend(orders.ports.into_iter().map(|order| (order.id.clone(), order)));
        self.wiring.stale = true;
    }

    /// The server has nothing to say of this network any more.
    fn drop_network(&mut self, network: NetworkId) {
        self.pipeline.replace_entries(network, Vec::new());
        self.link.complete.remove(&network);
        self.reports.forget_network(network);
    }

    fn answer(&mut self, question: &Question) {
        let text = match question.kind {
            QuestionKind::ExplainDrop { tunnel_type, key, from } => self.pipeline.explain_drop(tunnel_type, key, from),
        };
        self.send(ToServer::Answer(Answer { question: question.question, text }));
    }
}
