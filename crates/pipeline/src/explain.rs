use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use model::{LocalVlan, Mac, Segment, TunnelKey, TunnelType};
use openflow::{Flow, PortNo};

use crate::local::Claim;
use crate::tables::{self, QUESTION, RESPONDER, UNICAST};
use crate::{Bridge, Cookie, Derived, Ownership, Row, State, Tunnel};

impl State {
    /// One line on what a row does and why it is there.
    pub fn explain(&self, row: &Row) -> String {
        let text = match *row {
            Row::Dead => "frames of the dead VLAN 4095 (interfaces that are not wired) are dropped".to_owned(),
            Row::Admit { port } => self.explain_admit(port),
            Row::Refuse => "frames from interfaces that are not wired are dropped".to_owned(),
            Row::Classify { port } => self.explain_classify(port),
            Row::LocalArp => "broadcast ARP from local ports may be answered on this host".to_owned(),
            Row::LocalUnicast => "unicast from local ports looks for its port's host".to_owned(),
            Row::LocalMulticast => "broadcast and multicast from local ports is flooded".to_owned(),
            Row::Key(segment) => self.explain_key(segment),
            Row::Learn => "senders are learned for 300 s, and their frames handed to br-int".to_owned(),
            Row::Probe => "an ARP probe (duplicate detection) is for the owner of the address to answer".to_owned(),
            Row::Question { bit, .. } => format!("an ARP request for another's address (they differ in bit {bit})"),
            Row::Unicast { vlan, mac } => self.explain_unicast(vlan, mac),
            Row::Responder { vlan, ip } => self.explain_responder(vlan, ip),
            Row::LocalIp { vlan, ip } => {
                format!("ARP requests for {ip} in VLAN {vlan} stay here: its port is wired on this host")
            }
            Row::Flood { vlan } => self.explain_flood(vlan),
            Row::Default { table: QUESTION } => "other ARP (announcements, replies) is flooded".to_owned(),
            Row::Default { table: RESPONDER } => "requests for addresses that are not known are flooded".to_owned(),
            Row::Default { table: UNICAST } => "unicast to a MAC that is not known is flooded".to_owned(),
            Row::Default { table } => {
                format!("what nothing else takes is dropped ({})", tables::table_name(table).unwrap_or("unknown table"))
            }
            Row::Learned { vlan } => format!("learned from frames of VLAN {vlan}; forgotten after 300 s"),
            Row::LearnedTo { port } => format!("learned from frames of tunnel port {port}"),
            Row::LearnedMac { vlan, mac } => {
                format!("learned: frames of VLAN {vlan} for {mac} go back the way its own came; forgotten after 300 s")
            }
        };
        match (row, self.derive(row)) {
            (Row::Learned { .. } | Row::LearnedMac { .. } | Row::LearnedTo { .. }, _) | (_, Derived::Flow(_)) => text,
            (_, Derived::Partial(_)) => format!("{text} (waits for the port of a tunnel)"),
            (_, Derived::Pending) => format!("{text} (waits for the tunnel's port)"),
            (_, Derived::Absent) => format!("{text} (no longer wanted)"),
        }
    }

    /// One line on a flow that was found on a bridge, whoever's it is.
    pub fn explain_flow(&self, bridge: Bridge, flow: &Flow) -> String {
        match Ownership::of(bridge, flow) {
            Ownership::Row(row) | Ownership::Learned(row) => self.explain(&row),
            Ownership::Stray => "left behind: of no form that is used now".to_owned(),
            Ownership::Foreign => "somebody else's: left alone".to_owned(),
        }
    }

    /// The rows that have a cookie: usually one, all of a kind for those that depend on no object.
    pub fn find(&self, cookie: Cookie) -> Vec<Row> {
        let has_cookie = |flow: &Flow| flow.cookie == cookie.to_u64();
        self.flows().filter(|(_, flow)| has_cookie(flow)).map(|(row, _)| row).collect()
    }

