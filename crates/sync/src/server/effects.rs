use std::fmt;

use model::{Generation, HostName, NetworkId, PortId, Revision};

use crate::messages::RowProblem;

/// What a session wants done: facts for the store, news for others, words for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The store must know that the port is wired under this binding generation, or no longer is.
    SetWired { port: PortId, generation: Generation, wired: bool },
    /// The host has confirmed the network up to this revision.
    Confirmed { network: NetworkId, revision: Revision },
    /// Rows that the host cannot program; they count as confirmed. None: those named before are in, or of no concern.
    Problems { network: NetworkId, problems: Vec<RowProblem> },
    /// A report that was not believed. Counted by [`super::Session::refused`].
    Refused { port: PortId, refusal: Refusal },
    /// The host cannot wire a port, or no longer; why, for people.
    NotWired { port: PortId, reason: String },
    /// The agent found a gap or a digest that differs; it gets a snapshot (of the endpoints if there is no network).
    Resync { network: Option<NetworkId>, reason: String },
    /// The answer to a question.
    Answer { question: u64, text: String },
    /// Something that the agent said is of no use; what and why, for the log.
    Ignored(String),
    /// The agent breaks the protocol: end its stream, with this sentence.
    Violation(String),
}

/// Why a report about a port was not believed. Displays as a phrase.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    Unknown,
    Unbound,
    BoundTo(HostName),
    /// About an earlier binding (a port that went A → B → A).
    Stale {
        reported: Generation,
        current: Generation,
    },
    NotPlugged,
    AdminDown,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Unknown => f.write_str("no such port"),
            Refusal::Unbound => f.write_str("the port is not bound"),
            Refusal::BoundTo(host) => write!(f, "the port is bound to {host}"),
            Refusal::Stale { reported, current } => write!(f, "binding generation {reported} is not {current}"),
            Refusal::NotPlugged => f.write_str("the host has not said that the port is plugged"),
            Refusal::AdminDown => f.write_str("the port is administratively down"),
        }
    }
}
