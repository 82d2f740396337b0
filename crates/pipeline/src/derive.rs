use std::net::{IpAddr, Ipv4Addr};

use model::{LocalVlan, Mac, NetworkId, Segment, TunnelType};
use openflow::{Action, Field, Flow, Learn, LearnSource, LearnSpec, LearnTarget, PortNo, Subfield, port};

use crate::local::Claim;
use crate::network::Network;
use crate::tables::{self, FLOOD, FROM_LOCAL, LEARN, NORMAL, QUESTION, RESPONDER, UNICAST};
use crate::{Cookie, Kind, Row, State, Tunnel, TunnelPort};

/// Seconds after which the switch forgets what it learned.
const LEARNED_FOR: u16 = 300;

/// What a row should be now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Derived {
    /// Wanted, and this is the flow.
    Flow(Flow),
    /// Wanted, and this is what there is of it: it leads to several tunnels, and one of them has no port yet. What the same
    /// object has installed stays until then, as it may lead to where that tunnel will; if there is nothing, this is it.
    Partial(Flow),
    /// It waits for a tunnel's port, its own, the one that replaces it, or the one that what it answers leads to: what is
    /// installed, if anything is, stays until then. So does what the switch learned for a VLAN as long as that is in use.
    Pending,
    /// Not wanted.
    Absent,
}

impl From<Option<Flow>> for Derived {
    fn from(flow: Option<Flow>) -> Self {
        flow.map_or(Derived::Absent, Derived::Flow)
    }
}

/// The output that a tunnel gives.
enum Way {
    To(PortNo),
    Pending,
    None,
}

impl State {
    /// The flow of a row, from the state alone. Every row is derived here and nowhere else.
    pub fn derive(&self, row: &Row) -> Derived {
        let base = Cookie::plain(Kind::Base);
        let make = |cookie: Cookie| row.rule().cookie(cookie.to_u64());
        let normal = |cookie| make(cookie).apply([Action::Output(port::NORMAL)]);
        match *row {
            Row::Dead | Row::Refuse => Derived::Flow(make(base)),
            Row::Admit { port } => self.admitted.holder(&port).map(|claim| normal(claim.cookie(port))).into(),

            Row::Classify { port } => self.classify(port, make),
            Row::LocalArp => self.if_responder(|| make(base).goto(QUESTION)),
            Row::LocalUnicast => Derived::Flow(make(base).goto(UNICAST)),
            Row::LocalMulticast => Derived::Flow(make(base).goto(FLOOD)),
            Row::Key(segment) => {
                self.key(segment).map(|(id, vlan)| to_vlan(make(network_cookie(Kind::Segment, id)), vlan)).into()
            }
            Row::Learn => self.patch.on_tun.map(|patch| make(base).apply([learn(), Action::Output(patch)])).into(),
            Row::Probe => self.if_responder(|| make(base).goto(FLOOD)),
            Row::Question { .. } => self.if_responder(|| make(base).goto(RESPONDER)),
            Row::Default { table } => self.default_row(table, make(base)),

            Row::Unicast { vlan, mac } => self.unicast(vlan, mac, make),
            Row::Responder { vlan, ip } => self.responder(vlan, ip, make),
            Row::LocalIp { vlan, ip } => {
                let wired = |(id, network, _): (NetworkId, &Network, Segment)| {
                    network.wired_ips.holder(&ip).map(|_| make(address_cookie(Kind::LocalIp, id, &ip.octets())))
                };
                if self.modes.arp_responder() { self.carried(vlan).and_then(wired).into() } else { Derived::Absent }
            }
            Row::Flood { vlan } => self.flood(vlan, make),

            // What was learned for a VLAN in use is the switch's own business, however early it was found.
            Row::Learned { vlan } if self.network_at(vlan).is_some() => Derived::Pending,
            Row::Learned { .. } | Row::LearnedMac { .. } | Row::LearnedTo { .. } => Derived::Absent,
        }
    }

    /// The network that has this VLAN, if it is carried: its type is served, and no other network holds its segment.
    pub(crate) fn carried(&self, vlan: LocalVlan) -> Option<(NetworkId, &Network, Segment)> {
        let id = *self.vlans.get(&vlan)?;
        let network = self.networks.get(&id)?;
        let segment = network.place?.segment;
        let holds = self.segments.holder(&segment) == Some(&id);
        (holds && self.modes.serves_type(segment.tunnel_type)).then_some((id, network, segment))
    }

