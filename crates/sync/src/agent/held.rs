use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::{Entry, Epoch, HostName, NetworkId, PortId, Revision};

use super::network::{Fault, Network};
use crate::Error;
use crate::messages::{
    Ack, Endpoint, Endpoints, HeldNetwork, Hello, HostComplete, Orders, Question, Resync, RowProblem, Sum, ToAgent,
    ToServer,
};

/// Snapshots of one network that may arrive damaged before the stream is given up.
const MOST_DAMAGED: u32 = 3;

/// What the agent holds of what the server told it, and how far OVS has confirmed that. It checks what comes for gaps and
/// damage, and passes on only what is whole.
///
/// A network is held from its first snapshot until the server drops it. Keep its entries as long, also while no port of it
/// is plugged: a port that comes back soon is no news to the server, and it will not send them again.
#[derive(Debug, Default)]
pub struct Held {
    epoch: Option<Epoch>,
    networks: BTreeMap<NetworkId, Network>,
    endpoints: Revision,
}

/// What a message means for the host state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    Orders(Orders),
    Entries {
        network: NetworkId,
        /// `upserts` is all there is, which permits removing what it does not list. Otherwise nothing else changed.
        replace: bool,
        upserts: Vec<Entry>,
        removes: Vec<PortId>,
        /// To be given to [`Held::confirm`] when OVS has confirmed it.
        revision: Revision,
    },
    /// The host no longer has this network.
    Dropped(NetworkId),
    /// All networks that the host has: what is held or installed of others may go.
    HostComplete(BTreeSet<NetworkId>),
    Endpoints {
        /// `upserts` is the whole list.
        replace: bool,
        upserts: Vec<Endpoint>,
        removes: Vec<HostName>,
    },
    Question(Question),
}

/// A network of which all entries are held, as of `received`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding {
    pub network: NetworkId,
    pub received: Revision,
    /// Up to here OVS has confirmed it.
    pub confirmed: Revision,
    pub sum: Sum,
}

/// What came of a message.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Received {
    pub update: Option<Update>,
    /// To be sent to the server.
    pub replies: Vec<ToServer>,
}

impl Held {
    pub fn new() -> Self {
        Held::default()
    }

    /// Begins a new stream: what came only in part on the last one is void. Fills what the hello says of what is held.
    pub fn begin(&mut self, hello: Hello) -> Hello {
        self.networks.values_mut().for_each(Network::forget_parts);
        let known = |network: &Network| network.received.min(network.confirmed) > Revision::ZERO;
        let held = self.networks.iter().filter(|(_, network)| known(network)).map(|(id, network)| HeldNetwork {
            network: *id,
            revision: network.confirmed,
            sum: (network.confirmed == network.received).then_some(network.sum()),
        });
        Hello { epoch: self.epoch, held: held.collect(), endpoints_held: self.endpoints, ..hello }
    }

    /// Takes a message. An error ends the stream: come back with a new one, after a while.
    pub fn receive(&mut self, message: ToAgent) -> Result<Received, Error> {
        Ok(match message {
            ToAgent::Welcome(welcome) => {
                if self.epoch.replace(welcome.epoch) != Some(welcome.epoch) {
                    self.networks.values_mut().for_each(Network::distrust);
                    self.endpoints = Revision::ZERO;
                }
                Received::default()
            }
            ToAgent::Orders(orders) => Received::update(Update::Orders(orders)),
            ToAgent::Snapshot(part) => {
                self.networks.entry(part.network).or_default().snapshot(part);
                Received::default()
            }
            ToAgent::Complete(complete) => {
                let (id, revision) = (complete.network, complete.revision);
                let network = self.networks.entry(id).or_default();
                match network.complete(complete) {
                    Ok(upserts) => Received::update(Update::Entries {
                        network: id,
                        replace: true,
                        upserts,
                        removes: Vec::new(),
                        revision,
                    }),
                    Err(fault) => mend(id, network, fault)?,
                }
            }
            ToAgent::Delta(delta) => {
                let (id, revision) = (delta.network, delta.revision);
                let network = self.networks.entry(id).or_default();
                if network.awaited {
                    return Ok(Received::default());
                }
                match network.delta(delta) {
                    Ok(None) => Received::default(),
                    Ok(Some(changes)) => Received::update(Update::Entries {
                        network: id,
                        replace: false,
                        upserts: changes.upserts.into_values().collect(),
                        removes: changes.removes.into_iter().collect(),
                        revision,
                    }),
                    Err(fault) => mend(id, network, fault)?,
                }
            }
            ToAgent::Dropped(network) => {
                self.networks.remove(&network);
                let ack = Ack { network, revision: Revision::ZERO, problems: Vec::new() };
                Received { update: Some(Update::Dropped(network)), replies: vec![ToServer::Ack(ack)] }
            }
            ToAgent::HostComplete(complete) => self.host_complete(&complete),
            ToAgent::Endpoints(endpoints) => self.endpoints(endpoints),
            ToAgent::Question(question) => Received::update(Update::Question(question)),
        })
    }

