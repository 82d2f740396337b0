//! What the host state hears, and what it asks for.

use openflow::{Flow, FlowMod};
use ovsdb::Update;
use ovsdb::codec::Operation;
use pipeline::Bridge;
use sync::messages::{ToAgent, ToServer};

/// Something happened outside. Nothing in it says what to do: the state compares and decides.
#[derive(Debug)]
pub enum Event {
    Database(Database),
    Switch(Bridge, Switch),
    Server(Server),
    /// It is time to compare all that the bridges hold with what they should.
    Review,
    /// A second has passed: what was refused may be tried again.
    Retry,
}

impl Event {
    /// The server says which ports are to be wired: what takes the database and the switch longest.
    pub(crate) fn is_order(&self) -> bool {
        matches!(self, Event::Server(Server::Message(ToAgent::Orders(_))))
    }
}

/// From OVSDB.
#[derive(Debug)]
pub enum Database {
    Connected,
    Update(Update),
    Lost,
    /// The outcome of a [`Command::Transact`]: the `next_cfg` that it set, or why it was refused.
    Done {
        id: u64,
        result: Result<Option<i64>, String>,
    },
}

/// From a bridge's management socket. `session` counts connections, so that what an old one says is told apart.
#[derive(Debug)]
pub enum Switch {
    Connected {
        session: u64,
        features: Features,
    },
    Lost {
        session: u64,
        reason: String,
    },
    /// A part of the answer to [`Command::Dump`].
    Flows {
        session: u64,
        flows: Vec<Flow>,
    },
    /// All of it.
    Dumped {
        session: u64,
    },
    /// What others did to flows, in order.
    Changed {
        session: u64,
        changes: Vec<FlowChange>,
    },
    /// Every flow of a [`Command::Apply`] is in and confirmed by a barrier, but for those named.
    Applied {
        session: u64,
        refused: Vec<Refused>,
    },
}

/// A flow that somebody else changed.
#[derive(Debug, Clone, PartialEq)]
pub enum FlowChange {
    /// It is there, and does this.
    Set(Flow),
    Gone(Flow),
    /// The switch could not tell of all: only a dump helps.
    Unknown,
}

/// What a switch can do beyond OpenFlow 1.3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Features {
    pub bundles: bool,
}

/// A flow that the switch refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Position in the [`Command::Apply`].
    pub index: usize,
    pub reason: String,
    /// The switch does not know an action, or a field that an action sets (`OFPET_BAD_ACTION`).
    pub bad_action: bool,
}

/// From the server, or from what stands for it.
#[derive(Debug)]
pub enum Server {
    /// A stream is being opened: say hello.
    Opening,
    Message(ToAgent),
    Lost,
}

/// What the state asks for.
#[derive(Debug)]
pub enum Command {
    Transact {
        id: u64,
        operations: Vec<Operation>,
    },
    /// The database's copy is broken: fetch it anew.
    Refetch,
    Dump {
        bridge: Bridge,
        session: u64,
    },
    /// Answered by [`Switch::Applied`], in the order of the commands.
    Apply {
        bridge: Bridge,
        session: u64,
        flow_mods: Vec<FlowMod>,
        way: Way,
    },
    Send(ToServer),
    /// End the stream to the server, and open another after a while.
    HangUp {
        reason: String,
    },
    Say(Level, String),
}

/// How flow-mods go to a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// One after the other, and after all that was sent before.
    InOrder,
    /// In one moment, as a bundle, if the switch takes it.
    Together,
    /// In no order, neither among themselves nor with the others that are spread: over several connections.
    Spread,
}

/// How much a line of the log matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Info,
    Warn,
    Error,
}
