//! An agent that holds what the session says (`sync`'s own [`Held`]), and a server that answers from a few ports.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use model::{Entry, Mac, NetworkId, PortId, TunnelType};
use oslo::codec::{Context, Request};
use oslo::object::{self, Field, Object};
use oslo::{Failure, Json};
use serde_json::{Value, json};
use sync::agent::{Held, Update};
use sync::messages::{Hello, Interface, Interfaces, Order, PortReport, ToServer, Wire};
use uuid::Uuid;

use crate::{Ask, Effect, Identity, NETWORK_VERSION, Outcome, PORT_VERSION, Session};

pub(super) const OWN: &str = "compute1";
pub(super) const FAR: &str = "compute2";
pub(super) const THIRD: &str = "network";
pub(super) const NETWORK: NetworkId = NetworkId(Uuid::from_u128(0xa));

pub(super) fn port_id(n: u8) -> PortId {
    PortId(Uuid::from_u128(0x100 + u128::from(n)))
}

pub(super) fn mac(n: u8) -> Mac {
    Mac([0xfa, 0x16, 0x3e, 0, 0, n])
}

pub(super) fn ip(n: u8) -> IpAddr {
    IpAddr::from([81, 1, 180, n])
}

pub(super) fn endpoint(host: &str) -> IpAddr {
    let last = match host {
        OWN => 31,
        FAR => 39,
        _ => 21,
    };
    IpAddr::from([10, 0, 1, last])
}

/// A port in the server's database: by its number follow its id, MAC and address.
#[derive(Debug, Clone)]
pub(super) struct Port {
    pub(super) n: u8,
    pub(super) host: &'static str,
    pub(super) status: &'static str,
    pub(super) admin_up: bool,
    pub(super) owner: &'static str,
    pub(super) prepared_at: Option<&'static str>,
    pub(super) revision: i64,
}

pub(super) fn port(n: u8, host: &'static str) -> Port {
    let (status, owner) = ("ACTIVE", "compute:nova");
    Port { n, host, status, admin_up: true, owner, prepared_at: None, revision: 1 }
}

impl Port {
    pub(super) fn primitive(&self) -> Json {
        let binding = |host: &str, status: &str| object::PortBinding {
            host: Field::Set(host.to_owned()),
            vif_type: Field::Set("ovs".to_owned()),
            status: Field::Set(status.to_owned()),
            ..object::PortBinding::default()
        };
        let bindings = std::iter::once(binding(self.host, "ACTIVE"));
        let port = object::Port {
            id: Field::Set(port_id(self.n).0),
            network_id: Field::Set(NETWORK.0),
            mac_address: Field::Set(mac(self.n)),
            admin_state_up: Field::Set(self.admin_up),
            status: Field::Set(self.status.to_owned()),
            device_owner: Field::Set(self.owner.to_owned()),
            bindings: Field::Set(bindings.chain(self.prepared_at.map(|host| binding(host, "INACTIVE"))).collect()),
            fixed_ips: Field::Set(vec![object::IpAllocation {
                ip_address: Field::Set(ip(self.n)),
                ..object::IpAllocation::default()
            }]),
            revision_number: Field::Set(self.revision),
            ..object::Port::default()
        };
        port.write(PORT_VERSION).unwrap()
    }
}

/// Both sides, and the session between them.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) session: Session,
    pub(super) ports: Vec<Port>,
    pub(super) network_type: &'static str,
    /// What the server says to a sign of life.
    pub(super) alive: Json,
    held: Held,
    pub(super) plugged: Vec<u8>,
    pub(super) orders: BTreeMap<String, Order>,
    pub(super) entries: BTreeMap<NetworkId, BTreeMap<PortId, Entry>>,
    pub(super) endpoints: Vec<String>,
    pub(super) complete: Option<BTreeSet<NetworkId>>,
    pub(super) asked: Vec<Ask>,
    /// Calls that the server does not answer.
    pub(super) deaf: fn(&Ask) -> bool,
    pub(super) waiting: Vec<(u64, Ask)>,
    pub(super) streams: usize,
    pub(super) open: bool,
}

pub(super) fn identity() -> Identity {
    Identity {
        host: OWN.parse().unwrap(),
        local_ip: endpoint(OWN),
        tunnel_types: vec![TunnelType::Gre, TunnelType::Vxlan],
        l2_population: true,
        arp_responder: true,
        integration_bridge: "br-int".to_owned(),
        datapath_type: "system".to_owned(),
        process: Uuid::from_u128(7),
    }
}

impl Played {
    pub(super) fn new(ports: Vec<Port>) -> Self {
        Played::of(identity(), ports)
    }

