use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::Event;
use super::outbox::{Outbox, PIECE, Queue};
use super::pending::{Delivery, Pending};
use super::target::Stream;
use crate::codec::{self, Frame};
use crate::error::{Error, Result};
use crate::{FlowUpdate, Message, MultipartReply, Version};

/// Reports that may wait to be taken.
pub(super) const EVENTS: usize = 1024;

/// How much of a refused message is kept: enough to tell which; OpenFlow asks a switch for at least as much.
const REFUSED: usize = 64;

/// Our own signs of life bear this id, which no request gets.
const KEEPALIVE: u32 = 0;

/// The task that owns the socket.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) version: Version,
    pub(super) keepalive: Duration,
    pub(super) pending: Arc<Pending>,
    pub(super) outbox: Outbox,
    pub(super) queue: Queue,
    pub(super) events: mpsc::Sender<Event>,
}

impl Task {
    pub(super) async fn run(self, stream: Box<dyn Stream>) {
        let Task { version, keepalive, pending, outbox, queue, events } = self;
        let (reader, writer) = tokio::io::split(stream);
        let inbox = Inbox { version, keepalive, pending: &pending, outbox: &outbox, events: &events };
        let result = tokio::select! {
            result = inbox.run(reader) => result,
            result = write(writer, queue) => result,
        };
        let reason = Arc::new(result.err().unwrap_or(Error::Closed));
        debug!(error = &*reason as &dyn std::error::Error, "connection ended");
        pending.lose(&reason);
        outbox.close();
        // Fails only if nobody listens.
        let _ = events.send(Event::Disconnected(reason)).await;
    }
}

async fn write(mut writer: WriteHalf<Box<dyn Stream>>, mut queue: Queue) -> Result<()> {
    while let Some(piece) = queue.next().await {
        writer.write_all(piece.bytes()).await?;
        writer.flush().await?;
    }
    Ok(())
}

/// What a switch tells of flows unasked bears this id.
const UNASKED: u32 = 0;

struct Inbox<'a> {
    version: Version,
    keepalive: Duration,
    pending: &'a Pending,
    outbox: &'a Outbox,
    events: &'a mpsc::Sender<Event>,
}

impl Inbox<'_> {
    async fn run(&self, mut reader: ReadHalf<Box<dyn Stream>>) -> Result<()> {
        let mut buffer = BytesMut::with_capacity(PIECE);
        let mut asked = false;
        loop {
            match tokio::time::timeout(self.keepalive, reader.read_buf(&mut buffer)).await {
                Ok(Ok(0)) => return Err(Error::Closed),
                Ok(result) => {
                    result?;
                    asked = false;
                }
                Err(_) if asked => return Err(Error::Timeout { what: "a sign of life", after: self.keepalive }),
                Err(_) => {
                    self.send(&Message::EchoRequest(Vec::new()), KEEPALIVE);
                    asked = true;
                }
            }
            while let Some((frame, length)) = codec::split(&buffer)? {
                self.take(&frame).await?;
                buffer.advance(length);
            }
            buffer.reserve(PIECE);
        }
    }

    async fn take(&self, frame: &Frame<'_>) -> Result<()> {
        if frame.version != self.version.wire() {
            return Err(Error::Protocol { what: "a message of another version than agreed" });
        }
        let message = match codec::decode(frame) {
            Ok(Message::EchoRequest(body)) => {
                self.send(&Message::EchoReply(body), frame.xid);
                return Ok(());
            }
            Ok(Message::EchoReply(_)) if frame.xid == KEEPALIVE => return Ok(()),
            Ok(Message::PortStatus { reason, port }) => return self.report(Event::PortStatus { reason, port }),
            Ok(Message::FlowRemoved(removed)) => return self.report(Event::FlowRemoved(removed)),
            Ok(Message::MultipartReply { part: MultipartReply::FlowUpdates(mut updates), .. })
                if frame.xid == UNASKED =>
            {
                updates.retain(|update| !matches!(update, FlowUpdate::Own { .. }));
                return if updates.is_empty() { Ok(()) } else { self.report(Event::FlowUpdates(updates)) };
            }
            Ok(Message::Error(mut error)) => {
                error.data.truncate(REFUSED);
                Err(Error::Switch(error))
            }
            other => other,
        };
        match self.pending.deliver(frame.xid, message) {
            Delivery::Done => {}
            Delivery::Wait(sender, answer) => {
                // Fails only if the caller has just gone.
                let _ = sender.send(answer).await;
            }
            Delivery::Unclaimed => debug!(kind = frame.kind, xid = frame.xid, "a message that nobody waits for"),
            Delivery::TooMany => return Err(Error::Protocol { what: "more answers than there were questions" }),
        }
        Ok(())
    }

    fn report(&self, event: Event) -> Result<()> {
        match self.events.try_send(event) {
            Err(mpsc::error::TrySendError::Full(_)) => Err(Error::Overrun),
            // Nobody listens: nothing is missed.
            _ => Ok(()),
        }
    }

    fn send(&self, message: &Message, xid: u32) {
        let mut bytes = Vec::new();
        match codec::encode(message, self.version, xid, &mut bytes) {
            Ok(()) => self.outbox.try_send(bytes),
            Err(error) => warn!(%error, "cannot answer"),
        }
    }
}
