//! What must hold at every moment.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Port};
use super::{Fate, Net, Violation};
use crate::ovs::{Arp, BROADCAST, Frame, Payload};
use crate::setup::{Made, mac, segment};

/// What worked when all was quiet, and so must go on working until something happens to one of its ends.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// Frames of the first reach the second.
    reaches: BTreeSet<(Made, Made)>,
    /// The first learns the second's address when it asks.
    resolves: BTreeSet<(Made, Made)>,
    /// Since which step a port is asked to be where it is, if no report from before can still be on its way.
    since: BTreeMap<Made, u64>,
    /// Since which step a host's stream is as it is.
    stream_since: BTreeMap<u8, u64>,
    /// Where ports were plugged, and where they were bound, at some time since all was quiet: who acts on the one may not
    /// have heard of the other.
    plugged: BTreeSet<(u8, Made)>,
    bound: BTreeSet<(u8, Made)>,
}

impl Moment {
    /// A port was made, bound, or set up or down: what worked with it may cease to.
    pub fn changed(&mut self, port: Made, step: u64) {
        self.disturb(port);
        self.since.insert(port, step);
    }

    /// A port was plugged or unplugged, or its host's switches are new.
    pub fn disturb(&mut self, port: Made) {
        self.reaches.retain(|(from, to)| *from != port && *to != port);
        self.resolves.retain(|(from, to)| *from != port && *to != port);
    }

    /// What is reported of it may be from before.
    pub fn unplugged(&mut self, port: Made) {
        self.disturb(port);
        self.since.remove(&port);
    }

    /// A port has another address.
    pub fn readdressed(&mut self, port: Made) {
        self.resolves.retain(|(_, to)| *to != port);
    }

    /// A host's stream came or went, or the server did.
    pub fn stream_changed(&mut self, host: u8, step: u64) {
        self.stream_since.insert(host, step);
    }

    /// All is quiet, and everything works.
    pub fn quiet(&mut self, facts: &Facts) {
        for (_, from) in facts.placed() {
            let others = facts.placed().filter(|(_, to)| to.made != from.made && to.network == from.network);
            let pairs: Vec<_> = others.map(|(_, to)| (from.made, to.made)).collect();
            self.reaches.extend(&pairs);
            self.resolves.extend(pairs);
        }
        self.note_interests(facts, true);
    }

    /// Facts changed.
    pub fn note_interests(&mut self, facts: &Facts, quiet: bool) {
        if quiet {
            self.plugged.clear();
            self.bound.clear();
        }
        self.plugged.extend(&facts.plugged);
        self.bound.extend(facts.ports.values().filter_map(|port| Some((port.host?, port.made))));
    }

    /// A message about a network is on its way to a host.
    pub fn may_hear(&self, facts: &Facts, host: u8, network: Made) -> Result<(), Violation> {
        let both = self.plugged.intersection(&self.bound).filter(|(at, _)| *at == host);
        if both.into_iter().any(|(_, port)| facts.network_of.get(port) == Some(&network)) {
            return Ok(());
        }
        Err(Violation::new("interest only", format!("host{host} is told of network {network:?}")))
    }

    /// Looks at all that can be sent.
    pub fn check(&self, facts: &Facts, net: &impl Net) -> Result<(), Violation> {
        // To everybody, and to every MAC there is, whether its network has it or another.
        let macs: BTreeSet<u64> = (0..facts.setup.ports).map(|slot| mac(slot).to_u64()).collect();
        for (host, made) in &facts.plugged {
            let own = mac(made.slot).to_u64();
            for to in macs.iter().copied().filter(|to| *to != own).chain([BROADCAST]) {
                no_leak(facts, *host, *made, &net.probe(*host, *made, Frame::data(own, to)))?;
            }
        }
        for (host, from) in facts.placed() {
            let announcement = Frame::arp_request(from.mac(), from.ip(), from.ip());
            let fate = net.probe(host, from.made, announcement);
            no_leak(facts, host, from.made, &fate)?;
            never_answered(host, from, &fate)?;
            for (there, to) in facts.placed().filter(|(_, to)| to.made != from.made && to.network == from.network) {
                self.unicast(facts, net, (host, from), (there, to))?;
                self.question(facts, net, (host, from), (there, to))?;
                if self.reaches.contains(&(from.made, to.made)) && !reached(&fate, there, to.made) {
                    return Err(blackhole("an announcement", from, to));
                }
            }
        }
        Ok(())
    }

    fn unicast(&self, facts: &Facts, net: &impl Net, from: (u8, &Port), to: (u8, &Port)) -> Result<(), Violation> {
        let fate = net.probe(from.0, from.1.made, Frame::data(from.1.mac(), to.1.mac()));
        no_leak(facts, from.0, from.1.made, &fate)?;
        let pair = (from.1.made, to.1.made);
        if self.reaches.contains(&pair) && !reached(&fate, to.0, to.1.made) {
            return Err(blackhole("a frame", from.1, to.1));
        }
        Ok(())
    }

