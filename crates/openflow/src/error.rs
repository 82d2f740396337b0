use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::SwitchError;

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong between this crate and a switch or a text.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    #[error("an OpenFlow message ends too early: {wanted} bytes wanted where {left} are left")]
    Truncated { wanted: usize, left: usize },
    #[error("{what} says that it is {length} bytes long, which cannot be")]
    Length { what: &'static str, length: usize },
    #[error("{what} would be {length} bytes long; OpenFlow's limit is 65535: split it")]
    TooLong { what: &'static str, length: usize },
    #[error("{what} holds {value:#x}, which OpenFlow does not define there")]
    Value { what: &'static str, value: u64 },
    #[error("a field is {bytes} bytes wide; this program holds at most 16")]
    Wide { bytes: usize },
    #[error("cannot read {found:?} as {wanted}")]
    Text { wanted: &'static str, found: String },
    #[error("the switch refused: {0}")]
    Switch(#[from] SwitchError),
    #[error("the switch cannot do {what}")]
    Unsupported { what: &'static str },
    #[error("cannot connect to {target}; is the switch running, and the bridge there?")]
    Connect { target: String, source: Arc<io::Error> },
    #[error("{text:?} is no address of a switch: write unix:PATH or tcp:HOST:PORT")]
    Target { text: String },
    #[error("the peer speaks {theirs}; OpenFlow 1.3 or 1.4 is needed: allow it in the bridge's `protocols`")]
    Version { theirs: String },
    #[error("the peer did not answer {what} within {after:?}")]
    Timeout { what: &'static str, after: Duration },
    #[error("the peer answered {what} with something else")]
    Unexpected { what: &'static str },
    #[error("the peer closed the connection")]
    Closed,
    #[error("reading or writing failed")]
    Io(#[source] Arc<io::Error>),
    #[error("the peer broke the protocol: {what}")]
    Protocol { what: &'static str },
    #[error("reports of the switch were not taken in time; the connection is given up rather than any of them")]
    Overrun,
    #[error("the connection to the switch is lost")]
    Lost(#[source] Arc<Error>),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(Arc::new(error))
    }
}

impl Error {
    pub(crate) fn text(wanted: &'static str, found: &str) -> Self {
        Error::Text { wanted, found: found.chars().take(80).collect() }
    }
}
