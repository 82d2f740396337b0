//! The open streams, by connection and by host.

use std::collections::{BTreeSet, HashMap};
use std::mem;

use directory::{Directory, HostDirty};
use model::{HostName, NetworkId, Revision};
use sync::messages::{Question, ToServer};
use sync::server::{Closing, ConnectionId, Effect, Session};

use super::events::Command;

/// Bytes that one agent may be given at a time, about. More waits in the directory, not in a queue.
const BUDGET: usize = 256 << 10;
/// Bytes given to all agents together that their connections have not taken: the nearer, the less each is given.
const UNDER_WAY: usize = 16 << 20;
/// What an agent may be given however much is under way: others that do not read must not starve it.
const LEAST: usize = 8 << 10;

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: HashMap<ConnectionId, Seat>,
    by_host: HashMap<HostName, ConnectionId>,
    /// Those that may have something to send.
    due: BTreeSet<ConnectionId>,
    /// Sum of what the seats have under way.
    under_way: usize,
}

#[derive(Debug)]
struct Seat {
    session: Session,
    /// The connection has taken all that it was given.
    room: bool,
    /// Bytes given that the connection has not taken, about.
    under_way: usize,
}

impl Sessions {
    pub(crate) fn insert(&mut self, id: ConnectionId, session: Session, room: bool) {
        self.by_host.insert(session.host().clone(), id);
        self.open.insert(id, Seat { session, room, under_way: 0 });
        self.due.insert(id);
    }

    /// A host's stream ends, by our will. Returns whether it had one.
    pub(crate) fn close(&mut self, host: &HostName, closing: Closing, commands: &mut Vec<Command>) -> bool {
        let Some(id) = self.by_host.remove(host).filter(|id| self.remove(*id).is_some()) else { return false };
        commands.push(Command::Close { id, closing });
        true
    }

    pub(crate) fn close_all(&mut self, closing: &Closing, commands: &mut Vec<Command>) {
        self.by_host.clear();
        self.under_way = 0;
        let close = |(id, _)| Command::Close { id, closing: closing.clone() };
        commands.extend(self.open.drain().map(close));
    }

    /// A stream is gone. Returns its host, unless another stream of the host has taken its place.
    pub(crate) fn closed(&mut self, id: ConnectionId) -> Option<HostName> {
        let seat = self.remove(id)?;
        let host = seat.session.host().clone();
        (self.by_host.get(&host) == Some(&id)).then(|| self.by_host.remove(&host))?;
        Some(host)
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Seat> {
        let seat = self.open.remove(&id)?;
        self.under_way -= seat.under_way;
        Some(seat)
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
            self.under_way -= mem::take(&mut seat.under_way);
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
        for id in mem::take(&mut self.due) {
            let Some(seat) = self.open.get_mut(&id) else { continue };
            if !seat.room || !seat.session.has_work() {
                continue;
            }
            let drained = seat.session.drain(directory, share(self.under_way));
            let host = seat.session.host();
            if !drained.messages.is_empty() {
                seat.room = false;
                seat.under_way = drained.bytes;
                self.under_way += drained.bytes;
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

/// What the next agent may be given while so much is under way. Each takes a part of what is left, so that it is never used up
/// by a few; who gets little comes again when its connection has taken it.
fn share(under_way: usize) -> usize {
    (UNDER_WAY.saturating_sub(under_way) / 16).clamp(LEAST, BUDGET)
}

#[cfg(test)]
mod tests;
