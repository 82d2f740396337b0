//! What must hold once nothing is left to do.

use std::collections::{BTreeMap, BTreeSet};

use model::{PortStatus, TunnelType};

use super::facts::{Facts, Port};
use super::moment::{answers, reached};
use super::{Fate, Net, Violation};
use crate::ovs::{BROADCAST, Frame};
use crate::setup::{Made, mac, segment};

/// What a host has then, in numbers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// Rows of known MACs.
    pub unicast: usize,
    /// Rows that a switch learned: none is kept for long.
    pub learned: usize,
    /// Rows for ARP questions: answered, or left to the owner here.
    pub answers: usize,
    /// Flood lists.
    pub floods: usize,
    /// Tunnel keys.
    pub keys: usize,
    pub tunnels: BTreeSet<(TunnelType, u8)>,
}

/// A MAC that nobody has.
const STRANGER: u64 = 0xfa16_3eff_ffff;

impl Facts {
    pub fn expected(&self, host: u8) -> Expected {
        let mut expected = Expected::default();
        let is_mesh = self.setup.is_mesh(host);
        if is_mesh {
            let others = (0..self.setup.hosts).filter(|other| *other != host);
            expected.tunnels =
                others.flat_map(|other| TunnelType::ALL.map(|tunnel_type| (tunnel_type, other))).collect();
        }
        let prepared = self.ports.values().filter(|port| self.is_prepared(port, host)).map(|port| port.network);
        let placed = self.placed().filter(|(at, _)| *at == host).map(|(_, port)| port.network);
        let here: BTreeSet<Made> = placed.chain(prepared).collect();
        for network in here {
            expected.keys += 1;
            if is_mesh {
                // Everything but the flood list is learned.
                expected.floods += 1;
                continue;
            }
            let of_network: Vec<u8> =
                self.placed().filter(|(_, port)| port.network == network).map(|(at, _)| at).collect();
            let remote: Vec<u8> = of_network.iter().filter(|at| **at != host).copied().collect();
            expected.unicast += remote.len();
            expected.answers += of_network.len();
            expected.floods += usize::from(!remote.is_empty());
            let tunnel_type = segment(network.slot).tunnel_type;
            expected.tunnels.extend(remote.into_iter().map(|at| (tunnel_type, at)));
        }
        expected
    }

    /// Statuses tell the truth.
    pub fn check_statuses(&self, statuses: &BTreeMap<Made, PortStatus>) -> Result<(), Violation> {
        for port in self.ports.values() {
            let truth = if port.up && self.is_home(port) { PortStatus::Active } else { PortStatus::Down };
            let said = statuses.get(&port.made).copied();
            if said != Some(truth) {
                let detail = format!("{:?} is {truth} and said to be {said:?}; {port:?}", port.made);
                return Err(Violation::new("the port status tells the truth", detail));
            }
        }
        Ok(())
    }

    /// Every frame goes where it should and nowhere else.
    pub fn check_frames(&self, net: &impl Net) -> Result<(), Violation> {
        for (host, made) in &self.plugged {
            match self.port(*made).filter(|port| self.place(port) == Some(*host)) {
                Some(port) => self.check_port(net, *host, port)?,
                None if self.port(*made).is_some_and(|port| self.is_prepared(port, *host)) => {}
                None => isolated(net, *host, *made)?,
            }
        }
        Ok(())
    }

