use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use uuid::Uuid;

use crate::codec::{
    Framer, Message, MonitorReply, MonitorRequest, OpResult, Operation, Request, TableUpdates, malformed,
    transaction_results,
};
use crate::{Error, Schema, Selection, Update};

/// Where a consumer's copy of the database stands: the last transaction that it was given, and of which columns.
/// It outlives a connection, so that the next one asks only for what came after.
///
/// Seen on OVS 3.1: a standalone database, as a host's `conf.db` is, has no transaction ids (all are zero), so every
/// connection gets everything, whether or not the server was restarted. A clustered one finds the id even after `kill -9`,
/// while it is among the last 100 transactions and these hold no more data than the database does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cursor {
    last: Uuid,
    selection: Selection,
}

/// One connection's protocol, without the connection: bytes in, bytes and [`Output`]s out.
///
/// It opens by asking for the schema, then monitors our columns of it from the cursor on; only then is it in step
/// and takes transactions. After an error the connection must be closed.
#[derive(Debug)]
pub struct Session {
    database: String,
    framer: Framer,
    cursor: Cursor,
    in_step: bool,
    next_id: u64,
    pending: BTreeMap<u64, Pending>,
    outgoing: Vec<u8>,
    outputs: VecDeque<Output>,
}

/// What came of the bytes received, in their order.
#[derive(Debug)]
pub enum Output {
    InStep {
        resumed: bool,
    },
    Update(Update),
    Reply {
        id: u64,
        result: Result<Vec<OpResult>, Error>,
    },
    /// Columns of ours that the server lacks, as `Table.column`.
    Missing(Vec<String>),
}

/// A request that waits for its reply.
#[derive(Debug)]
enum Pending {
    Schema,
    Monitor,
    Transact(Vec<Operation>),
    /// Its answer says no more than that the server is alive.
    Formality,
}

impl Session {
    /// `message_limit`: bytes of the largest message to accept.
    pub fn open(database: &str, message_limit: usize, cursor: Cursor) -> Self {
        let mut session = Session {
            database: database.to_owned(),
            framer: Framer::new(message_limit),
            cursor,
            in_step: false,
            next_id: 0,
            pending: BTreeMap::new(),
            outgoing: Vec::new(),
            outputs: VecDeque::new(),
        };
        session.request(&Request::SetDbChangeAware, Pending::Formality);
        session.request(&Request::GetSchema { database }, Pending::Schema);
        session
    }

    /// Takes bytes from the server. What came before an error is in the outputs.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.framer.push(bytes);
        while let Some(message) = self.framer.next_message()? {
            let message = Message::decode(message)?;
            self.handle(message)?;
        }
        Ok(())
    }

    /// Sends a transaction; [`Output::Reply`] answers it under the id returned.
    pub fn transact(&mut self, operations: Vec<Operation>) -> u64 {
        let message =
            Request::Transact { database: &self.database, operations: &operations }.message(self.next_id).encode();
        self.send(&message, Pending::Transact(operations))
    }

    /// Asks for a sign of life.
    pub fn probe(&mut self) {
        self.request(&Request::Echo, Pending::Formality);
    }

    /// Transactions may be sent.
    pub fn is_in_step(&self) -> bool {
        self.in_step
    }

    pub fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// Bytes to be written to the server.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// The first `count` bytes of [`Session::outgoing`] are written.
    pub fn written(&mut self, count: usize) {
        self.outgoing.drain(..count.min(self.outgoing.len()));
    }

    pub fn outputs(&mut self) -> &mut VecDeque<Output> {
        &mut self.outputs
    }

    fn request(&mut self, request: &Request<'_>, pending: Pending) {
        let message = request.message(self.next_id).encode();
        self.send(&message, pending);
    }

    fn send(&mut self, message: &[u8], pending: Pending) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.outgoing.extend_from_slice(message);
        self.pending.insert(id, pending);
        id
    }

    fn handle(&mut self, message: Message) -> Result<(), Error> {
        match message {
            Message::Request { id, method, params } if method == "echo" => {
                self.outgoing.extend(Message::Reply { id, outcome: Ok(params) }.encode());
                Ok(())
            }
            Message::Request { method, .. } => Err(Error::Malformed(format!("the server sent a request for {method}"))),
            Message::Notification { method, params } => match method.as_str() {
                "update3" if self.in_step => {
                    let (last, tables) = TableUpdates::from_update3(&params)?;
                    self.cursor.last = last;
                    self.outputs.push_back(Output::Update(Update { complete: false, tables }));
                    Ok(())
                }
                "monitor_canceled" => {
                    self.cursor = Cursor::default();
                    Err(Error::MonitorCanceled)
                }
                _ => Err(Error::Malformed(format!("unexpected notification {method}"))),
            },
            Message::Reply { id, outcome } => self.handle_reply(&id, outcome),
        }
    }

    fn handle_reply(&mut self, id: &Value, outcome: Result<Value, Value>) -> Result<(), Error> {
        let numbered = id.as_u64().and_then(|number| Some((number, self.pending.remove(&number)?)));
        let Some((id, pending)) = numbered else { return Err(malformed("a reply to a request of ours", id)) };
        match pending {
            // Servers older than 2.9 do not know set_db_change_aware and say so; an echo has no reason to fail.
            Pending::Formality => Ok(()),
            Pending::Schema => self.monitor(&outcome.map_err(|error| refused("get_schema", &error))?),
            Pending::Monitor => self.start(&outcome.map_err(|error| refused("monitor_cond_since", &error))?),
            Pending::Transact(operations) => {
                let result = match outcome {
                    Ok(reply) => transaction_results(&operations, &reply),
                    Err(error) => Err(refused("transact", &error)),
                };
                self.outputs.push_back(Output::Reply { id, result });
                Ok(())
            }
        }
    }

    fn monitor(&mut self, schema: &Value) -> Result<(), Error> {
        let (selection, missing) = Schema::from_json(schema)?.select()?;
        if !missing.is_empty() {
            self.outputs.push_back(Output::Missing(missing));
        }
        // After a change of schema the copy may lack columns that the server has now, so what it holds counts for nothing.
        if selection != self.cursor.selection {
            self.cursor = Cursor { last: Uuid::nil(), selection: selection.clone() };
        }
        let request = MonitorRequest { database: &self.database, selection: &selection, since: self.cursor.last };
        let message = Request::MonitorCondSince(request).message(self.next_id).encode();
        self.send(&message, Pending::Monitor);
        Ok(())
    }

    fn start(&mut self, reply: &Value) -> Result<(), Error> {
        let MonitorReply { found, last, updates } = MonitorReply::from_json(reply)?;
        self.cursor.last = last;
        self.in_step = true;
        self.outputs.push_back(Output::InStep { resumed: found });
        self.outputs.push_back(Output::Update(Update { complete: !found, tables: updates }));
        Ok(())
    }
}

/// The reason of an error reply: an object with `error` and `details`, or a plain string for an unknown method.
fn refused(method: &'static str, error: &Value) -> Error {
    let text = |member| error.get(member).and_then(Value::as_str);
    let reason = match (text("error"), text("details")) {
        (Some(kind), Some(details)) => format!("{kind}: {details}"),
        (Some(kind), None) => kind.to_owned(),
        _ => error.as_str().map_or_else(|| error.to_string(), str::to_owned),
    };
    Error::Refused { method, reason }
}

#[cfg(test)]
mod tests;
