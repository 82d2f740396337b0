//! A file in place of a server: what to wire here and what is elsewhere, answered in the server's own messages, so that
//! the host state takes the same path with either.

mod file;

use std::collections::{BTreeMap, BTreeSet};

use model::{Entry, Epoch, Generation, NetworkId, Revision};
use sync::messages::{
    Complete, Endpoints, HostComplete, Order, Orders, PortOrder, Snapshot, Sum, ToAgent, ToServer, Welcome, Wire,
};
use uuid::Uuid;

pub use file::StaticFile;

/// Entries in one message, as a server would cut them.
const ENTRIES_PER_MESSAGE: usize = 500;

/// Plays the server's part of one session. Pure: messages in, messages out.
#[derive(Debug)]
pub struct StaticFeed {
    file: StaticFile,
    /// Counts the versions of the file that were read, from 1.
    revision: Revision,
    wants_endpoints: bool,
    inventory_seen: bool,
    present: BTreeSet<String>,
    /// What the agent was last told, to tell it only what differs.
    orders: BTreeMap<String, PortOrder>,
    networks: BTreeMap<NetworkId, Revision>,
}

impl StaticFeed {
    pub fn new(file: StaticFile) -> Self {
        StaticFeed {
            file,
            revision: Revision(1),
            wants_endpoints: false,
            inventory_seen: false,
            present: BTreeSet::new(),
            orders: BTreeMap::new(),
            networks: BTreeMap::new(),
        }
    }

    /// The file was read again: what the agent must hear for it.
    pub fn replace(&mut self, file: StaticFile) -> Vec<ToAgent> {
        self.file = file;
        self.revision = self.revision.next();
        let mut messages = self.endpoints();
        messages.extend(self.tell());
        messages
    }

    pub fn on_message(&mut self, message: &ToServer) -> Vec<ToAgent> {
        match message {
            ToServer::Hello(hello) => {
                // A new session: nothing is taken over from the one before.
                *self = StaticFeed { revision: self.revision, ..StaticFeed::new(std::mem::take(&mut self.file)) };
                self.wants_endpoints = !hello.l2_population;
                let software = concat!("culvert ", env!("CARGO_PKG_VERSION"), ", static file").to_owned();
                let welcome = Welcome { minor: sync::messages::MINOR, software, epoch: Epoch(Uuid::nil()) };
                let mut messages = vec![ToAgent::Welcome(welcome)];
                messages.extend(self.endpoints());
                messages
            }
            ToServer::Interfaces(interfaces) => {
                if interfaces.inventory {
                    self.present.clear();
                    self.inventory_seen = true;
                }
                self.present.extend(interfaces.present.iter().map(|interface| interface.id.clone()));
                for id in &interfaces.gone {
                    self.present.remove(id);
                }
                self.tell()
            }
            ToServer::Resync(resync) => match resync.network {
                Some(network) => self.snapshot(network),
                None => self.endpoints(),
            },
            ToServer::Report(_) | ToServer::Ack(_) | ToServer::Answer(_) | ToServer::Missing(_) => Vec::new(),
        }
    }

    /// Orders, snapshots and drops that differ from what the agent was told, then what it must have in all.
    fn tell(&mut self) -> Vec<ToAgent> {
        let orders = self.orders_now();
        let changed: Vec<_> =
            orders.values().filter(|order| self.orders.get(&order.id) != Some(order)).cloned().collect();
        let wanted: BTreeSet<_> = orders.values().filter_map(network_of).collect();
        self.orders = orders;

        let mut messages = Vec::new();
        if !changed.is_empty() {
            let networks = wanted.iter().filter_map(|id| self.file.networks.get(id).copied()).collect();
            messages.push(ToAgent::Orders(Orders { networks, ports: changed }));
        }
        for network in &wanted {
            if self.networks.get(network) != Some(&self.revision) {
                messages.extend(self.snapshot(*network));
            }
        }
        let dropped: Vec<_> = self.networks.keys().filter(|network| !wanted.contains(network)).copied().collect();
        messages.extend(dropped.into_iter().map(ToAgent::Dropped));
        self.networks = wanted.into_iter().map(|network| (network, self.revision)).collect();
        if self.inventory_seen {
            let networks = self.networks.iter().map(|(id, revision)| (*id, *revision)).collect();
            messages.push(ToAgent::HostComplete(HostComplete { revision: self.revision, networks }));
        }
        messages
    }

    /// The order for each interface that is present. An order's revision changes only if the order does.
    fn orders_now(&self) -> BTreeMap<String, PortOrder> {
        let order_of = |id: &String| match self.file.ports.get(id) {
            Some(wire) => Order::Wire(Wire { generation: Generation(1), ..wire.clone() }),
            None => Order::Isolate("the static file does not list it".to_owned()),
        };
        let numbered = |id: &String| {
            let order = order_of(id);
            let same = self.orders.get(id).filter(|before| before.order == order);
            let revision = same.map_or(self.revision, |before| before.revision);
            PortOrder { id: id.clone(), revision, order }
        };
        self.present.iter().map(|id| (id.clone(), numbered(id))).collect()
    }