    pub(super) fn of(identity: Identity, ports: Vec<Port>) -> Self {
        Played {
            session: Session::new(identity),
            ports,
            network_type: "vxlan",
            alive: Json::of("alive").unwrap(),
            held: Held::new(),
            plugged: Vec::new(),
            orders: BTreeMap::new(),
            entries: BTreeMap::new(),
            endpoints: Vec::new(),
            complete: None,
            asked: Vec::new(),
            deaf: |_| false,
            waiting: Vec::new(),
            streams: 0,
            open: false,
        }
    }

    /// With ports plugged, up to where nothing more is to be done.
    pub(super) fn start(mut self, plugged: &[u8]) -> Self {
        self.plugged = plugged.to_vec();
        self.session.up();
        self.run();
        self
    }

    pub(super) fn run(&mut self) {
        loop {
            let effects = self.session.settle();
            if effects.is_empty() {
                return;
            }
            for effect in effects {
                self.execute(effect);
            }
        }
    }

    /// Seconds pass.
    pub(super) fn wait(&mut self, seconds: u32) {
        for _ in 0..seconds {
            self.session.tick();
            self.run();
        }
    }

    fn execute(&mut self, effect: Effect) {
        match effect {
            Effect::Open => {
                (self.streams, self.open, self.complete) = (self.streams + 1, true, None);
                let nobodys = Hello::new(OWN.parse().unwrap(), endpoint(OWN));
                let hello = Hello { minor: 0, tunnel_types: Vec::new(), ..nobodys };
                self.session.said(&ToServer::Hello(self.held.begin(hello)));
                let present = self.plugged.iter().map(|n| interface(port_id(*n).to_string())).collect();
                self.session.said(&ToServer::Interfaces(Interfaces { inventory: true, present, gone: Vec::new() }));
            }
            Effect::Close => self.open = false,
            Effect::Say(message) => {
                assert!(self.open, "said without a stream: {message:?}");
                let received = self.held.receive(message).unwrap();
                for reply in received.replies {
                    assert!(matches!(reply, ToServer::Ack(_)), "{reply:?}");
                }
                received.update.into_iter().for_each(|update| self.take(update));
            }
            Effect::Call { number, ask, .. } => {
                self.asked.push(ask.clone());
                if (self.deaf)(&ask) {
                    self.waiting.push((number, ask));
                } else {
                    self.answer(number, &ask);
                }
            }
            Effect::Info(_) | Effect::Warn(_) => {}
        }
    }

    fn take(&mut self, update: Update) {
        match update {
            Update::Orders(orders) => {
                self.orders.extend(orders.ports.into_iter().map(|order| (order.id.clone(), order.order)));
            }
            Update::Entries { network, replace, upserts, removes, .. } => {
                let entries = self.entries.entry(network).or_default();
                if replace {
                    entries.clear();
                }
                entries.retain(|port, _| !removes.contains(port));
                entries.extend(upserts.into_iter().map(|entry| (entry.port, entry)));
            }
            Update::Dropped(network) => drop(self.entries.remove(&network)),
            Update::HostComplete(networks) => {
                self.entries.retain(|id, _| networks.contains(id));
                self.complete = Some(networks);
            }
            Update::Endpoints { upserts, .. } => {
                self.endpoints = upserts.into_iter().map(|endpoint| endpoint.host.to_string()).collect();
            }
            Update::Question(_) => {}
        }
    }

    pub(super) fn answer(&mut self, number: u64, ask: &Ask) {
        let answer = match ask {
            Ask::Alive { .. } => self.alive.clone(),
            Ask::Endpoints(_) => {
                let tunnel = |host: &str| json!({"ip_address": endpoint(host), "host": host, "udp_port": 4789});
                Json::of(&json!({"tunnels": [tunnel(OWN), tunnel(FAR), tunnel(THIRD)]})).unwrap()
            }
            Ask::Ports(ids) => self.pull(|port| ids.contains(&port_id(port.n))),
            Ask::Network(_) => self.network(),
            Ask::Members(_) => self.pull(|_| true),
            Ask::Devices { .. } => Json::of(&json!({"failed_devices_up": [], "failed_devices_down": []})).unwrap(),
        };
        self.session.answered(number, Outcome::Answer(answer, Duration::ZERO));
    }

    fn pull(&self, wanted: impl Fn(&Port) -> bool) -> Json {
        let ports = self.ports.iter().filter(|port| wanted(port)).map(Port::primitive);
        Json::of(&ports.collect::<Vec<_>>()).unwrap()
    }

