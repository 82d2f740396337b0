use std::collections::BTreeSet;

use model::{HostName, PortId};
use rustc_hash::FxHashSet;

use crate::Directory;
use crate::order::port_of;

/// What agents report. A stream that breaks reports nothing, and so withdraws nothing.
impl Directory {
    /// The host has told all interface ids that are plugged there: what it does not list is not.
    pub fn inventory<'a>(&mut self, host: &HostName, ids: impl IntoIterator<Item = &'a str>) {
        let present: FxHashSet<PortId> = ids.into_iter().filter_map(port_of).collect();
        let state = self.host_state(host);
        state.inventoried = true;
        let gone: Vec<_> = state.plugged.difference(&present).copied().collect();
        // Whatever the host holds has a place in its life that is known only now.
        let bound: Vec<_> = state.bound.iter().copied().collect();
        if self.silent.remove(host) {
            // What it was taken to be interested in until now it may not be.
            let ports = self.bound_to(host).chain(self.leaving(host));
            let networks: BTreeSet<_> = ports.map(|port| port.network).collect();
            for network in networks {
                self.dirty.network(host, network);
            }
        }
        self.dirty.ports.extend(bound);
        for port in gone {
            self.unplug(host, port);
        }
        for port in present {
            self.plug(host, port);
        }
    }

    /// An interface with this id is plugged on the host. Ids that are no port's are of no interest here.
    pub fn seen(&mut self, host: &HostName, id: &str) {
        if let Some(port) = port_of(id) {
            self.plug(host, port);
        }
    }

    /// No interface with this id is plugged on the host any more.
    pub fn gone(&mut self, host: &HostName, id: &str) {
        if let Some(port) = port_of(id) {
            self.unplug(host, port);
        }
    }

    fn plug(&mut self, host: &HostName, port: PortId) {
        if self.host_state(host).plugged.insert(port) {
            self.plugged.entry(port).or_default().push(host.clone());
            self.plug_changed(host, port);
        }
    }

    fn unplug(&mut self, host: &HostName, port: PortId) {
        if !self.host_state(host).plugged.remove(&port) {
            return;
        }
        if let Some(hosts) = self.plugged.get_mut(&port) {
            hosts.retain(|other| other != host);
            if hosts.is_empty() {
                self.plugged.remove(&port);
            }
        }
        self.plug_changed(host, port);
    }

    fn plug_changed(&mut self, host: &HostName, port: PortId) {
        self.dirty.order(host, port);
        self.dirty.ports.insert(port);
        if let Some(network) = self.ports.get(&port).map(|port| port.network) {
            let mut changed = BTreeSet::new();
            self.refresh(port, network, &mut changed);
        }
    }
}
