use std::io;
use std::time::Duration;

use thiserror::Error as ThisError;
use uuid::Uuid;

/// What can go wrong between us and an `ovsdb-server`.
#[derive(Debug, ThisError)]
pub enum Error {
    #[error("\"{0}\" is not an OVSDB address: write unix:/run/openvswitch/db.sock or tcp:127.0.0.1:6640")]
    Endpoint(String),
    #[error("cannot connect to OVSDB at {endpoint}: is ovsdb-server running, and may this user open the socket?")]
    Connect { endpoint: String, source: io::Error },
    #[error("OVSDB at {endpoint} did not accept a connection within {} ms", limit.as_millis())]
    ConnectTimeout { endpoint: String, limit: Duration },
    #[error("the OVSDB connection broke")]
    Io(#[from] io::Error),
    #[error("the OVSDB server closed the connection")]
    Closed,
    #[error("the OVSDB server said nothing for {} ms, not even to an echo: it hangs or is overloaded", .0.as_millis())]
    Silent(Duration),
    #[error(
        "the OVSDB peer does not speak JSON-RPC (byte 0x{0:02x} between messages): is this an ovsdb-server's socket?"
    )]
    Framing(u8),
    #[error("the OVSDB peer sent a message of more than {limit} bytes: raise the limit if the database is that large")]
    TooLong { limit: usize },
    #[error("the OVSDB peer sent a message that is not JSON")]
    Json(#[from] serde_json::Error),
    #[error("the OVSDB peer sent a message of the wrong form: {0}")]
    Malformed(String),
    #[error("the OVSDB server refused {method}: {reason}")]
    Refused { method: &'static str, reason: String },
    #[error("the OVSDB database lacks {0}: it is not that of a supported Open vSwitch")]
    Schema(String),
    #[error("the OVSDB server ended our monitor, as it does when the schema is converted: starting anew")]
    MonitorCanceled,
    #[error("column {table}.{column} holds a value of the wrong type: {value}")]
    Column { table: &'static str, column: String, value: String },
    #[error("the OVSDB server changed row {uuid} of {table}, which it never sent: fetching everything anew")]
    UnknownRow { table: String, uuid: Uuid },
    #[error("a complete copy of the database was asked for")]
    Refetch,
    #[error("not connected to OVSDB: the transaction was not sent")]
    NotConnected,
    #[error("the transaction's outcome is unknown ({0}): compare with the database before trying again")]
    OutcomeUnknown(String),
    #[error("{0}")]
    Transaction(Failure),
    #[error("the database has no Open_vSwitch row: run `ovs-vsctl init`, or start Open vSwitch by its own script")]
    NotInitialised,
}

/// A transaction that the server refused: nothing of it was done (RFC 7047 section 4.1.3).
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("OVSDB refused the transaction at {operation}: {error}{}{details}", if details.is_empty() { "" } else { ": " })]
pub struct Failure {
    /// Position of the operation that failed; `None` if all went well by themselves and the commit failed.
    pub index: Option<usize>,
    /// The operation in words, as in `insert into Port`, or `commit`.
    pub operation: String,
    /// The server's error string (RFC 7047 section 3.1), such as `constraint violation`.
    pub error: String,
    pub details: String,
}

impl Failure {
    /// A guard did not hold: someone else changed the row since we looked. Look again, then decide anew.
    pub fn is_conflict(&self) -> bool {
        self.error == "timed out"
    }

    /// A unique name that is taken, a value that the schema forbids (RFC 7047 section 3.1).
    pub fn is_constraint_violation(&self) -> bool {
        self.error == "constraint violation"
    }
}