    /// The endpoints that a network floods to, lowest address first, whether their tunnels are there or not.
    pub(crate) fn flood_list(&self, network: &Network, tunnel_type: TunnelType) -> Vec<Tunnel> {
        if self.modes.l2_population() {
            let tunnels = network.entries.endpoints().map(|remote| Tunnel::new(tunnel_type, remote));
            tunnels.filter(|tunnel| self.modes.serves(tunnel)).collect()
        } else {
            self.mesh.iter().filter(|tunnel| tunnel.tunnel_type == tunnel_type).copied().collect()
        }
    }

    /// The endpoint of another host to which frames for a MAC go; `None` for a MAC that is wired here.
    pub(crate) fn endpoint_of(&self, network: &Network, mac: Mac) -> Option<IpAddr> {
        let known = self.modes.l2_population() && !mac.is_multicast() && mac != Mac::ZERO;
        let remote = known && network.wired_macs.holder(&mac).is_none();
        remote.then(|| network.entries.endpoint_of(mac)).flatten()
    }

    fn classify(&self, port: PortNo, make: impl Fn(Cookie) -> Flow) -> Derived {
        if self.patch.on_tun == Some(port) {
            return Derived::Flow(make(Cookie::plain(Kind::Patch)).goto(FROM_LOCAL));
        }
        match self.tunnels.at(port) {
            Some(tunnel) if self.tunnels.is_wanted(&tunnel) => {
                Derived::Flow(make(tunnel_cookie(&tunnel)).goto(tables::from_tunnel(tunnel.tunnel_type)))
            }
            // What went through it may still do so until the tunnel that replaces it has its port.
            Some(_) if self.tunnels.holds_surplus() => Derived::Pending,
            _ => Derived::Absent,
        }
    }

    fn key(&self, segment: Segment) -> Option<(NetworkId, LocalVlan)> {
        let id = *self.segments.holder(&segment)?;
        let vlan = self.vlan_of(id)?;
        self.carried(vlan).map(|_| (id, vlan))
    }

    fn if_responder(&self, flow: impl FnOnce() -> Flow) -> Derived {
        self.modes.arp_responder().then(flow).into()
    }

    fn default_row(&self, table: u8, drop: Flow) -> Derived {
        match table {
            // Everything that gets here is learned from; table 2 has a row for every kind of frame.
            LEARN | FROM_LOCAL => Derived::Absent,
            QUESTION | RESPONDER => self.if_responder(|| drop.goto(FLOOD)),
            UNICAST => Derived::Flow(drop.goto(FLOOD)),
            _ => Derived::Flow(drop),
        }
    }

    fn unicast(&self, vlan: LocalVlan, mac: Mac, make: impl Fn(Cookie) -> Flow) -> Derived {
        let Some((id, network, segment)) = self.carried(vlan) else { return Derived::Absent };
        let Some(remote) = self.endpoint_of(network, mac) else { return Derived::Absent };
        match self.way(&Tunnel::new(segment.tunnel_type, remote)) {
            Way::To(port) => {
                let cookie = address_cookie(Kind::Unicast, id, &mac.0);
                Derived::Flow(to_tunnels(make(cookie), segment, [port]))
            }
            Way::Pending => Derived::Pending,
            Way::None => Derived::Absent,
        }
    }

    fn responder(&self, vlan: LocalVlan, ip: Ipv4Addr, make: impl Fn(Cookie) -> Flow) -> Derived {
        let Some((id, network, segment)) = self.carried(vlan).filter(|_| self.modes.arp_responder()) else {
            return Derived::Absent;
        };
        let answer = network.entries.answer_for(ip).filter(|_| network.wired_ips.holder(&ip).is_none());
        let Some((mac, remote)) = answer else { return Derived::Absent };
        // An answer is taken at its word, so there must be a way for what follows it.
        match self.way(&Tunnel::new(segment.tunnel_type, remote)) {
            Way::To(_) => {
                let cookie = address_cookie(Kind::Responder, id, &ip.octets());
                Derived::Flow(make(cookie).apply(arp_reply(mac, ip)))
            }
            Way::Pending => Derived::Pending,
            Way::None => Derived::Absent,
        }
    }

    fn flood(&self, vlan: LocalVlan, make: impl Fn(Cookie) -> Flow) -> Derived {
        let Some((id, network, segment)) = self.carried(vlan) else { return Derived::Absent };
        let mut pending = false;
        let mut outputs = Vec::new();
        for tunnel in self.flood_list(network, segment.tunnel_type) {
            match self.way(&tunnel) {
                Way::To(port) => outputs.push(port),
                Way::Pending => pending = true,
                Way::None => {}
            }
        }
        // The switch would cut the list off without a word; so it is cut here, always at the same place, and reported
        // as a problem.
        outputs.truncate(self.modes.max_flood());
        let flow = |outputs| to_tunnels(make(network_cookie(Kind::Flood, id)), segment, outputs);
        match (outputs.is_empty(), pending) {
            (false, false) => Derived::Flow(flow(outputs)),
            (false, true) => Derived::Partial(flow(outputs)),
            (true, true) => Derived::Pending,
            (true, false) => Derived::Absent,
        }
    }

