use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::stream::{self, Stream, TryStreamExt};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use super::beginning::Beginning;
use super::{CONNECTION_WINDOW, HELLO_TIMEOUT, KEEPALIVE, MOST_MESSAGE_BYTES, STREAM_WINDOW};
use crate::convert::UnknownKind;
use crate::messages::{Hello, ToAgent, ToServer};
use crate::proto::sync_server::{Sync, SyncServer};
use crate::{Error, proto};

/// Tells streams apart for as long as the server runs; a host that reconnects has a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What happens on streams, in order for each of them: `Opened`, then any number of `Message` and `Room`, then `Closed`.
#[derive(Debug)]
pub enum Event {
    /// An agent has said hello. Answer by [`Outbound::send`] after the first `Room`, or by [`Outbound::close`].
    Opened {
        id: ConnectionId,
        peer: Option<SocketAddr>,
        hello: Box<Hello>,
        outbound: Outbound,
    },
    Message {
        id: ConnectionId,
        message: ToServer,
    },
    /// The connection has taken all that it was given and has room for one batch more.
    Room {
        id: ConnectionId,
    },
    /// The stream is gone; `reason` is for the log.
    Closed {
        id: ConnectionId,
        reason: String,
    },
}

/// Sends to one agent. Dropping it ends the stream.
#[derive(Debug)]
pub struct Outbound {
    batches: mpsc::Sender<Vec<ToAgent>>,
    end: mpsc::Sender<Status>,
}

/// Why the server ends a stream; the agent gets the sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Closing {
    /// The agent is not welcome as it is; to try again without a change on its side or ours does not help.
    Refused(String),
    /// The agent should come back.
    Unavailable(String),
}

impl Outbound {
    /// Gives the connection a batch. There must have been a [`Event::Room`] since the last one: that is the
    /// back-pressure, and the memory that a slow agent costs is one batch. Returns false if there was not, or if the
    /// stream is gone.
    pub fn send(&self, batch: Vec<ToAgent>) -> bool {
        self.batches.try_send(batch).is_ok()
    }

    /// Ends the stream at once.
    pub fn close(self, closing: Closing) {
        let status = match closing {
            Closing::Refused(reason) => Status::failed_precondition(reason),
            Closing::Unavailable(reason) => Status::unavailable(reason),
        };
        // Full: it is being closed for another reason already.
        let _ = self.end.try_send(status);
    }
}

