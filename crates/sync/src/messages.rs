//! What agent and server say to each other, as parsed values. `proto/sync.proto` has the same on the wire.
//!
//! A stream: the agent says [`Hello`], the server [`Welcome`]; the agent sends its inventory ([`Interfaces`] with
//! `inventory`); the server sends the [`Orders`] that differ from what the agent holds, a [`Snapshot`] and [`Complete`]
//! or a [`Delta`] for each network in which the host is behind, then [`HostComplete`]. From there on each side sends
//! what changes. On one stream messages arrive in order or the stream breaks; between streams, revisions tell what is
//! missing.

use std::net::IpAddr;

pub use directory::Sum;
use model::{
    Digest, Entry, Epoch, Generation, HostName, Mac, NetworkId, PortId, Revision, Segment, TunnelKey, TunnelType,
};

/// The minor version of the protocol that this code speaks; see `proto/sync.proto` on compatibility.
pub const MINOR: u32 = 1;
/// The first that knows of prepared bindings: to an older agent such a port is another host's, as it always was.
pub const PREPARED: u32 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToServer {
    Hello(Hello),
    Interfaces(Interfaces),
    Report(PortReport),
    Ack(Ack),
    Resync(Resync),
    Answer(Answer),
    Missing(Missing),
}

/// Who the agent is and what it already holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    pub minor: u32,
    /// Name and version of the program, for people.
    pub software: String,
    pub host: HostName,
    pub endpoint: IpAddr,
    pub tunnel_types: Vec<TunnelType>,
    /// Off: the agent wants the list of endpoints and no entries.
    pub l2_population: bool,
    pub arp_responder: bool,
    /// The kernel's boot id: tells a restarted agent from a rebooted host.
    pub boot_id: String,
    /// The epoch of what it holds; `None`: it holds nothing.
    pub epoch: Option<Epoch>,
    /// Networks that it holds completely.
    pub held: Vec<HeldNetwork>,
    /// The revision of the endpoint list that it holds; zero: none.
    pub endpoints_held: Revision,
}

impl Hello {
    /// An agent of this protocol version that serves every tunnel type, wants all that there is, and holds nothing.
    pub fn new(host: HostName, endpoint: IpAddr) -> Hello {
        Hello {
            minor: MINOR,
            software: String::new(),
            host,
            endpoint,
            tunnel_types: TunnelType::ALL.to_vec(),
            l2_population: true,
            arp_responder: true,
            boot_id: String::new(),
            epoch: None,
            held: Vec::new(),
            endpoints_held: Revision::ZERO,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldNetwork {
    pub network: NetworkId,
    /// Up to here OVS has confirmed everything.
    pub revision: Revision,
    /// What the set is, if it is exactly that of `revision`: lets a server that restarted, and does not know what a
    /// revision before that was, see that nothing is missing.
    pub sum: Option<Sum>,
}

/// Interfaces on `br-int` that carry an `external_ids:iface-id`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interfaces {
    /// `present` is all there is: an id that it does not list is not plugged. Only this permits that conclusion.
    pub inventory: bool,
    pub present: Vec<Interface>,
    pub gone: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interface {
    /// The interface id as found; it may be no port of ours and no UUID at all.
    pub id: String,
    /// [`Order::digest`] of the order that the agent holds for it: the same is not sent again.
    pub order_held: Option<Digest>,
    /// Set while wired: the binding generation under which it is.
    pub wired: Option<Generation>,
}

/// A port became wired, or ceased to be though its interface is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortReport {
    pub port: PortId,
    /// The generation of the order that it answers; zero for a port that is prepared: once its binding is in force it is wired
    /// from the first moment.
    pub generation: Generation,
    pub wired: bool,
    /// Why it is not wired, for people; empty if wired.
    pub reason: String,
}

/// OVS has confirmed everything of a network up to a revision. Every [`Complete`] and the last of several [`Delta`]s must be
/// answered by one: the server stops sending to an agent that has too much unconfirmed. Revision zero answers a `Dropped`:
/// what follows is about what the server has sent since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    pub network: NetworkId,
    pub revision: Revision,
    /// Rows that this host cannot program; they count as confirmed, with a warning.
    pub problems: Vec<RowProblem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    pub port: PortId,
    pub reason: String,
}

/// The agent found a gap or a digest that differs and wants a snapshot (of the endpoint list if `network` is `None`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resync {
    pub network: Option<NetworkId>,
    pub reason: String,
}