    fn check_port(&self, net: &impl Net, host: u8, port: &Port) -> Result<(), Violation> {
        let others: Vec<(u8, &Port)> =
            self.placed().filter(|(_, to)| to.network == port.network && to.made != port.made).collect();
        // In a full mesh nobody knows who has the network.
        let is_mesh = self.setup.is_mesh(host);
        let concerned = others.iter().map(|(at, _)| *at).chain((0..self.setup.hosts).filter(|_| is_mesh));
        let hosts: BTreeSet<u8> = concerned.filter(|at| *at != host).collect();
        // Where a broadcast comes anyway, a port that may move there hears it.
        let of_network = self.ports.values().filter(|to| to.network == port.network);
        let waiting = of_network.flat_map(|to| (0..self.setup.hosts).map(move |at| (at, to)));
        let waiting = waiting.filter(|(at, to)| (*at == host || hosts.contains(at)) && self.is_prepared(to, *at));
        let all: BTreeSet<(u8, Made)> = others.iter().copied().chain(waiting).map(|(at, to)| (at, to.made)).collect();
        let probe = |frame| net.probe(host, port.made, frame);
        for (what, frame) in [
            ("a broadcast", Frame::data(port.mac(), BROADCAST)),
            ("a frame for a stranger", Frame::data(port.mac(), STRANGER)),
            ("an announcement", Frame::arp_request(port.mac(), port.ip(), port.ip())),
            ("a question for a stranger", Frame::arp_request(port.mac(), port.ip(), 0xc000_02fe)),
        ] {
            let fate = probe(frame);
            goes("flood lists exact", what, port, &fate, &all, &hosts)?;
        }
        for (there, to) in &others {
            let fate = probe(Frame::data(port.mac(), to.mac()));
            let way: BTreeSet<u8> = [*there].into_iter().filter(|there| *there != host).collect();
            goes("unicast goes one way", "a frame", port, &fate, &[(*there, to.made)].into(), &way)?;
            let fate = probe(Frame::arp_request(port.mac(), port.ip(), to.ip()));
            if is_mesh {
                goes("flood lists exact", "a question", port, &fate, &all, &hosts)?;
            } else {
                check_question(&fate, (host, port), (*there, to))?;
            }
        }
        Ok(())
    }
}

fn check_question(fate: &Fate, from: (u8, &Port), to: (u8, &Port)) -> Result<(), Violation> {
    let crosses = !fate.crossed.is_empty();
    let right = if from.0 == to.0 {
        reached(fate, to.0, to.1.made)
    } else {
        let answers: Vec<_> = answers(fate, from.0, from.1.made).collect();
        matches!(&answers[..], [arp] if arp.sha == to.1.mac() && arp.spa == to.1.ip())
    };
    if right && !crosses {
        return Ok(());
    }
    let detail = format!("{:?} asks for {:?}: {fate:?}", from.1.made, to.1.made);
    Err(Violation::new("questions are answered on the host", detail))
}

/// The frame reaches all of these and no other, and crosses the underlay to these hosts and no other.
fn goes(
    invariant: &'static str,
    what: &str,
    from: &Port,
    fate: &Fate,
    to: &BTreeSet<(u8, Made)>,
    hosts: &BTreeSet<u8>,
) -> Result<(), Violation> {
    let delivered: Vec<(u8, Made)> = fate.delivered.iter().map(|(at, to, _)| (*at, *to)).collect();
    let crossed: Vec<u8> = fate.crossed.iter().map(|(_, to, ..)| *to).collect();
    let exact = delivered.len() == to.len() && delivered.iter().all(|one| to.contains(one));
    let lean = crossed.len() == hosts.len() && crossed.iter().all(|one| hosts.contains(one));
    if exact && lean {
        return Ok(());
    }
    let detail = format!("{what} of {:?} goes to {delivered:?} by {crossed:?}, not to {to:?} by {hosts:?}", from.made);
    Err(Violation::new(invariant, detail))
}

/// What is no port, or not here, or down, is heard by nobody.
fn isolated(net: &impl Net, host: u8, made: Made) -> Result<(), Violation> {
    let fate = net.probe(host, made, Frame::data(mac(made.slot).to_u64(), BROADCAST));
    if fate.delivered.is_empty() && fate.crossed.is_empty() {
        return Ok(());
    }
    Err(Violation::new("what is not wired is isolated", format!("{made:?} on host{host} is heard: {fate:?}")))
}