/// Serves agents on `listener` until `shutdown`, then waits for the streams to end: close their [`Outbound`]s.
/// A full `events` slows agents down, and loses nothing.
pub async fn serve(
    listener: TcpListener,
    events: mpsc::Sender<Event>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Error> {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let incoming = incoming.map_ok(|stream| Beginning::new(stream, HELLO_TIMEOUT));
    let service = SyncServer::new(Shell { events, opened: AtomicU64::new(0) });
    Server::builder()
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .http2_adaptive_window(Some(false))
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_concurrent_streams(8)
        .add_service(service.max_decoding_message_size(MOST_MESSAGE_BYTES))
        .serve_with_incoming_shutdown(incoming, shutdown)
        .await
        .map_err(Error::Serve)
}

#[derive(Debug)]
struct Shell {
    events: mpsc::Sender<Event>,
    opened: AtomicU64,
}

type Responses = Pin<Box<dyn Stream<Item = Result<proto::ServerMessage, Status>> + Send>>;

#[tonic::async_trait]
impl Sync for Shell {
    type SessionStream = Responses;

    async fn session(&self, request: Request<Streaming<proto::AgentMessage>>) -> Result<Response<Responses>, Status> {
        let id = ConnectionId(self.opened.fetch_add(1, Ordering::Relaxed));
        let peer = request.remote_addr();
        let (batches, incoming_batches) = mpsc::channel(1);
        let (end, ended) = mpsc::channel(1);
        let (opened, when_opened) = oneshot::channel();
        let (alive, gone) = oneshot::channel();

        let reader = Reader { id, events: self.events.clone(), stream: request.into_inner(), end: end.clone() };
        tokio::spawn(reader.run(peer, Outbound { batches, end }, opened, gone));

        let flow = Flow {
            id,
            events: self.events.clone(),
            when_opened: Some(when_opened),
            batches: incoming_batches,
            current: VecDeque::new(),
        };
        let writer = Writer { flow, ended, over: false, _alive: alive };
        Ok(Response::new(Box::pin(stream::unfold(writer, Writer::next))))
    }
}

/// Reads what an agent says, on a task of its own.
struct Reader {
    id: ConnectionId,
    events: mpsc::Sender<Event>,
    stream: Streaming<proto::AgentMessage>,
    end: mpsc::Sender<Status>,
}

impl Reader {
    /// `gone` resolves when the response ends, by whichever side.
    async fn run(
        mut self,
        peer: Option<SocketAddr>,
        outbound: Outbound,
        opened: oneshot::Sender<()>,
        gone: oneshot::Receiver<()>,
    ) {
        let hello = match timeout(HELLO_TIMEOUT, self.next()).await {
            Ok(Ok(ToServer::Hello(hello))) => Box::new(hello),
            Ok(Ok(_)) => return self.refuse("the first message must be a hello"),
            Ok(Err(reason)) => return tracing::debug!(?peer, reason, "a stream ended before its hello"),
            Err(_) => return self.refuse("no hello came in time"),
        };
        let id = self.id;
        if self.events.send(Event::Opened { id, peer, hello, outbound }).await.is_err() {
            return;
        }
        let _ = opened.send(());
        let reason = tokio::select! {
            reason = self.read() => reason,
            _ = gone => "the stream has ended".to_owned(),
        };
        let _ = self.events.send(Event::Closed { id, reason }).await;
    }

    /// Passes messages on until there are no more; returns why.
    async fn read(&mut self) -> String {
        loop {
            match self.next().await {
                Ok(message) => {
                    if self.events.send(Event::Message { id: self.id, message }).await.is_err() {
                        return "the server is stopping".to_owned();
                    }
                }
                Err(reason) => return reason,
            }
        }
    }

    async fn next(&mut self) -> Result<ToServer, String> {
        loop {
            let message = self.stream.message().await.map_err(|status| status.message().to_owned())?;
            let message = message.ok_or_else(|| "the agent has closed the stream".to_owned())?;
            match ToServer::parse(message) {
                Ok(Ok(message)) => return Ok(message),
                Ok(Err(UnknownKind)) => tracing::debug!(id = self.id.0, "ignored a message of an unknown kind"),
                Err(error) => {
                    self.refuse(&error.to_string());
                    return Err(error.to_string());
                }
            }
        }
    }

    fn refuse(&self, reason: &str) {
        let _ = self.end.try_send(Status::invalid_argument(reason));
    }
}

/// What is sent to an agent, as the connection asks for it.
struct Writer {
    flow: Flow,
    ended: mpsc::Receiver<Status>,
    over: bool,
    /// Dropped with the response: tells the reader.
    _alive: oneshot::Sender<()>,
}

impl Writer {
    async fn next(mut self) -> Option<(Result<proto::ServerMessage, Status>, Self)> {
        if self.over {
            return None;
        }
        let item = tokio::select! {
            biased;
            status = self.ended.recv() => Err(status?),
            message = self.flow.next() => Ok(message?),
        };
        self.over = item.is_err();
        Some((item.map(Into::into), self))
    }
}

struct Flow {
    id: ConnectionId,
    events: mpsc::Sender<Event>,
    when_opened: Option<oneshot::Receiver<()>>,
    batches: mpsc::Receiver<Vec<ToAgent>>,
    current: VecDeque<ToAgent>,
}

impl Flow {
    /// The next message. When a batch is through, says that there is room, and waits for another.
    async fn next(&mut self) -> Option<ToAgent> {
        if let Some(opened) = self.when_opened.take() {
            opened.await.ok()?;
        }
        loop {
            if let Some(message) = self.current.pop_front() {
                return Some(message);
            }
            self.events.send(Event::Room { id: self.id }).await.ok()?;
            self.current.extend(self.batches.recv().await?);
        }
    }
}
