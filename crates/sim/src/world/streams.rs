//! Streams between agents and the server: ordered each for itself, and lost with all that is on its way when they break.

use std::collections::VecDeque;

use agent::events::Server as FromServer;
use model::{NetworkId, Revision};
use server::hub::{Command, Event};
use sync::messages::{HeldNetwork, Interfaces, ToAgent, ToServer};
use sync::server::{Closing, ConnectionId};

use super::server::Server;
use super::{World, dialect};
use crate::defect::{self, Defect};
use crate::judge::Violation;
use crate::setup::{Made, Version, ip, mac, port_id};
use crate::step::Step;

/// Messages that an agent has not read while the connection has room for more.
const WINDOW: usize = 2;

/// Messages of a host that may come once more.
const REMEMBERED: usize = 4;

#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) host: u8,
    to_server: VecDeque<Event>,
    to_agent: VecDeque<ToAgent>,
    /// The agent has not noticed its end.
    agent_end: bool,
    /// Something may still come from the server.
    pub(super) server_end: bool,
    /// The connection has taken a batch, and has yet to say that there is room.
    full: bool,
}

impl World {
    /// The agent tries to open a stream.
    pub(super) fn dial(&mut self, host: u8) -> Result<(), Violation> {
        let Some(state) = self.hosts.get_mut(usize::from(host)) else { return Ok(()) };
        let there = self.streams.values().any(|stream| stream.host == host && stream.agent_end);
        if state.agent.is_none() || there {
            return Ok(());
        }
        state.outgoing.clear();
        state.server(FromServer::Opening)?;
        let mut said = std::mem::take(&mut state.outgoing).into_iter();
        let hello = said.find(|message| matches!(message, ToServer::Hello(_)));
        let hello = hello.ok_or_else(|| Violation::new("an agent says hello", format!("host{host} does not")))?;
        if self.server.is_none() {
            return state.server(FromServer::Lost);
        }
        let version = self.setup.version(host);
        let hello = dialect::to_server(version, hello)?.into_iter().find_map(|message| match message {
            ToServer::Hello(hello) => Some(Box::new(hello)),
            _ => None,
        });
        let hello = hello.ok_or_else(|| Violation::new("versions understand each other", "no hello is left"))?;
        let said: Vec<Vec<ToServer>> =
            said.map(|message| dialect::to_server(version, message)).collect::<Result<_, _>>()?;
        self.opened += 1;
        let id = ConnectionId(self.opened);
        let opened = Event::Opened { id, hello };
        let said = said.into_iter().flatten().map(|message| Event::Said { id, message });
        let to_server = std::iter::once(opened).chain(said).collect();
        let (to_agent, agent_end, server_end) = (VecDeque::new(), true, true);
        self.streams.insert(id.0, Stream { host, to_server, to_agent, agent_end, server_end, full: false });
        self.moment.stream_changed(host, self.steps);
        Ok(())
    }

    /// What agents have said goes onto their streams.
    pub(super) fn flush(&mut self) -> Result<(), Violation> {
        for (host, state) in (0u8..).zip(&mut self.hosts) {
            let version = self.setup.version(host);
            if let Some(reason) = state.hang_up.take() {
                return Err(Violation::new("what the server sends makes sense", format!("host{host}: {reason}")));
            }
            let said = std::mem::take(&mut state.outgoing);
            let Some((id, stream)) =
                self.streams.iter_mut().find(|(_, stream)| stream.host == host && stream.agent_end)
            else {
                continue;
            };
            if !stream.server_end {
                continue;
            }
            for message in said {
                // Of a history that was lost an agent may hold what cannot be followed.
                if let (ToServer::Resync(resync), false) = (&message, self.restored) {
                    return Err(Violation::new("deltas complete", format!("host{host} asks anew: {resync:?}")));
                }
                if Defect::RefuseTheNext.is(self.defect) && version == Version::Next {
                    continue;
                }
                let id = ConnectionId(*id);
                let heard = dialect::to_server(version, message)?.into_iter();
                stream.to_server.extend(heard.map(|message| Event::Said { id, message }));
            }
        }
        if Defect::NoBackPressure.is(self.defect) {
            (0..self.setup.hosts).try_for_each(|host| self.room(host))?;
        }
        Ok(())
    }

    pub(super) fn cut(&mut self, host: u8, kept: u8) {
        if let Some((id, stream)) = self.streams.iter_mut().find(|(_, stream)| stream.host == host && stream.agent_end)
        {
            stream.to_agent.clear();
            close(*id, stream, kept.into());
            self.moment.stream_changed(host, self.steps);
        }
    }

    /// The agent's process is gone: the server reads what it said, then the end.
    pub(super) fn agent_gone(&mut self, host: u8) {
        for (id, stream) in self.streams.iter_mut().filter(|(_, stream)| stream.host == host && stream.agent_end) {
            stream.agent_end = false;
            stream.to_agent.clear();
            close(*id, stream, usize::MAX);
        }
        self.sweep();
        self.moment.stream_changed(host, self.steps);
    }

