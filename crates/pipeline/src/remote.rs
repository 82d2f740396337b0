use model::{Entry, NetworkId, PortId};
use rustc_hash::FxHashSet;

use crate::entries::v4;
use crate::network::Place;
use crate::{Row, State, Tunnel};

impl State {
    /// Takes a change of a network's entries: each of `upserts` takes the place of what its port had before. A port
    /// that is said to be behind this host's own endpoint is no remote port: it counts as removed.
    pub fn apply_entries(&mut self, network: NetworkId, upserts: Vec<Entry>, removes: &[PortId]) {
        for entry in upserts {
            if entry.endpoint == self.modes.local_ip() {
                self.remove_entry(network, entry.port);
            } else {
                self.set_entry(network, &entry);
            }
        }
        for port in removes {
            self.remove_entry(network, *port);
        }
        self.tidy(network);
    }

    /// Takes the whole set of a network's entries, as a complete snapshot gives it: what is not in it goes.
    pub fn replace_entries(&mut self, network: NetworkId, entries: Vec<Entry>) {
        let kept: FxHashSet<PortId> = entries.iter().map(|entry| entry.port).collect();
        let gone: Vec<_> = self.entries(network).map(|entry| entry.port).filter(|port| !kept.contains(port)).collect();
        self.apply_entries(network, entries, &gone);
    }

    /// The entries of a network as they are known, in no particular order.
    pub fn entries(&self, network: NetworkId) -> impl Iterator<Item = Entry> {
        self.networks.get(&network).into_iter().flat_map(|network| network.entries.iter())
    }

    fn set_entry(&mut self, id: NetworkId, entry: &Entry) {
        let network = self.networks.entry(id).or_default();
        if network.entries.get(entry.port).as_ref() == Some(entry) {
            return;
        }
        let had_endpoint = network.entries.has_endpoint(entry.endpoint);
        let before = network.entries.insert(entry);
        let lost = before.as_ref().map(|before| before.endpoint).filter(|lost| !network.entries.has_endpoint(*lost));
        let Some(place) = network.place else { return };
        self.mark_entry(place, entry);
        if let Some(before) = &before {
            self.mark_entry(place, before);
        }
        // The new tunnel is wanted before the old one is not, so that one that serves both is never given up.
        if !had_endpoint {
            self.use_endpoint(place, entry.endpoint, true);
        }
        if let Some(lost) = lost {
            self.use_endpoint(place, lost, false);
        }
    }

    fn remove_entry(&mut self, id: NetworkId, port: PortId) {
        let Some(network) = self.networks.get_mut(&id) else { return };
        let Some(before) = network.entries.remove(port) else { return };
        let lost = !network.entries.has_endpoint(before.endpoint);
        let Some(place) = network.place else { return };
        self.mark_entry(place, &before);
        if lost {
            self.use_endpoint(place, before.endpoint, false);
        }
    }

    /// An endpoint has its first entry of the network, or has lost its last.
    fn use_endpoint(&mut self, place: Place, endpoint: std::net::IpAddr, used: bool) {
        if self.modes.l2_population() {
            let tunnel = Tunnel::new(place.segment.tunnel_type, endpoint);
            if used {
                self.want(tunnel);
            } else {
                self.unwant(tunnel);
            }
            self.dirty.insert(Row::Flood { vlan: place.vlan });
        }
    }

    fn mark_entry(&mut self, place: Place, entry: &Entry) {
        self.dirty.insert(Row::Unicast { vlan: place.vlan, mac: entry.mac });
        self.dirty.extend(v4(&entry.ips).map(|ip| Row::Responder { vlan: place.vlan, ip }));
    }
}
