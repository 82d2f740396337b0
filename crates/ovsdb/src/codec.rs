//! Bytes to values and back: JSON framing, JSON-RPC 1.0, and the notations of RFC 7047 section 5.

mod datum;
mod framer;
mod message;
mod operation;
mod request;
mod update;

pub use datum::{Atom, Datum, Row, row_from_json, row_to_json};
pub use framer::{Framer, MESSAGE_LIMIT};
pub use message::Message;
pub use operation::{Condition, Function, Mutation, Mutator, OpResult, Operation, Until, transaction_results};
pub use request::{MonitorReply, MonitorRequest, Request};
pub use update::{RowUpdate, TableUpdates};

use crate::Error;

/// An error that shows the offending JSON, cut to a length that a log line bears.
pub(crate) fn malformed(what: &str, value: &serde_json::Value) -> Error {
    const SHOWN: usize = 200;
    let mut shown = value.to_string();
    if let Some((cut, _)) = shown.char_indices().nth(SHOWN) {
        shown.truncate(cut);
        shown.push('…');
    }
    Error::Malformed(format!("{what} expected, got {shown}"))
}
