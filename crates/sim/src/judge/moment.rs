//! What must hold at every moment.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::{Facts, Port};
use super::{Fate, NOBODY, Net, Violation};
use crate::ovs::{Arp, BROADCAST, Frame, Payload};
use crate::setup::{Made, mac, segment};

/// What worked when all was quiet, and so must go on working until something happens to one of its ends.
#[derive(Debug, Clone, Default)]
pub struct Moment {
    /// Frames of the first reach the second.
    reaches: BTreeSet<(Made, Made)>,
    /// The first learns the second's address when it asks.
    resolves: BTreeSet<(Made, Made)>,
    /// Ports that worked when all was quiet, and to which nothing has happened.
    works: BTreeSet<Made>,
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

    /// A port that works was asked to move. It goes on working where it is until it works where it goes.
    pub fn moves(&mut self, port: Made, step: u64) {
        self.since.insert(port, step);
    }

    /// Who learns from frames where others are may not know it of this port for a while.
    pub fn out_of_sight(&mut self, port: Made, of: impl Fn(Made) -> bool) {
        self.reaches.retain(|(from, to)| *to != port || !of(*from));
        self.resolves.retain(|(from, to)| *to != port || !of(*from));
    }

    /// One that moves was plugged where it goes: from now on nobody knows which of the two it is at.
    pub fn arrives(&mut self, port: Made) {
        self.works.remove(&port);
    }

    /// Since all was quiet this port, or one that had its addresses, has been plugged at another host.
    pub fn was_elsewhere(&self, port: Made, host: u8) -> bool {
        self.plugged.iter().any(|(at, made)| made.slot == port.slot && *at != host)
    }

    pub fn works(&self, port: Made) -> bool {
        self.works.contains(&port)
    }

    /// A port was plugged or unplugged, or its host's switches are new.
    pub fn disturb(&mut self, port: Made) {
        self.works.remove(&port);
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
        self.works = facts.placed().map(|(_, port)| port.made).collect();
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
        let prepared = |port: &Port| {
            let prepared = port.prepared;
            (0..facts.setup.hosts).filter(move |host| prepared.get(usize::from(*host)) == Some(&true))
        };
        let hosts = |port: &Port| port.host.into_iter().chain(port.left.map(|left| left.host)).chain(prepared(port));
        self.bound.extend(facts.ports.values().flat_map(|port| hosts(port).map(|host| (host, port.made))));
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
        for (_, from) in facts.placed() {
            let announced = fates(facts, net, from, Frame::arp_request(from.mac(), from.ip(), from.ip()))?;
            never_answered(from, &announced)?;
            let others = facts.placed().filter(|(_, to)| to.made != from.made && to.network == from.network);
            for (_, to) in others {
                // An address that was another's until now, as on a failover.
                never_answered(from, &fates(facts, net, from, Frame::arp_request(from.mac(), to.ip(), to.ip()))?)?;
                if is_between(facts, from, to) {
                    continue;
                }
                self.unicast(facts, net, from, to)?;
                self.question(facts, net, from, to)?;
                let heard = announced.iter().any(|(_, fate)| arrives(facts, fate, to));
                if self.reaches.contains(&(from.made, to.made)) && !heard {
                    return Err(blackhole("an announcement", from, to, &announced));
                }
            }
        }
        Ok(())
    }

    fn unicast(&self, facts: &Facts, net: &impl Net, from: &Port, to: &Port) -> Result<(), Violation> {
        let fates = fates(facts, net, from, Frame::data(from.mac(), to.mac()))?;
        if !self.reaches.contains(&(from.made, to.made)) {
            return Ok(());
        }
        if !fates.iter().any(|(_, fate)| arrives(facts, fate, to)) {
            return Err(blackhole("a frame", from, to, &fates));
        }
        match &fates[..] {
            // Of a port that moves each host knows either where it was or where it is; but for those that know nothing.
            [(host, fate)] if to.left.is_some_and(|left| left.host != *host) && to.host != Some(*host) => {
                if facts.setup.is_mesh(*host) { Ok(()) } else { one_way(to, fate) }
            }
            _ => Ok(()),
        }
    }

    fn question(&self, facts: &Facts, net: &impl Net, from: &Port, to: &Port) -> Result<(), Violation> {
        let fates = fates(facts, net, from, Frame::arp_request(from.mac(), from.ip(), to.ip()))?;
        let answered = |(host, fate): &(u8, Fate)| {
            let answer = answers(fate, *host, from.made).next();
            arrives(facts, fate, to) || answer.is_some_and(|arp| arp.sha == to.mac())
        };
        if self.resolves.contains(&(from.made, to.made)) && !fates.iter().any(answered) {
            return Err(blackhole("a question for the address", from, to, &fates));
        }
        Ok(())
    }

