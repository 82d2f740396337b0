//! The server's half of our protocol, played from what Neutron says. Pure.
//!
//! It is level-triggered, as all of Culvert: what happens only changes what is known, and [`Session::settle`] compares that with
//! what the agent was told and what the server was asked. So a start, a change and the repair after a loss take one way.

mod calls;
mod networks;
mod orders;
mod reports;

use std::collections::BTreeMap;
use std::time::Duration;

use model::{Epoch, NetworkId, Revision, TunnelType};
use oslo::codec::Request;
use oslo::{Json, Kind};
use sync::messages::{Endpoint, MINOR, ToAgent, ToServer, Welcome};
use uuid::Uuid;

use self::orders::Plugged;
use self::reports::Reports;
use crate::casts::Cast;
use crate::endpoints::Endpoints;
use crate::events::{Effect, Outcome};
use crate::network::{Need, Network, View};
use crate::{Ask, Error, Identity, ask};

/// Calls under way at a time: a server has few workers, and all of a cloud's agents come back at once.
const MOST_CALLS: usize = 4;
/// Ticks for which nothing is asked after a call has failed: at first, and at most.
const FIRST_PAUSE: u32 = 1;
const MOST_PAUSE: u32 = 32;
/// An answer that took longer has waited for a server that was away, and may have missed something.
const SLOW: Duration = Duration::from_secs(5);
/// How often the patience for answers is doubled.
const MOST_DOUBLED: u32 = 3;

#[derive(Debug)]
pub struct Session {
    identity: Identity,
    stage: Stage,
    /// The server has been told that this process has begun.
    started: bool,
    need_alive: Need,
    /// Counts streams; also the generation of all bindings, so that each port is reported once on each.
    stream: u64,
    calls: BTreeMap<u64, Ask>,
    next_call: u64,
    failures: u32,
    silences: u32,
    pause: u32,
    revision: Revision,
    endpoints: Endpoints,
    endpoints_told: Option<Vec<Endpoint>>,
    need_endpoints: BTreeMap<TunnelType, Need>,
    inventory: bool,
    complete: bool,
    plugged: BTreeMap<String, Plugged>,
    networks: BTreeMap<NetworkId, Network>,
    reports: Reports,
    effects: Vec<Effect>,
}

/// How far the way to the server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is no broker.
    Away,
    /// A server is asked whether it is there.
    Calling,
    /// It is; the agent is to say hello.
    Opening,
    Open,
}

impl Session {
    pub fn new(identity: Identity) -> Self {
        Session {
            identity,
            stage: Stage::Away,
            started: false,
            need_alive: Need::Met,
            stream: 0,
            calls: BTreeMap::new(),
            next_call: 0,
            failures: 0,
            silences: 0,
            pause: 0,
            revision: Revision::ZERO,
            endpoints: Endpoints::default(),
            endpoints_told: None,
            need_endpoints: BTreeMap::new(),
            inventory: false,
            complete: false,
            plugged: BTreeMap::new(),
            networks: BTreeMap::new(),
            reports: Reports::default(),
            effects: Vec::new(),
        }
    }

    /// There is a broker, and what is cast from now on arrives.
    pub fn up(&mut self) {
        self.close();
        self.stage = Stage::Calling;
        self.need_alive = Need::Wanted;
        (self.pause, self.failures) = (0, 0);
    }

    /// The broker is gone, and with it what was under way.
    pub fn down(&mut self) {
        self.close();
        self.stage = Stage::Away;
    }

    /// The agent cannot use what it heard: all is said again.
    pub fn hang_up(&mut self) {
        if matches!(self.stage, Stage::Open | Stage::Opening) {
            self.close();
            self.stage = Stage::Calling;
            self.need_alive = Need::Wanted;
            self.fail();
        }
    }

    /// It is time to say that this agent is alive.
    pub fn beat(&mut self) {
        if self.stage != Stage::Away {
            self.need_alive.want();
        }
    }

