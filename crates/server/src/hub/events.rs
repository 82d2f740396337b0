//! What the hub's state hears of streams, and what it asks for.

use std::time::Duration;

use model::HostName;
use sync::messages::{Hello, ToAgent, ToServer};
use sync::server::{Closing, ConnectionId};

/// Time since the hub began.
pub type Now = Duration;

/// What happens on streams, in order for each of them; see [`sync::server::Event`].
#[derive(Debug)]
pub enum Event {
    Opened { id: ConnectionId, hello: Box<Hello> },
    Said { id: ConnectionId, message: ToServer },
    Room { id: ConnectionId },
    Closed { id: ConnectionId, reason: String },
}

/// What the state asks for. What is to be recorded it wishes for by the [`crate::writer::Writer`].
#[derive(Debug)]
pub enum Command {
    Send {
        id: ConnectionId,
        host: HostName,
        messages: Vec<ToAgent>,
    },
    Close {
        id: ConnectionId,
        closing: Closing,
    },
    /// Record the host in the store. `known`: nothing that others must know is new, so nobody waits; otherwise the
    /// outcome is to be handed in ([`super::State::registered`]).
    Register {
        id: ConnectionId,
        hello: Box<Hello>,
        known: bool,
    },
    /// Give the store's history a new epoch, and hand it in ([`super::State::history_began`]).
    BeginHistory,
    /// The answer to a question.
    Answer {
        host: HostName,
        question: u64,
        text: String,
    },
    /// The host's stream is gone: it answers no question any more.
    Lost(HostName),
}
