//! The hub: the one task that owns the directory and the sessions.
//!
//! In come commits, what agents say, and the operator's questions; out go messages to agents that have room for them, and
//! wishes to the writer. It waits for nobody: neither the database nor a slow agent holds it up.

mod admit;
mod alive;
mod effects;
mod life;
mod overview;
mod problems;
mod questions;
mod sessions;

use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use directory::{Directory, Limits};
use model::{Change, Committed};
use store::Store;
use sync::server::{Closing, Event};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, Interval, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::hosts::Hosts;
use crate::writer::Writer;
use crate::{Error, Settings};
use admit::Admissions;
use alive::Alive;
use life::Life;
use questions::Questions;
use sessions::Sessions;

pub(crate) use questions::{Ask, Hub, Refused};

/// Events that are taken together before anything is sent: what piles up while the hub works goes out as one.
const BATCH: usize = 256;
/// Events of all streams that may wait for the hub; more slow the agents down.
const EVENTS: usize = 4096;
const ASKS: usize = 64;

/// The task; [`Task::run`] is its life.
pub(crate) struct Task {
    directory: Directory,
    sessions: Sessions,
    admissions: Admissions,
    life: Life,
    alive: Alive,
    questions: Questions,
    writer: Writer,
    store: Store,
    /// `None` while the store has lost track of us.
    commits: Option<UnboundedReceiver<Committed>>,
    /// The store said that commits were missed: the whole state comes here, with a new stream of commits.
    anew: (mpsc::Sender<Followed>, mpsc::Receiver<Followed>),
    events: mpsc::Receiver<Event>,
    asks: mpsc::Receiver<Ask>,
    heartbeat: Interval,
}

type Followed = (Committed, UnboundedReceiver<Committed>);

/// Loads the directory. Returns the task, how to ask it, and where streams tell their events.
pub(crate) async fn start(
    settings: &Settings,
    store: Store,
    hosts: Hosts,
    writer: Writer,
) -> Result<(Task, Hub, mpsc::Sender<Event>), Error> {
    let (all, commits) = store.follow().await?;
    let mut directory = Directory::new(Limits { tombstones: settings.tombstones });
    directory.load(&all);

    let mut alive = Alive::new(hosts, settings.alive_bound());
    alive.heard_of_before(&store.hosts().await?, microseconds_since_1970(), Instant::now());
    let (events_in, events) = mpsc::channel(EVENTS);
    let (asks_in, asks) = mpsc::channel(ASKS);
    let mut heartbeat = tokio::time::interval(settings.alive_bound());
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let task = Task {
        directory,
        sessions: Sessions::default(),
        admissions: Admissions::default(),
        life: Life::new(writer.clone(), settings.propagation_bound()),
        alive,
        questions: Questions::default(),
        writer,
        store,
        commits: Some(commits),
        anew: mpsc::channel(1),
        events,
        asks,
        heartbeat,
    };
    Ok((task, Hub::new(asks_in), events_in))
}

