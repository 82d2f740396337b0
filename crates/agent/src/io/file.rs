use std::path::PathBuf;

use sync::messages::{ToAgent, ToServer};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tracing::{error, info};

use crate::events::{Event, Server};
use crate::static_feed::{StaticFeed, StaticFile};

/// Starts the task that plays the server from a file; `reload`: when to read it again.
pub(crate) fn start(
    path: PathBuf,
    file: StaticFile,
    reload: Signal,
    events: mpsc::Sender<Event>,
    messages: mpsc::Receiver<ToServer>,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(run(path, StaticFeed::new(file), reload, events, messages))
}

async fn run(
    path: PathBuf,
    mut feed: StaticFeed,
    mut reload: Signal,
    events: mpsc::Sender<Event>,
    mut messages: mpsc::Receiver<ToServer>,
) {
    if events.send(Event::Server(Server::Opening)).await.is_err() {
        return;
    }
    loop {
        let answers: Vec<ToAgent> = tokio::select! {
            message = messages.recv() => match message {
                Some(message) => feed.on_message(&message),
                None => return,
            },
            Some(()) = reload.recv() => match StaticFile::read(&path) {
                Ok(file) => {
                    info!(file = %path.display(), "the static file was read again");
                    feed.replace(file)
                }
                Err(reason) => {
                    error!(reason = &reason as &dyn std::error::Error, "what the static file said before stays in force");
                    Vec::new()
                }
            },
        };
        for answer in answers {
            if events.send(Event::Server(Server::Message(answer))).await.is_err() {
                return;
            }
        }
    }
}