    /// A port has just been recorded as ACTIVE: those whose hosts were there all the time must reach it.
    pub fn active(&self, facts: &Facts, net: &impl Net, port: Made) -> Result<(), Violation> {
        let home = facts.placed().find(|(_, placed)| placed.made == port && facts.is_home(placed));
        let Some((there, to)) = home else { return Ok(()) };
        let Some(since) = self.since.get(&port).copied() else { return Ok(()) };
        // On its own host NORMAL sends to where it last spoke, and so it does where it is plugged too, or was and the switch
        // has yet to notice: there a broadcast has to reach it.
        let is_away = |host: u8| host != there && !self.plugged.contains(&(host, port));
        for (host, from) in facts.placed().filter(|(_, from)| from.network == to.network && from.made != port) {
            // Who learns from frames is asked nothing and confirms nothing.
            let settled = from.left.is_none()
                && !facts.setup.is_mesh(host)
                && self.since.get(&from.made).is_none_or(|then| *then < since)
                && self.stream_since.get(&host).is_none_or(|then| *then < since)
                && self.reaches.iter().any(|(known, _)| *known == from.made);
            let destination = if is_away(host) { to.mac() } else { BROADCAST };
            let fate = net.probe(host, from.made, Frame::data(from.mac(), destination));
            // To whom it is not known its frames go to all hosts of the network.
            let is_known = !is_away(host) || fate.crossed.len() == 1;
            if settled && !(is_known && reached(&fate, there, port)) {
                return Err(Violation::new(
                    "ACTIVE means known everywhere",
                    format!("port {port:?} is ACTIVE, and {:?} on host{host} does not reach it: {fate:?}", from.made),
                ));
            }
        }
        Ok(())
    }
}

/// What becomes of a frame of this port; of one that moves, from where it was and from where it goes.
fn fates(facts: &Facts, net: &impl Net, from: &Port, frame: Frame) -> Result<Vec<(u8, Fate)>, Violation> {
    let fates: Vec<_> = facts.places(from).map(|host| (host, net.probe(host, from.made, frame))).collect();
    fates.iter().try_for_each(|(host, fate)| no_leak(facts, *host, from.made, fate))?;
    Ok(fates)
}

/// What has just arrived is heard there once the others have a tunnel to that host (ACTIVE says when), and the host that it
/// left hears of both, that the port is gone and where it is, but not in one moment.
fn is_between(facts: &Facts, from: &Port, to: &Port) -> bool {
    let arriving = |port: &Port| port.left.filter(|_| facts.is_home(port));
    arriving(from).is_some() || arriving(to).is_some_and(|left| facts.place(from) == Some(left.host))
}

/// It arrives where the port is, or was if it moves. A host that has not heard that the port has arrived still sends to where
/// it was, which may know already and not take it.
fn arrives(facts: &Facts, fate: &Fate, to: &Port) -> bool {
    let late = to.left.filter(|_| facts.is_home(to)).map(|left| left.host);
    facts.places(to).any(|host| reached(fate, host, to.made))
        || fate.crossed.iter().any(|(_, to, ..)| Some(*to) == late)
}

fn one_way(to: &Port, fate: &Fate) -> Result<(), Violation> {
    if fate.crossed.len() == 1 {
        return Ok(());
    }
    let detail = format!("a frame for {to:?} goes {:?}", fate.crossed);
    Err(Violation::new("a port that moves changes in one step", detail))
}

fn blackhole(what: &str, from: &Port, to: &Port, fates: &[(u8, Fate)]) -> Violation {
    let detail =
        format!("{what} from {from:?} does not reach {to:?} any more, and nothing happened to them; it goes {fates:?}");
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
fn never_answered(from: &Port, fates: &[(u8, Fate)]) -> Result<(), Violation> {
    match fates.iter().find_map(|(host, fate)| Some((host, answers(fate, *host, from.made).next()?))) {
        Some((host, arp)) => {
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
    // What goes to an address that nobody has any more is no copy.
    let mut arrive = fate.crossed.iter().filter(|(_, to, ..)| *to != NOBODY);
    match arrive.find(|(_, to, ..)| !copies.insert(to)) {
        Some((_, to, ..)) => Err(Violation::new(
            "one copy for each host",
            format!("host{to} gets two copies of a frame of {from:?} on host{host}: {fate:?}"),
        )),
        None => Ok(()),
    }
}
