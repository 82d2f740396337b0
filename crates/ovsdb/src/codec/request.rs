use serde_json::{Value, json};
use uuid::Uuid;

use super::{Message, Operation, TableUpdates, malformed};
use crate::{Error, Selection};

/// What we ask of a server.
#[derive(Debug)]
pub enum Request<'a> {
    /// RFC 7047 section 4.1.2.
    GetSchema { database: &'a str },
    /// ovsdb-server(7) section 4.1.18: a change of other databases is no reason to cut us off.
    SetDbChangeAware,
    /// ovsdb-server(7) section 4.1.15.
    MonitorCondSince(MonitorRequest<'a>),
    /// RFC 7047 section 4.1.3.
    Transact { database: &'a str, operations: &'a [Operation] },
    /// RFC 7047 section 4.1.11.
    Echo,
}

#[derive(Debug)]
pub struct MonitorRequest<'a> {
    pub database: &'a str,
    pub selection: &'a Selection,
    /// The transaction whose effects are known already; zero if none is.
    pub since: Uuid,
}

/// The first answer to a [`Request::MonitorCondSince`].
#[derive(Debug, Clone, PartialEq)]
pub struct MonitorReply {
    /// The server's history reaches back to `since`: `updates` are what happened after it, else everything.
    pub found: bool,
    pub last: Uuid,
    pub updates: TableUpdates,
}

impl Request<'_> {
    pub fn method(&self) -> &'static str {
        match self {
            Request::GetSchema { .. } => "get_schema",
            Request::SetDbChangeAware => "set_db_change_aware",
            Request::MonitorCondSince(_) => "monitor_cond_since",
            Request::Transact { .. } => "transact",
            Request::Echo => "echo",
        }
    }

    pub fn message(&self, id: u64) -> Message {
        let params = match self {
            Request::GetSchema { database } => json!([database]),
            Request::SetDbChangeAware => json!([true]),
            Request::MonitorCondSince(MonitorRequest { database, selection, since }) => {
                // One monitor per connection, so its name says nothing.
                json!([database, "culvert", selection.to_json(), since])
            }
            Request::Transact { database, operations } => {
                std::iter::once(json!(database)).chain(operations.iter().map(Operation::to_json)).collect()
            }
            Request::Echo => json!([]),
        };
        Message::Request { id: json!(id), method: self.method().into(), params }
    }
}

impl MonitorReply {
    pub fn from_json(value: &Value) -> Result<Self, Error> {
        match value.as_array().map(Vec::as_slice) {
            Some([Value::Bool(found), last, updates]) => {
                Ok(MonitorReply { found: *found, last: uuid(last)?, updates: TableUpdates::from_json(updates)? })
            }
            _ => Err(malformed("a reply to monitor_cond_since", value)),
        }
    }
}

impl TableUpdates {
    /// Reads the parameters of an `update3` notification: its transaction and the changes
    /// (ovsdb-server(7) section 4.1.16).
    pub fn from_update3(params: &Value) -> Result<(Uuid, Self), Error> {
        match params.as_array().map(Vec::as_slice) {
            Some([_, last, updates]) => Ok((uuid(last)?, TableUpdates::from_json(updates)?)),
            _ => Err(malformed("the parameters of update3", params)),
        }
    }
}

fn uuid(value: &Value) -> Result<Uuid, Error> {
    let read = value.as_str().and_then(|text| Uuid::parse_str(text).ok());
    read.ok_or_else(|| malformed("a transaction's UUID", value))
}
