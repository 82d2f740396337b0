use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;

use model::Backoff;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::Options;
use crate::codec::{OpResult, Operation};
use crate::{Cursor, Endpoint, Error, Event, Output, Session};

type Reply = oneshot::Sender<Result<Vec<OpResult>, Error>>;

#[derive(Debug)]
pub(super) enum Command {
    Transact { operations: Vec<Operation>, reply: Reply },
    Refetch,
}

/// Keeps a session going over one connection after the other.
pub(super) struct Task {
    endpoint: Endpoint,
    options: Options,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    cursor: Cursor,
}

/// Why a session ended.
enum End {
    /// Nobody is left to serve.
    Abandoned,
    Failed(Error),
}

impl From<Error> for End {
    fn from(error: Error) -> Self {
        End::Failed(error)
    }
}

type Reader = Box<dyn AsyncRead + Send + Unpin>;
type Writer = Box<dyn AsyncWrite + Send + Unpin>;

/// Bytes read at a time, and bytes waiting to be written beyond which no further transaction is taken.
const CHUNK: usize = 64 << 10;

impl Task {
    pub(super) fn new(
        endpoint: Endpoint,
        options: Options,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
    ) -> Self {
        Task { endpoint, options, commands, events, cursor: Cursor::default() }
    }

    pub(super) async fn run(mut self) {
        let mut backoff = Backoff::new(self.options.retry_first, self.options.retry_most);
        loop {
            let started = Instant::now();
            let Err(End::Failed(error)) = self.serve().await else { return };
            info!(endpoint = %self.endpoint, reason = &error as &dyn std::error::Error, "OVSDB is not connected");
            // A server that accepts us only to fail at once is spared like one that does not accept us.
            if started.elapsed() > self.options.retry_most {
                backoff.reset();
            }
            let next_try = Instant::now() + backoff.next(rand::random());
            if self.pause(Event::Disconnected(error), next_try).await.is_err() {
                return;
            }
        }
    }

    /// One connection from beginning to end.
    async fn serve(&mut self) -> Result<Infallible, End> {
        let (mut reader, mut writer) = self.open().await?;
        let mut session = Session::open(&self.options.database, self.options.message_limit, self.cursor.clone());
        let Err(end) = self.converse(&mut session, &mut reader, &mut writer).await;
        // All that the session made of the bytes has been handed over by now, so the cursor says what the consumer knows.
        self.cursor = match end {
            End::Failed(Error::Refetch) => Cursor::default(),
            _ => session.cursor().clone(),
        };
        Err(end)
    }

    async fn open(&self) -> Result<(Reader, Writer), Error> {
        let connect = async {
            Ok::<(Reader, Writer), std::io::Error>(match &self.endpoint {
                Endpoint::Unix(path) => {
                    let (reader, writer) = UnixStream::connect(path).await?.into_split();
                    (Box::new(reader), Box::new(writer))
                }
                Endpoint::Tcp(address) => {
                    let stream = TcpStream::connect(address).await?;
                    stream.set_nodelay(true)?;
                    let (reader, writer) = stream.into_split();
                    (Box::new(reader), Box::new(writer))
                }
            })
        };
        let endpoint = self.endpoint.to_string();
        match timeout(self.options.connect_timeout, connect).await {
            Ok(Ok(halves)) => Ok(halves),
            Ok(Err(source)) => Err(Error::Connect { endpoint, source }),
            Err(_) => Err(Error::ConnectTimeout { endpoint, limit: self.options.connect_timeout }),
        }
    }