    /// It is time to fetch all anew, though nothing speaks for its being needed.
    pub fn review(&mut self) {
        self.endpoints.forgive();
        self.doubt();
    }

    /// A second has passed.
    pub fn tick(&mut self) {
        self.pause = self.pause.saturating_sub(1);
        let (identity, endpoints) = (&self.identity, &self.endpoints);
        for (id, network) in &mut self.networks {
            let Some(segment) = network.segment else { continue };
            if network.tick(view(identity, endpoints, segment.tunnel_type)) {
                let text = format!("what was cast of network {id} is not what its ports say: they are fetched anew");
                self.effects.push(Effect::Info(text));
            }
        }
    }

    /// Something that was cast could not be read, or may be lost: what matters is fetched anew.
    pub fn doubt(&mut self) {
        self.networks.values_mut().for_each(|network| network.need_ports.want());
        self.plugged.values_mut().filter(|plugged| plugged.port.is_some()).for_each(|plugged| plugged.need.want());
    }

    /// What the agent says.
    pub fn said(&mut self, message: &ToServer) {
        match (message, self.stage) {
            (ToServer::Hello(_), Stage::Opening) => self.open(),
            (ToServer::Interfaces(interfaces), Stage::Open) => self.on_interfaces(interfaces),
            (ToServer::Report(report), Stage::Open) => self.reports.owe(report.port, report.wired),
            (ToServer::Resync(resync), Stage::Open) => match resync.network {
                Some(id) => self.say_again(id),
                None => self.endpoints_told = None,
            },
            // What was said before hello is of the stream before; Neutron is told nothing of the rest.
            _ => {}
        }
    }

    /// What the server casts.
    pub fn heard(&mut self, request: &Request) {
        match Cast::parse(request) {
            Ok(casts) => casts.into_iter().for_each(|cast| self.take_cast(cast)),
            Err(error) => {
                self.warn(format!("{} cannot be read, all is fetched anew: {}", request.method, chain(&error)));
                self.doubt();
            }
        }
    }

    /// What came of a call.
    pub fn answered(&mut self, number: u64, outcome: Outcome) {
        let Some(ask) = self.calls.remove(&number) else { return };
        match outcome {
            Outcome::Answer(answer, took) => {
                self.silences = 0;
                match self.take_answer(&ask, &answer) {
                    Ok(()) => {
                        self.failures = 0;
                        if took > SLOW {
                            self.doubt();
                        }
                    }
                    Err(error) => {
                        self.warn(format!("what the server answers cannot be used: {}", chain(&error)));
                        self.failed(ask);
                    }
                }
            }
            Outcome::Refused(failure) => match ask {
                Ask::Endpoints(tunnel_type) if failure.kind() == Kind::InvalidInput => {
                    self.warn(format!("the server does not serve {tunnel_type}: {failure}"));
                    self.set_endpoints(tunnel_type, Vec::new());
                }
                _ => {
                    self.warn(format!("the server cannot answer, it is asked again: {failure}"));
                    self.failed(ask);
                }
            },
            Outcome::Silence(reason) => {
                self.warn(format!("no server answers, it is asked again: {reason}"));
                self.silences += 1;
                let heartbeat = matches!(ask, Ask::Alive { .. });
                self.failed(ask);
                if heartbeat && self.stage != Stage::Calling {
                    self.close();
                    self.stage = Stage::Calling;
                } else {
                    // What was cast meanwhile may be lost, too.
                    self.doubt();
                    self.need_alive.want();
                }
            }
        }
    }

    /// What is to be done about all that. Nothing is asked for twice at a time.
    pub fn settle(&mut self) -> Vec<Effect> {
        if self.stage == Stage::Open {
            self.settle_orders();
            self.settle_endpoints();
            self.settle_networks();
            self.settle_complete();
        }
        self.settle_calls();
        std::mem::take(&mut self.effects)
    }

