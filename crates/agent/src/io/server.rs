use std::sync::Arc;
use std::time::Duration;

use model::Backoff;
use sync::agent::{Receiver, Sender, connect};
use sync::messages::ToServer;
use tokio::sync::{Notify, mpsc, oneshot};
use tracing::{info, warn};

use crate::events::{Event, Server};

/// Waits between tries to reach the server: short enough to return with it, and spread by jitter.
const FIRST_RETRY: Duration = Duration::from_millis(200);
const MOST_RETRY: Duration = Duration::from_secs(5);

/// Starts the task that keeps a stream to the server.
pub(crate) fn start(
    address: String,
    events: mpsc::Sender<Event>,
    messages: mpsc::Receiver<ToServer>,
    hang_up: Arc<Notify>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(Link { address, events, messages, hang_up }.run())
}

struct Link {
    address: String,
    events: mpsc::Sender<Event>,
    messages: mpsc::Receiver<ToServer>,
    /// The state wants another stream.
    hang_up: Arc<Notify>,
}

/// The state is gone: so is the need for a stream.
struct Over;

impl Link {
    async fn run(mut self) {
        let mut backoff = Backoff::new(FIRST_RETRY, MOST_RETRY);
        let mut said = false;
        loop {
            let reason = match self.session(&mut backoff, &mut said).await {
                Ok(reason) => reason,
                Err(Over) => return,
            };
            if !std::mem::replace(&mut said, true) {
                warn!(server = %self.address, reason, "no stream to the server; forwarding goes on as it is");
            }
            if self.say(Server::Lost).await.is_err() {
                return;
            }
            let wait = tokio::time::sleep(backoff.next(rand::random()));
            tokio::pin!(wait);
            loop {
                tokio::select! {
                    () = &mut wait => break,
                    // What the state said before it knew that the stream is gone.
                    message = self.messages.recv() => if message.is_none() { return },
                }
            }
        }
    }

    /// One stream from its beginning to its end; returns why it ended.
    async fn session(&mut self, backoff: &mut Backoff, said: &mut bool) -> Result<String, Over> {
        self.say(Server::Opening).await?;
        let hello = loop {
            // What was said before is of the last stream.
            if let ToServer::Hello(hello) = self.messages.recv().await.ok_or(Over)? {
                break hello;
            }
        };
        let (sender, receiver) = match connect(&self.address, hello).await {
            Ok(stream) => stream,
            Err(error) => return Ok(text(&error)),
        };
        info!(server = %self.address, "connected to the server");
        *said = false;
        let (heard, mut hears) = oneshot::channel();
        let mut reader = tokio::spawn(read(receiver, self.events.clone(), heard));
        let ended = loop {
            tokio::select! {
                ended = &mut reader => break ended.unwrap_or_else(|_| Ok("the reader failed".to_owned())),
                () = self.hang_up.notified() => {
                    reader.abort();
                    break Ok("the agent ended the stream".to_owned());
                }
                message = self.messages.recv() => {
                    let Some(message) = message else {
                        // Dropping the sender ends our half of the stream: the server sees a goodbye.
                        reader.abort();
                        return Err(Over);
                    };
                    if let Err(end) = self.pass(&sender, message).await {
                        reader.abort();
                        break Ok(end);
                    }
                }
            }
        };
        // A server that takes the stream only to refuse it is not to be asked again and again.
        if hears.try_recv().is_ok() {
            backoff.reset();
        }
        ended
    }

    async fn pass(&self, sender: &Sender, message: ToServer) -> Result<(), String> {
        sender.send(message).await.map_err(|error| text(&error))
    }

    async fn say(&self, event: Server) -> Result<(), Over> {
        self.events.send(Event::Server(event)).await.map_err(|_| Over)
    }
}

/// Reads promptly, on a task of its own: small frames left unread close an HTTP/2 connection.
/// `heard`: that something came.
async fn read(mut receiver: Receiver, events: mpsc::Sender<Event>, heard: oneshot::Sender<()>) -> Result<String, Over> {
    let mut heard = Some(heard);
    loop {
        match receiver.next().await {
            Ok(message) => {
                if let Some(heard) = heard.take() {
                    // Nobody listens only if the stream is over anyway.
                    let _ = heard.send(());
                }
                events.send(Event::Server(Server::Message(message))).await.map_err(|_| Over)?;
            }
            Err(error) => return Ok(text(&error)),
        }
    }
}

/// An error with all its causes.
pub(super) fn text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
