use std::collections::{BTreeMap, BTreeSet};

use directory::{Directory, port_of};
use model::{Digest, Generation, HostName, PortId};

use super::{Effect, Refusal};
use crate::messages::{Interface, Interfaces, Order, PREPARED, PortOrder, PortReport};

/// Interface ids are read up to this length, and no more of them: bounds what one agent can make the server keep.
const LONGEST_ID: usize = 255;
const MOST_INTERFACES: usize = 65_279;

/// What the agent of this stream has said of its interfaces, and what it was told to do with them.
#[derive(Debug, Default)]
pub(super) struct Known {
    interfaces: BTreeMap<String, State>,
    dirty: BTreeSet<String>,
    pub(super) inventoried: bool,
    /// It knows what a prepared binding is, and would not take it for one in force.
    prepares: bool,
    missing: BTreeSet<PortId>,
}

#[derive(Debug, Default)]
struct State {
    /// The order that the agent holds.
    held: Option<Held>,
    /// It says that it has wired the port under this generation, and has been told nothing since that undoes it.
    /// The store may have forgotten: an order that changes and changes back before it is sent is no news to the agent.
    wired: Option<Generation>,
    /// It says that it has done what this order, which prepares the port, asks for.
    prepared: Option<Digest>,
}

#[derive(Debug)]
struct Held {
    digest: Digest,
    generation: Option<Generation>,
}

impl Known {
    pub(super) fn of_version(minor: u32) -> Self {
        Known { prepares: minor >= PREPARED, ..Known::default() }
    }

    /// Takes a report into the directory.
    pub(super) fn report(
        &mut self,
        report: Interfaces,
        host: &HostName,
        directory: &mut Directory,
        effects: &mut Vec<Effect>,
    ) {
        if report.inventory {
            let present: BTreeSet<&str> = report.present.iter().map(|interface| &interface.id[..]).collect();
            directory.inventory(host, present.iter().copied());
            self.interfaces.retain(|id, _| present.contains(&id[..]));
            self.inventoried = true;
        }
        for id in &report.gone {
            directory.gone(host, id);
            self.interfaces.remove(id);
            self.dirty.remove(id);
        }
        unwire_unplugged(report.inventory, &report.gone, host, directory, effects);
        for interface in report.present {
            self.present(interface, host, directory, effects);
        }
    }

    fn present(&mut self, interface: Interface, host: &HostName, directory: &mut Directory, effects: &mut Vec<Effect>) {
        let Interface { id, order_held, wired } = interface;
        let fits = self.interfaces.len() < MOST_INTERFACES || self.interfaces.contains_key(&id);
        if id.len() > LONGEST_ID || !fits {
            let id: String = id.chars().take(40).collect();
            let bounds = format!("{LONGEST_ID} bytes and {MOST_INTERFACES} interfaces of one host are the most");
            effects.push(Effect::Ignored(format!("interface id {id:?}: {bounds}")));
            return;
        }
        directory.seen(host, &id);
        let held = order_held.map(|digest| Held { digest, generation: wired });
        self.dirty.insert(id.clone());
        let port = port_of(&id);
        self.interfaces.insert(id, State { held, wired, prepared: None });
        if let (Some(port), Some(generation)) = (port, wired) {
            effects.extend(wired_effect(port, generation, host, directory));
        }
    }

    /// Takes the list of those that went with the host's database. Ids that are no port's are nobody's to plug again.
    pub(super) fn missing(&mut self, ids: &[String]) {
        self.missing = ids.iter().filter_map(|id| port_of(id)).take(MOST_INTERFACES).collect();
    }

    pub(super) fn is_missing(&self, port: PortId) -> bool {
        self.missing.contains(&port) && !self.interfaces.contains_key(&port.to_string())
    }

    /// Takes a port's being wired, or not.
    pub(super) fn wired(&mut self, report: PortReport, host: &HostName, directory: &Directory) -> Vec<Effect> {
        let PortReport { port, generation, wired, reason } = report;
        if let Some(state) = self.interfaces.get_mut(&port.to_string()) {
            if generation == Generation::ZERO {
                state.prepared = state.held.as_ref().map(|held| held.digest).filter(|_| wired);
                return Vec::new();
            }
            state.prepared = None;
            let answers = state.held.as_ref().is_some_and(|held| held.generation == Some(generation));
            state.wired = (wired && answers).then_some(generation);
        }
        if wired {
            return wired_effect(port, generation, host, directory).into_iter().collect();
        }
        // That a port is isolated as ordered (deleted, bound elsewhere, down) is no news.
        let standing = believed(port, generation, host, directory);
        let Some((known, standing)) = directory.port(port).zip(standing.ok()) else { return Vec::new() };
        let ends = known.wired || standing == Standing::Former;
        let unwired = ends.then_some(Effect::SetWired { port, generation, wired: false });
        let trouble = known.admin_up.then_some(Effect::NotWired { port, reason });
        unwired.into_iter().chain(trouble).collect()
    }