    fn close(&mut self) {
        if matches!(self.stage, Stage::Open | Stage::Opening) {
            self.effects.push(Effect::Close);
        }
        self.calls.clear();
        self.need_alive = Need::Wanted;
        self.endpoints_told = None;
        (self.inventory, self.complete) = (false, false);
        self.need_endpoints.clear();
        self.plugged.clear();
        self.networks.clear();
        self.reports.start_over();
    }

    fn open(&mut self) {
        self.stage = Stage::Open;
        self.stream += 1;
        self.endpoints = Endpoints::default();
        // Nothing of an earlier stream's revisions holds: each has a history of its own.
        let epoch = Epoch(Uuid::from_u128(self.identity.process.as_u128().wrapping_add(self.stream.into())));
        let software = "neutron-server".to_owned();
        self.say(ToAgent::Welcome(Welcome { minor: MINOR, software, epoch }));
        self.need_endpoints = self.identity.tunnel_types.iter().map(|it| (*it, Need::Wanted)).collect();
    }

    fn take_answer(&mut self, ask: &Ask, answer: &Json) -> Result<(), Error> {
        match ask {
            Ask::Alive { .. } => self.take_alive(ask::alive(answer)?.as_deref()),
            Ask::Endpoints(tunnel_type) => self.set_endpoints(*tunnel_type, ask::tunnels(answer)?),
            Ask::Ports(ids) => self.take_ports(ids, &ask::ports(answer)?),
            Ask::Network(id) => {
                let facts = ask::network(answer)?;
                if let Some(network) = self.networks.get_mut(id) {
                    network.facts = facts;
                    network.need_facts.met();
                }
            }
            Ask::Members(id) => {
                let ports = ask::ports(answer)?;
                let Some(network) = self.networks.get_mut(id) else { return Ok(()) };
                let Some(segment) = network.segment else { return Ok(()) };
                let unknown = network.pulled(ports, view(&self.identity, &self.endpoints, segment.tunnel_type));
                for host in unknown {
                    self.endpoints.miss(segment.tunnel_type, &host);
                }
                if !self.endpoints.is_complete(segment.tunnel_type) {
                    self.need_endpoints.entry(segment.tunnel_type).or_default().want();
                    network.need_ports.want();
                }
            }
            Ask::Devices { .. } => self.reports.answered(&ask::devices(answer)?, &mut self.networks, &self.plugged),
        }
        Ok(())
    }

    fn take_alive(&mut self, answer: Option<&str>) {
        self.need_alive.met();
        let Some(answer) = answer else {
            self.warn(
                "the server takes no account of this agent: is this host's clock behind the server's?".to_owned(),
            );
            self.need_alive = Need::Wanted;
            self.fail();
            return;
        };
        self.started = true;
        match self.stage {
            Stage::Calling => {
                self.stage = Stage::Opening;
                self.effects.push(Effect::Open);
            }
            // The server had given this agent up, and what it did then it has not told it.
            Stage::Open if answer == "revived" => {
                self.close();
                self.need_alive = Need::Met;
                self.stage = Stage::Opening;
                self.effects.push(Effect::Open);
            }
            _ => {}
        }
    }

    fn set_endpoints(&mut self, tunnel_type: TunnelType, tunnels: Vec<ask::Tunnel>) {
        self.endpoints.set(tunnel_type, tunnels);
        self.need_endpoints.entry(tunnel_type).or_default().met();
    }

    fn say(&mut self, message: ToAgent) {
        self.effects.push(Effect::Say(message));
    }

    fn warn(&mut self, text: String) {
        self.effects.push(Effect::Warn(text));
    }
}

fn view<'a>(identity: &'a Identity, endpoints: &'a Endpoints, tunnel_type: TunnelType) -> View<'a> {
    View { host: identity.host.as_str(), own: identity.local_ip, tunnel_type, endpoints }
}

/// An error with all its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests;
