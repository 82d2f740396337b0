//! A client's connection to a switch: a thin shell around the codec.
//!
//! One task owns the socket. Callers encode into a bounded queue that the task writes out in large pieces, and it
//! hands every answer to the request whose transaction id (xid) it bears; so any number of requests may be in flight.

mod handshake;
mod outbox;
mod pending;
mod reconnect;
mod request;
mod target;
mod task;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OnceCell, mpsc};
use tokio::task::AbortHandle;

use crate::error::{Error, Result};
use crate::{Features, FlowRemoved, FlowUpdate, Message, PortDesc, PortReason, Version};
use outbox::Outbox;
use pending::Pending;

pub use reconnect::{Change, keep_connected};
pub use request::{Outcome, Sent};
pub use target::Target;

/// Time-outs and limits of a connection.
#[derive(Debug, Clone)]
pub struct Options {
    /// For connecting and agreeing on a version.
    pub connect: Duration,
    /// Longest silence in an answer: until its first message, then between its messages.
    pub answer: Duration,
    /// Silence after which the switch is asked for a sign of life; after as much silence again it counts as gone.
    pub keepalive: Duration,
    /// Whether to ask the switch to report changes of ports (Open vSwitch does not by itself on `<bridge>.mgmt`).
    pub port_status: bool,
    /// Bytes that may be queued for the switch before callers have to wait.
    pub queue: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(30),
            keepalive: Duration::from_secs(5),
            port_status: false,
            queue: 1 << 20,
        }
    }
}

/// What a switch says unasked.
#[derive(Debug, Clone)]
pub enum Event {
    PortStatus {
        reason: PortReason,
        port: PortDesc,
    },
    FlowRemoved(FlowRemoved),
    /// What the flow monitor tells, but for what this connection did itself.
    FlowUpdates(Vec<FlowUpdate>),
    /// The last event: every request in flight has failed with [`Error::Lost`], and every later one will.
    Disconnected(Arc<Error>),
}

/// A handle to a connection; clones share it. When the last one is dropped the connection is closed.
#[derive(Debug, Clone)]
pub struct Connection(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    version: Version,
    features: OnceCell<Features>,
    /// Whether the switch knows bundles, once that was tried.
    bundles: OnceCell<bool>,
    options: Options,
    outbox: Outbox,
    pending: Arc<Pending>,
    task: AbortHandle,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Connection {
    /// Connects, agrees on a version (1.4 if the switch can, else 1.3) and asks the switch what it is.
    pub async fn open(target: &Target, options: Options) -> Result<(Connection, mpsc::Receiver<Event>)> {
        let limit = options.connect;
        tokio::time::timeout(limit, Self::open_unhurried(target, options))
            .await
            .map_err(|_| Error::Timeout { what: "a greeting", after: limit })?
    }

    async fn open_unhurried(target: &Target, options: Options) -> Result<(Connection, mpsc::Receiver<Event>)> {
        let mut stream = target.connect().await?;
        let version = handshake::agree(&mut stream).await?;
        let (outbox, queue) = outbox::new(options.queue);
        let pending = Arc::new(Pending::default());
        let (events, receiver) = mpsc::channel(task::EVENTS);
        let task = task::Task {
            version,
            keepalive: options.keepalive,
            pending: pending.clone(),
            outbox: outbox.clone(),
            queue,
            events,
        };
        let task = tokio::spawn(task.run(stream)).abort_handle();
        let (features, bundles) = (OnceCell::new(), OnceCell::new());
        let connection = Connection(Arc::new(Shared { version, features, bundles, options, outbox, pending, task }));
        connection.features().await?;
        if connection.0.options.port_status {
            connection.post(&Message::SetAsync { port_status: true }).await?;
        }
        Ok((connection, receiver))
    }

    /// The version agreed on.
    pub fn version(&self) -> Version {
        self.0.version
    }

    /// What the switch said of itself: datapath id, number of tables. Asked once.
    pub async fn features(&self) -> Result<Features> {
        let ask = async || match self.request(&Message::FeaturesRequest).await? {
            Message::FeaturesReply(features) => Ok(features),
            _ => Err(Error::Unexpected { what: "the question for its features" }),
        };
        self.0.features.get_or_try_init(ask).await.copied()
    }
}
