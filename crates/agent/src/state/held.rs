//! Stand-in while the protocol's own is written.
use std::collections::BTreeMap;

use model::{Digest, Entry, Epoch, NetworkId, PortId, Revision};
use sync::messages::*;

#[derive(Debug, Default)]
pub(super) struct Held {
    epoch: Option<Epoch>,
    confirmed: BTreeMap<NetworkId, Revision>,
    parts: BTreeMap<NetworkId, Vec<Entry>>,
    received: BTreeMap<NetworkId, Revision>,
    endpoints: BTreeMap<model::HostName, Endpoint>,
    endpoints_at: Revision,
}

#[derive(Debug)]
pub(super) enum Update {
    Orders(Orders),
    Entries { network: NetworkId, complete: bool, upserts: Vec<Entry>, removes: Vec<PortId>, revision: Revision },
    Dropped(NetworkId),
    HostComplete { networks: Vec<NetworkId> },
    Endpoints { endpoints: Vec<Endpoint> },
    Question(Question),
}

impl Held {
    pub(super) fn epoch(&self) -> Option<Epoch> {
        self.epoch
    }
    pub(super) fn held(&self) -> Vec<(NetworkId, Revision)> {
        self.confirmed.iter().map(|(n, r)| (*n, *r)).collect()
    }
    pub(super) fn endpoints_held(&self) -> Revision {
        self.endpoints_at
    }
    pub(super) fn confirm(&mut self, network: NetworkId, revision: Revision) {
        self.confirmed.insert(network, revision);
    }
    pub(super) fn on_message(&mut self, message: ToAgent) -> (Vec<Update>, Vec<ToServer>) {
        let mut updates = Vec::new();
        let mut answers = Vec::new();
        let resync =
            |network, reason: &str| ToServer::Resync(Resync { network: Some(network), reason: reason.to_owned() });
        match message {
            ToAgent::Welcome(welcome) => self.epoch = Some(welcome.epoch),
            ToAgent::Orders(orders) => updates.push(Update::Orders(orders)),
            ToAgent::Snapshot(snapshot) => {
                let parts = self.parts.entry(snapshot.network).or_default();
                if snapshot.first {
                    parts.clear();
                }
                parts.extend(snapshot.entries);
            }
            ToAgent::Complete(complete) => {
                let entries = self.parts.remove(&complete.network).unwrap_or_default();
                if entries.len() == complete.count as usize && Digest::of(&entries) == complete.digest {
                    self.received.insert(complete.network, complete.revision);
                    updates.push(Update::Entries {
                        network: complete.network,
                        complete: true,
                        upserts: entries,
                        removes: vec![],
                        revision: complete.revision,
                    });
                } else {
                    answers.push(resync(complete.network, "digest differs"));
                }
            }
            ToAgent::Delta(delta) => {
                if self.received.get(&delta.network) == Some(&delta.previous) {
                    self.received.insert(delta.network, delta.revision);
                    updates.push(Update::Entries {
                        network: delta.network,
                        complete: false,
                        upserts: delta.upserts,
                        removes: delta.removes,
                        revision: delta.revision,
                    });
                } else {
                    answers.push(resync(delta.network, "gap"));
                }
            }
            ToAgent::Dropped(network) => {
                self.received.remove(&network);
                self.confirmed.remove(&network);
                updates.push(Update::Dropped(network));
            }
            ToAgent::HostComplete(complete) => {
                let networks = complete.networks.into_iter().map(|(network, _)| network).collect();
                updates.push(Update::HostComplete { networks });
            }
            ToAgent::Endpoints(list) => {
                if list.previous == Revision::ZERO {
                    self.endpoints.clear();
                }
                for host in list.removes {
                    self.endpoints.remove(&host);
                }
                self.endpoints.extend(list.upserts.into_iter().map(|e| (e.host.clone(), e)));
                self.endpoints_at = list.revision;
                updates.push(Update::Endpoints { endpoints: self.endpoints.values().cloned().collect() });
            }
            ToAgent::Question(question) => updates.push(Update::Question(question)),
        }
        (updates, answers)
    }
}