    fn question(&self, facts: &Facts, net: &impl Net, from: (u8, &Port), to: (u8, &Port)) -> Result<(), Violation> {
        let fate = net.probe(from.0, from.1.made, Frame::arp_request(from.1.mac(), from.1.ip(), to.1.ip()));
        no_leak(facts, from.0, from.1.made, &fate)?;
        let pair = (from.1.made, to.1.made);
        let answer = answers(&fate, from.0, from.1.made).next();
        let right = reached(&fate, to.0, to.1.made) || answer.is_some_and(|arp| arp.sha == to.1.mac());
        if self.resolves.contains(&pair) && !right {
            return Err(blackhole("a question for the address", from.1, to.1));
        }
        Ok(())
    }

    /// A port has just been recorded as ACTIVE: those whose hosts were there all the time must reach it.
    pub fn active(&self, facts: &Facts, net: &impl Net, port: Made) -> Result<(), Violation> {
        let Some((there, to)) = facts.placed().find(|(_, placed)| placed.made == port) else { return Ok(()) };
        let Some(since) = self.since.get(&port).copied() else { return Ok(()) };
        for (host, from) in facts.placed().filter(|(_, from)| from.network == to.network && from.made != port) {
            let settled = self.since.get(&from.made).is_none_or(|then| *then < since)
                && self.stream_since.get(&host).is_none_or(|then| *then < since)
                && self.reaches.iter().any(|(known, _)| *known == from.made);
            let fate = net.probe(host, from.made, Frame::data(from.mac(), to.mac()));
            if settled && !reached(&fate, there, port) {
                return Err(Violation::new(
                    "ACTIVE means known everywhere",
                    format!("port {port:?} is ACTIVE, and {:?} on host{host} does not reach it", from.made),
                ));
            }
        }
        Ok(())
    }
}

fn blackhole(what: &str, from: &Port, to: &Port) -> Violation {
    let detail =
        format!("{what} from {:?} does not reach {:?} any more, and nothing happened to them", from.made, to.made);
    Violation::new("no blackhole for a known destination", detail)
}

pub(super) fn reached(fate: &Fate, host: u8, port: Made) -> bool {
    fate.delivered.iter().any(|(at, to, _)| *at == host && *to == port)
}

/// ARP replies that come back to who asked.
pub(super) fn answers(fate: &Fate, host: u8, port: Made) -> impl Iterator<Item = Arp> {
    fate.delivered.iter().filter_map(move |(at, to, frame)| match frame.payload {
        Payload::Arp(arp) if *at == host && *to == port && arp.op == 2 => Some(arp),
        _ => None,
    })
}

/// Answering an announcement makes `br-int` learn the VM's own MAC at the patch port.
fn never_answered(host: u8, from: &Port, fate: &Fate) -> Result<(), Violation> {
    match answers(fate, host, from.made).next() {
        Some(arp) => {
            Err(Violation::new("no announcement is answered", format!("{:?} on host{host} hears {arp:?}", from.made)))
        }
        None => Ok(()),
    }
}

/// A frame comes out only where its network is, crosses the underlay only under its network's key, and only once per host.
fn no_leak(facts: &Facts, host: u8, from: Made, fate: &Fate) -> Result<(), Violation> {
    let leak = |detail: String| Err(Violation::new("no frame crosses networks", detail));
    let Some(network) = facts.network_of.get(&from) else {
        return match (&fate.delivered[..], &fate.crossed[..]) {
            ([], []) => Ok(()),
            _ => leak(format!("{from:?} on host{host} is no port, and its frame goes {fate:?}")),
        };
    };
    for (at, to, frame) in &fate.delivered {
        if facts.network_of.get(to) != Some(network) {
            return leak(format!("{from:?} on host{host} is heard by {to:?} on host{at}: {frame:?}"));
        }
        if frame.tag.is_some() {
            return leak(format!("{to:?} on host{at} hears a tagged frame: {frame:?}"));
        }
    }
    let own = segment(network.slot);
    for (at, to, tunnel_type, key) in &fate.crossed {
        if (*tunnel_type, *key) != (own.tunnel_type, own.key.into()) {
            return leak(format!("{from:?} of {own} crosses from host{at} to host{to} as {tunnel_type} {key}"));
        }
    }
    let mut copies = BTreeSet::new();
    match fate.crossed.iter().find(|(_, to, ..)| !copies.insert(to)) {
        Some((_, to, ..)) => Err(Violation::new(
            "one copy for each host",
            format!("host{to} gets two copies of a frame of {from:?} on host{host}: {fate:?}"),
        )),
        None => Ok(()),
    }
}