    fn snapshot(&self, network: NetworkId) -> Vec<ToAgent> {
        let none: &[Entry] = &[];
        let entries = self.file.entries.get(&network).map_or(none, Vec::as_slice);
        // A network without entries has one empty part: it voids what was held.
        let parts = if entries.is_empty() { vec![none] } else { entries.chunks(ENTRIES_PER_MESSAGE).collect() };
        let mut messages: Vec<_> = parts
            .into_iter()
            .enumerate()
            .map(|(at, part)| {
                ToAgent::Snapshot(Snapshot { network, first: at == 0, entries: part.to_vec(), removes: Vec::new() })
            })
            .collect();
        messages.push(ToAgent::Complete(Complete { network, revision: self.revision, sum: Sum::of(entries) }));
        messages
    }

    fn endpoints(&self) -> Vec<ToAgent> {
        if !self.wants_endpoints {
            return Vec::new();
        }
        let upserts = self.file.endpoints.clone();
        let list = Endpoints { previous: Revision::ZERO, revision: self.revision, upserts, removes: Vec::new() };
        vec![ToAgent::Endpoints(list)]
    }
}

fn network_of(order: &PortOrder) -> Option<NetworkId> {
    match &order.order {
        Order::Wire(wire) => Some(wire.network),
        Order::Isolate(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use sync::messages::{Hello, Interface, Interfaces};

    use super::*;

    const NETWORK: &str = "00000000-0000-0000-0000-00000000000a";
    const PORT: &str = "00000000-0000-0000-0000-000000000001";

    fn file(ips: &str) -> StaticFile {
        let text = format!(
            r#"
            [[networks]]
            id = "{NETWORK}"
            type = "gre"
            key = 6
            [[ports]]
            id = "{PORT}"
            network = "{NETWORK}"
            mac = "fa:16:3e:b3:e7:7a"
            ips = [{ips}]
            [[entries]]
            network = "{NETWORK}"
            port = "00000000-0000-0000-0000-000000000002"
            mac = "fa:16:3e:87:40:f3"
            ips = ["81.1.180.1"]
            endpoint = "10.0.1.21"
            "#
        );
        StaticFile::from_toml(&text).expect("a sound file")
    }

    fn hello() -> ToServer {
        ToServer::Hello(Hello {
            minor: sync::messages::MINOR,
            software: "test".to_owned(),
            host: "compute1".parse().expect("a host name"),
            endpoint: [10, 0, 1, 31].into(),
            tunnel_types: vec![],
            l2_population: true,
            arp_responder: true,
            boot_id: String::new(),
            epoch: None,
            held: vec![],
            endpoints_held: Revision::ZERO,
        })
    }

    fn seen(inventory: bool, present: &[&str], gone: &[&str]) -> ToServer {
        let interface = |id: &&str| Interface { id: (*id).to_owned(), order_held: None, wired: None };
        ToServer::Interfaces(Interfaces {
            inventory,
            present: present.iter().map(interface).collect(),
            gone: gone.iter().map(|id| (*id).to_owned()).collect(),
        })
    }

    fn kinds(messages: &[ToAgent]) -> Vec<&'static str> {
        let kind = |message: &ToAgent| match message {
            ToAgent::Welcome(_) => "welcome",
            ToAgent::Orders(_) => "orders",
            ToAgent::Snapshot(_) => "snapshot",
            ToAgent::Complete(_) => "complete",
            ToAgent::Dropped(_) => "dropped",
            ToAgent::HostComplete(_) => "host complete",
            _ => "other",
        };
        messages.iter().map(kind).collect()
    }

    #[test]
    fn answers_an_inventory_as_a_server_does() {
        let mut feed = StaticFeed::new(file("\"81.1.180.8\""));
        assert_eq!(kinds(&feed.on_message(&hello())), ["welcome"]);
        let answer = feed.on_message(&seen(true, &[PORT, "stranger"], &[]));
        assert_eq!(kinds(&answer), ["orders", "snapshot", "complete", "host complete"]);
        let ToAgent::Orders(orders) = &answer[0] else { panic!("orders come first") };
        assert_eq!(orders.networks.len(), 1);
        let isolated: Vec<_> = orders.ports.iter().filter(|port| matches!(port.order, Order::Isolate(_))).collect();
        assert_eq!(isolated.len(), 1);
        assert_eq!(isolated[0].id, "stranger");
    }

    #[test]
    fn a_network_goes_with_its_last_interface_and_nothing_is_said_twice() {
        let mut feed = StaticFeed::new(file(""));
        feed.on_message(&hello());
        feed.on_message(&seen(true, &[PORT], &[]));
        assert_eq!(kinds(&feed.on_message(&seen(false, &[PORT], &[]))), ["host complete"]);
        assert_eq!(kinds(&feed.on_message(&seen(false, &[], &[PORT]))), ["dropped", "host complete"]);
    }

    #[test]
    fn a_new_version_of_the_file_tells_what_changed() {
        let mut feed = StaticFeed::new(file(""));
        feed.on_message(&hello());
        feed.on_message(&seen(true, &[PORT, "stranger"], &[]));
        let messages = feed.replace(file("\"81.1.180.9\""));
        assert_eq!(kinds(&messages), ["orders", "snapshot", "complete", "host complete"]);
        let ToAgent::Orders(orders) = &messages[0] else { panic!("orders come first") };
        assert_eq!(orders.ports.len(), 1, "the stranger's order is the same as before");
        assert_eq!(orders.ports[0].revision, Revision(2));
    }
}
