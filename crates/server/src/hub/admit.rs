//! How a stream becomes a session: its host is registered, unless it is known as it is.

use std::collections::HashMap;
use std::sync::Arc;

use model::{Host, HostName};
use serde_json::{Map, Value, json};
use store::{HostRegistration, Store};
use sync::messages::{Hello, ToServer};
use sync::server::{Closing, ConnectionId, Event, Outbound, Session};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Task;

/// What an agent may say before it is admitted; it is answered only then, so an honest one says little.
const MOST_WAITING: usize = 64;

/// Streams whose hosts are being registered.
#[derive(Debug, Default)]
pub(crate) struct Admissions {
    applicants: HashMap<ConnectionId, Applicant>,
    registrations: JoinSet<Registered>,
    turn: Arc<Mutex<()>>,
}

#[derive(Debug)]
struct Applicant {
    hello: Box<Hello>,
    outbound: Outbound,
    room: bool,
    waiting: Vec<ToServer>,
}

#[derive(Debug)]
pub(crate) struct Registered {
    id: ConnectionId,
    host: HostName,
    result: Result<(), store::Error>,
}

impl Admissions {
    /// The next registration that ended. Pends while there is none.
    pub(crate) async fn next(&mut self) -> Option<Registered> {
        match self.registrations.join_next().await {
            Some(Ok(registered)) => Some(registered),
            Some(Err(_)) | None => std::future::pending().await,
        }
    }
}

impl Task {
    pub(super) fn event(&mut self, event: Event) {
        match event {
            Event::Opened { id, peer, hello, outbound } => {
                debug!(host = %hello.host, ?peer, "a stream opens");
                self.opened(id, hello, outbound);
            }
            Event::Message { id, message } => {
                if let Some(applicant) = self.admissions.applicants.get_mut(&id) {
                    applicant.waiting.push(message);
                    if applicant.waiting.len() > MOST_WAITING {
                        self.turn_away(id, Closing::Refused("too much was said before the welcome".to_owned()));
                    }
                } else {
                    self.said(id, message);
                }
            }
            Event::Room { id } => match self.admissions.applicants.get_mut(&id) {
                Some(applicant) => applicant.room = true,
                None => self.sessions.room(id),
            },
            Event::Closed { id, reason } => {
                self.admissions.applicants.remove(&id);
                if let Some(host) = self.sessions.closed(id) {
                    info!(%host, reason, "the stream of a host is gone: its ports stay as they are");
                    self.stream_lost(&host);
                }
            }
        }
    }

    fn opened(&mut self, id: ConnectionId, hello: Box<Hello>, outbound: Outbound) {
        let known = self.directory.host(&hello.host);
        if let Some(other) = known.filter(|known| known.endpoint != hello.endpoint)
            && self.sessions.of(&hello.host).is_some()
        {
            let reason = format!(
                "a host named {} is connected already, with the tunnel endpoint {}: give this one a name of its own",
                hello.host, other.endpoint
            );
            warn!(host = %hello.host, endpoint = %hello.endpoint, reason, "refused a host");
            return outbound.close(Closing::Refused(reason));
        }
        let known = known.is_some_and(|known| is_as(known, &hello));
        let (store, registration, host) = (self.store.clone(), registration(&hello), hello.host.clone());
        let applicant = Applicant { hello, outbound, room: false, waiting: Vec::new() };
        let register = |store: Store| async move { store.register_host(registration).await.map(drop) };
        if known {
            // Nothing that others must know is new, so nothing waits for the database. It notes the rest, one host after
            // the other: when all agents return at once, writes about ports must not queue behind them.
            self.admit(id, applicant);
            let turn = Arc::clone(&self.admissions.turn);
            self.admissions.registrations.spawn(async move {
                let _turn = turn.lock().await;
                Registered { id, host, result: register(store).await }
            });
        } else {
            self.admissions.applicants.insert(id, applicant);
            self.admissions.registrations.spawn(async move { Registered { id, host, result: register(store).await } });
        }
    }

    pub(super) fn registered(&mut self, Registered { id, host, result }: Registered) {
        // The registration is a commit, and the session needs the directory to know the host.
        self.catch_up();
        let closing = match result {
            Ok(()) => {
                if let Some(applicant) = self.admissions.applicants.remove(&id) {
                    self.admit(id, applicant);
                }
                return;
            }
            Err(error @ store::Error::EndpointInUse { .. }) => {
                warn!(%host, error = %error, "refused a host");
                Closing::Refused(error.to_string())
            }
            Err(error) => {
                warn!(%host, error = &error as &dyn std::error::Error, "cannot register a host");
                Closing::Unavailable("the server's database does not answer".to_owned())
            }
        };
        self.turn_away(id, closing);
    }

    fn turn_away(&mut self, id: ConnectionId, closing: Closing) {
        if let Some(applicant) = self.admissions.applicants.remove(&id) {
            applicant.outbound.close(closing);
        }
    }

    fn admit(&mut self, id: ConnectionId, applicant: Applicant) {
        let Applicant { hello, outbound, room, waiting } = applicant;
        let host = &hello.host;
        let taken_over = Closing::Unavailable("a newer stream of this host has taken over".to_owned());
        if self.sessions.close(host, taken_over) {
            info!(%host, "a newer stream of a host replaces the older one");
            self.questions.lost(host);
            self.life.disconnected(host);
        }
        info!(%host, endpoint = %hello.endpoint, software = hello.software, networks = hello.held.len(), "host connected");
        self.sessions.insert(id, Session::new(&hello, self.store.epoch(), crate::SOFTWARE), outbound, room);
        self.alive.connected(host, hello.tunnel_types.clone());
        self.writer.bind_pending(host.clone());
        for message in waiting {
            self.said(id, message);
        }
    }

    fn said(&mut self, id: ConnectionId, message: ToServer) {
        if let Some((host, effects)) = self.sessions.on_message(id, message, &mut self.directory) {
            self.apply(&host, effects);
        }
    }

    /// Nothing is withdrawn: a lost agent is not a lost port.
    pub(super) fn stream_lost(&mut self, host: &HostName) {
        self.life.disconnected(host);
        self.questions.lost(host);
        self.alive.disconnected(host, Instant::now());
    }

    pub(super) fn host_deleted(&mut self, host: &HostName) {
        let deleted = Closing::Unavailable("this host was deleted: it may register anew".to_owned());
        if self.sessions.close(host, deleted) {
            info!(%host, "a host was deleted while connected");
            self.stream_lost(host);
        }
        self.alive.forget(host);
    }
}

fn is_as(known: &Host, hello: &Hello) -> bool {
    known.endpoint == hello.endpoint && known.tunnel_types == hello.tunnel_types
}

fn registration(hello: &Hello) -> HostRegistration {
    let mut configurations = Map::new();
    // The names that Neutron's agents report, so that `openstack network agent show` reads the same.
    let types: Vec<_> = hello.tunnel_types.iter().map(|tunnel_type| tunnel_type.as_str()).collect();
    configurations.insert("tunnel_types".to_owned(), json!(types));
    configurations.insert("tunneling_ip".to_owned(), Value::String(hello.endpoint.to_string()));
    configurations.insert("l2_population".to_owned(), Value::Bool(hello.l2_population));
    configurations.insert("arp_responder_enabled".to_owned(), Value::Bool(hello.arp_responder));
    HostRegistration {
        name: hello.host.clone(),
        endpoint: hello.endpoint,
        tunnel_types: hello.tunnel_types.clone(),
        configurations,
        boot_id: hello.boot_id.clone(),
        software: hello.software.clone(),
    }
}
