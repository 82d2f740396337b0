//! How a stream becomes a session: its host is registered, unless it is known as it is.

use std::collections::HashMap;
use std::net::IpAddr;

use model::{Host, HostName};
use sync::messages::{Hello, ToServer};
use sync::server::{Closing, ConnectionId, Session};
use tracing::{debug, info, warn};

use super::State;
use super::events::{Command, Now};

/// What an agent may say before it is admitted; it is answered only then, so an honest one says little.
const MOST_WAITING: usize = 64;

/// Streams whose hosts are being registered.
#[derive(Debug, Default)]
pub(super) struct Applicants(HashMap<ConnectionId, Applicant>);

#[derive(Debug)]
struct Applicant {
    hello: Box<Hello>,
    room: bool,
    waiting: Vec<ToServer>,
    /// The stream has ended. What is on its way into the store gets there all the same.
    gone: bool,
}

impl Applicants {
    pub(super) fn gone(&mut self, id: ConnectionId) {
        if let Some(applicant) = self.0.get_mut(&id) {
            (applicant.gone, applicant.waiting) = (true, Vec::new());
        }
    }

    /// The endpoints under which hosts of this name are being registered.
    fn endpoints_of(&self, host: &HostName) -> impl Iterator<Item = IpAddr> {
        let hellos = self.0.values().map(|applicant| &applicant.hello);
        hellos.filter(move |hello| hello.host == *host).map(|hello| hello.endpoint)
    }
}

impl State {
    pub(super) fn opened(&mut self, id: ConnectionId, hello: Box<Hello>) {
        debug!(host = %hello.host, "a stream opens");
        if let Some(other) = self.namesake(&hello) {
            let reason = format!(
                "a host named {}, with the tunnel endpoint {other}, is connected or was a moment ago: give this one a \
                 name of its own, or wait until that one has been gone for {} s if this is the same host at a new address",
                hello.host,
                self.alive.bound().as_secs_f64()
            );
            warn!(host = %hello.host, endpoint = %hello.endpoint, reason, "refused a host");
            return self.commands.push(Command::Close { id, closing: Closing::Refused(reason) });
        }
        if let Some(closing) = self.of_other_history(&hello) {
            return self.commands.push(Command::Close { id, closing });
        }
        let known = self.directory.host(&hello.host);
        let known = known.is_some_and(|known| is_as(known, &hello));
        self.commands.push(Command::Register { id, hello: hello.clone(), known });
        let applicant = Applicant { hello, room: false, waiting: Vec::new(), gone: false };
        if known {
            // Nothing that others must know is new, so nothing waits for the database.
            self.admit(id, applicant);
        } else {
            self.applicants.0.insert(id, applicant);
        }
    }

    /// The endpoint of another host of this name: one that counts as alive, also while its agent restarts, or one that is
    /// being registered. Two of a name would take each other's ports.
    fn namesake(&self, hello: &Hello) -> Option<IpAddr> {
        let alive = self.directory.host(&hello.host).filter(|known| self.alive.is_alive(&known.name));
        let others = alive.map(|known| known.endpoint).into_iter().chain(self.applicants.endpoints_of(&hello.host));
        others.into_iter().find(|endpoint| *endpoint != hello.endpoint)
    }

    pub(super) fn heard(&mut self, id: ConnectionId, message: ToServer, now: Now) {
        let Some(applicant) = self.applicants.0.get_mut(&id) else { return self.said(id, message, now) };
        if applicant.gone {
            return;
        }
        applicant.waiting.push(message);
        if applicant.waiting.len() > MOST_WAITING {
            self.applicants.gone(id);
            let closing = Closing::Refused("too much was said before the welcome".to_owned());
            self.commands.push(Command::Close { id, closing });
        }
    }

    pub(super) fn room(&mut self, id: ConnectionId) {
        match self.applicants.0.get_mut(&id) {
            Some(applicant) => applicant.room = true,
            None => self.sessions.room(id),
        }
    }

    /// The outcome of a [`Command::Register`], or why the stream must end. What was registered is a commit, which must
    /// have been handed in before.
    pub fn registered(&mut self, id: ConnectionId, result: Result<(), Closing>, now: Now) {
        let Some(mut applicant) = self.applicants.0.remove(&id).filter(|applicant| !applicant.gone) else { return };
        match result {
            Ok(()) => {
                let waiting = std::mem::take(&mut applicant.waiting);
                self.admit(id, applicant);
                for message in waiting {
                    self.said(id, message, now);
                }
            }
            Err(closing) => self.commands.push(Command::Close { id, closing }),
        }
    }

    fn admit(&mut self, id: ConnectionId, Applicant { hello, room, .. }: Applicant) {
        let host = &hello.host;
        let taken_over = Closing::Unavailable("a newer stream of this host has taken over".to_owned());
        if self.sessions.close(host, taken_over, &mut self.commands) {
            info!(%host, "a newer stream of a host replaces the older one");
            self.problems.forget(host);
            self.life.disconnected(host);
            self.commands.push(Command::Lost(host.clone()));
        }
        info!(%host, endpoint = %hello.endpoint, software = hello.software, networks = hello.held.len(), "host connected");
        self.sessions.insert(id, Session::new(&hello, self.database.epoch, crate::SOFTWARE), room);
        self.alive.connected(host, hello.tunnel_types.clone());
        self.writer.bind_pending(host.clone());
    }

    fn said(&mut self, id: ConnectionId, message: ToServer, now: Now) {
        if let Some((host, effects)) = self.sessions.on_message(id, message, &mut self.directory) {
            self.apply(&host, effects, now);
        }
    }

    /// Nothing is withdrawn: a lost agent is not a lost port.
    pub(super) fn stream_lost(&mut self, host: &HostName, now: Now) {
        self.life.disconnected(host);
        self.problems.forget(host);
        self.alive.disconnected(host, now);
        self.commands.push(Command::Lost(host.clone()));
    }

    pub(super) fn host_deleted(&mut self, host: &HostName, now: Now) {
        let deleted = Closing::Unavailable("this host was deleted: it may register anew".to_owned());
        if self.sessions.close(host, deleted, &mut self.commands) {
            info!(%host, "a host was deleted while connected");
            self.stream_lost(host, now);
        }
        self.life.disconnected(host);
        self.alive.forget(host);
    }
}

fn is_as(known: &Host, hello: &Hello) -> bool {
    known.endpoint == hello.endpoint && known.tunnel_types == hello.tunnel_types
}