    pub(super) fn server_dies(&mut self) {
        if self.server.take().is_none() {
            return;
        }
        for stream in self.streams.values_mut() {
            stream.to_server.clear();
            (stream.server_end, stream.full) = (false, false);
        }
        self.sweep();
        for host in 0..self.setup.hosts {
            self.moment.stream_changed(host, self.steps);
        }
    }

    pub(super) fn server_starts(&mut self) -> Result<(), Violation> {
        if self.server.is_none() && !self.store_fails {
            self.server = Some(Server::start(&self.store, self.setup.tombstones, self.now, self.defect));
        }
        self.with_server(|_, _, _| {})
    }

    pub(super) fn server_reads(&mut self, host: u8, oldest: bool) -> Result<(), Violation> {
        let mut waiting = self.streams.iter_mut().filter(|(_, stream)| stream.host == host && stream.waits());
        let chosen = if oldest { waiting.next() } else { waiting.next_back() };
        let Some((_, stream)) = chosen else { return Ok(()) };
        let Some(event) = stream.to_server.pop_front() else { return Ok(()) };
        match event {
            // Once it is open the connection takes a first batch.
            Event::Opened { .. } => stream.full = true,
            Event::Closed { .. } => (stream.server_end, stream.full) = (false, false),
            Event::Said { id, ref message } => {
                let heard = self.heard.entry(host).or_default();
                heard.push_front((id, message.clone()));
                heard.truncate(REMEMBERED);
            }
            Event::Room { .. } => {}
        }
        self.sweep();
        for event in self.mistaken(host, event) {
            self.with_server(|server, _, now| server.handle(event, now))?;
        }
        Ok(())
    }

    pub(super) fn room(&mut self, host: u8) -> Result<(), Violation> {
        let takes_all = Defect::NoBackPressure.is(self.defect);
        let may = |stream: &Stream| stream.host == host && (stream.has_room() || stream.full && takes_all);
        let Some((id, stream)) = self.streams.iter_mut().find(|(_, stream)| may(stream)) else { return Ok(()) };
        stream.full = false;
        let id = ConnectionId(*id);
        self.with_server(|server, _, now| server.handle(Event::Room { id }, now))
    }

    pub(super) fn agent_reads(&mut self, host: u8) -> Result<(), Violation> {
        let Some(stream) = self.streams.values_mut().find(|stream| stream.host == host && stream.agent_end) else {
            return Ok(());
        };
        let events = match stream.to_agent.pop_front() {
            Some(message) => {
                self.read += 1;
                self.edit(host, &message);
                defect::to_agent(self.defect, self.read, message).into_iter().map(FromServer::Message).collect()
            }
            None if !stream.server_end || stream.is_closing() => {
                stream.agent_end = false;
                self.moment.stream_changed(host, self.steps);
                vec![FromServer::Lost]
            }
            None => return Ok(()),
        };
        self.sweep();
        self.on_host(host, |state| events.into_iter().try_for_each(|event| state.server(event)))
    }

    /// Of [`Defect::EditByMessage`].
    fn edit(&mut self, host: u8, message: &ToAgent) {
        if let (Some(Defect::EditByMessage), ToAgent::Delta(delta)) = (self.defect, message) {
            let slots =
                delta.removes.iter().map(|port| u8::try_from(port.0.as_u128() >> 16 & 0xff).unwrap_or_default());
            let addresses = slots.flat_map(|slot| [0, 1].map(|nth| (mac(slot).to_u64(), ip(slot, nth).into())));
            let addresses: Vec<_> = addresses.collect();
            self.with_host(host, |state| state.edits.extend(addresses));
        }
    }

    /// What the server takes an event of a host's stream for.
    fn mistaken(&mut self, host: u8, event: Event) -> Vec<Event> {
        let id = match &event {
            Event::Opened { id, .. } | Event::Said { id, .. } | Event::Room { id } | Event::Closed { id, .. } => *id,
        };
        match (self.defect, event) {
            (Some(Defect::CountPorts), Event::Opened { id, mut hello }) => {
                let own = self.acknowledged.iter().filter(|((of, _), _)| *of == host);
                let sum = |network| self.server.as_ref()?.sum(network, &hello.host);
                let held = |(network, revision): (NetworkId, Revision)| {
                    let sum = sum(network);
                    HeldNetwork { network, revision, sum }
                };
                hello.held = own.map(|((_, network), revision)| held((*network, *revision))).collect();
                hello.epoch = Some(self.store.epoch);
                vec![Event::Opened { id, hello }]
            }
            (Some(Defect::TrustTheAhead), Event::Opened { id, mut hello }) => {
                let here = self.store.revision;
                for held in hello.held.iter_mut().filter(|held| held.revision > here) {
                    held.sum = self.server.as_ref().and_then(|server| server.sum(held.network, &hello.host));
                    held.revision = here;
                }
                hello.endpoints_held = hello.endpoints_held.min(here);
                vec![Event::Opened { id, hello }]
            }
            (Some(Defect::LostAgentLostPorts), closed @ Event::Closed { .. }) => {
                let here = self.facts.plugged.iter().filter(|(at, _)| *at == host);
                let gone = here.map(|(_, port)| port_id(*port).to_string()).collect();
                let message = ToServer::Interfaces(Interfaces { inventory: false, present: Vec::new(), gone });
                vec![Event::Said { id, message }, closed]
            }
            (defect, Event::Said { message, .. }) => {
                if let ToServer::Ack(ack) = &message {
                    self.acknowledged.insert((host, ack.network), ack.revision);
                }
                let generation = |port| self.store.ports.get(&port).map(|port| port.generation);
                let messages = defect::to_server(defect, message, generation).into_iter();
                messages.map(|message| Event::Said { id, message }).collect()
            }
            (_, event) => vec![event],
        }
    }

