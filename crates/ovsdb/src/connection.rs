mod task;

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::codec::{MESSAGE_LIMIT, OpResult, Operation};
use crate::{DATABASE, Endpoint, Error, Event, Transaction};
use task::{Command, Task};

/// How a [`Client`] behaves.
#[derive(Debug, Clone)]
pub struct Options {
    pub database: String,
    /// The first wait before a new connection is tried; it doubles up to `retry_most`.
    pub retry_first: Duration,
    pub retry_most: Duration,
    /// For a connection to be accepted.
    pub connect_timeout: Duration,
    /// Silence after which the server is asked for a sign of life; after as much again the connection is given up.
    pub probe_interval: Duration,
    /// From handing in a transaction to its reply.
    pub request_timeout: Duration,
    /// Bytes of the largest message to accept.
    pub message_limit: usize,
    /// Transactions without a reply, beyond which further ones wait.
    pub in_flight: usize,
    /// Bytes received since the consumer last had taken all events, beyond which nothing more is read until he has. The
    /// server then holds back and merges what is to come.
    pub backlog: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            database: DATABASE.into(),
            retry_first: Duration::from_millis(100),
            retry_most: Duration::from_secs(4),
            connect_timeout: Duration::from_secs(5),
            probe_interval: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            message_limit: MESSAGE_LIMIT,
            in_flight: 256,
            backlog: 4 << 20,
        }
    }
}

/// Events in the channel; what does not fit waits in the backlog.
const EVENTS: usize = 16;

/// A handle on a connection that is kept up by a task of its own. The task ends when all handles, or the receiver of
/// its events, are dropped.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    request_timeout: Duration,
}

impl Client {
    /// Starts to connect, and to connect again whenever that is needed. Call it within a Tokio runtime.
    ///
    /// Events come in order and none is left out. A reply does not wait for the updates before it to be taken, so the
    /// replica may show a transaction's effect only after its reply; and a consumer may await replies between events,
    /// as long as what he leaves lying stays below [`Options::backlog`].
    pub fn connect(endpoint: Endpoint, options: Options) -> (Client, mpsc::Receiver<Event>) {
        let (commands, commands_receiver) = mpsc::channel(options.in_flight);
        let (events, events_receiver) = mpsc::channel(EVENTS);
        let client = Client { commands, request_timeout: options.request_timeout };
        tokio::spawn(Task::new(endpoint, options, commands_receiver, events).run());
        (client, events_receiver)
    }

    /// Runs operations as one transaction; none at all send nothing. Many calls may be under way at once, and those of one
    /// task take effect in the order of the calls.
    ///
    /// # Errors
    /// [`Error::Transaction`] names the operation that failed, and nothing was done. [`Error::NotConnected`]: nothing was
    /// sent. [`Error::OutcomeUnknown`]: the reply did not come, so all or nothing of it may have been done; the replica
    /// tells after the next connection.
    pub async fn transact(&self, operations: Vec<Operation>) -> Result<Vec<OpResult>, Error> {
        if operations.is_empty() {
            return Ok(Vec::new());
        }
        let (reply, result) = oneshot::channel();
        let exchange = async {
            let command = Command::Transact { operations, reply };
            self.commands.send(command).await.map_err(|_| Error::NotConnected)?;
            result.await.unwrap_or_else(|_| Err(Error::OutcomeUnknown("the client was stopped".into())))
        };
        let limit = self.request_timeout;
        timeout(limit, exchange)
            .await
            .unwrap_or_else(|_| Err(Error::OutcomeUnknown(format!("no reply within {} ms", limit.as_millis()))))
    }

    /// As [`Client::transact`], for what a [`Transaction`] gathered.
    pub async fn commit(&self, transaction: Transaction) -> Result<Vec<OpResult>, Error> {
        self.transact(transaction.into_operations()).await
    }

    /// Connects anew for a complete copy: for a consumer whose replica refused an update.
    pub async fn refetch(&self) {
        // A task that has ended has nobody left to give a copy to.
        let _ = self.commands.send(Command::Refetch).await;
    }
}