    /// OVS has confirmed a network up to a revision that an [`Update::Entries`] named, but for rows that this host cannot
    /// program. Returns what to tell the server. What was under way when [`Update::Dropped`] came must not be confirmed any
    /// more: the network may be back, at the same revision.
    pub fn confirm(&mut self, network: NetworkId, revision: Revision, problems: Vec<RowProblem>) -> Option<ToServer> {
        let held = self.networks.get_mut(&network).filter(|held| revision <= held.received)?;
        held.confirmed = held.confirmed.max(revision);
        Some(ToServer::Ack(Ack { network, revision, problems }))
    }

    /// Up to where OVS has confirmed a network; `None`: not even its first snapshot, so no port of it is wired yet.
    pub fn confirmed(&self, network: NetworkId) -> Option<Revision> {
        self.networks.get(&network).map(|held| held.confirmed).filter(|confirmed| *confirmed > Revision::ZERO)
    }

    /// Up to where entries of a network have come.
    pub fn received(&self, network: NetworkId) -> Option<Revision> {
        self.networks.get(&network).map(|held| held.received).filter(|received| *received > Revision::ZERO)
    }

    /// All that is held of networks: what a later process needs to go on from here.
    pub fn networks(&self) -> impl Iterator<Item = Holding> {
        let held = self.networks.iter().filter(|(_, held)| held.received > Revision::ZERO);
        held.map(|(network, held)| Holding {
            network: *network,
            received: held.received,
            confirmed: held.confirmed,
            sum: held.sum(),
        })
    }

    /// Where entries lead to that have come in snapshots which are not complete yet.
    pub fn coming(&self) -> impl Iterator<Item = (NetworkId, IpAddr)> {
        self.networks.iter().flat_map(|(network, held)| held.coming().map(|endpoint| (*network, endpoint)))
    }

    /// Nothing of the network is missing up to where the server was when it last said so.
    pub fn is_whole(&self, network: NetworkId) -> bool {
        self.networks.get(&network).is_some_and(|held| held.received > Revision::ZERO && !held.awaited)
    }

    /// The revision of the endpoint list that is held; zero: none.
    pub fn endpoints_held(&self) -> Revision {
        self.endpoints
    }

    /// The history that all this belongs to.
    pub fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }

    fn host_complete(&mut self, complete: &HostComplete) -> Received {
        let networks: BTreeSet<_> = complete.networks.iter().map(|(network, _)| *network).collect();
        self.networks.retain(|network, _| networks.contains(network));
        let mut received = Received::update(Update::HostComplete(networks));
        for (id, revision) in &complete.networks {
            // Zero: a host in full-mesh mode, which has the network and no entries.
            if *revision == Revision::ZERO {
                continue;
            }
            let network = self.networks.entry(*id).or_default();
            if network.received < *revision && !network.awaited {
                network.awaited = true;
                received.replies.push(resync(Some(*id), Fault::Gap));
            }
        }
        received
    }

    fn endpoints(&mut self, endpoints: Endpoints) -> Received {
        let replace = endpoints.previous == Revision::ZERO;
        if !replace && endpoints.previous != self.endpoints {
            return Received { update: None, replies: vec![resync(None, Fault::Gap)] };
        }
        self.endpoints = endpoints.revision;
        let Endpoints { upserts, removes, .. } = endpoints;
        Received::update(Update::Endpoints { replace, upserts, removes })
    }
}

impl Received {
    fn update(update: Update) -> Self {
        Received { update: Some(update), replies: Vec::new() }
    }
}

/// Asks for a snapshot. What is held stays in use, and is not relied on any more.
fn mend(id: NetworkId, network: &mut Network, fault: Fault) -> Result<Received, Error> {
    network.distrust();
    network.awaited = true;
    network.damaged += 1;
    if network.damaged > MOST_DAMAGED {
        return Err(Error::Damaged(id));
    }
    Ok(Received { update: None, replies: vec![resync(Some(id), fault)] })
}

fn resync(network: Option<NetworkId>, fault: Fault) -> ToServer {
    let reason = match fault {
        Fault::Gap => "a revision is missing",
        Fault::Digest => "the digest differs",
    };
    ToServer::Resync(Resync { network, reason: reason.to_owned() })
}
