//! The connection to RabbitMQ: one, to one of several brokers, made again whenever it breaks, with all that is declared on it.

mod client;
mod session;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::SelectAll;
use model::Backoff;
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

pub use self::client::Client;
use self::session::{Incoming, Session};
use crate::address::{Addressing, Subscription};
use crate::codec::Message;
use crate::events::Event;
use crate::transport::Broker;
use crate::{Duplicates, Error};

#[derive(Debug, Clone)]
pub struct Settings {
    /// Tried in turn. At least one.
    pub brokers: Vec<Broker>,
    pub addressing: Addressing,
    /// What RabbitMQ's lists of connections show.
    pub name: String,
    /// How often each side says that it is there, in seconds; a peer that has not for twice as long is gone.
    pub heartbeat: u16,
}

/// For a broker to accept a connection with all that is declared on it.
const PATIENCE: Duration = Duration::from_secs(15);
const FIRST_WAIT: Duration = Duration::from_millis(200);
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// Requests that wait for who takes events.
const EVENTS: usize = 256;

/// Connects, stays connected, and consumes from these queues, until the receiver is dropped.
pub fn connect(settings: Settings, subscriptions: Vec<Subscription>) -> (Client, mpsc::Receiver<Event>) {
    let replies = settings.addressing.replies(Uuid::new_v4());
    let (up, session) = watch::channel(None);
    let calls = Arc::default();
    let client = Client::new(session, Arc::clone(&calls), replies.queue.name.clone(), settings.addressing.clone());
    let (events, receiver) = mpsc::channel(EVENTS);
    let link = Link { settings, subscriptions, replies, calls, up, events, duplicates: Mutex::default() };
    tokio::spawn(link.run());
    (client, receiver)
}

struct Link {
    settings: Settings,
    subscriptions: Vec<Subscription>,
    replies: Subscription,
    calls: Arc<client::Calls>,
    up: watch::Sender<Option<Arc<Session>>>,
    events: mpsc::Sender<Event>,
    duplicates: Mutex<Duplicates>,
}

impl Link {
    async fn run(self) {
        let mut backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT);
        let brokers = self.settings.brokers.clone();
        for broker in brokers.iter().cycle() {
            let gone = tokio::select! {
                () = self.events.closed() => true,
                error = self.connected(broker, &mut backoff) => {
                    let down = Event::Down { broker: broker.to_string(), error };
                    self.events.send(down).await.is_err()
                }
            };
            self.up.send_replace(None);
            if gone {
                return;
            }
            tokio::time::sleep(backoff.next(rand::random())).await;
        }
    }

    /// Until the connection breaks.
    async fn connected(&self, broker: &Broker, backoff: &mut Backoff) -> Error {
        let open = Session::open(broker, &self.settings, &self.replies, &self.subscriptions);
        let (session, replies, requests) = match tokio::time::timeout(PATIENCE, open).await {
            Ok(Ok(opened)) => opened,
            Ok(Err(error)) => return error,
            Err(_) => return Error::BrokerTimeout { broker: broker.to_string(), limit: PATIENCE },
        };
        backoff.reset();
        self.up.send_replace(Some(Arc::new(session)));
        if self.events.send(Event::Up { broker: broker.to_string() }).await.is_err() {
            return Error::Closed;
        }
        // A reply must not wait behind a request whose handler waits for it.
        tokio::select! {
            error = self.take(replies) => error,
            error = self.take(requests) => error,
        }
    }

    async fn take(&self, mut incoming: SelectAll<Incoming>) -> Error {
        while let Some((queue, delivery)) = incoming.next().await {
            let delivery = match delivery {
                Some(Ok(delivery)) => delivery,
                Some(Err(error)) => return Error::Amqp(Box::new(error)),
                None => return Error::QueueGone(queue),
            };
            if let Err(error) = delivery.ack(lapin::options::BasicAckOptions::default()).await {
                return Error::Amqp(Box::new(error));
            }
            let event = match Message::decode(&delivery.data) {
                Ok(Message::Reply(reply)) => {
                    self.calls.resolve(reply);
                    continue;
                }
                Ok(Message::Request(request)) if self.is_new(request.unique_id) => Event::Request(request),
                Ok(Message::Request(_)) => continue,
                Err(error) => Event::Unreadable { queue, error },
            };
            if self.events.send(event).await.is_err() {
                return Error::Closed;
            }
        }
        // There is nothing to consume from: then nothing ends either.
        std::future::pending().await
    }

    fn is_new(&self, id: Option<Uuid>) -> bool {
        let mut duplicates = self.duplicates.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        id.is_none_or(|id| duplicates.is_new(id))
    }
}