/// The answer to a [`Question`], for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub question: u64,
    pub text: String,
}

/// All interfaces that went with the database of Open vSwitch and have not been plugged since: the list replaces the one
/// before. Said when it changes; an agent that has not said it on a stream has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing {
    /// Interface ids.
    pub ids: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToAgent {
    Welcome(Welcome),
    Orders(Orders),
    Snapshot(Snapshot),
    Complete(Complete),
    Delta(Delta),
    Dropped(NetworkId),
    HostComplete(HostComplete),
    Endpoints(Endpoints),
    Question(Question),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    pub minor: u32,
    pub software: String,
    pub epoch: Epoch,
}

/// What to do with interfaces, and what the networks of these ports are. Level-triggered: the newest order for an id
/// replaces the one before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Orders {
    pub networks: Vec<NetworkInfo>,
    pub ports: Vec<PortOrder>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NetworkInfo {
    pub network: NetworkId,
    pub segment: Segment,
    pub mtu: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortOrder {
    /// The interface id that this is about.
    pub id: String,
    /// Where the store was when the order was made, for people. What tells orders apart is [`Order::digest`].
    pub revision: Revision,
    pub order: Order,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Give it its network's tag and flows, then report it as wired.
    Wire(Wire),
    /// Tag 4095 and no flow; the reason is for people ("bound to compute2").
    Isolate(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wire {
    pub port: PortId,
    pub network: NetworkId,
    pub generation: Generation,
    pub mac: Mac,
    pub ips: Vec<IpAddr>,
    /// The port may move here: it may speak, but it is another host's, and reached there.
    pub prepared: bool,
}

/// A part of all entries of a network but the host's own. The network may change while its parts are on their way: a later
/// part then sets again, or removes, what an earlier one has set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    pub network: NetworkId,
    /// The first part; what came before it is void.
    pub first: bool,
    pub entries: Vec<Entry>,
    pub removes: Vec<PortId>,
}

/// Ends a snapshot: its parts are all entries of the network as of this revision, which permits removing
/// what they do not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Complete {
    pub network: NetworkId,
    pub revision: Revision,
    pub sum: Sum,
}

/// What changed in a network between two revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    pub network: NetworkId,
    /// What the receiver must hold; if it does not there is a gap, and it asks for a [`Resync`].
    pub previous: Revision,
    pub revision: Revision,
    pub upserts: Vec<Entry>,
    pub removes: Vec<PortId>,
    /// Of the whole network after this delta.
    pub sum: Sum,
    /// Another part of the same step follows, with the same `previous`; it holds after the last one.
    pub more: bool,
}

/// All networks that the host has, each with the revision it must hold by now: permits dropping all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostComplete {
    pub revision: Revision,
    pub networks: Vec<(NetworkId, Revision)>,
}

/// The list of tunnel endpoints, or what changed in it (full-mesh mode only).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoints {
    /// Zero: `upserts` is the whole list.
    pub previous: Revision,
    pub revision: Revision,
    pub upserts: Vec<Endpoint>,
    pub removes: Vec<HostName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub host: HostName,
    pub address: IpAddr,
    pub tunnel_types: Vec<TunnelType>,
}

/// A question of an operator that only the host can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    pub question: u64,
    pub kind: QuestionKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionKind {
    /// Why a tunnelled frame with this key (from this endpoint, or any) is dropped or not.
    ExplainDrop { tunnel_type: TunnelType, key: TunnelKey, from: Option<IpAddr> },
}
