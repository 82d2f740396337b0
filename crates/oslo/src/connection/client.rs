use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::session::Session;
use crate::address::{Addressing, Destination};
use crate::codec::{Message, Reply, ReplyTo, Request};
use crate::{Error, Failure, Json};

/// How often a message is sent again on a connection that stands, and after how long.
const MOST_REFUSED: u32 = 5;
const AGAIN: Duration = Duration::from_millis(100);

/// Sends. Without a connection it waits for one, as long as it may.
#[derive(Debug, Clone)]
pub struct Client {
    session: watch::Receiver<Option<Arc<Session>>>,
    calls: Arc<Calls>,
    reply_queue: String,
    addressing: Addressing,
}

impl Client {
    pub(super) fn new(
        session: watch::Receiver<Option<Arc<Session>>>,
        calls: Arc<Calls>,
        reply_queue: String,
        addressing: Addressing,
    ) -> Self {
        Client { session, calls, reply_queue, addressing }
    }

    /// Asks, and waits for the answer. Where it goes and what it is known by is filled in. What broke before the broker had
    /// confirmed it is sent again, and known to be the same.
    pub async fn call(&self, to: &Destination, mut request: Request, limit: Duration) -> Result<Json, Error> {
        let deadline = Instant::now() + limit;
        let message_id = Uuid::new_v4().simple().to_string();
        let waiting = self.calls.expect(&message_id);
        request.reply_to = Some(ReplyTo { queue: self.reply_queue.clone(), message_id, monitor: None });
        let method = request.method.clone();
        self.send(to, request, Some(limit.as_millis()), deadline).await?;
        match timeout_at(deadline, waiting.answer()).await {
            Ok(outcome) => outcome?.map_err(Error::Failed),
            Err(_) => Err(Error::NoAnswer { method, limit }),
        }
    }

    /// Tells, and waits until the broker has it. Whether anybody listens is not known.
    pub async fn cast(&self, to: &Destination, mut request: Request, limit: Duration) -> Result<(), Error> {
        request.reply_to = None;
        self.send(to, request, None, Instant::now() + limit).await
    }

    /// Answers a call.
    pub async fn answer(
        &self,
        to: &ReplyTo,
        outcome: Result<Json, Box<Failure>>,
        limit: Duration,
    ) -> Result<(), Error> {
        let unique_id = Some(Uuid::new_v4());
        let reply = Reply { message_id: to.message_id.clone(), outcome, ending: true, unique_id };
        let destination = Destination::Reply(to.queue.clone());
        self.publish(&destination, &Message::Reply(reply), None, Instant::now() + limit).await
    }

    async fn send(
        &self,
        to: &Destination,
        mut request: Request,
        expiration: Option<u128>,
        deadline: Instant,
    ) -> Result<(), Error> {
        request.unique_id = Some(Uuid::new_v4());
        self.publish(to, &Message::Request(request), expiration, deadline).await
    }

    async fn publish(
        &self,
        to: &Destination,
        message: &Message,
        expiration: Option<u128>,
        deadline: Instant,
    ) -> Result<(), Error> {
        let (publication, body) = (self.addressing.publication(to), message.encode()?);
        let mut sessions = self.session.clone();
        let mut broken: Option<Arc<Session>> = None;
        let mut refused = 0;
        loop {
            let is_new = |session: &Option<Arc<Session>>| match (session, &broken) {
                (Some(session), Some(broken)) => !Arc::ptr_eq(session, broken),
                (session, _) => session.is_some(),
            };
            let session = match timeout_at(deadline, sessions.wait_for(is_new)).await {
                Ok(Ok(session)) => session.clone(),
                Ok(Err(_)) => return Err(Error::Closed),
                Err(_) => return Err(Error::NotConnected),
            };
            let Some(session) = session else { continue };
            match timeout_at(deadline, session.publish(&publication, &body, expiration)).await {
                // An exchange has deleted itself since it was declared; or another's had, whose message went the same way.
                Ok(Err(Error::Amqp(_))) if session.is_up() && refused < MOST_REFUSED => {
                    refused += 1;
                    tokio::time::sleep(AGAIN).await;
                }
                Ok(Err(Error::Amqp(_))) if !session.is_up() => broken = Some(session),
                Ok(outcome) => return outcome,
                Err(_) => return Err(Error::Unconfirmed),
            }
        }
    }
}

/// Calls that wait for their answers.
#[derive(Debug, Default)]
pub(super) struct Calls(Mutex<HashMap<String, oneshot::Sender<Reply>>>);

impl Calls {
    fn expect(self: &Arc<Self>, message_id: &str) -> Waiting {
        let (sender, answer) = oneshot::channel();
        self.waiting().insert(message_id.to_owned(), sender);
        Waiting { calls: Arc::clone(self), message_id: message_id.to_owned(), answer }
    }

    /// An answer that nobody waits for any more is let go; a sign of life is none.
    pub(super) fn resolve(&self, reply: Reply) {
        let waiting = if reply.ending { self.waiting().remove(&reply.message_id) } else { None };
        if let Some(waiting) = waiting {
            let _ = waiting.send(reply);
        }
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<String, oneshot::Sender<Reply>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever gives up waiting is forgotten.
struct Waiting {
    calls: Arc<Calls>,
    message_id: String,
    answer: oneshot::Receiver<Reply>,
}

impl Waiting {
    async fn answer(mut self) -> Result<Result<Json, Box<Failure>>, Error> {
        let reply = (&mut self.answer).await.map_err(|_| Error::Closed)?;
        Ok(reply.outcome)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.calls.waiting().remove(&self.message_id);
    }
}
