//! The open streams, by connection and by host.

use std::collections::{BTreeSet, HashMap};

use directory::{Directory, HostDirty};
use model::{HostName, NetworkId, Revision};
use sync::messages::{Question, ToServer};
use sync::server::{Closing, ConnectionId, Effect, Session};

use super::events::Command;

/// Bytes that one agent may be given at a time, about. More waits in the directory, not in a queue.
const BUDGET: usize = 256 << 10;

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: HashMap<ConnectionId, Seat>,
    by_host: HashMap<HostName, ConnectionId>,
    /// Those that may have something to send.
    due: BTreeSet<ConnectionId>,
}

#[derive(Debug)]
struct Seat {
    session: Session,
    /// The connection has taken all that it was given.
    room: bool,
}

impl Sessions {
    pub(crate) fn insert(&mut self, id: ConnectionId, session: Session, room: bool) {
        self.by_host.insert(session.host().clone(), id);
        self.open.insert(id, Seat { session, room });
        self.due.insert(id);
    }

    /// A host's stream ends, by our will. Returns whether it had one.
    pub(crate) fn close(&mut self, host: &HostName, closing: Closing, commands: &mut Vec<Command>) -> bool {
        let Some(id) = self.by_host.remove(host).filter(|id| self.open.remove(id).is_some()) else { return false };
        commands.push(Command::Close { id, closing });
        true
    }

    pub(crate) fn close_all(&mut self, closing: &Closing, commands: &mut Vec<Command>) {
        self.by_host.clear();
        let close = |(id, _)| Command::Close { id, closing: closing.clone() };
        commands.extend(self.open.drain().map(close));
    }

    /// A stream is gone. Returns its host, unless another stream of the host has taken its place.
    pub(crate) fn closed(&mut self, id: ConnectionId) -> Option<HostName> {
        let seat = self.open.remove(&id)?;
        let host = seat.session.host().clone();
        (self.by_host.get(&host) == Some(&id)).then(|| self.by_host.remove(&host))?;
        Some(host)
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn of(&self, host: &HostName) -> Option<&Session> {
        Some(&self.open.get(self.by_host.get(host)?)?.session)
    }

    pub(crate) fn hosts(&self) -> impl Iterator<Item = HostName> {
        self.by_host.keys().cloned()
    }

    pub(crate) fn on_message(
        &mut self,
        id: ConnectionId,
        message: ToServer,
        directory: &mut Directory,
    ) -> Option<(HostName, Vec<Effect>)> {
        let seat = self.open.get_mut(&id)?;
        self.due.insert(id);
        let effects = seat.session.on_message(message, directory);
        Some((seat.session.host().clone(), effects))
    }

    pub(crate) fn room(&mut self, id: ConnectionId) {
        if let Some(seat) = self.open.get_mut(&id) {
            seat.room = true;
            self.due.insert(id);
        }
    }

    pub(crate) fn mark(&mut self, host: &HostName, changed: &HostDirty) {
        let Some(id) = self.by_host.get(host) else { return };
        if let Some(seat) = self.open.get_mut(id) {
            seat.session.mark(changed);
            self.due.insert(*id);
        }
    }

    pub(crate) fn mark_endpoints(&mut self) {
        for (id, seat) in &mut self.open {
            seat.session.mark_endpoints();
            self.due.insert(*id);
        }
    }

    /// Asks a host; false if it has no stream.
    pub(crate) fn ask(&mut self, host: &HostName, question: Question) -> bool {
        let Some(id) = self.by_host.get(host) else { return false };
        let Some(seat) = self.open.get_mut(id) else { return false };
        seat.session.ask(question);
        self.due.insert(*id);
        true
    }

    /// Sends what there is to those that have room. Who has none says so when it has.
    pub(crate) fn drain(&mut self, directory: &Directory, commands: &mut Vec<Command>) -> Vec<(HostName, Vec<Effect>)> {
        let mut effects = Vec::new();
        for id in std::mem::take(&mut self.due) {
            let Some(seat) = self.open.get_mut(&id) else { continue };
            if !seat.room || !seat.session.has_work() {
                continue;
            }
            let drained = seat.session.drain(directory, BUDGET);
            let host = seat.session.host();
            if !drained.messages.is_empty() {
                seat.room = false;
                commands.push(Command::Send { id, host: host.clone(), messages: drained.messages });
            }
            if !drained.effects.is_empty() {
                effects.push((host.clone(), drained.effects));
            }
        }
        effects
    }

    pub(crate) fn confirmed_up_to(&self, host: &HostName, network: NetworkId) -> Option<Revision> {
        self.of(host)?.confirmed_up_to(network)
    }
}