    fn way(&self, tunnel: &Tunnel) -> Way {
        if !self.modes.serves(tunnel) {
            return Way::None;
        }
        match self.tunnels.port(tunnel) {
            Some(TunnelPort::Ready(number)) => Way::To(number),
            None if self.tunnels.may_hold() => Way::Pending,
            Some(TunnelPort::Failed) | None => Way::None,
        }
    }
}

impl Claim {
    fn cookie(self, port: PortNo) -> Cookie {
        match self {
            Claim::Patch => Cookie::plain(Kind::Patch),
            Claim::Port(id) => Cookie::of(Kind::Port, &[id.as_bytes()]),
            Claim::Foreign => Cookie::of(Kind::Foreign, &[&port.to_be_bytes()]),
        }
    }
}

fn network_cookie(kind: Kind, id: NetworkId) -> Cookie {
    Cookie::of(kind, &[id.as_bytes()])
}

fn address_cookie(kind: Kind, id: NetworkId, address: &[u8]) -> Cookie {
    Cookie::of(kind, &[id.as_bytes(), address])
}

fn tunnel_cookie(tunnel: &Tunnel) -> Cookie {
    let remote: &[u8] = match &tunnel.remote {
        IpAddr::V4(v4) => &v4.octets(),
        IpAddr::V6(v6) => &v6.octets(),
    };
    Cookie::of(Kind::Tunnel, &[tunnel.tunnel_type.as_str().as_bytes(), remote])
}

/// A frame that came without a tag gets the network's.
fn to_vlan(flow: Flow, vlan: LocalVlan) -> Flow {
    flow.apply([Action::PushVlan(0x8100), set(Field::VlanVid, u128::from(vlan.get() | 0x1000))]).goto(LEARN)
}

fn to_tunnels(flow: Flow, segment: Segment, ports: impl IntoIterator<Item = PortNo>) -> Flow {
    let mut actions = vec![Action::PopVlan, set(Field::TunnelId, segment.key.into())];
    actions.extend(ports.into_iter().map(Action::Output));
    flow.apply(actions)
}

/// Turns the request at hand into the reply and sends it back (RFC 826).
fn arp_reply(mac: Mac, ip: Ipv4Addr) -> [Action; 8] {
    let mac = u128::from(mac.to_u64());
    [
        copy(Field::EthSrc, Field::EthDst, 48),
        set(Field::EthSrc, mac),
        set(Field::ArpOp, 2),
        copy(Field::ArpSha, Field::ArpTha, 48),
        copy(Field::ArpSpa, Field::ArpTpa, 32),
        set(Field::ArpSha, mac),
        set(Field::ArpSpa, u32::from(ip).into()),
        Action::Output(port::IN_PORT),
    ]
}

/// Frames to whom this one came from, in this VLAN, go back the way it came.
fn learn() -> Action {
    let spec = |bits, source, target| LearnSpec { bits, source, target };
    let from = |field| LearnSource::Field { field, offset: 0 };
    let matches = |field| LearnTarget::Match { field, offset: 0 };
    let loads = |field| LearnTarget::Load { field, offset: 0 };
    Action::Learn(Box::new(Learn {
        table: UNICAST,
        priority: NORMAL,
        cookie: Cookie::plain(Kind::Learned).to_u64(),
        idle_timeout: 0,
        hard_timeout: LEARNED_FOR,
        fin_idle_timeout: 0,
        fin_hard_timeout: 0,
        flags: 0,
        limit: 0,
        result_dst: None,
        specs: vec![
            spec(12, from(Field::VlanTci), matches(Field::VlanTci)),
            spec(48, from(Field::EthSrc), matches(Field::EthDst)),
            spec(16, LearnSource::Immediate(0), loads(Field::VlanTci)),
            spec(64, from(Field::TunnelId), loads(Field::TunnelId)),
            spec(32, from(Field::InPort), LearnTarget::Output),
        ],
    }))
}

fn set(field: Field, value: u128) -> Action {
    Action::SetField { field, value, mask: None }
}

fn copy(src: Field, dst: Field, bits: u16) -> Action {
    let whole = |field| Subfield { field, offset: 0, bits };
    Action::Move { src: whole(src), dst: whole(dst) }
}