    /// Moves bytes, commands and events until something ends it and all events are handed over.
    async fn converse(
        &mut self,
        session: &mut Session,
        reader: &mut Reader,
        writer: &mut Writer,
    ) -> Result<Infallible, End> {
        let mut chunk = vec![0; CHUNK];
        let mut heard = Instant::now();
        let mut probed = false;
        let mut failure = None;
        let mut replies = HashMap::new();
        let mut backlog = VecDeque::new();
        let mut backlog_bytes = 0;
        loop {
            backlog.extend(session.outputs().drain(..).filter_map(|output| self.sort(output, &mut replies)));
            if let Some(error) = &failure {
                give_up(&mut replies, error);
            }
            if backlog.is_empty() {
                backlog_bytes = 0;
                if let Some(error) = failure {
                    return Err(End::Failed(error));
                }
            }
            let reading = backlog_bytes < self.options.backlog && failure.is_none();
            let room = replies.len() < self.options.in_flight && session.outgoing().len() < CHUNK;
            let silence = if probed { self.options.probe_interval * 2 } else { self.options.probe_interval };
            tokio::select! {
                read = reader.read(&mut chunk), if reading => {
                    let result = match read {
                        Ok(0) => Err(Error::Closed),
                        Ok(count) => {
                            backlog_bytes += count;
                            session.receive(chunk.get(..count).unwrap_or_default())
                        }
                        Err(error) => Err(error.into()),
                    };
                    failure = result.err();
                    (heard, probed) = (Instant::now(), false);
                }
                permit = self.events.reserve(), if !backlog.is_empty() => {
                    let Ok(permit) = permit else { return Err(End::Abandoned) };
                    if let Some(event) = backlog.pop_front() {
                        permit.send(event);
                    }
                }
                written = writer.write(session.outgoing()), if !session.outgoing().is_empty() && failure.is_none() => {
                    match written {
                        Ok(count) => session.written(count),
                        Err(error) => failure = Some(error.into()),
                    }
                }
                command = self.commands.recv(), if room => match command {
                    Some(Command::Transact { operations, reply }) if session.is_in_step() && failure.is_none() => {
                        replies.insert(session.transact(operations), reply);
                    }
                    // What was decided on an old copy of the database is not sent before the new one is known.
                    Some(Command::Transact { reply, .. }) => turn_away(reply),
                    Some(Command::Refetch) => failure = Some(Error::Refetch),
                    None => return Err(End::Abandoned),
                },
                () = sleep_until(heard + silence), if failure.is_none() => {
                    if !reading {
                        // It is we who do not listen.
                        (heard, probed) = (Instant::now(), false);
                    } else if probed {
                        failure = Some(Error::Silent(silence));
                    } else {
                        session.probe();
                        probed = true;
                    }
                }
                () = self.events.closed() => return Err(End::Abandoned),
            }
        }
    }

    /// Answers who waits for a reply; what is left is an event.
    fn sort(&self, output: Output, replies: &mut HashMap<u64, Reply>) -> Option<Event> {
        match output {
            Output::InStep { resumed } => {
                debug!(endpoint = %self.endpoint, resumed, "OVSDB is connected");
                Some(Event::Connected { resumed })
            }
            Output::Update(update) => Some(Event::Update(update)),
            Output::Reply { id, result } => {
                // Whoever asked may have stopped waiting.
                let _ = replies.remove(&id).map(|reply| reply.send(result));
                None
            }
            Output::Missing(columns) => {
                let columns = columns.join(", ");
                warn!(endpoint = %self.endpoint, columns, "OVSDB lacks columns: they read as empty");
                None
            }
        }
    }

    /// Reports an event, then waits; transactions handed in meanwhile are turned away.
    async fn pause(&mut self, event: Event, until: Instant) -> Result<(), End> {
        let mut event = Some(event);
        loop {
            tokio::select! {
                permit = self.events.reserve(), if event.is_some() => match permit {
                    Ok(permit) => if let Some(event) = event.take() { permit.send(event) },
                    Err(_) => return Err(End::Abandoned),
                },
                command = self.commands.recv() => match command {
                    Some(Command::Transact { reply, .. }) => turn_away(reply),
                    Some(Command::Refetch) => self.cursor = Cursor::default(),
                    None => return Err(End::Abandoned),
                },
                () = sleep_until(until), if event.is_none() => return Ok(()),
                () = self.events.closed() => return Err(End::Abandoned),
            }
        }
    }
}

fn turn_away(reply: Reply) {
    // Whoever asked may have stopped waiting.
    let _ = reply.send(Err(Error::NotConnected));
}

fn give_up(replies: &mut HashMap<u64, Reply>, error: &Error) {
    for (_, reply) in replies.drain() {
        let _ = reply.send(Err(Error::OutcomeUnknown(error.to_string())));
    }
}
