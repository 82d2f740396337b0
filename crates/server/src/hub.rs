//! The hub: the one task that owns the directory and the sessions.
//!
//! In come commits, what agents say, and the operator's questions; out go messages to agents that have room for them, and
//! wishes to the writer. It waits for nobody: neither the database nor a slow agent holds it up. What it concludes is
//! [`State`]'s, which is pure; the task around it has the channels and the clock.

mod admit;
mod alive;
mod confirmations;
mod effects;
mod events;
mod history;
mod life;
mod overview;
mod problems;
mod questions;
mod registrations;
mod sessions;
mod state;
mod streams;

use std::future::pending;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::{Committed, Epoch};
use store::{Filter, Store};
use sync::server::{self, Closing};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::{Instant, Interval, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::hosts::Hosts;
use crate::writer::Writer;
use crate::{Error, Settings};
pub use alive::Heard;
use directory::Limits;
pub use events::{Command, Event, Now};
pub use history::Database;
use questions::Questions;
use registrations::{Registered, Registrations};
pub use state::{Bounds, State};
use streams::Streams;

pub(crate) use questions::{Ask, Hub, Refused};

/// Events that are taken together before anything is sent: what piles up while the hub works goes out as one.
const BATCH: usize = 256;
/// Events of all streams that may wait for the hub; more slow the agents down.
const EVENTS: usize = 4096;
const ASKS: usize = 64;

/// The task; [`Task::run`] is its life.
pub(crate) struct Task {
    state: State,
    streams: Streams,
    registrations: Registrations,
    questions: Questions,
    writer: Writer,
    store: Store,
    /// `None` while the store has lost track of us.
    commits: Option<UnboundedReceiver<Committed>>,
    /// The store said that commits were missed: the whole state comes here, with a new stream of commits.
    anew: (mpsc::Sender<Followed>, mpsc::Receiver<Followed>),
    /// A new history was begun in the store, or could not be.
    began: (mpsc::Sender<Option<Epoch>>, mpsc::Receiver<Option<Epoch>>),
    events: mpsc::Receiver<server::Event>,
    asks: mpsc::Receiver<Ask>,
    heartbeat: Interval,
    start: Instant,
}

type Followed = (Committed, UnboundedReceiver<Committed>);

/// Loads the directory. Returns the task, how to ask it, and where streams tell their events.
pub(crate) async fn start(
    settings: &Settings,
    store: Store,
    hosts: Hosts,
    writer: Writer,
) -> Result<(Task, Hub, mpsc::Sender<server::Event>), Error> {
    let (all, commits) = store.follow().await?;
    let limits = Limits { tombstones: settings.tombstones };
    let bounds = Bounds { limits, propagation: settings.propagation_bound(), alive: settings.alive_bound() };
    let hosts_before: Vec<store::Host> = store.list(&Filter::default()).await?;
    for host in &hosts_before {
        hosts.enable(&host.name, host.admin_state_up);
    }
    let place = settings.database.display().to_string();
    let database = Database { epoch: store.epoch(), place, adopt_agents: settings.adopt_agents };
    let mut state = State::new(&all, database, bounds, hosts, writer.clone());
    let heard = hosts_before.into_iter().map(Heard::from);
    state.heard_of_before(heard, microseconds_since_1970(), Duration::ZERO);
    let (events_in, events) = mpsc::channel(EVENTS);
    let (asks_in, asks) = mpsc::channel(ASKS);
    let mut heartbeat = tokio::time::interval(settings.alive_bound());
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let task = Task {
        state,
        streams: Streams::default(),
        registrations: Registrations::default(),
        questions: Questions::default(),
        writer,
        store,
        commits: Some(commits),
        anew: mpsc::channel(1),
        began: mpsc::channel(1),
        events,
        asks,
        heartbeat,
        start: Instant::now(),
    };
    Ok((task, Hub::new(asks_in), events_in))
}

impl Task {
    /// Runs until the token is cancelled; then every stream ends with a status that says so.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        self.settle();
        loop {
            let deadline = self.state.next_deadline().map(|deadline| self.start + deadline);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                commit = next(&mut self.commits) => match commit {
                    Some(commit) => self.state.committed(&commit, self.start.elapsed()),
                    None => self.follow_anew(),
                },
                Some((all, commits)) = self.anew.1.recv() => {
                    self.commits = Some(commits);
                    self.state.replaced(&all, self.start.elapsed());
                }
                Some(epoch) = self.began.1.recv() => self.state.history_began(epoch),
                Some(registered) = self.registrations.next() => self.registered(registered),
                Some(event) = self.events.recv() => self.event(event),
                Some(ask) = self.asks.recv() => self.asked(ask),
                () = until(deadline) => self.state.expire(self.start.elapsed()),
                _ = self.heartbeat.tick() => self.writer.heartbeats(self.state.connected()),
            }
            for _ in 0..BATCH {
                match self.events.try_recv() {
                    Ok(event) => self.event(event),
                    Err(_) => break,
                }
            }
            self.settle();
        }
        let closing = Closing::Unavailable("the server is shutting down".to_owned());
        for command in self.state.close_all(&closing) {
            self.execute(command);
        }
    }

    fn settle(&mut self) {
        for command in self.state.settle(self.start.elapsed()) {
            self.execute(command);
        }
    }

    fn event(&mut self, event: server::Event) {
        let event = match event {
            server::Event::Opened { id, hello, outbound, .. } => {
                self.streams.opened(id, outbound);
                Event::Opened { id, hello }
            }
            server::Event::Message { id, message } => Event::Said { id, message },
            server::Event::Room { id } => Event::Room { id },
            server::Event::Closed { id, reason } => {
                self.streams.closed(id);
                Event::Closed { id, reason }
            }
        };
        self.state.handle(event, self.start.elapsed());
    }

    fn execute(&mut self, command: Command) {
        match command {
            Command::Send { id, host, messages } => self.streams.send(id, &host, messages),
            Command::Close { id, closing } => self.streams.close(id, closing),
            Command::Register { id, hello, known } => self.registrations.begin(self.store.clone(), id, hello, known),
            Command::BeginHistory => self.begin_history(),
            Command::Answer { host, question, text } => self.questions.answered(&host, question, text),
            Command::Lost(host) => self.questions.lost(&host),
        }
    }

    /// The registration is a commit, and the session needs the directory to know the host.
    fn registered(&mut self, registered: Registered) {
        while let Some(commit) = self.commits.as_mut().and_then(|commits| commits.try_recv().ok()) {
            self.state.committed(&commit, self.start.elapsed());
        }
        self.state.registered(registered.id, registered.outcome(), self.start.elapsed());
    }

    fn begin_history(&self) {
        let (store, began) = (self.store.clone(), self.began.0.clone());
        tokio::spawn(async move {
            let epoch = store.begin_history().await;
            let failed = |error: &store::Error| warn!(error = error as &dyn std::error::Error, "no new history began");
            // The hub has ended: nobody needs it.
            let _ = began.send(epoch.inspect_err(failed).ok()).await;
        });
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
}

impl From<store::Host> for Heard {
    fn from(host: store::Host) -> Self {
        Heard { host: host.name, tunnel_types: host.tunnel_types, at: host.heartbeat_at }
    }
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
