//! The server: the hub's state, its writer's wishes, and what the database has to tell it.

use std::collections::VecDeque;
use std::time::Duration;

use directory::{Limits, Sum};
use model::{Committed, Epoch, HostName, NetworkId};
use server::hosts::Hosts;
use server::hub::{Bounds, Command, Database, Event, State};
use server::writer::Writer;
use sync::messages::Hello;
use sync::server::{Closing, ConnectionId};

use super::store::Store;
use crate::defect::Defect;

/// How long ACTIVE waits for other hosts, and a host without a stream is alive: as by default.
pub(crate) const PROPAGATION: Duration = Duration::from_secs(5);
const ALIVE: Duration = Duration::from_secs(10);

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    hub: State,
    pub(crate) hosts: Hosts,
    pub(crate) writer: Writer,
    /// Commits that the hub has not read.
    pub(crate) commits: VecDeque<Committed>,
    pub(crate) registrations: VecDeque<(ConnectionId, Box<Hello>)>,
    defect: Option<Defect>,
    /// The hub has found that the database is an older copy.
    pub(crate) history_wanted: bool,
    started: Duration,
    heartbeat: Duration,
}

impl Server {
    pub(crate) fn start(store: &Store, tombstones: usize, now: Duration, defect: Option<Defect>) -> Self {
        let (hosts, writer) = (Hosts::default(), Writer::default());
        let propagation = if Defect::ActiveAtOnce.is(defect) { Duration::ZERO } else { PROPAGATION };
        let bounds = Bounds { limits: Limits { tombstones }, propagation, alive: ALIVE };
        let database = Database { epoch: store.epoch, place: "the model's".to_owned(), adopt_agents: false };
        let mut hub = State::new(&store.load(), database, bounds, hosts.clone(), writer.clone());
        hub.heard_of_before(store.heard(), micros(now), Duration::ZERO);
        let (commits, registrations) = (VecDeque::new(), VecDeque::new());
        Server {
            hub,
            hosts,
            writer,
            commits,
            registrations,
            defect,
            history_wanted: false,
            started: now,
            heartbeat: now,
        }
    }

    pub(crate) fn handle(&mut self, event: Event, now: Duration) {
        self.hub.handle(event, now.saturating_sub(self.started));
    }

    /// Whether the host has a stream.
    pub(crate) fn hears(&self, host: &HostName) -> bool {
        self.hub.connected().any(|connected| connected == *host)
    }

    pub(crate) fn read_commit(&mut self, now: Duration) {
        if let Some(commit) = self.commits.pop_front() {
            self.hub.committed(&commit, now.saturating_sub(self.started));
        }
    }

    /// The stream of commits broke: the whole state comes instead.
    pub(crate) fn follow_anew(&mut self, store: &Store, now: Duration) {
        self.commits.clear();
        self.hub.replaced(&store.load(), now.saturating_sub(self.started));
    }

    /// The next registration is done in the store.
    pub(crate) fn register(&mut self, store: &mut Store, fails: bool, now: Duration) {
        let Some((id, hello)) = self.registrations.pop_front() else { return };
        let outcome = if fails {
            Err(Closing::Unavailable("the server's database does not answer".to_owned()))
        } else {
            let known = self.hub.directory().host(&hello.host).is_some();
            let commit = store.register(&hello, micros(now));
            self.commits.extend(commit.filter(|_| !(known && Defect::KeepEndpoint.is(self.defect))));
            Ok(())
        };
        // As the task does: what was registered is known before the stream is admitted.
        while !self.commits.is_empty() {
            self.read_commit(now);
        }
        self.hub.registered(id, outcome, now.saturating_sub(self.started));
    }

    /// The database has a new epoch, or did not answer.
    pub(crate) fn history_began(&mut self, epoch: Option<Epoch>) {
        self.history_wanted = false;
        self.hub.history_began(epoch);
    }

    pub(crate) fn write(&mut self, store: &mut Store, now: Duration) {
        let wishes = self.writer.take();
        self.commits.extend(store.write(&wishes, micros(now)));
    }

    /// Time has passed.
    pub(crate) fn expire(&mut self, now: Duration) {
        self.hub.expire(now.saturating_sub(self.started));
        if now.saturating_sub(self.heartbeat) >= ALIVE {
            self.heartbeat = now;
            self.writer.heartbeats(self.hub.connected());
        }
    }

    pub(crate) fn settle(&mut self, now: Duration) -> Vec<Command> {
        self.hub.settle(now.saturating_sub(self.started))
    }

    /// Of what a host must hold of a network.
    pub(crate) fn sum(&self, network: NetworkId, host: &HostName) -> Option<Sum> {
        Some(self.hub.directory().view(network, host)?.sum())
    }

    pub(crate) fn has_wishes(&self) -> bool {
        self.writer.has_wishes()
    }
}

fn micros(now: Duration) -> i64 {
    i64::try_from(now.as_micros()).unwrap_or(i64::MAX)
}