    fn network(&self) -> Json {
        let segment = object::NetworkSegment {
            network_type: Field::Set(self.network_type.to_owned()),
            segmentation_id: Field::Set(1834),
            ..object::NetworkSegment::default()
        };
        let network = object::Network {
            id: Field::Set(NETWORK.0),
            mtu: Field::Set(1450),
            segments: Field::Set(vec![segment]),
            revision_number: Field::Set(1),
            ..object::Network::default()
        };
        Json::of(&[network.write(NETWORK_VERSION).unwrap()]).unwrap()
    }

    /// A port of the server's database changes, and is pushed.
    pub(super) fn push(&mut self, n: u8, change: impl Fn(&mut Port)) {
        let port = self.ports.iter_mut().find(|port| port.n == n).unwrap();
        change(port);
        port.revision += 1;
        let primitive = port.primitive();
        self.push_as_is(&primitive);
    }

    pub(super) fn push_as_is(&mut self, primitive: &Json) {
        self.cast("push", &json!({"resource_list": [primitive], "event_type": "updated"}));
    }

    pub(super) fn fdb(&mut self, method: &str, host: &str, numbers: &[u8], flood: bool) {
        let pairs = numbers.iter().map(|n| json!([mac(*n), ip(*n)]));
        let flood = flood.then(|| json!(["00:00:00:00:00:00", "0.0.0.0"]));
        let pairs: Vec<_> = flood.into_iter().chain(pairs).collect();
        let ports = BTreeMap::from([(endpoint(host), pairs)]);
        let network = json!({"segment_id": 1834, "network_type": "vxlan", "ports": ports});
        self.cast(method, &json!({"fdb_entries": {NETWORK.to_string(): network}}));
    }

    pub(super) fn cast(&mut self, method: &str, args: &Value) {
        self.session.heard(&Request {
            method: method.to_owned(),
            args: Json::of(args).unwrap(),
            namespace: None,
            version: None,
            reply_to: None,
            unique_id: None,
            context: Context::default(),
        });
        self.run();
    }

    pub(super) fn plug(&mut self, n: u8) {
        self.plugged.push(n);
        let present = vec![interface(port_id(n).to_string())];
        self.session.said(&ToServer::Interfaces(Interfaces { inventory: false, present, gone: Vec::new() }));
        self.run();
    }

    pub(super) fn unplug(&mut self, n: u8) {
        self.plugged.retain(|other| *other != n);
        let gone = vec![port_id(n).to_string()];
        self.session.said(&ToServer::Interfaces(Interfaces { inventory: false, present: Vec::new(), gone }));
        self.run();
    }

    /// The agent has wired a port, or has not any more.
    pub(super) fn report(&mut self, n: u8, wired: bool) {
        let generation = self.wire(n).map(|wire| wire.generation).unwrap_or_default();
        let report = PortReport { port: port_id(n), generation, wired, reason: String::new() };
        self.session.said(&ToServer::Report(report));
        self.run();
    }

    pub(super) fn wire(&self, n: u8) -> Option<&Wire> {
        match self.orders.get(&port_id(n).to_string()) {
            Some(Order::Wire(wire)) => Some(wire),
            _ => None,
        }
    }

    pub(super) fn isolated(&self, n: u8) -> &str {
        match self.orders.get(&port_id(n).to_string()) {
            Some(Order::Isolate(reason)) => reason,
            order => panic!("{order:?}"),
        }
    }

    /// The numbers of the ports that are behind each host, by the MACs of the entries; 0: it only floods.
    pub(super) fn known(&self) -> BTreeMap<&'static str, Vec<u8>> {
        let mut known: BTreeMap<_, Vec<u8>> = BTreeMap::new();
        for entry in self.entries.get(&NETWORK).into_iter().flat_map(BTreeMap::values) {
            let host = [OWN, FAR, THIRD].into_iter().find(|host| endpoint(host) == entry.endpoint).unwrap();
            known.entry(host).or_default().push(entry.mac.0[5]);
        }
        for numbers in known.values_mut() {
            numbers.sort_unstable();
        }
        known
    }

    pub(super) fn asked_since(&mut self) -> Vec<Ask> {
        std::mem::take(&mut self.asked)
    }

    pub(super) fn refuse(&mut self, number: u64, module: &str, class: &str) {
        let failure = Failure::new(module, class, "no").unwrap();
        self.session.answered(number, Outcome::Refused(Box::new(failure)));
        self.run();
    }

    pub(super) fn silence(&mut self) {
        for (number, _) in std::mem::take(&mut self.waiting) {
            self.session.answered(number, Outcome::Silence("nobody".to_owned()));
        }
        self.run();
    }
}

fn interface(id: String) -> Interface {
    Interface { id, order_held: None, wired: None }
}