    pub(super) fn execute(&mut self, command: Command) -> Result<(), Violation> {
        match command {
            Command::Send { id, messages, .. } => {
                let Some(stream) = self.streams.get_mut(&id.0) else { return Ok(()) };
                for message in &messages {
                    if let Some(network) = network_of(message) {
                        self.moment.may_hear(&self.facts, stream.host, network)?;
                    }
                }
                self.messages += messages.len() as u64;
                stream.full = true;
                if stream.agent_end && !stream.is_closing() {
                    let version = self.setup.version(stream.host);
                    for message in messages {
                        stream.to_agent.extend(dialect::to_agent(version, message)?);
                    }
                    let most = WINDOW + self.setup.most_in_a_batch();
                    if stream.to_agent.len() > most {
                        let detail =
                            format!("{} messages to host{} wait, and {most} may", stream.to_agent.len(), stream.host);
                        return Err(Violation::new("memory bounds", detail));
                    }
                }
            }
            Command::Close { id, closing } => {
                if let Some(stream) = self.streams.get_mut(&id.0) {
                    let turned_away = matches!(closing, Closing::Refused(_));
                    if let Some(host) = self.hosts.get_mut(usize::from(stream.host)) {
                        host.turned_away |= turned_away;
                    }
                    stream.to_server.clear();
                    stream.to_agent.clear();
                    (stream.server_end, stream.full) = (false, false);
                    self.moment.stream_changed(stream.host, self.steps);
                }
                self.sweep();
            }
            Command::Register { id, hello, .. } => {
                if let Some(server) = &mut self.server {
                    server.registrations.push_back((id, hello));
                }
            }
            Command::BeginHistory if self.restored => {
                if let Some(server) = &mut self.server {
                    server.history_wanted = true;
                }
            }
            Command::BeginHistory => return Err(Violation::broken("the database was never replaced by an older one")),
            Command::Answer { .. } | Command::Lost(_) => {}
        }
        Ok(())
    }

    pub(super) fn possible_on_streams(&self, host: u8, steps: &mut Vec<Step>) {
        let own = || self.streams.values().filter(move |stream| stream.host == host);
        let waiting = own().filter(|stream| stream.waits()).count();
        steps.extend((waiting > 0).then_some(Step::ToServer { host, oldest: true }));
        steps.extend((waiting > 1).then_some(Step::ToServer { host, oldest: false }));
        steps.extend(own().any(Stream::has_room).then_some(Step::Room { host }));
        match own().find(|stream| stream.agent_end) {
            Some(stream) if !stream.to_agent.is_empty() || !stream.server_end || stream.is_closing() => {
                steps.push(Step::ToAgent { host });
            }
            None if self
                .hosts
                .get(usize::from(host))
                .is_some_and(|state| state.agent.is_some() && !state.turned_away) =>
            {
                // In vain, if there is no server; nothing to wait for.
                steps.extend(self.server.is_some().then_some(Step::Dial { host }));
            }
            _ => {}
        }
    }

    /// Forgets streams that both sides are done with.
    fn sweep(&mut self) {
        self.streams.retain(|_, stream| stream.agent_end || stream.waits());
    }
}

impl Stream {
    /// The connection may say that it takes another batch.
    fn has_room(&self) -> bool {
        self.full && self.to_agent.len() <= WINDOW
    }

    fn waits(&self) -> bool {
        !self.to_server.is_empty()
    }

    /// Broken, which the agent can see, and the server not yet.
    fn is_closing(&self) -> bool {
        matches!(self.to_server.back(), Some(Event::Closed { .. }))
    }
}

/// The server gets to know after it has read `kept` messages more.
fn close(id: u64, stream: &mut Stream, kept: usize) {
    if !stream.server_end || stream.is_closing() {
        return;
    }
    stream.to_server.truncate(kept);
    stream.to_server.push_back(Event::Closed { id: ConnectionId(id), reason: "broken".to_owned() });
}

fn network_of(message: &ToAgent) -> Option<Made> {
    let NetworkId(id) = match message {
        ToAgent::Snapshot(snapshot) => snapshot.network,
        ToAgent::Complete(complete) => complete.network,
        ToAgent::Delta(delta) => delta.network,
        _ => return None,
    };
    let id = id.as_u128();
    let slot = u8::try_from(id >> 16 & 0xff).unwrap_or_default();
    Some(Made { slot, nth: u16::try_from(id & 0xffff).unwrap_or_default() })
}
