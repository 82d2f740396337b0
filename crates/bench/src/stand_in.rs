//! A stand-in for the server: the real sessions and directory on the real stream, with facts of the benchmark's own in
//! the place of a store. So the agent is measured alone, with as many remote ports as wanted.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::{Context as _, bail};
use directory::{Directory, Limits};
use lab::Host;
use model::{Change, Committed, Epoch, HostName, Revision};
use sync::messages::ToAgent;
use sync::server::{Effect, Event, Outbound, Session, serve};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use uuid::Uuid;

use crate::site::DEADLINE;
use crate::world::{NETWORK, World, local_port};

/// Serves one agent at a time; ends when it is dropped.
#[derive(Debug)]
pub(crate) struct StandIn {
    pub(crate) address: SocketAddr,
    milestones: mpsc::UnboundedReceiver<Milestone>,
}

/// When something happened on the stream.
#[derive(Debug, Clone, Copy)]
enum Milestone {
    /// The first part of the network's snapshot was handed to the connection.
    Begun(Instant),
    /// The agent said that Open vSwitch has confirmed all of it.
    Confirmed(Instant),
}

/// The server's own: bytes drained at a time.
const BATCH: usize = 256 << 10;

impl StandIn {
    /// Listens on the loopback device of the host's namespace.
    pub(crate) async fn start(host: &Host, world: World) -> anyhow::Result<StandIn> {
        let inside = host.enter().await?;
        let listener = inside.run(TcpListener::bind("127.0.0.1:0")).await.context("it panicked")??;
        let (address, name) = (listener.local_addr()?, host.name().parse::<HostName>()?);
        let mut directory = Directory::new(Limits::default());
        directory.load(&world.committed(&name)?);
        let (sender, milestones) = mpsc::unbounded_channel();
        let hub = Hub { directory, name, epoch: Epoch(Uuid::new_v4()), stream: None, milestones: sender };
        tokio::spawn(async move { inside.run(hub.run(listener)).await });
        Ok(StandIn { address, milestones })
    }

    /// Forgets what has happened so far.
    pub(crate) fn forget(&mut self) {
        while self.milestones.try_recv().is_ok() {}
    }

    /// Waits until the agent has confirmed the network: when its snapshot began, and when it was confirmed.
    pub(crate) async fn confirmed(&mut self) -> anyhow::Result<(Instant, Instant)> {
        let mut began = None;
        loop {
            match timeout(DEADLINE, self.milestones.recv()).await.context("the agent did not confirm the network")? {
                Some(Milestone::Begun(at)) => began = Some(at),
                Some(Milestone::Confirmed(at)) => {
                    if let Some(began) = began {
                        return Ok((began, at));
                    }
                    // Else it is about an earlier snapshot.
                }
                None => bail!("the stand-in for the server has ended"),
            }
        }
    }
}

struct Hub {
    directory: Directory,
    name: HostName,
    epoch: Epoch,
    stream: Option<Stream>,
    milestones: mpsc::UnboundedSender<Milestone>,
}

struct Stream {
    id: sync::server::ConnectionId,
    session: Session,
    outbound: Outbound,
    room: bool,
}

impl Hub {
    async fn run(mut self, listener: TcpListener) {
        let (sender, mut events) = mpsc::channel(64);
        let (_until, ended) = oneshot::channel::<()>();
        tokio::spawn(serve(listener, sender, async move { drop(ended.await) }));
        let milestones = self.milestones.clone();
        loop {
            let event = tokio::select! {
                event = events.recv() => event,
                () = milestones.closed() => return,
            };
            let Some(event) = event else { return };
            self.take(event);
            self.pump();
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Opened { id, hello, outbound, .. } => {
                let (name, endpoint, tunnel_types) = (self.name.clone(), hello.endpoint, hello.tunnel_types.clone());
                self.commit(Change::Host(model::Host { name, endpoint, tunnel_types }));
                let session = Session::new(&hello, self.epoch, "bench");
                self.stream = Some(Stream { id, session, outbound, room: false });
            }
            Event::Room { id } => self.stream.iter_mut().filter(|stream| stream.id == id).for_each(|s| s.room = true),
            Event::Message { id, message } => {
                let Some(stream) = self.stream.as_mut().filter(|stream| stream.id == id) else { return };
                let effects = stream.session.on_message(message, &mut self.directory);
                for effect in effects {
                    self.act(effect);
                }
            }
            Event::Closed { id, .. } => {
                self.stream.take_if(|stream| stream.id == id);
            }
        }
    }

    fn act(&mut self, effect: Effect) {
        match effect {
            Effect::SetWired { wired, .. } => self.commit(Change::Port(local_port(&self.name, wired))),
            Effect::Confirmed { network, revision } if network == NETWORK && revision > Revision::ZERO => {
                let _ = self.milestones.send(Milestone::Confirmed(Instant::now()));
            }
            Effect::Confirmed { .. } => {}
            other => eprintln!("the agent: {other:?}"),
        }
    }

    fn commit(&mut self, change: Change) {
        let revision = Revision(self.directory.revision().0 + 1);
        self.directory.apply(&Committed { revision, changes: vec![change] });
    }

    fn pump(&mut self) {
        let dirty = self.directory.take_dirty();
        let Some(stream) = &mut self.stream else { return };
        if let Some(dirty) = dirty.hosts.get(&self.name) {
            stream.session.mark(dirty);
        }
        if !stream.room || !stream.session.has_work() {
            return;
        }
        let drained = stream.session.drain(&self.directory, BATCH);
        let begins = |message: &ToAgent| matches!(message, ToAgent::Snapshot(part) if part.first);
        if drained.messages.iter().any(begins) {
            let _ = self.milestones.send(Milestone::Begun(Instant::now()));
        }
        if !drained.messages.is_empty() {
            stream.room = !stream.outbound.send(drained.messages);
        }
        for effect in drained.effects {
            self.act(effect);
        }
    }
}
