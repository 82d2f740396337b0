//! Frames between hosts: out of a tunnel port here, in at the one for it there, if there is one.

use std::collections::VecDeque;
use std::net::IpAddr;

use super::World;
use crate::judge::{Fate, NOBODY, Net};
use crate::ovs::{Frame, Tunnel, Walk};
use crate::setup::{Made, interface};

impl World {
    /// A VM sends a frame, and the switches on its way learn from it.
    pub(super) fn send(&mut self, host: u8, from: Made, frame: Frame) {
        let now = self.seconds();
        for (host, walk) in self.walks(host, from, frame) {
            if let Some(state) = self.hosts.get_mut(usize::from(host)) {
                state.ovs.vswitch.learn(walk, now);
            }
        }
        self.unseen = true;
    }

    /// The host that has this address on the underlay now.
    pub(super) fn host_at(&self, address: IpAddr) -> Option<u8> {
        (0u8..).zip(&self.hosts).find(|(_, host)| host.endpoint() == address).map(|(number, _)| number)
    }

    /// The way of a frame through all hosts.
    fn walks(&self, host: u8, from: Made, frame: Frame) -> Vec<(u8, Walk)> {
        let Some(state) = self.hosts.get(usize::from(host)) else { return Vec::new() };
        let mut walks = vec![(host, state.ovs.vswitch.from_interface(&interface(from), frame))];
        let mut under_way: VecDeque<(Tunnel, Frame)> = walks[0].1.sent.iter().copied().collect();
        while let Some((tunnel, frame)) = under_way.pop_front() {
            // Who has the address that a tunnel port has as its own, and as the other end's.
            let Some(there) = self.host_at(tunnel.remote).filter(|_| self.host_at(tunnel.local).is_some()) else {
                continue;
            };
            let Some(state) = self.hosts.get(usize::from(there)) else { continue };
            let back = Tunnel { local: tunnel.remote, remote: tunnel.local, ..tunnel };
            if let Some(walk) = state.ovs.vswitch.from_underlay(back, frame) {
                under_way.extend(walk.sent.iter().copied());
                walks.push((there, walk));
            }
            // A loop: whoever judges sees more copies than he can bear.
            if walks.len() > 64 {
                break;
            }
        }
        walks
    }
}

impl Net for World {
    fn probe(&self, host: u8, from: Made, frame: Frame) -> Fate {
        let mut fate = Fate::default();
        let number = |address| self.host_at(address).unwrap_or(NOBODY);
        for (at, walk) in self.walks(host, from, frame) {
            for (name, frame) in walk.delivered {
                let port = self.facts.plugged.iter().find(|(there, port)| *there == at && interface(*port) == name);
                fate.delivered.extend(port.map(|(_, port)| (at, *port, frame)));
            }
            for (tunnel, frame) in walk.sent {
                fate.crossed.push((at, number(tunnel.remote), tunnel.tunnel_type, frame.tunnel_id));
            }
        }
        fate
    }
}