    pub(super) fn mark(&mut self, port: PortId) {
        let id = port.to_string();
        if self.interfaces.contains_key(&id) {
            self.dirty.insert(id);
        }
    }

    pub(super) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// The next order that the agent does not hold yet.
    pub(super) fn next_order(
        &mut self,
        host: &HostName,
        directory: &Directory,
        effects: &mut Vec<Effect>,
    ) -> Option<PortOrder> {
        while let Some(id) = self.dirty.pop_first() {
            let Some(state) = self.interfaces.get_mut(&id) else { continue };
            let order = match directory.order(host, &id) {
                directory::Order::Prepare(_) if !self.prepares => {
                    Order::Isolate("it may move here, and this agent is too old to prepare for that".to_owned())
                }
                order => Order::from(order),
            };
            let generation = order.generation();
            let held = Held { digest: order.digest(), generation };
            let known = state.held.replace(held).is_some_and(|held| held.digest == order.digest());
            if state.wired != generation {
                state.wired = None;
            }
            // What was prepared is put in force: it is wired, and its agent need not be waited for to say so.
            let prepared = state.prepared.take().filter(|prepared| order.prepared_by() == Some(*prepared));
            match (prepared, generation) {
                (Some(_), Some(_)) => state.wired = generation,
                (prepared, _) => state.prepared = prepared,
            }
            if let (Some(port), Some(generation)) = (port_of(&id), state.wired) {
                effects.extend(wired_effect(port, generation, host, directory));
            }
            if !known {
                return Some(PortOrder { id, revision: directory.revision(), order });
            }
        }
        None
    }
}

/// The store is told of a port that is wired, unless it knows, or the report is not believed.
fn wired_effect(port: PortId, generation: Generation, host: &HostName, directory: &Directory) -> Option<Effect> {
    match believed(port, generation, host, directory) {
        Err(refusal) => Some(Effect::Refused { port, refusal }),
        // It was wired before, and is still.
        Ok(Standing::Former) => None,
        Ok(Standing::Bound) if !directory.is_plugged(host, port) => {
            Some(Effect::Refused { port, refusal: Refusal::NotPlugged })
        }
        Ok(Standing::Bound) if directory.port(port).is_some_and(|known| !known.admin_up) => {
            Some(Effect::Refused { port, refusal: Refusal::AdminDown })
        }
        Ok(Standing::Bound) if directory.port(port).is_some_and(|known| known.wired) => None,
        Ok(Standing::Bound) => Some(Effect::SetWired { port, generation, wired: true }),
    }
}

/// By which right a host speaks for a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Bound,
    /// It is bound elsewhere by now, and its new host has not wired it.
    Former,
}

/// A host speaks only for ports that are bound to it, and of their present binding; or of the one before, as long as that
/// is where the port can be reached.
fn believed(port: PortId, reported: Generation, host: &HostName, directory: &Directory) -> Result<Standing, Refusal> {
    let known = directory.port(port).ok_or(Refusal::Unknown)?;
    if known.former.as_ref().is_some_and(|former| former.host == *host && former.generation == reported) {
        return Ok(Standing::Former);
    }
    let binding = known.binding.as_ref().ok_or(Refusal::Unbound)?;
    if binding.host != *host {
        return Err(Refusal::BoundTo(binding.host.clone()));
    }
    let current = binding.generation;
    if current == reported { Ok(Standing::Bound) } else { Err(Refusal::Stale { reported, current }) }
}

/// Ports that the store holds wired here and that are known not to be plugged. After an inventory that may be any port
/// that is bound here, or was before (the server may have restarted and never have seen it); else those that went.
fn unwire_unplugged(
    inventory: bool,
    gone: &[String],
    host: &HostName,
    directory: &Directory,
    effects: &mut Vec<Effect>,
) {
    let went: Vec<PortId> = if inventory {
        directory.bound_to(host).chain(directory.leaving(host)).map(|port| port.id).collect()
    } else {
        gone.iter().filter_map(|id| port_of(id)).collect()
    };
    for id in went {
        let Some(port) = directory.port(id).filter(|_| !directory.is_plugged(host, id)) else { continue };
        let bindings = port.binding.iter().filter(|_| port.wired).chain(&port.former);
        for binding in bindings.filter(|binding| binding.host == *host) {
            effects.push(Effect::SetWired { port: id, generation: binding.generation, wired: false });
        }
    }
}
