use std::collections::BTreeMap;
use std::net::IpAddr;

use model::NetworkId;
use openflow::PortNo;
use rustc_hash::FxHashMap;

use crate::claims::Claims;
use crate::{Row, State, Tunnel};

/// What is known of the port of a tunnel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TunnelPort {
    /// The switch has it.
    Ready(PortNo),
    /// The switch refused it (`ofport` −1, `Interface.error`): what needs it is left out and reported.
    Failed,
}

/// The tunnels of a host: which are wanted, by how many, and which port each has.
#[derive(Debug, Default)]
pub(crate) struct Tunnels {
    /// How many networks (or, in a full mesh, hosts) want a tunnel.
    wanted: BTreeMap<Tunnel, u32>,
    ports: FxHashMap<Tunnel, TunnelPort>,
    by_port: Claims<PortNo, Tunnel>,
    /// A port went while a tunnel was waited for. What is held until that one comes ([`crate::Derived::Pending`]) may
    /// name the port that went, so nothing is held until no tunnel is waited for.
    lost: bool,
}

impl Tunnels {
    /// `true`: it was not wanted before.
    pub(crate) fn want(&mut self, tunnel: Tunnel) -> bool {
        let count = self.wanted.entry(tunnel).or_default();
        *count += 1;
        *count == 1
    }

    /// `true`: nobody wants it any more.
    pub(crate) fn unwant(&mut self, tunnel: Tunnel) -> bool {
        let Some(count) = self.wanted.get_mut(&tunnel) else { return false };
        *count -= 1;
        let last = *count == 0;
        if last {
            self.wanted.remove(&tunnel);
        }
        last
    }

    pub(crate) fn is_wanted(&self, tunnel: &Tunnel) -> bool {
        self.wanted.contains_key(tunnel)
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = Tunnel> {
        self.wanted.keys().copied()
    }

    pub(crate) fn port(&self, tunnel: &Tunnel) -> Option<TunnelPort> {
        self.ports.get(tunnel).copied()
    }

    pub(crate) fn number(&self, tunnel: &Tunnel) -> Option<PortNo> {
        match self.ports.get(tunnel)? {
            TunnelPort::Ready(number) => Some(*number),
            TunnelPort::Failed => None,
        }
    }

    pub(crate) fn at(&self, port: PortNo) -> Option<Tunnel> {
        self.by_port.holder(&port).copied()
    }

    pub(crate) fn numbers(&self) -> impl Iterator<Item = PortNo> {
        self.by_port.things().copied()
    }

    /// Whether a row that waits for a tunnel may stay as it is.
    pub(crate) fn may_hold(&self) -> bool {
        !self.lost
    }

    /// Whether a port whose tunnel nobody wants is kept, for the rows that wait for another tunnel and are still on it.
    pub(crate) fn holds_surplus(&self) -> bool {
        self.may_hold() && self.pending().next().is_some()
    }

    fn pending(&self) -> impl Iterator<Item = Tunnel> {
        self.wanted().filter(|tunnel| !self.ports.contains_key(tunnel))
    }

    /// `true`: what was held must be looked at again.
    fn settle(&mut self, lost: bool) -> bool {
        let before = self.lost;
        self.lost = (self.lost || lost) && self.pending().next().is_some();
        self.lost && !before
    }

    /// `true`: a number that flows may name went.
    fn set(&mut self, tunnel: Tunnel, port: Option<TunnelPort>) -> bool {
        let before = self.number(&tunnel);
        if let Some(number) = before {
            self.by_port.remove(&number, &tunnel);
        }
        match port {
            Some(port) => self.ports.insert(tunnel, port),
            None => self.ports.remove(&tunnel),
        };
        if let Some(TunnelPort::Ready(number)) = port {
            self.by_port.insert(number, tunnel);
        }
        before.is_some()
    }
}

impl State {
    /// Takes what the switch says of tunnel ports; `None`: it has none for this tunnel. Give it all that is known at a
    /// time: each call looks once through the entries of every network that uses one of them.
    pub fn set_tunnel_ports(&mut self, ports: impl IntoIterator<Item = (Tunnel, Option<TunnelPort>)>) {
        let mut changed = Vec::new();
        let mut lost = false;
        for (tunnel, port) in ports {
            if self.tunnels.port(&tunnel) != port {
                self.mark_classify(&tunnel);
                lost |= self.tunnels.set(tunnel, port);
                self.mark_classify(&tunnel);
                changed.push(tunnel);
            }
        }
        if self.tunnels.settle(lost) {
            changed.extend(self.tunnels.pending());
        }
        self.mark_surplus();
        changed.sort_unstable();
        for network in self.networks.values() {
            let Some(place) = network.place else { continue };
            let is_changed = |remote: IpAddr| {
                let tunnel = Tunnel::new(place.segment.tunnel_type, remote);
                changed.binary_search(&tunnel).is_ok()
            };
            let floods = network.entries.endpoints().any(is_changed);
            let mesh = !self.modes.l2_population()
                && changed.iter().any(|tunnel| tunnel.tunnel_type == place.segment.tunnel_type);
            if floods || mesh {
                self.dirty.insert(Row::Flood { vlan: place.vlan });
            }
            if floods {
                for (mac, ips) in network.entries.behind(is_changed) {
                    self.dirty.insert(Row::Unicast { vlan: place.vlan, mac });
                    self.dirty.extend(ips.map(|ip| Row::Responder { vlan: place.vlan, ip }));
                }
            }
        }
    }