impl Task {
    /// Runs until the token is cancelled; then every stream ends with a status that says so.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.settle();
        loop {
            let deadline = [self.life.next_deadline(), self.alive.next_deadline()].into_iter().flatten().min();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                commit = next(&mut self.commits) => match commit {
                    Some(commit) => self.committed(&commit),
                    None => self.follow_anew(),
                },
                Some((all, commits)) = self.anew.1.recv() => self.followed(&all, commits),
                Some(admitted) = self.admissions.next() => self.registered(admitted),
                Some(event) = self.events.recv() => self.event(event),
                Some(ask) = self.asks.recv() => self.asked(ask),
                () = until(deadline) => self.expire(),
                _ = self.heartbeat.tick() => self.writer.heartbeats(self.sessions.hosts()),
            }
            for _ in 0..BATCH {
                match self.events.try_recv() {
                    Ok(event) => self.event(event),
                    Err(_) => break,
                }
            }
            self.settle();
        }
        info!(streams = self.sessions.len(), "closing the streams of all agents");
        self.sessions.close_all(&Closing::Unavailable("the server is shutting down".to_owned()));
    }

    fn committed(&mut self, commit: &Committed) {
        for change in &commit.changes {
            match change {
                Change::HostDeleted(host) => self.host_deleted(host),
                Change::PortDeleted(port) => self.questions.problems.deleted(*port),
                _ => {}
            }
        }
        if !self.directory.apply(commit) {
            debug!(revision = %commit.revision, "a commit came twice");
        }
    }

    /// All commits so far, so that what was registered is in the directory.
    fn catch_up(&mut self) {
        while let Some(commit) = self.commits.as_mut().and_then(|commits| commits.try_recv().ok()) {
            self.committed(&commit);
        }
    }

    fn expire(&mut self) {
        let now = Instant::now();
        self.life.expire(now);
        self.alive.expire(now);
    }

    /// Sends what changed to those whom it concerns, as far as they have room, and derives again where ports are.
    fn settle(&mut self) {
        let dirty = self.directory.take_dirty();
        for (host, changed) in &dirty.hosts {
            self.sessions.mark(host, changed);
        }
        if dirty.endpoints {
            self.sessions.mark_endpoints();
        }
        for (host, effects) in self.sessions.drain(&self.directory) {
            self.apply(&host, effects);
        }
        self.life.refresh(&dirty, &self.directory, &self.sessions);
        for (host, changed) in &dirty.hosts {
            for network in &changed.networks {
                if self.directory.view(*network, host).is_none() {
                    self.life.uninterested(host, *network);
                } else if let Some(revision) = self.sessions.confirmed_up_to(host, *network) {
                    self.life.confirmed(host, *network, revision);
                }
            }
        }
    }

    /// The store lost track of its followers. Goes on with what it knows until the whole state is there.
    fn follow_anew(&mut self) {
        warn!("commits were missed: loading the whole state");
        self.commits = None;
        let (store, anew) = (self.store.clone(), self.anew.0.clone());
        tokio::spawn(async move {
            let mut backoff = model::Backoff::new(Duration::from_millis(50), Duration::from_secs(5));
            let followed = loop {
                match store.follow().await {
                    Ok(followed) => break followed,
                    Err(error) => warn!(error = &error as &dyn std::error::Error, "cannot load the state"),
                }
                tokio::time::sleep(backoff.next(rand::random())).await;
            };
            // The hub has ended: nobody needs it.
            let _ = anew.send(followed).await;
        });
    }

    fn followed(&mut self, all: &Committed, commits: UnboundedReceiver<Committed>) {
        self.commits = Some(commits);
        let commit = with_deletions(all, &self.directory);
        self.committed(&commit);
    }
}

/// The whole state as one commit over what the directory has: what it no longer lists is deleted.
fn with_deletions(all: &Committed, directory: &Directory) -> Committed {
    let (mut hosts, mut networks, mut ports) = (Vec::new(), Vec::new(), Vec::new());
    for change in &all.changes {
        match change {
            Change::Host(host) => hosts.push(&host.name),
            Change::Network(network) => networks.push(network.id),
            Change::Port(port) => ports.push(port.id),
            Change::HostDeleted(_) | Change::NetworkDeleted(_) | Change::PortDeleted(_) => {}
        }
    }
    let (hosts, networks, ports) = (set(hosts), set(networks), set(ports));
    let mut changes = all.changes.clone();
    let gone = directory.ports().filter(|port| !ports.contains(&port.id));
    changes.extend(gone.map(|port| Change::PortDeleted(port.id)));
    let gone = directory.networks().filter(|network| !networks.contains(&network.id));
    changes.extend(gone.map(|network| Change::NetworkDeleted(network.id)));
    let gone = directory.hosts().filter(|host| !hosts.contains(&&host.name));
    changes.extend(gone.map(|host| Change::HostDeleted(host.name.clone())));
    Committed { revision: all.revision, changes }
}

fn set<T: std::hash::Hash + Eq>(items: Vec<T>) -> std::collections::HashSet<T> {
    items.into_iter().collect()
}

async fn next(commits: &mut Option<UnboundedReceiver<Committed>>) -> Option<Committed> {
    match commits {
        Some(commits) => commits.recv().await,
        None => pending().await,
    }
}

fn microseconds_since_1970() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

async fn until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use model::{HostName, Network, NetworkId, Revision, Segment, TunnelType};
    use uuid::Uuid;

    use super::*;

    #[test]
    fn what_a_whole_state_no_longer_lists_is_deleted() {
        let host = |name: &str| {
            let name: HostName = name.parse().unwrap();
            Change::Host(model::Host { name, endpoint: [10, 0, 1, 1].into(), tunnel_types: vec![TunnelType::Gre] })
        };
        let network = |id, key| {
            let segment = Segment { tunnel_type: TunnelType::Gre, key };
            Change::Network(Network { id: NetworkId(Uuid::from_u128(id)), segment, mtu: 1458 })
        };
        let mut directory = Directory::new(Limits::default());
        directory.load(&Committed { revision: Revision(1), changes: vec![host("a"), network(1, 1), network(2, 2)] });
        let all = Committed { revision: Revision(5), changes: vec![host("b"), network(2, 3)] };
        assert!(directory.apply(&with_deletions(&all, &directory)));
        let hosts: Vec<_> = directory.hosts().map(|host| host.name.as_str()).collect();
        let keys: Vec<_> = directory.networks().map(|network| network.segment.key).collect();
        assert_eq!((hosts, keys), (vec!["b"], vec![3]));
    }
}
