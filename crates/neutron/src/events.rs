use std::time::Duration;

use oslo::{Failure, Json};
use sync::messages::ToAgent;

use crate::Ask;

/// What the session asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// The server is there: the agent is to say hello.
    Open,
    /// It is not any more, or what it said last cannot be relied on.
    Close,
    Say(ToAgent),
    /// To be answered with [`Session::answered`](crate::Session::answered) under this number.
    Call {
        number: u64,
        ask: Ask,
        limit: Duration,
    },
    Info(String),
    Warn(String),
}

/// What came of a call.
#[derive(Debug)]
pub enum Outcome {
    /// After so long.
    Answer(Json, Duration),
    /// The server is there and says no.
    Refused(Box<Failure>),
    /// No answer: nobody knows whether the server has heard it.
    Silence(String),
}