    /// Full mesh only: the endpoints of all other hosts with the types that each serves. Takes the place of the last
    /// list; this host's own endpoint may be in it.
    pub fn set_endpoints(&mut self, tunnels: impl IntoIterator<Item = Tunnel>) {
        let wanted = tunnels.into_iter().filter(|tunnel| self.modes.serves(tunnel)).collect();
        let before = std::mem::replace(&mut self.mesh, wanted);
        if self.modes.l2_population() || before == self.mesh {
            return;
        }
        let gone: Vec<_> = before.difference(&self.mesh).copied().collect();
        let new: Vec<_> = self.mesh.difference(&before).copied().collect();
        for tunnel in new {
            self.want(tunnel);
        }
        for tunnel in gone {
            self.unwant(tunnel);
        }
        let floods: Vec<_> = self.vlans.keys().map(|vlan| Row::Flood { vlan: *vlan }).collect();
        self.dirty.extend(floods);
    }

    /// The tunnels that this host needs now. A port whose tunnel is not among them may be deleted once the switch has
    /// confirmed that no flow names it, and once every wanted tunnel has its port ([`State::tunnels_pending`]): until
    /// then a flow that waits for its new tunnel stays as it is, on the old one.
    pub fn tunnels_wanted(&self) -> impl Iterator<Item = Tunnel> {
        self.tunnels.wanted()
    }

    /// The wanted tunnels of whose ports the switch has said nothing yet.
    pub fn tunnels_pending(&self) -> impl Iterator<Item = Tunnel> {
        self.tunnels.pending()
    }

    /// Those of them that a network uses.
    pub fn tunnels_pending_of(&self, network: NetworkId) -> impl Iterator<Item = Tunnel> {
        let network = self.networks.get(&network).and_then(|network| Some((network, network.place?.segment)));
        self.tunnels_pending().filter(move |tunnel| {
            network.is_some_and(|(network, segment)| {
                let names = !self.modes.l2_population() || network.entries.has_endpoint(tunnel.remote);
                names && segment.tunnel_type == tunnel.tunnel_type
            })
        })
    }

    pub(crate) fn want(&mut self, tunnel: Tunnel) {
        if self.modes.serves(&tunnel) && self.tunnels.want(tunnel) {
            self.mark_classify(&tunnel);
        }
    }

    pub(crate) fn unwant(&mut self, tunnel: Tunnel) {
        if self.modes.serves(&tunnel) && self.tunnels.unwant(tunnel) {
            self.mark_classify(&tunnel);
            if self.tunnels.port(&tunnel).is_none() {
                // It may have been the last that was waited for.
                self.mark_surplus();
            }
        }
    }

    /// What was held for tunnels that nobody wants any more.
    fn mark_surplus(&mut self) {
        let surplus = self.tunnels.ports.keys().filter(|tunnel| !self.tunnels.is_wanted(tunnel));
        let numbers = surplus.filter_map(|tunnel| self.tunnels.number(tunnel));
        self.dirty.extend(numbers.map(|port| Row::Classify { port }));
    }

    fn mark_classify(&mut self, tunnel: &Tunnel) {
        self.dirty.extend(self.tunnels.number(tunnel).map(|port| Row::Classify { port }));
    }
}