    /// Why a frame that came in over this type of tunnel, with this key, from this endpoint, is dropped; or that it is
    /// not.
    pub fn explain_drop(&self, tunnel_type: TunnelType, key: TunnelKey, from: Option<IpAddr>) -> String {
        let what = format!("{} key {key}", tunnel_type.as_str().to_uppercase());
        if !self.modes.serves_type(tunnel_type) {
            return format!("{what} is dropped: {tunnel_type} is not among this host's tunnel types");
        }
        let segment = Segment { tunnel_type, key };
        let Some(id) = self.segments.holder(&segment) else {
            let mut text =
                format!("{what} is dropped: no {tunnel_type} network with key {key} has a port on this host");
            let others = TunnelType::ALL.into_iter().filter(|other| *other != tunnel_type);
            for other in others {
                if let Some(id) = self.segments.holder(&Segment { tunnel_type: other, key }) {
                    let _ = write!(
                        text,
                        "; key {key} is in use here, but by {other} network {id}, whose frames come over {other} only"
                    );
                }
            }
            return text;
        };
        let Some(remote) = from else {
            return format!("{what} is not dropped: it is network {id}, VLAN {} here", self.vlan_text(segment));
        };
        let tunnel = Tunnel::new(tunnel_type, remote);
        if !self.modes.serves(&tunnel) {
            return format!(
                "{what} from {remote} is dropped: no {tunnel_type} tunnel can lead there from {}",
                self.modes.local_ip()
            );
        }
        if !self.tunnels.is_wanted(&tunnel) {
            return format!(
                "{what} from {remote} is dropped: there is no tunnel {} on this host, because no network that has a \
                 port here has one behind {remote}",
                tunnel.name()
            );
        }
        match self.tunnels.number(&tunnel) {
            None => format!("{what} from {remote} is dropped: the switch has no port for tunnel {}", tunnel.name()),
            Some(_) => {
                format!(
                    "{what} from {remote} is not dropped: it is network {id}, VLAN {} here",
                    self.vlan_text(segment)
                )
            }
        }
    }

    fn explain_admit(&self, port: PortNo) -> String {
        match self.admitted.holder(&port) {
            Some(Claim::Patch) => format!("frames from the tunnel bridge (port {port}) are admitted"),
            Some(Claim::Port(id)) => format!("frames from port {id} (port {port}) are admitted: it is wired"),
            Some(Claim::Foreign) => {
                format!(
                    "frames from interface {port} are admitted: it has no interface id and a VLAN of its own, so it is not ours"
                )
            }
            None => format!("frames from interface {port} are admitted"),
        }
    }

    fn explain_classify(&self, port: PortNo) -> String {
        if self.patch.on_tun == Some(port) {
            return format!("port {port} is the patch to br-int: frames from local ports");
        }
        match self.tunnels.at(port) {
            Some(tunnel) => format!("port {port} is {}: frames from {}", tunnel.name(), tunnel.remote),
            None => format!("port {port}: frames from a tunnel"),
        }
    }

    fn explain_key(&self, segment: Segment) -> String {
        let key = format!("frames with {} key {}", segment.tunnel_type, segment.key);
        match self.segments.holder(&segment) {
            Some(id) => format!("{key} are of network {id}, VLAN {} here", self.vlan_text(segment)),
            None => format!("{key} get a local VLAN"),
        }
    }

    fn explain_unicast(&self, vlan: LocalVlan, mac: Mac) -> String {
        let frames = format!("frames of VLAN {vlan} for {mac}");
        let way = self.carried(vlan).and_then(|(_, network, segment)| {
            let remote = self.endpoint_of(network, mac)?;
            Some((Tunnel::new(segment.tunnel_type, remote), segment.key))
        });
        match way {
            Some((tunnel, key)) => {
                format!("{frames} go to {} through {} with key {key}", tunnel.remote, tunnel.name())
            }
            None => format!("{frames} go to another host"),
        }
    }

    fn explain_responder(&self, vlan: LocalVlan, ip: Ipv4Addr) -> String {
        let mac = self.carried(vlan).and_then(|(_, network, _)| network.entries.answer_for(ip));
        let mac = mac.map_or_else(|| "a MAC of another host".to_owned(), |(mac, _)| mac.to_string());
        format!("ARP requests for {ip} in VLAN {vlan} are answered here with {mac}")
    }

    fn explain_flood(&self, vlan: LocalVlan) -> String {
        let frames = format!("broadcast, multicast and unknown unicast of VLAN {vlan}");
        let Some((_, network, segment)) = self.carried(vlan) else { return format!("{frames} goes to other hosts") };
        let tunnels = self.flood_list(network, segment.tunnel_type);
        let names: Vec<_> = tunnels.iter().take(8).map(Tunnel::name).collect();
        let more = tunnels.len() - names.len();
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        let whom = if self.modes.l2_population() { "the hosts that have a port on it" } else { "every host" };
        format!("{frames} goes to {whom}, with key {}: {}{more}", segment.key, names.join(", "))
    }

    fn vlan_text(&self, segment: Segment) -> String {
        let vlan = self.segments.holder(&segment).and_then(|id| self.vlan_of(*id));
        vlan.map_or_else(|| "unknown".to_owned(), |vlan| vlan.to_string())
    }
}
